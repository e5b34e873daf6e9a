"""Somebody else changes what is ours: it is noticed, told, and repaired with patience. In virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from evenet_core.reconciler.failures import CALM, FIGHT_LIMIT, FREE_REPAIRS
from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.views.events import DriftEvent
from tests.support.bench import Bench
from tests.support.memory import PORT, Thing, key, thing
from tests.support.virtual import run_virtual
from tests.support.world import World

X = key("a:x")


def drifts(bench: Bench) -> list[str]:
    """What was told of drift since last time."""
    events, bench.events[:] = bench.events[:], []
    return [event.text for event in events if isinstance(event, DriftEvent)]


async def fight(bench: Bench, times: int, name: ItemKey = X) -> list[float]:
    """Somebody removes it whenever it is there; seconds until each repair."""
    waits = []
    for _ in range(times):
        item = bench.system.items.pop(name)
        began = bench.now()
        bench.engine.seen(item, False, "ifupdown (pid 7)")
        while name not in bench.system.items:
            await asyncio.sleep(0.01)
        waits.append(bench.now() - began)
    return waits


def test_drift_is_told_with_whose_hand_it_was_and_repaired_at_once() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"), thing("a:y"))
            bench.system.items[key("a:y")] = thing("a:y", size=9)
            del bench.system.items[X]

            bench.engine.seen(thing("a:x"), False, "ip (pid 42)")
            bench.engine.seen(thing("a:y", size=9), True)
            await bench.engine.settled()

            assert bench.system.items == {X: thing("a:x"), key("a:y"): thing("a:y")}
            assert drifts(bench) == ["drift: a:x was removed by ip (pid 42)", "drift: a:y was changed (size: 0 -> 9)"]

    run_virtual(story())


def test_whoever_fights_back_is_met_with_growing_delays_and_an_alarm() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"), thing("b:other"))

            waits = await fight(bench, 20)

            assert all(wait < 0.1 for wait in waits[:FREE_REPAIRS])
            assert waits[FREE_REPAIRS:12] == sorted(waits[FREE_REPAIRS:12])
            assert 0.7 * FIGHT_LIMIT < waits[-1] < 1.1 * FIGHT_LIMIT
            told = drifts(bench)
            assert told[0] == "drift: a:x was removed by ifupdown (pid 7)"
            assert told[-1].startswith("drift: a:x was removed by ifupdown (pid 7); 20 times now, it is repaired in ")
            item = bench.system.items.pop(X)
            bench.engine.seen(item, False, "ifupdown (pid 7)")
            await bench.engine.settled()
            [alarm] = bench.engine.problems()
            assert alarm["item"] == "a:x"
            assert (
                alarm["error"] == "somebody undoes it again and again: it was removed by ifupdown (pid 7), 21 times now"
            )
            assert alarm["retry_at"] > bench.now()
            assert key("b:other") in bench.system.items

    run_virtual(story())


def test_a_fight_is_forgotten_when_it_is_over_for_long() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"))
            await fight(bench, 10)
            await asyncio.sleep(CALM + 1)

            assert await fight(bench, 1) < [0.1]
            assert bench.engine.problems() == []

    run_virtual(story())


def test_a_fight_is_forgotten_when_something_else_is_wanted() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"))
            await fight(bench, 10)

            await bench.settle(thing("a:x", size=1))

            assert await fight(bench, 1) < [0.1]

    run_virtual(story())


def test_what_vanishes_with_what_it_stood_on_is_no_fight() -> None:
    async def story() -> None:
        async with Bench() as bench:
            bench.system.external.add(PORT)
            top = thing("b:top", "c:port")
            await bench.settle(top)

            for _ in range(50):
                del bench.system.items[top.key]
                bench.engine.seen(top, False)
                bench.system.external.discard(PORT)
                bench.engine.external_changed([PORT])
                await bench.engine.settled()
                assert top.key not in bench.system.items
                bench.system.external.add(PORT)
                bench.engine.external_changed([PORT])
                await bench.engine.settled()
                assert top.key in bench.system.items

            assert bench.engine.problems() == []

    run_virtual(story())


def test_what_a_change_of_ours_takes_along_without_a_word_is_no_fight() -> None:
    """As the kernel does with routes from an address that goes."""

    async def story() -> None:
        async with Bench() as bench:
            route = thing("c:route")
            for size in range(50):
                await bench.settle(thing("a:address", size=size), route)
                bench.system.items.pop(route.key)
                bench.engine.suspect("c")
                await bench.engine.settled()
                assert bench.system.items.keys() == {key("a:address"), route.key}

            assert bench.engine.problems() == []
            await asyncio.sleep(10)
            waits = await fight(bench, FREE_REPAIRS + 1, route.key)
            assert waits[-1] > 0.5

    run_virtual(story())


def test_who_removes_the_ground_again_and_again_fights_over_the_ground_only() -> None:
    async def story() -> None:
        async with Bench() as bench:
            ground, top = thing("a:x"), thing("b:top", "a:x")
            await bench.settle(ground, top)

            for _ in range(FREE_REPAIRS + 3):
                bench.system.items.clear()
                bench.engine.seen(top, False)
                bench.engine.seen(ground, False)
                await bench.engine.settled()
                [*alarms] = bench.engine.problems()
                await asyncio.sleep(10)

            assert [alarm["item"] for alarm in alarms] == ["a:x"]
            assert bench.system.items == {X: ground, top.key: top}

    run_virtual(story())


def test_what_no_monitor_noticed_an_audit_finds() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"))
            await asyncio.sleep(10)
            bench.system.items[X] = thing("a:x", size=5)

            await asyncio.sleep(700)

            assert bench.system.items[X] == thing("a:x")
            assert drifts(bench) == ["drift: a:x was changed (size: 0 -> 5)"]

    run_virtual(story())


def test_what_nothing_happens_to_is_observed_rarely() -> None:
    async def story() -> None:
        async with Bench() as bench:
            await bench.settle(thing("a:x"))

            await asyncio.sleep(24 * 3600)

            assert bench.driver.observations < 24 * 6 + 3

    run_virtual(story())


def test_what_we_are_removing_ourselves_is_no_drift_though_it_is_wanted_again() -> None:
    world = World()
    world.want(thing("d:client"))
    world.run()
    world.want()
    [[change]] = world.ready().values()
    world.carry_out(change)

    world.want(thing("d:client"))

    assert world.machine.observed(["d"], [], world.now) == []


def test_an_update_of_what_it_is_made_anew_with_takes_it_down_first() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground!"), thing("c:roof", "b:top"), thing("b:other", "a:ground"))
    world.run()

    world.want(
        thing("a:ground", size=1), thing("b:top", "a:ground!"), thing("c:roof", "b:top"), thing("b:other", "a:ground")
    )

    assert world.run() == ["delete c:roof", "delete b:top", "update a:ground", "create b:top", "create c:roof"]


def test_drift_of_what_it_is_made_anew_with_takes_it_down_too() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground!"))
    world.run()
    world.system.items[key("a:ground")] = thing("a:ground", size=7)
    world.observe()

    assert world.run() == ["delete b:top", "update a:ground", "create b:top"]


def test_what_stands_elsewhere_before_the_update_is_spared() -> None:
    world = World()
    world.want(thing("a:ground"), thing("a:other"), thing("b:top", "a:ground!"))
    world.run()

    world.want(thing("a:ground", size=1), thing("a:other"), thing("b:top", "a:other!"))

    assert world.run() == ["update b:top", "update a:ground"]


def test_an_item_that_moves_from_one_object_to_another_costs_nothing() -> None:
    async def story() -> None:
        async with Bench() as bench:
            things: list[Thing] = [thing("a:x"), thing("b:y", "a:x")]
            await bench.settle(*things)
            bench.told()
            wanted = bench.engine.machine.wanted

            bench.engine.update({name: replace(one, object="another") for name, one in wanted.items()})
            await bench.engine.settled()

            assert bench.told() == []
            assert [one.object for one in bench.engine.machine.wanted.values()] == ["another", "another"]

    run_virtual(story())
