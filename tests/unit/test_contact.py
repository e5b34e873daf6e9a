"""Time without the controller: what is told, to whom, and when. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from evenet_core.runtime.contact import MOMENT, Contact
from evenet_core.runtime.journal import Journal
from tests.support.virtual import run_virtual

LIMIT = {"timer.reboot.no.network": "120"}


class World:
    """A contact whose plugins only write down what they are told."""

    def __init__(self) -> None:
        self.gave_up: list[float] = []

    def live(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            self.journal = Journal()
            self.contact = Contact(self.journal, self.gave_up.append)
            self.contact.adjust(LIMIT)
            try:
                await story()
            finally:
                self.contact.stop()

        run_virtual(main())

    @property
    def told(self) -> list[str]:
        return [event["text"] for event in self.journal.since(0) if event["kind"] == "controller"]


@pytest.fixture
def world() -> World:
    return World()


def test_plugins_are_told_once_when_the_time_is_over(world: World) -> None:
    async def story() -> None:
        world.contact.seen(reached=False)
        await asyncio.sleep(119)
        assert world.gave_up == []

        await asyncio.sleep(1000)
        world.contact.seen(reached=False)
        await asyncio.sleep(1000)

        assert [round(seconds) for seconds in world.gave_up] == [120]

    world.live(story)


def test_a_hundred_seconds_without_contact_cause_nothing_but_an_event(world: World) -> None:
    async def story() -> None:
        world.contact.seen(reached=False)
        assert world.contact.lost_since is not None
        await asyncio.sleep(100)
        world.contact.seen(reached=True)
        await asyncio.sleep(1000)

        assert not world.gave_up
        assert world.contact.lost_since is None
        assert world.told[0].startswith("the controller is not reached since ")
        assert world.told[1:] == ["the controller is reached again, after 100 s"]

    world.live(story)


def test_a_trial_of_some_seconds_is_not_worth_a_word(world: World) -> None:
    async def story() -> None:
        for _ in range(10):
            world.contact.seen(reached=False)
            await asyncio.sleep(MOMENT / 2)
            world.contact.seen(reached=True)
            await asyncio.sleep(1)

        assert world.told == []

    world.live(story)


def test_each_time_counts_anew_and_a_new_limit_counts_at_once(world: World) -> None:
    async def story() -> None:
        for _ in range(2):
            world.contact.seen(reached=False)
            await asyncio.sleep(121)
            world.contact.seen(reached=True)
        world.contact.seen(reached=False)
        await asyncio.sleep(130)
        world.contact.adjust({"timer.reboot.no.network": "200"})
        await asyncio.sleep(60)
        assert len(world.gave_up) == 3
        await asyncio.sleep(20)

        assert [round(seconds) for seconds in world.gave_up] == [120, 120, 120, 200]

    world.live(story)


def test_where_there_is_nothing_to_reach_it_by_no_time_counts(world: World) -> None:
    async def story() -> None:
        world.contact.seen(reached=None)
        await asyncio.sleep(1000)
        world.contact.seen(reached=False)
        world.contact.seen(reached=None)
        await asyncio.sleep(1000)

        assert (world.gave_up, world.told) == ([], [])

    world.live(story)
