"""Verification of DPCs over histories in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.device.verify import (
    ADDRESS_BUDGET,
    Arrived,
    Command,
    Event,
    Phase,
    PortsChanged,
    RunTest,
    SetTimer,
    State,
    Timer,
    Use,
    Verdicts,
    Withdrawn,
    step,
)
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.networks import IpMode, IpSettings
from evenet_core.probing.verdict import PortVerdict, Reason

GOOD = (PortVerdict(label="eth0", reason=Reason.SUCCESS),)
BAD = (PortVerdict(label="eth0", reason=Reason.FAILURE, error="eth0: no answer from the controller"),)
Happening = Event | tuple[PortVerdict, ...]  # verdicts are those of the running test


def dpc(key: str, year: int = 2026, cost: int = 0) -> Dpc:
    adapter = Adapter(label="eth0", ifname="eth0", management=True, cost=cost, ip=IpSettings(mode=IpMode.DHCP))
    return Dpc(key=key, time_priority=datetime(year, 1, 1, tzinfo=UTC), adapters=(adapter,))


OVERRIDE, CONTROLLER = dpc("override", 2000), dpc("zedagent")


def after(state: State, *events: tuple[float, Happening]) -> tuple[State, list[Command]]:
    commands: list[Command] = []
    for now, event in events:
        state, commands = step(state, Verdicts(state.trial, event) if isinstance(event, tuple) else event, now)
    return state, commands


@pytest.mark.parametrize("works", [GOOD, BAD])
def test_what_nobody_confirmed_is_no_fallback_of_what_comes_in_its_place(works: tuple[PortVerdict, ...]) -> None:
    confirmed, tried = dpc("zedagent", 2025), dpc("zedagent", 2026, cost=9)
    state, _ = after(State(), (0.0, Arrived(confirmed)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))
    state, _ = after(state, (10.0, Arrived(tried)), (11.0, PortsChanged(ready=True)), (12.0, works))

    state, commands = step(state, Arrived(confirmed, instead_of=tried), 20.0)

    assert [candidate.dpc for candidate in state.candidates] == [confirmed]
    assert commands[0] == Use(confirmed)


def test_a_network_that_nobody_confirmed_is_left_also_for_one_that_somebody_else_cares_for() -> None:
    tried = dpc("zedagent", 2026)
    state, _ = after(State(), (0.0, Arrived(NOTHING)), (1.0, Arrived(tried)), (2.0, PortsChanged(ready=True)))
    state, _ = after(state, (3.0, GOOD))

    state, commands = step(state, Arrived(NOTHING, instead_of=tried), 20.0)

    assert [candidate.dpc for candidate in state.candidates] == [NOTHING]
    assert Use(NOTHING) in commands


def test_what_nobody_confirmed_stays_where_what_comes_in_its_place_is_the_same() -> None:
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    state, commands = step(state, Arrived(CONTROLLER, instead_of=CONTROLLER), 20.0)

    assert (state.phase, state.candidates[0].results.worked) == (Phase.COMMITTED, True)
    assert not any(isinstance(command, RunTest) for command in commands)


def test_a_candidate_is_tested_as_soon_as_a_port_is_ready() -> None:
    state, commands = step(State(), Arrived(CONTROLLER), 0.0)
    assert commands[0] == Use(CONTROLLER)

    state, commands = step(state, PortsChanged(ready=True), 3.0)

    assert commands == [RunTest(state.trial)]
    assert state.phase is Phase.TESTING


def test_a_candidate_that_reaches_the_controller_is_committed() -> None:
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (3.0, PortsChanged(ready=True)), (4.0, GOOD))

    assert state.phase is Phase.COMMITTED
    assert state.candidate is not None
    assert state.candidate.results.last_succeeded == 4.0


def test_a_candidate_that_fails_gives_way_to_the_one_that_worked() -> None:
    committed, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, PortsChanged(ready=True)), (2.0, GOOD))
    broken = dpc("zedagent", 2026, cost=9)

    state, commands = after(
        committed, (10.0, Arrived(broken)), (11.0, PortsChanged(ready=True)), (12.0, BAD), (42.0, Timer()), (43.0, BAD)
    )

    assert Use(dpc("zedagent", 2025)) in commands
    assert state.current == 1
    assert state.candidates[0].results.last_error == "eth0: no answer from the controller"


APPS_ONLY, NOTHING = (
    Dpc(key="zedagent", adapters=(Adapter(label="eth1", ifname="eth1", ip=IpSettings(mode=IpMode.DHCP)),)),
    Dpc(key="zedagent"),
)


def test_a_candidate_that_nobody_could_be_reached_by_gives_way_at_once() -> None:
    connected, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    for unusable in (APPS_ONLY, NOTHING):
        state, commands = step(connected, Arrived(unusable), 10.0)

        assert commands[0] == Use(OVERRIDE)
        assert (state.phase, state.current) == (Phase.WAITING, 1)
        assert state.candidates[0].results.last_error == "no management adapter has an IP configuration"


def test_without_another_candidate_it_is_used_and_has_failed() -> None:
    state, commands = step(State(), Arrived(APPS_ONLY), 0.0)

    assert Use(APPS_ONLY) in commands
    assert state.phase is Phase.FAILED


def test_where_no_adapter_is_asked_for_there_is_nothing_to_verify() -> None:
    state, commands = step(State(), Arrived(NOTHING), 0.0)

    assert (state.phase, commands) == (Phase.IDLE, [Use(NOTHING)])
    assert step(state, Timer(), 500.0) == (state, [])


def test_a_candidate_without_any_address_gives_way_when_its_budget_is_spent() -> None:
    committed, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, PortsChanged(ready=True)), (2.0, GOOD))
    state, commands = step(committed, Arrived(dpc("zedagent", 2026, cost=9)), 10.0)
    assert SetTimer(10.0 + ADDRESS_BUDGET * 30.0) in commands

    state, commands = step(state, Timer(), 10.0 + ADDRESS_BUDGET * 30.0)

    assert state.current == 1
    assert state.candidates[0].results.last_error == "no management adapter has an address and a name server"


def test_the_same_network_under_another_key_is_taken_over_without_a_new_trial() -> None:
    committed, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    state, commands = step(committed, Arrived(CONTROLLER), 10.0)

    assert state.phase is Phase.COMMITTED
    assert [candidate.key for candidate in state.candidates] == ["zedagent"]
    assert not any(isinstance(command, RunTest) for command in commands)
    assert state.candidates[0].results.last_succeeded == 2.0


def test_what_ranks_lower_than_the_current_dpc_does_not_disturb_it() -> None:
    committed, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    state, commands = step(committed, Arrived(dpc("override", 2030, cost=5)), 10.0)

    assert commands == []
    assert state.candidate is not None
    assert state.candidate.key == "zedagent"


def test_of_two_from_the_controller_the_one_that_comes_last_counts_whatever_their_dates() -> None:
    later, earlier = dpc("zedagent", 2027, cost=5), dpc("zedagent", 2025)
    committed, _ = after(State(), (0.0, Arrived(later)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    state, commands = step(committed, Arrived(earlier), 10.0)

    assert commands[0] == Use(earlier)
    assert [candidate.dpc for candidate in state.candidates] == [earlier, later]


class Site:
    """A device whose ports are ready at once; whether a DPC reaches the controller at a time, `reaches` says."""

    def __init__(self, reaches: Callable[[Dpc, float], bool]) -> None:
        self.state, self.now = State(), 0.0
        self._reaches = reaches
        self._due: dict[type[Event], tuple[float, Callable[[], Event]]] = {}

    def happens(self, event: Event) -> None:
        self.state, commands = step(self.state, event, self.now)
        for command in commands:
            match command:
                case Use():
                    self._due[PortsChanged] = (self.now + 0.1, lambda: PortsChanged(ready=True))
                case SetTimer(at):
                    self._due[Timer] = (at, Timer)
                case RunTest(trial):
                    self._due[Verdicts] = (self.now + 1.0, partial(self._verdicts, trial))

    def _verdicts(self, trial: int) -> Event:
        assert self.state.candidate is not None
        return Verdicts(trial, GOOD if self._reaches(self.state.candidate.dpc, self.now) else BAD)

    def lives(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and (first := min(self._due, key=lambda kind: self._due[kind][0])):
            at, event = self._due[first]
            if at > end:
                break
            del self._due[first]
            self.now = max(self.now, at)
            self.happens(event())
        self.now = end


@pytest.mark.parametrize("minutes", [1, 5, 10, 60])
def test_an_outage_that_parks_the_node_on_a_bad_candidate_ends_on_the_good_one(minutes: int) -> None:
    good, bad = dpc("zedagent", 2025), dpc("zedagent", 2026, cost=9)
    outage = (4000.0, 4000.0 + 60 * minutes)
    site = Site(lambda used, now: used is good and not outage[0] <= now < outage[1])
    site.happens(Arrived(good))
    site.lives(60)
    site.happens(Arrived(bad))
    site.lives(outage[1] - site.now)

    site.lives(1200)

    assert site.state.phase is Phase.COMMITTED
    assert site.state.candidate is not None
    assert site.state.candidate.dpc is good


def test_a_clock_that_is_set_back_does_not_make_what_works_look_broken() -> None:
    state, _ = after(State(), (9000.0, Arrived(CONTROLLER)), (9001.0, PortsChanged(ready=True)), (9002.0, BAD))

    state, _ = after(state, (5.0, Timer()), (6.0, PortsChanged(ready=True)), (7.0, GOOD))

    assert state.phase is Phase.COMMITTED
    assert state.candidates[0].results.worked


def test_a_source_that_takes_its_dpc_back_leaves_the_others() -> None:
    overridden, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))
    state, _ = step(overridden, Arrived(dpc("zedagent", cost=5)), 10.0)

    state, commands = step(state, Withdrawn("zedagent"), 20.0)

    assert commands[0] == Use(OVERRIDE)
    assert [candidate.key for candidate in state.candidates] == ["override"]
    assert step(state, Withdrawn("zedagent"), 21.0) == (state, [])

    state, commands = step(state, Withdrawn("override"), 30.0)

    assert (state.candidate, state.phase, commands) == (None, Phase.IDLE, [Use(None)])


def test_one_failed_test_after_the_commit_changes_nothing_yet() -> None:
    committed, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, PortsChanged(ready=True)), (2.0, GOOD))

    state, commands = after(committed, (302.0, Timer()), (303.0, BAD))

    assert state.phase is Phase.COMMITTED
    assert all(isinstance(command, SetTimer) for command in commands)


EVENTS = st.one_of(
    st.builds(
        Arrived,
        st.builds(dpc, st.sampled_from(["zedagent", "override", "usb"]), st.integers(2000, 2030), st.integers(0, 3)),
    ),
    st.builds(PortsChanged, st.booleans()),
    st.sampled_from([GOOD, BAD]),
    st.just(Timer()),
    st.builds(Withdrawn, st.sampled_from(["zedagent", "usb"])),
)


def test_a_late_verdict_is_not_taken_for_that_of_the_next_candidate() -> None:
    state, commands = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, PortsChanged(ready=True)))
    running = commands[0]
    assert isinstance(running, RunTest)
    state, _ = step(state, Arrived(dpc("zedagent", 2026, cost=9)), 2.0)

    state, _ = step(state, Verdicts(running.trial, GOOD), 3.0)

    assert state.phase is Phase.WAITING
    assert state.candidates[0].results.untested


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 400.0), EVENTS), max_size=60))
def test_in_every_history_there_is_a_current_dpc_and_a_way_onwards(history: list[tuple[float, Happening]]) -> None:
    state, now, timer = State(), 0.0, False
    testing: list[int] = []
    for delay, happening in history:
        now += delay
        if isinstance(happening, tuple) and not testing:
            continue  # no test was asked for
        event = Verdicts(testing.pop(), happening) if isinstance(happening, tuple) else happening
        if isinstance(event, Timer):
            timer = False
        had_one = state.current >= 0
        state, commands = step(state, event, now)

        timer |= any(isinstance(command, SetTimer) for command in commands)
        testing += [command.trial for command in commands if isinstance(command, RunTest)]
        assert len(testing) == state.test_running
        assert state.current >= 0 or isinstance(event, Withdrawn) or not (had_one or isinstance(event, Arrived))
        assert state.current < len(state.candidates)
        if state.current >= 0:
            assert timer or testing, "nothing would ever happen again"
