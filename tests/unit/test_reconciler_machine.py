"""The reconciler's rules, over graphs that hypothesis makes up, in virtual time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from evenet_core.errors import DriverError
from evenet_core.reconciler.item import Change, ItemKey, Outcome
from evenet_core.reconciler.machine import BACKOFF_LIMIT, ItemState, Machine
from tests.support.memory import System, Thing, thing, want

GROUPS = {"a": 0, "b": 0, "c": 1}


class World:
    """A machine, the system it manages, and a clock that only tests move."""

    def __init__(self, *, retryable: bool = True) -> None:
        self.system = System()
        self.machine = Machine(GROUPS, lambda key: key in self.system.external, jitter=lambda: 0.0)
        self.now = 0.0
        self.retryable = retryable

    def want(self, *things: Thing) -> None:
        wanted = want(*things)
        gone = [key for key in self.machine.wanted if key not in wanted]
        self.machine.update({**dict.fromkeys(gone), **wanted})

    def run(self) -> list[str]:
        """All that can be done without time passing."""
        start = len(self.system.log)
        while batches := self.machine.ready(self.now):
            for group, changes in batches.items():
                self.machine.finished(group, [self.carry_out(change) for change in changes], self.now)
        return self.system.log[start:]

    def carry_out(self, change: Change) -> Outcome:
        try:
            self.system.carry_out(change)
        except DriverError as error:
            return Outcome(change, DriverError(str(error), retryable=self.retryable))
        return Outcome(change)

    def observe(self) -> None:
        self.machine.observed(GROUPS, list(self.system.items.values()))

    def state(self, key: str) -> ItemState:
        return self.machine.state(ItemKey(key.split(":")))


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
    world.system.external.add(ItemKey(("c", "port")))
    world.machine.external_changed([ItemKey(("c", "port"))])

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
    assert world.machine.blocked_by(ItemKey(("a", "bad"))) == [("b", "above")]
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
    assert world.machine.cycle(ItemKey(("a", "x"))) == [("a", "x"), ("b", "y"), ("a", "x")]
    assert world.machine.cycle(ItemKey(("c", "z"))) == []


NAMES = [f"{kind}:{number}" for kind in "abc" for number in range(3)]


@st.composite
def graphs(draw: st.DrawFn) -> list[Thing]:
    """Some items in random order, each requiring some of those before it, or a port."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    things = []
    for place, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from([*names[:place], "c:port"]), max_size=3))
        things.append(thing(name, *sorted(needs), size=draw(st.integers(0, 1)), shape=draw(st.integers(0, 1))))
    return things


class Reconciling(RuleBasedStateMachine):
    """Whatever happens in whatever order, the rules hold, and in the end everything is as wanted.

    `System` checks at each change that nothing is made without, or deleted under, something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.in_flight: list[tuple[int, list[Change]]] = []

    @rule(things=graphs())
    def another_intent(self, things: list[Thing]) -> None:
        self.world.want(*things)

    @rule()
    def batches_start(self) -> None:
        self.in_flight += self.world.machine.ready(self.world.now).items()

    @rule()
    def a_batch_ends(self) -> None:
        if self.in_flight:
            group, changes = self.in_flight.pop(0)
            outcomes = [self.world.carry_out(change) for change in changes]
            self.world.machine.finished(group, outcomes, self.world.now)

    @rule(name=st.sampled_from(NAMES))
    def an_item_starts_to_fail(self, name: str) -> None:
        self.world.system.failing.add(ItemKey(name.split(":")))

    @rule()
    def nothing_fails_any_more(self) -> None:
        self.world.system.failing.clear()

    @rule(there=st.booleans())
    def the_port_comes_or_goes(self, there: bool) -> None:
        port = ItemKey(("c", "port"))
        if there:
            self.world.system.external.add(port)
            self.world.machine.external_changed([port])

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @rule()
    def the_agent_is_killed_and_starts_again(self) -> None:
        wanted = dict(self.world.machine.wanted)
        self.world.machine = Machine(GROUPS, lambda key: key in self.world.system.external, jitter=lambda: 0.0)
        self.in_flight = []
        self.world.observe()
        self.world.machine.update(wanted)

    @invariant()
    def counts_add_up(self) -> None:
        counts = self.world.machine.counts()
        assert counts.in_sync + counts.failed <= counts.wanted

    def teardown(self) -> None:
        world = self.world
        world.system.failing.clear()
        world.system.external.add(ItemKey(("c", "port")))
        world.machine.external_changed([ItemKey(("c", "port"))])
        while self.in_flight:
            self.a_batch_ends()
        for _ in range(5):
            world.now += BACKOFF_LIMIT
            world.run()
        wanted = {key: w.item for key, w in world.machine.wanted.items()}
        assert world.system.items == wanted
        assert world.run() == []


TestReconciling = Reconciling.TestCase
TestReconciling.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
