"""The reconciler's rules, over graphs that hypothesis makes up, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from evenet_core.reconciler.failures import BACKOFF_LIMIT
from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import Item, ItemKey, Outcome, Requires
from evenet_core.reconciler.machine import ItemState, Machine
from evenet_core.reconciler.views.knots import blocked_by, cycles
from tests.support.memory import PORT, thing
from tests.support.world import GROUPS, World


def test_items_are_made_from_the_ground_up_and_removed_from_the_top_down() -> None:
    world = World()

    world.want(thing("c:top", "b:middle"), thing("b:middle", "a:ground"), thing("a:ground"))
    made = world.run()
    world.want()
    removed = world.run()

    assert made == ["create a:ground", "create b:middle", "create c:top"]
    assert removed == ["delete c:top", "delete b:middle", "delete a:ground"]


def test_an_item_waits_for_what_nobody_plans_and_starts_when_it_comes() -> None:
    world = World()
    world.want(thing("a:bridge", "c:port"))

    assert world.run() == []
    world.system.external.add(PORT)
    world.machine.external_changed([PORT])

    assert world.run() == ["create a:bridge"]


def test_a_replaced_item_takes_its_dependents_down_first_and_brings_them_back() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground"))
    world.run()

    world.want(thing("a:ground", shape=1), thing("b:top", "a:ground"))

    assert world.run() == ["delete b:top", "delete a:ground", "create a:ground", "create b:top"]


def test_an_update_in_place_leaves_dependents_alone() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground"))
    world.run()

    world.want(thing("a:ground", size=1), thing("b:top", "a:ground"))

    assert world.run() == ["update a:ground"]


def test_a_failed_item_holds_up_its_dependents_only_and_is_tried_again_later() -> None:
    world = World()
    world.system.failing.add(ItemKey(("a", "bad")))
    world.want(thing("a:bad"), thing("b:above", "a:bad"), thing("c:other"))

    assert world.run() == ["create c:other"]
    assert world.state("a:bad") is ItemState.FAILED
    assert blocked_by(world.machine, ItemKey(("a", "bad"))) == [("b", "above")]
    wake = world.machine.wake_at()
    assert wake is not None
    world.system.failing.clear()
    assert world.run() == []
    world.now = wake

    assert world.run() == ["create a:bad", "create b:above"]
    assert world.machine.counts().failed == 0


def test_retries_back_off_to_a_minute_and_a_lost_cause_starts_there() -> None:
    world = World()
    hopeless = World(retryable=False)
    delays = []
    for one in (world, hopeless):
        one.system.failing.add(ItemKey(("a", "bad")))
        one.want(thing("a:bad"))
        one.run()
    for _ in range(10):
        wake = world.machine.wake_at()
        assert wake is not None
        delays.append(wake - world.now)
        world.now = wake
        world.run()

    assert delays == sorted(delays)
    assert delays[-1] == 0.75 * BACKOFF_LIMIT
    assert hopeless.machine.wake_at() == 0.75 * BACKOFF_LIMIT


def test_what_is_observed_as_wanted_is_adopted_without_a_change() -> None:
    world = World()
    things = [thing("a:ground"), thing("b:top", "a:ground")]
    world.system.items = {item.key: item for item in things}
    world.observe()

    world.want(*things)

    assert world.run() == []
    assert world.machine.counts().in_sync == 2


def test_items_that_require_each_other_are_named_and_nothing_hangs() -> None:
    world = World()
    world.want(thing("a:x", "b:y"), thing("b:y", "a:x"), thing("c:z"))

    assert world.run() == ["create c:z"]
    assert cycles(world.machine) == [[("a", "x"), ("b", "y")]]


def test_what_stands_on_something_that_goes_moves_at_once_where_it_can() -> None:
    world = World()
    world.want(thing("a:old"), thing("a:new"), thing("b:top", "a:old"))
    world.run()

    world.want(thing("a:new"), thing("b:top", "a:new"))

    assert world.run() == ["update b:top", "delete a:old"]


def test_what_cannot_move_at_once_makes_way_for_what_it_stood_on() -> None:
    world = World()
    world.want(thing("a:old"), thing("b:top", "a:old"))
    world.run()

    world.want(thing("a:new"), thing("b:top", "a:new"))

    assert world.run() == ["delete b:top", "delete a:old", "create a:new", "create b:top"]


def test_removals_make_room_before_anything_new_of_their_driver_is_made() -> None:
    world = World()
    world.want(thing("a:old"), thing("c:top", "a:old"))
    world.run()

    world.want(thing("b:new"))

    assert world.run() == ["delete c:top", "delete a:old", "create b:new"]


def test_a_removal_that_fails_does_not_hold_up_what_is_new() -> None:
    world = World()
    world.want(thing("a:old"), thing("c:top", "a:old"))
    world.run()
    world.system.failing.add(ItemKey(("c", "top")))

    world.want(thing("b:new"))

    assert world.run() == ["create b:new"]


def test_what_stands_on_a_port_goes_when_the_port_goes() -> None:
    world = World()
    world.system.external.add(PORT)
    world.want(thing("a:bridge", "c:port"), thing("b:address", "a:bridge"))
    world.run()

    world.system.external.clear()
    world.machine.external_changed([PORT])

    assert world.run() == ["delete b:address", "delete a:bridge"]
    assert world.machine.counts().pending == 2


def test_a_failure_is_forgotten_when_the_intent_comes_back_to_what_is_there() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground"))
    world.run()
    world.system.failing.add(ItemKey(("b", "top")))
    world.want(thing("a:ground", shape=1), thing("b:top", "a:ground"))
    world.run()
    assert world.state("b:top") is ItemState.FAILED

    world.want(thing("a:ground"), thing("b:top", "a:ground"))

    assert world.run() == []
    assert world.machine.counts().in_sync == 2
    assert world.machine.wake_at() is None


def test_what_was_about_to_go_carries_new_items_again_when_it_stays_after_all() -> None:
    world = World()
    ground, stack = thing("a:ground"), [thing("a:middle", "a:ground"), thing("b:top", "a:middle")]
    world.want(ground, *stack)
    world.run()
    world.system.failing.add(ItemKey(("b", "top")))
    world.want(thing("a:ground", shape=1), *stack, thing("c:new", "b:top"), thing("c:other", "a:middle"))
    assert world.run() == []

    world.want(ground, *stack, thing("c:new", "b:top"), thing("c:other", "a:middle"))

    assert sorted(world.run()) == ["create c:new", "create c:other"]


def test_a_failed_item_is_tried_at_once_when_what_it_stands_on_is_new() -> None:
    world = World()
    world.want(thing("a:ground"), thing("b:top", "a:ground"))
    world.system.failing.add(ItemKey(("b", "top")))
    world.run()
    world.system.failing.clear()

    world.want(thing("a:ground", size=1), thing("b:top", "a:ground"))

    assert world.run() == ["update a:ground", "create b:top"]


def test_nothing_is_removed_under_what_is_being_made() -> None:
    world = World()
    world.want(thing("a:ground"))
    world.run()
    world.want(thing("a:ground"), thing("c:top", "a:ground"))
    [changes] = world.ready().values()

    world.want()
    meanwhile = world.ready()
    world.machine.finished([world.carry_out(change) for change in changes], world.now)

    assert meanwhile == {}
    assert world.run() == ["delete c:top", "delete a:ground"]


def test_nothing_is_made_on_what_is_being_removed_though_the_intent_has_it_again() -> None:
    world = World()
    world.want(thing("a:ground"))
    world.run()
    world.want()
    [changes] = world.ready().values()

    world.want(thing("a:ground"), thing("c:top", "a:ground"))
    meanwhile = world.ready()
    world.machine.finished([world.carry_out(change) for change in changes], world.now)

    assert meanwhile == {}
    assert world.run() == ["create a:ground", "create c:top"]


def test_what_is_ours_and_on_its_way_out_carries_nothing_new_though_the_world_sees_it() -> None:
    world = World()
    world.want(thing("a:ground"))
    world.run()
    world.system.external.add(ItemKey(("a", "ground")))
    world.system.failing.add(ItemKey(("a", "ground")))

    world.want(thing("b:top", "a:ground"))

    assert world.run() == []


@dataclass(frozen=True, slots=True)
class Loose(Item):
    """What it stands on cannot be observed and does not count in equality."""

    kind: ClassVar[str] = "b"
    name: str
    on: tuple[ItemKey, ...] = field(default=(), compare=False)

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return tuple(Requires(key) for key in self.on)


def deletions(machine: Machine) -> list[list[str]]:
    """Removes everything; wave by wave."""
    order: list[list[str]] = []
    machine.update(dict.fromkeys(machine.wanted))
    while batches := machine.ready(0.0):
        for changes in batches.values():
            order.append(sorted(str(change.key) for change in changes))
            machine.finished([Outcome(change) for change in changes], 0.0)
    return order


def test_an_adopted_item_stands_on_what_the_intent_says_also_when_that_changes() -> None:
    ground, other = thing("a:ground"), thing("a:other")
    observed = [Loose("x"), ground, other]
    wanted = {item.key: Wanted(item, "test", "test") for item in (Loose("x", (ground.key,)), ground, other)}
    moved = {Loose("x").key: Wanted(Loose("x", (other.key,)), "test", "test")}

    early, late, after = (Machine(GROUPS, lambda key: False) for _ in range(3))
    early.update(wanted)
    early.observed(["a", "b"], observed)
    late.observed(["a", "b"], observed)
    late.update(wanted)
    after.observed(["a", "b"], observed)
    after.update(wanted)
    after.update(moved)

    assert deletions(early) == [["a:other", "b:x"], ["a:ground"]]
    assert deletions(late) == [["a:other", "b:x"], ["a:ground"]]
    assert deletions(after) == [["a:ground", "b:x"], ["a:other"]]


def test_drift_is_repaired_and_told_from_what_is_new() -> None:
    world = World()
    world.want(thing("a:x"), thing("b:y"))
    world.run()
    del world.system.items[ItemKey(("a", "x"))]
    world.system.items[ItemKey(("b", "y"))] = thing("b:y", size=1)

    world.observe()
    changes = [change for batch in world.ready().values() for change in batch]

    assert sorted((str(c.op), str(c.key), world.machine.reason(c)[:6]) for c in changes) == [
        ("create", "a:x", "drift:"),
        ("update", "b:y", "drift:"),
    ]


def test_a_crash_between_any_two_changes_ends_where_it_would_have_ended_without() -> None:
    before = [thing("a:1"), thing("b:2", "a:1"), thing("c:3", "b:2"), thing("a:4", "c:3"), thing("c:5")]
    after = [thing("a:1", shape=1), thing("b:2", "a:1", size=1), thing("c:3", "a:1"), thing("b:6", "c:3", "b:2")]
    straight = World()
    straight.want(*before)
    straight.run()
    straight.want(*after)
    changes = len(straight.run())

    for survived in range(changes):
        world = World()
        world.want(*before)
        world.run()
        world.want(*after)
        world.run(crash_after=survived)
        assert len(world.system.log) == len(before) + survived

        world.start_again()
        world.run()

        assert world.system.items == straight.system.items
        assert world.run() == []
