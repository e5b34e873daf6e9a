"""Drivers that break their contract, are slow, or lie: what it costs, and what people are told. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from evenet_core.reconciler.item import Change, Item, Outcome
from tests.support.bench import Bench
from tests.support.memory import MemoryDriver, System, key, thing
from tests.support.virtual import run_virtual

X, Y = key("a:x"), key("c:y")


class Faulty:
    """A driver of kind c that does not keep its contract."""

    kinds: tuple[str, ...] = ("c",)

    def __init__(self, fault: str, observe: Iterable[str] = ()) -> None:
        self._fault = fault
        self._observe = list(observe)
        self._items: list[Item] = []

    async def observe(self) -> Iterable[Item]:
        if self._observe:
            raise RuntimeError(self._observe.pop(0))
        return self._items

    def apply(self, changes: Sequence[Change]) -> Any:
        if self._fault == "raises at once":
            raise RuntimeError("oops")
        return self._apply(changes)

    async def _apply(self, changes: Sequence[Change]) -> Any:
        match self._fault:
            case "hangs":
                await asyncio.sleep(3600)
            case "raises":
                raise RuntimeError("oops")
            case "cancels itself":
                raise asyncio.CancelledError
            case "talks nonsense":
                return ["done"]
            case "answers for others":
                return [Outcome(Change(change.op, None, thing("c:other"))) for change in changes]
            case "works":
                self._items += [change.item for change in changes]
                return [Outcome(change) for change in changes]
        return []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("hangs", "driver Faulty did not answer apply within 60 s"),
        ("raises", "driver Faulty failed: RuntimeError: oops"),
        ("raises at once", "driver Faulty failed: RuntimeError: oops"),
        ("cancels itself", "driver Faulty was cancelled in apply"),
        (
            "talks nonsense",
            "driver Faulty answered something else than an outcome for each of 1 changes, in their order",
        ),
        (
            "answers for others",
            "driver Faulty answered something else than an outcome for each of 1 changes, in their order",
        ),
        ("forgets", "driver Faulty answered something else than an outcome for each of 1 changes, in their order"),
    ],
)
def test_a_driver_that_breaks_its_contract_fails_its_own_items_only(fault: str, text: str) -> None:
    async def story() -> None:
        async with Bench(Faulty(fault)) as bench:
            await bench.settle(thing("a:x"), thing("c:y"))

            assert X in bench.system.items
            [problem] = bench.engine.problems()
            assert (problem["item"], problem["error"], problem["plugin"]) == ("c:y", text, "test")
            assert problem["retry_at"] > problem["since"]

    run_virtual(story())


def test_a_driver_that_cannot_observe_changes_nothing_until_it_can() -> None:
    async def story() -> None:
        async with Bench(Faulty("works", observe=["no memory", "still none"])) as bench:
            await bench.settle(thing("a:x"), thing("c:y"))
            [problem] = bench.engine.problems()
            assert problem["error"] == "driver Faulty failed: RuntimeError: no memory; what exists of c is not known"
            assert [key for _, key, *_ in bench.told()] == ["a:x"]

            await asyncio.sleep(10)
            await bench.engine.settled()

            assert bench.engine.problems() == []
            assert [key for _, key, *_ in bench.told()] == ["c:y"]

    run_virtual(story())


class Moody(MemoryDriver):
    """Breaks at every call until it is told to work; counts how much it was given."""

    def __init__(self, system: System, *kinds: str) -> None:
        super().__init__(system, *kinds)
        self.works = False
        self.calls: list[int] = []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        self.calls.append(len(changes))
        if not self.works:
            raise RuntimeError("oops")
        return await super().apply(changes)


def test_a_driver_that_breaks_again_and_again_is_left_alone_for_a_while_and_begins_with_one_change() -> None:
    async def story() -> None:
        system = System()
        moody = Moody(system, "c")
        async with Bench(moody, system) as bench:
            await bench.settle(*[thing(f"c:{number}") for number in range(100)])
            await asyncio.sleep(60)

            assert len(moody.calls) < 12
            assert moody.calls[:4] == [100, 1, 1, 1]
            told = [problem["error"] for problem in bench.engine.problems() if problem["item"] == "c"]
            assert told == [
                "driver Moody failed: RuntimeError: oops; it breaks on one item after the other, is left alone"
            ]
            moody.works = True
            await asyncio.sleep(120)
            await bench.engine.settled()

            assert len(system.items) == 100
            assert bench.engine.problems() == []

    run_virtual(story())


class Picky(MemoryDriver):
    """One item makes it break, whatever else is in the batch."""

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        if any(change.key == key("c:bad") for change in changes):
            raise RuntimeError("bad")
        return await super().apply(changes)


def test_an_item_that_breaks_its_driver_holds_up_no_other() -> None:
    async def story() -> None:
        system = System()
        async with Bench(Picky(system, "c"), system) as bench:
            await bench.settle(thing("c:bad"), *[thing(f"c:{number}") for number in range(50)])

            assert len(system.items) == 50
            await asyncio.sleep(30)
            assert [problem["item"] for problem in bench.engine.problems()] == ["c:bad"]

    run_virtual(story())


class Liar(MemoryDriver):
    """Says that it is done and does nothing."""

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change) for change in changes]


def test_a_driver_that_lies_is_found_out_and_asked_less_and_less_often() -> None:
    async def story() -> None:
        system = System()
        async with Bench(Liar(system, "c"), system) as bench:
            await bench.settle(thing("a:x"), thing("c:y"))
            await asyncio.sleep(3600)

            assert X in system.items
            assert len([True for _, name, *_ in bench.told() if name == "c:y"]) < 20
            [problem] = bench.engine.problems()
            assert problem["item"] == "c:y"
            assert problem["error"].startswith("somebody undoes it again and again: it is gone, ")
            assert problem["retry_at"] > bench.now()

    run_virtual(story())


class Slow(MemoryDriver):
    """Takes its time for some changes, and makes all of them side by side."""

    side_by_side = True

    def __init__(self, system: System, *kinds: str) -> None:
        super().__init__(system, *kinds)
        self.slow: dict[tuple[str, str], float] = {}  # seconds by op and key
        self.began: list[str] = []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        [change] = changes
        self.began.append(f"{change.op} {change.key}")
        await asyncio.sleep(self.slow.get((str(change.op), str(change.key)), 0.0))
        return await super().apply(changes)


def test_a_slow_change_holds_up_only_what_requires_it() -> None:
    async def story() -> None:
        system = System()
        slow = Slow(system, "c")
        slow.slow["create", "c:slow"] = slow.slow["delete", "c:old"] = 40.0
        async with Bench(slow, system) as bench:
            await bench.settle(thing("c:old"))

            bench.want(thing("c:slow"), thing("a:above", "c:slow"), thing("c:quick"), thing("b:above", "c:quick"))
            await asyncio.sleep(1)
            assert {key("c:quick"), key("b:above")} <= system.items.keys()
            bench.want(thing("c:slow"), thing("a:above", "c:slow"), thing("c:later"))
            await asyncio.sleep(1)
            assert key("c:later") in system.items
            assert key("a:above") not in system.items
            await asyncio.sleep(60)

            assert system.items.keys() == {key("c:slow"), key("a:above"), key("c:later")}

    run_virtual(story())


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_change_in_flight_that_is_not_wanted_any_more_is_interrupted_and_leaves_nothing(carried_out: bool) -> None:
    async def story() -> None:
        system = System()
        slow = Slow(system, "c")
        slow.slow["create", "c:lease"] = 50.0
        async with Bench(slow, system) as bench:
            bench.want(thing("a:x"), thing("c:lease", "a:x"))
            await asyncio.sleep(1)
            if carried_out:
                system.items[key("c:lease")] = thing("c:lease", "a:x")

            began = bench.now()
            await bench.settle()

            assert system.items == {}
            assert bench.now() - began < 2
            assert bench.engine.problems() == []

    run_virtual(story())


def test_a_change_in_flight_gives_way_to_another_of_the_same_item() -> None:
    async def story() -> None:
        system = System()
        slow = Slow(system, "c")
        slow.slow["create", "c:lease"] = 50.0
        async with Bench(slow, system) as bench:
            bench.want(thing("c:lease", size=1))
            await asyncio.sleep(1)
            slow.slow.clear()

            await bench.settle(thing("c:lease", size=2))

            assert system.items == {key("c:lease"): thing("c:lease", size=2)}
            assert slow.began == ["create c:lease", "create c:lease"]
            assert [str(event.error) for event in bench.changes()] == [
                "interrupted: it is not wanted so any more",
                "None",
            ]

    run_virtual(story())


def test_a_removal_in_flight_comes_to_its_end_though_the_item_is_wanted_again() -> None:
    async def story() -> None:
        system = System()
        slow = Slow(system, "c")
        slow.slow["delete", "c:client"] = 4.0
        async with Bench(slow, system) as bench:
            await bench.settle(thing("c:client"))
            bench.want()
            await asyncio.sleep(1)

            await bench.settle(thing("c:client"))

            assert slow.began == ["create c:client", "delete c:client", "create c:client"]
            assert key("c:client") in system.items

    run_virtual(story())


def test_an_audit_gives_way_to_changes_and_comes_later() -> None:
    async def story() -> None:
        system = System()
        thorough = Thorough(system, "c")
        async with Bench(thorough, system) as bench:
            await bench.settle(thing("c:x"))
            await asyncio.sleep(5)
            assert thorough.looking
            began = bench.now()

            await bench.settle(thing("c:x"), thing("c:y"))

            assert bench.now() == began
            assert not thorough.looking
            await asyncio.sleep(2000)
            assert thorough.observations >= 3

    run_virtual(story())


class Thorough(MemoryDriver):
    """Needs long to tell what exists, but for the first time."""

    looking = False

    async def observe(self) -> Iterable[Item]:
        items = await super().observe()
        self.looking = True
        try:
            await asyncio.sleep(30 if self.observations > 1 else 0)
        finally:
            self.looking = False
        return items
