"""The end of an agent: who may ask for a teardown, and that it happens once, to its end, whoever hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from evenet_core.agent.departure import Departure
from evenet_core.agent.methods import Methods
from evenet_core.node import Node


class Slow:
    """A node whose teardown takes until it is let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go = asyncio.Event()

    async def teardown(self) -> list[str]:
        self.began.append("teardown")
        await self.go.wait()
        return ["port eth0: busy"]


Story = Callable[[Slow, Departure, asyncio.Event], Awaitable[None]]


def live(story: Story, *, teardown: bool = False) -> None:
    async def whole() -> None:
        node, due = Slow(), asyncio.Event()
        await story(node, Departure(cast(Node, node), due, teardown=teardown), due)

    asyncio.run(whole())


def methods(node: Slow, departure: Departure) -> Methods:
    return Methods(cast(Node, node), departure)


async def ask(asked: Methods) -> list[Any]:
    return [event async for event in asked.do_teardown()]


def test_an_agent_that_nobody_told_to_remove_anything_removes_nothing() -> None:
    async def story(node: Slow, departure: Departure, _: asyncio.Event) -> None:
        assert await departure.finish() == []
        assert node.began == []

    live(story)


def test_an_agent_that_was_started_for_it_tells_what_is_left() -> None:
    async def story(node: Slow, departure: Departure, _: asyncio.Event) -> None:
        node.go.set()
        assert await departure.finish() == ["port eth0: busy"]

    live(story, teardown=True)


def test_two_that_ask_get_the_same_answer_and_then_the_agent_ends_well() -> None:
    async def story(node: Slow, departure: Departure, due: asyncio.Event) -> None:
        asking = [asyncio.ensure_future(ask(methods(node, departure))) for _ in range(2)]
        await asyncio.sleep(0)
        assert not due.is_set()
        node.go.set()

        assert await asyncio.gather(*asking) == [[{"left": ["port eth0: busy"]}]] * 2

        assert due.is_set()
        assert await departure.finish() == [], "they were told"
        assert node.began == ["teardown"]

    live(story)


@pytest.mark.parametrize("teardown", [False, True])
def test_who_hangs_up_does_not_stop_it(teardown: bool) -> None:
    async def story(node: Slow, departure: Departure, due: asyncio.Event) -> None:
        asking = asyncio.ensure_future(ask(methods(node, departure)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert due.is_set()
        node.go.set()

        assert await departure.finish() == (["port eth0: busy"] if teardown else [])

        assert node.began == ["teardown"]

    live(story, teardown=teardown)
