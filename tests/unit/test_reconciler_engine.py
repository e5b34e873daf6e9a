"""The engine with drivers in memory and in virtual time: faults of drivers, drift, teardown, what people are told."""

from __future__ import annotations

import asyncio

from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.item import Change, ItemKey
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from evenet_core.reconciler.views.explain import explain
from tests.support.bench import Bench
from tests.support.memory import MemoryDriver, System, key, thing, want
from tests.support.virtual import run_virtual


def test_what_is_wanted_comes_and_goes_and_every_change_is_told_once() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"), thing("c:y", "a:x"))
            assert [str(key) for key in bench.system.items] == ["a:x", "c:y"]
            assert bench.told() == [
                ("create", "a:x", "test", "it is wanted so"),
                ("create", "c:y", "test", "it is wanted so"),
            ]

            await bench.settle()
            assert bench.system.items == {}
            assert bench.told() == [
                ("delete", "c:y", "test", "it is not wanted any more"),
                ("delete", "a:x", "test", "it is not wanted any more"),
            ]

    run_virtual(story())


def test_a_second_engine_adopts_what_the_first_left_and_changes_nothing() -> None:
    async def story() -> None:
        things = [thing("a:x"), thing("c:y", "a:x")]
        async with Bench() as first:
            await first.settle(*things)
        second = Bench()
        second.system.items = first.system.items
        async with second:
            await second.settle(*things)

            assert second.told() == []
            assert second.engine.counts().in_sync == 2

    run_virtual(story())


def test_what_is_done_is_what_the_plan_said() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:ground"), thing("c:top", "a:ground"), thing("b:old"))
            bench.told()
            things = [thing("a:ground", shape=1), thing("c:top", "a:ground"), thing("b:new", "c:port")]

            plan = bench.engine.plan(want(*things))
            await bench.settle(*things)
            bench.system.external.add(ItemKey(("c", "port")))
            bench.engine.external_changed(bench.system.external)
            await bench.engine.settled()

            said = [(str(c.op), str(c.item.key), c.object, c.because[0]) for c in plan.changes]
            assert sorted(said, key=str) == sorted(bench.told())
            assert bench.engine.plan().changes == ()

    run_virtual(story())


def test_what_another_hand_removed_is_made_again_once_it_is_noticed() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"))
            bench.told()
            del bench.system.items[key("a:x")]

            bench.engine.seen(thing("a:x"), present=False)
            await bench.engine.settled()

            assert key("a:x") in bench.system.items
            assert bench.told() == [("create", "a:x", "test", "drift: it is gone")]

    run_virtual(story())


def test_what_monitors_see_costs_no_observation_and_news_of_our_own_changes_nothing_at_all() -> None:
    async def story() -> None:
        async with Bench() as bench:
            seen = bench.engine.seen
            bench.driver.on_change = lambda change: seen(change.item, present=change.after is not None)
            await bench.settle(thing("a:x"))
            await bench.settle(thing("a:x", size=1))
            assert bench.driver.observations == 1  # at the start

            assert len(bench.told()) == 2
            bench.system.items[key("a:x")] = thing("a:x", size=101)
            for size in range(100):
                seen(thing("a:x", size=size + 2), present=True)
            await bench.engine.settled()

            assert bench.system.items[key("a:x")] == thing("a:x", size=1)
            assert bench.told() == [("update", "a:x", "test", "drift: it was changed")]
            assert bench.driver.observations == 1

    run_virtual(story())


def test_what_another_hand_removes_while_our_change_is_under_way_is_noticed() -> None:
    async def story() -> None:
        async with Bench() as bench:

            def undo(change: Change) -> None:
                bench.driver.on_change = lambda change: None
                del bench.system.items[change.key]
                bench.engine.seen(change.item, present=True)
                bench.engine.seen(change.item, present=False)

            bench.driver.on_change = undo
            await bench.settle(thing("a:x"))

            assert key("a:x") in bench.system.items
            assert [op for op, *_ in bench.told()] == ["create", "create"]

    run_virtual(story())


def test_teardown_removes_everything() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"), thing("c:y", "a:x"))

            await bench.engine.teardown()

            assert bench.system.items == {}

    run_virtual(story())


def test_a_listener_that_fails_does_not_stop_the_engine() -> None:
    async def story() -> None:
        system = System()

        def listen(event: EngineEvent | DriftEvent) -> None:
            raise RuntimeError("the disk is full")

        engine = Engine([MemoryDriver(system, "a")], on_event=listen)
        await engine.start()
        engine.update(want(thing("a:x"), thing("a:y", "a:x")))
        await engine.settled()
        await engine.stop()

        assert len(system.items) == 2

    run_virtual(story())


def test_what_failed_is_tried_again_by_itself() -> None:
    async def story() -> None:
        async with Bench() as bench:
            bench.system.failing.add(key("a:x"))
            await bench.settle(thing("a:x"))
            assert bench.engine.counts().failed == 1
            bench.system.failing.clear()

            await asyncio.sleep(2)
            await bench.engine.settled()

            assert bench.engine.counts().in_sync == 1
            assert bench.told()[-1] == ("create", "a:x", "test", "tried again: a:x does not want to")

    run_virtual(story())


def test_explain_walks_down_to_the_cause() -> None:
    async def story() -> None:
        async with Bench() as bench:
            bench.system.failing.add(key("a:x"))
            await bench.settle(thing("a:x"), thing("b:y", "a:x"), thing("c:z", "b:y"))

            lines = explain(bench.engine.machine, [ItemKey(("c", "z"))], bench.now())

            assert lines == [
                "c:z: pending (for test, plugin test)",
                "  waits for b:y (it stands on it): pending (for test, plugin test)",
                "    waits for a:x (it stands on it): failed (for test, plugin test)",
                "      create failed once: a:x does not want to; next try in 1 s",
            ]
            assert bench.engine.problems()[0]["blocks"] == ["b:y", "c:z"]

    run_virtual(story())


def test_a_kind_without_a_driver_and_a_ring_are_problems_and_are_explained() -> None:
    async def story() -> None:
        engine = Engine([MemoryDriver(System(), "a", "b")])
        await engine.start()
        engine.update(want(thing("c:z"), thing("a:x", "b:y"), thing("b:y", "a:x"), thing("a:w", "c:z")))
        await engine.settled()

        assert {p["item"]: p["error"] for p in engine.problems()} == {
            "c:z": "no installed plugin brings a driver for items of kind c",
            "a:x": "requires itself: a:x -> b:y -> a:x",
            "b:y": "requires itself: b:y -> a:x -> b:y",
        }
        assert explain(engine.machine, [ItemKey(("a", "w"))], 0.0)[-1].endswith(
            "no installed plugin brings a driver for items of kind c"
        )
        assert explain(engine.machine, [key("a:x")], 0.0)[-1].endswith(
            "a:x (it stands on it): see above, they require each other"
        )
        await engine.stop()

    run_virtual(story())
