"""The reconciler's rules over histories that hypothesis makes up, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from evenet_core.reconciler.failures import FIGHT_LIMIT
from evenet_core.reconciler.item import Change
from evenet_core.reconciler.machine import Counts, ItemState
from evenet_core.reconciler.views.knots import blocked_by
from tests.support.memory import PORT, Thing, key, thing
from tests.support.world import World

pytestmark = pytest.mark.timeout(900)
NAMES = [f"{kind}:{number}" for kind in "abcd" for number in range(3)]


@st.composite
def graphs(draw: st.DrawFn) -> list[Thing]:
    """Some items in random order, each requiring some of those before it, or a port; some are made anew with them."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    things = []
    for place, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from([*names[:place], "c:port"]), max_size=3))
        marked = [f"{need}!" if need != "c:port" and draw(st.integers(0, 3)) == 0 else need for need in sorted(needs)]
        things.append(thing(name, *marked, size=draw(st.integers(0, 1)), shape=draw(st.integers(0, 1))))
    return things


class Reconciling(RuleBasedStateMachine):
    """Whatever happens in whatever order, the rules hold, and in the end everything is as wanted.

    `System` checks at each change that nothing is made without, deleted or changed under, something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.in_flight: list[list[Change]] = []

    @rule(things=graphs())
    def another_intent(self, things: list[Thing]) -> None:
        self.world.want(*things)

    @rule(busy=st.sampled_from([(), (0,), (1, 2)]))
    def batches_start(self, busy: tuple[int, ...]) -> None:
        for group, changes in self.world.ready(busy).items():
            assert group not in busy
            self.in_flight += [[change] for change in changes] if group in self.world.apart else [changes]

    @precondition(lambda self: self.in_flight)
    @rule(place=st.integers(0, 4))
    def a_batch_ends(self, place: int = 0) -> None:
        changes = self.in_flight.pop(min(place, len(self.in_flight) - 1))
        outcomes = [self.world.carry_out(change) for change in changes]
        self.world.machine.finished(outcomes, self.world.now)

    @precondition(lambda self: self.world.machine.obsolete)
    @rule(carried_out=st.booleans())
    def what_is_not_wanted_any_more_is_interrupted(self, carried_out: bool) -> None:
        [changes] = [batch for batch in self.in_flight if batch[0].key == min(self.world.machine.obsolete)]
        self.in_flight.remove(changes)
        if carried_out:
            self.world.carry_out(changes[0])
        self.world.machine.interrupted(changes[0], self.world.system.items.get(changes[0].key))

    @rule(name=st.sampled_from(NAMES))
    def an_item_starts_to_fail(self, name: str) -> None:
        self.world.system.failing.add(key(name))

    @rule()
    def nothing_fails_any_more(self) -> None:
        self.world.system.failing.clear()

    @rule(there=st.booleans())
    def the_port_comes_or_goes(self, there: bool) -> None:
        external = self.world.system.external
        (external.add if there else external.discard)(PORT)
        self.world.machine.external_changed([PORT])

    @rule(place=st.integers(0, 11), size=st.one_of(st.none(), st.integers(0, 2)), told=st.booleans())
    def another_hand_removes_or_changes_something(self, place: int, size: int | None, told: bool) -> None:
        items = self.world.system.items
        if self.in_flight or place >= len(items):
            return
        name = list(items)[place]
        if size is not None:
            items[name] = replace(items[name], size=size)
        elif not any(name in item.needs for item in items.values()):
            del items[name]
        if told:
            self.world.machine.saw(name, items.get(name), self.world.now, "somebody")
        else:
            self.world.observe()

    @rule(done=st.integers(0, 3))
    def the_agent_is_killed_within_a_batch(self, done: int) -> None:
        for changes in self.in_flight:
            for change in changes[:done]:
                self.world.carry_out(change)
        self.in_flight = []
        self.world.start_again()

    @rule(seconds=st.floats(0, 2000))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def what_is_said_is_so(self) -> None:
        machine, items = self.world.machine, self.world.system.items
        counts = machine.counts()
        assert counts.in_sync + counts.failed <= counts.wanted
        flying = {change.key for batch in self.in_flight for change in batch}
        for name, wanted in machine.wanted.items():
            if machine.state(name) is ItemState.IN_SYNC and name not in flying:
                assert items.get(name) == wanted.item
        for name in machine.failures:
            assert all(machine.state(above) is ItemState.PENDING for above in blocked_by(machine, name))

    @invariant()
    def something_can_happen_or_is_waited_for(self) -> None:
        """Nothing is forgotten: what is not in sync is in flight, to be looked at, waits for time, or for the port."""
        machine = self.world.machine
        if not self.in_flight and machine.idle() and machine.wake_at() is None and PORT in self.world.system.external:
            assert machine.counts() == Counts(len(machine.wanted), len(machine.wanted), 0, 0)

    def teardown(self) -> None:
        world = self.world
        world.system.failing.clear()
        world.system.external.add(PORT)
        world.machine.external_changed([PORT])
        while self.in_flight:
            self.a_batch_ends()
        for _ in range(5):
            world.now += FIGHT_LIMIT
            world.run()
        wanted = {name: w.item for name, w in world.machine.wanted.items()}
        assert world.system.items == wanted
        assert world.machine.counts() == Counts(wanted=len(wanted), in_sync=len(wanted), pending=0, failed=0)
        assert not world.machine.failures
        assert not world.machine.former
        assert not world.machine.obsolete
        assert not world.machine.leaving
        assert not world.machine.drifted
        assert world.run() == []
        world.want()
        world.run()
        assert not world.machine._places, "what is gone is forgotten"


TestReconciling = Reconciling.TestCase
TestReconciling.settings = settings(max_examples=5000, stateful_step_count=50, deadline=None)  # 200,000 steps
