"""Teardown by the engine, in virtual time: what fails is tried again, held against nobody else, and told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest

from evenet_core.errors import DriverError
from evenet_core.reconciler.engine import PERSISTENCE, TEARDOWN_LIMIT, Engine
from evenet_core.reconciler.item import Change, Item, Op, Outcome
from tests.support.memory import MemoryDriver, System, Thing, thing, want
from tests.support.virtual import run_virtual

GROUND, TOP, OTHER = thing("a:ground"), thing("c:top", "a:ground"), thing("b:other")


class Stubborn:
    """The driver of kind c. It does not remove things until `gives_way`, by the loop's clock."""

    kinds: tuple[str, ...] = ("c",)

    def __init__(self, gives_way: float, *, hangs: bool = False, retryable: bool = True, blind: bool = False) -> None:
        self._gives_way = gives_way
        self._hangs = hangs
        self._retryable = retryable
        self._blind = blind
        self.items: dict[object, Item] = {}

    async def observe(self) -> Iterable[Item]:
        if self._blind:
            raise DriverError("the tool is not installed")
        return list(self.items.values())

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, await self._apply(change)) for change in changes]

    async def _apply(self, change: Change) -> DriverError | None:
        if change.op is Op.DELETE and asyncio.get_running_loop().time() < self._gives_way:
            if self._hangs:
                await asyncio.sleep(3600)
            return DriverError(f"{change.key} is busy", retryable=self._retryable)
        self.items.pop(change.key, None)
        if change.after is not None:
            self.items[change.key] = change.after
        return None


Story = Callable[[Engine, System], Awaitable[None]]


def with_engine(driver: Stubborn, story: Story, *things: Thing) -> None:
    async def whole() -> None:
        system = System()
        engine = Engine([MemoryDriver(system, "a", "b"), driver])
        await engine.start()
        engine.update(want(*(things or (GROUND, TOP, OTHER))))
        await engine.settled()
        await story(engine, system)

    run_virtual(whole())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_what_is_busy_for_a_moment_is_removed_all_the_same() -> None:
    driver = Stubborn(gives_way=5.0)

    async def story(engine: Engine, system: System) -> None:
        assert await engine.teardown() == []

        assert (system.items, driver.items) == ({}, {})
        assert system.log[-1] == "delete a:ground", "in order: the ground goes after what stands on it"

    with_engine(driver, story)


@pytest.mark.parametrize("retryable", [True, False])
def test_what_stays_is_told_and_everything_else_goes(retryable: bool) -> None:
    async def story(engine: Engine, system: System) -> None:
        [left] = await engine.teardown()

        assert system.items == {}
        assert (left["item"], left["object"], left["error"]) == (TOP.description, "test", "c:top is busy")
        assert now() < PERSISTENCE + 1.0

    with_engine(Stubborn(gives_way=3600.0, retryable=retryable), story)


def test_what_will_not_be_tried_again_in_time_is_not_waited_for() -> None:
    async def story(engine: Engine, system: System) -> None:
        began = now()

        await engine.teardown()

        assert now() == began

    with_engine(Stubborn(gives_way=3600.0, retryable=False), story)


def test_a_driver_that_hangs_costs_a_bounded_time_and_its_own_items() -> None:
    async def story(engine: Engine, system: System) -> None:
        [left] = await engine.teardown()

        assert system.items == {}
        assert left["item"] == TOP.description
        assert "did not answer" in left["error"]
        assert now() <= TEARDOWN_LIMIT

    with_engine(Stubborn(gives_way=3600.0, hangs=True), story)


def test_two_that_hang_one_after_the_other_do_not_make_it_longer() -> None:
    async def story(engine: Engine, system: System) -> None:
        left = await engine.teardown()

        assert {one["item"] for one in left} >= {TOP.description}
        assert now() <= TEARDOWN_LIMIT

    with_engine(Stubborn(gives_way=3600.0, hangs=True), story, GROUND, TOP, thing("c:roof", "c:top"))


def test_what_cannot_be_looked_at_is_told() -> None:
    async def story(engine: Engine, system: System) -> None:
        [left] = await engine.teardown()

        assert "the tool is not installed" in left["error"]
        assert "what exists of c is not known" in left["error"]
        assert system.items == {}

    with_engine(Stubborn(0.0, blind=True), story, GROUND)


def test_what_another_agent_left_and_nobody_wants_is_removed() -> None:
    driver = Stubborn(0.0)
    driver.items = {TOP.key: TOP}

    async def story(engine: Engine, system: System) -> None:
        assert await engine.teardown() == []
        assert driver.items == {}

    with_engine(driver, story, OTHER)


def test_what_somebody_makes_again_and_again_does_not_keep_it_from_ending() -> None:
    async def story(engine: Engine, system: System) -> None:
        def come_back() -> None:
            system.items[OTHER.key] = OTHER
            engine.suspect("b")
            asyncio.get_running_loop().call_later(0.2, come_back)

        come_back()

        left = await engine.teardown()

        assert [one["item"] for one in left] in ([], [OTHER.description])
        assert now() <= TEARDOWN_LIMIT

    with_engine(Stubborn(0.0), story)


def test_a_second_teardown_tells_the_same() -> None:
    async def story(engine: Engine, system: System) -> None:
        first, began = await engine.teardown(), now()

        assert [one["item"] for one in await engine.teardown()] == [one["item"] for one in first]
        assert now() == began

    with_engine(Stubborn(gives_way=3600.0, retryable=False), story)
