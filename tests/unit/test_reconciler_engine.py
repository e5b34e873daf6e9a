"""The engine with drivers in memory: what drivers do wrong, drift, teardown, and what people are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from evenet_core.reconciler.engine import Engine, EngineEvent
from evenet_core.reconciler.item import Change, Item, ItemKey, Outcome
from tests.support.memory import MemoryDriver, System, thing, want


def run(story: Callable[[System, Engine, list[EngineEvent]], Awaitable[None]], *extra: object) -> None:
    async def main() -> None:
        system = System()
        events: list[EngineEvent] = []
        drivers = (
            [MemoryDriver(system, "a", "b"), *extra]
            if extra
            else [
                MemoryDriver(system, "a", "b"),
                MemoryDriver(system, "c"),
            ]
        )
        engine = Engine(drivers, lambda key: key in system.external, events.append, deadline=0.2)  # type: ignore[arg-type]
        await engine.start()
        await story(system, engine, events)
        await engine.stop()

    asyncio.run(main())


def test_what_is_wanted_comes_and_every_change_is_told_once() -> None:
    async def story(system: System, engine: Engine, events: list[EngineEvent]) -> None:
        engine.update(want(thing("a:x"), thing("c:y", "a:x")))
        await engine.settled()

        assert [str(item) for item in system.items] == ["a:x", "c:y"]
        assert [(str(e.op), str(e.item.key), e.object) for e in events] == [
            ("create", "a:x", "test"),
            ("create", "c:y", "test"),
        ]

    run(story)


def test_what_another_hand_removed_is_made_again_once_it_is_noticed() -> None:
    async def story(system: System, engine: Engine, events: list[EngineEvent]) -> None:
        item = thing("a:x")
        engine.update(want(item))
        await engine.settled()
        del system.items[item.key]

        engine.seen(item, present=False)
        await engine.settled()

        assert item.key in system.items

    run(story)


def test_teardown_removes_everything() -> None:
    async def story(system: System, engine: Engine, events: list[EngineEvent]) -> None:
        engine.update(want(thing("a:x"), thing("c:y", "a:x")))
        await engine.settled()

        await engine.teardown()

        assert system.items == {}

    run(story)


class Faulty:
    """A driver of kind c that does not keep its contract."""

    kinds = ("c",)

    def __init__(self, fault: str) -> None:
        self._fault = fault

    async def observe(self) -> Iterable[Item]:
        return []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        match self._fault:
            case "hangs":
                await asyncio.sleep(3600)
            case "raises":
                raise RuntimeError("oops")
        return []


def test_a_driver_that_breaks_its_contract_fails_its_own_items_only() -> None:
    texts = {
        "hangs": "driver Faulty did not answer within 0 s",
        "raises": "driver Faulty failed: RuntimeError: oops",
        "forgets": "driver Faulty answered 0 of 1 changes",
    }
    for fault, text in texts.items():

        async def story(system: System, engine: Engine, events: list[EngineEvent], text: str = text) -> None:
            engine.update(want(thing("a:x"), thing("c:y")))
            await engine.settled()

            assert ItemKey(("a", "x")) in system.items
            [problem] = engine.problems()
            assert (problem["item"], problem["error"], problem["plugin"]) == ("c:y", text, "test")
            assert problem["retry_at"] is not None

        run(story, Faulty(fault))


def test_explain_walks_down_to_the_cause() -> None:
    async def story(system: System, engine: Engine, events: list[EngineEvent]) -> None:
        system.failing.add(ItemKey(("a", "x")))
        engine.update(want(thing("a:x"), thing("b:y", "a:x"), thing("c:z", "b:y")))
        await engine.settled()

        lines = engine.explain(ItemKey(("c", "z")))

        assert lines[0] == "c:z: pending (for test, plugin test)"
        assert "waits for b:y (it stands on it):" in lines[1]
        assert "a:x: failed" in lines[4]
        assert "a:x does not want to; next try in 1 s" in lines[5]
        assert engine.problems()[0]["blocks"] == ["b:y", "c:z"]

    run(story)


def test_a_kind_without_a_driver_and_a_cycle_are_problems() -> None:
    async def story(system: System, engine: Engine, events: list[EngineEvent]) -> None:
        engine.update(want(thing("c:z"), thing("a:x", "b:y"), thing("b:y", "a:x")))
        await engine.settled()

        errors = {p["item"]: p["error"] for p in engine.problems()}

        assert errors == {
            "c:z": "no installed plugin brings a driver for items of kind c",
            "a:x": "requires itself: a:x -> b:y -> a:x",
            "b:y": "requires itself: b:y -> a:x -> b:y",
        }

    async def main() -> None:
        system = System()
        engine = Engine([MemoryDriver(system, "a", "b")])
        await engine.start()
        await story(system, engine, [])
        await engine.stop()

    asyncio.run(main())
