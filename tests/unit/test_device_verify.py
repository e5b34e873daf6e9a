"""Verification of DPCs over histories in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from evenet_core.device import verify
from evenet_core.device.readiness import PortState, Wait
from evenet_core.device.verification import (
    Adjusted,
    Arrived,
    Asked,
    Command,
    Event,
    Instant,
    Phase,
    PortsChanged,
    RunTest,
    SetTimer,
    State,
    StopTest,
    Timer,
    Timers,
    Use,
    Verdicts,
    Withdrawn,
)
from evenet_core.device.verify import COOL_DOWN, RETRY
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


READY = PortsChanged((PortState(label="eth0"),))
NO_ADDRESS = PortsChanged((PortState(label="eth0", wait=Wait.ADDRESS, problem="eth0: no address"),))
UNPLUGGED = PortsChanged((PortState(label="eth0", wait=Wait.LINK, problem="eth0: no carrier"),))


def step(state: State, event: Event, now: float) -> tuple[State, list[Command]]:
    """One step, at a moment that both clocks show."""
    return verify.step(state, event, Instant(now, now))


def after(state: State, *events: tuple[float, Happening]) -> tuple[State, list[Command]]:
    commands: list[Command] = []
    for now, event in events:
        state, commands = step(state, Verdicts(state.trial, event) if isinstance(event, tuple) else event, now)
    return state, commands


@pytest.mark.parametrize("works", [GOOD, BAD])
def test_what_nobody_confirmed_is_no_fallback_of_what_comes_in_its_place(works: tuple[PortVerdict, ...]) -> None:
    confirmed, tried = dpc("zedagent", 2025), dpc("zedagent", 2026, cost=9)
    state, _ = after(State(), (0.0, Arrived(confirmed)), (1.0, READY), (2.0, GOOD))
    state, _ = after(state, (10.0, Arrived(tried)), (11.0, READY), (12.0, works))

    state, commands = step(state, Arrived(confirmed, instead_of=tried), 20.0)

    assert [candidate.dpc for candidate in state.candidates] == [confirmed]
    assert commands[0] == Use(confirmed)


def test_a_network_that_nobody_confirmed_is_left_also_for_one_that_somebody_else_cares_for() -> None:
    tried = dpc("zedagent", 2026)
    state, _ = after(State(), (0.0, Arrived(NOTHING)), (1.0, Arrived(tried)), (2.0, READY))
    state, _ = after(state, (3.0, GOOD))

    state, commands = step(state, Arrived(NOTHING, instead_of=tried), 20.0)

    assert [candidate.dpc for candidate in state.candidates] == [NOTHING]
    assert Use(NOTHING) in commands


def test_what_nobody_confirmed_stays_where_what_comes_in_its_place_is_the_same() -> None:
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, READY), (2.0, GOOD))

    state, commands = step(state, Arrived(CONTROLLER, instead_of=CONTROLLER), 20.0)

    assert (state.phase, state.candidates[0].results.worked) == (Phase.COMMITTED, True)
    assert not any(isinstance(command, RunTest) for command in commands)


def test_a_candidate_is_tested_as_soon_as_a_port_is_ready() -> None:
    state, commands = step(State(), Arrived(CONTROLLER), 0.0)
    assert commands[0] == Use(CONTROLLER)

    state, commands = step(state, READY, 3.0)

    assert commands == [RunTest(state.trial)]
    assert state.phase is Phase.TESTING


def test_a_candidate_that_reaches_the_controller_is_committed() -> None:
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (3.0, READY), (4.0, GOOD))

    assert state.phase is Phase.COMMITTED
    assert state.candidate is not None
    assert state.candidate.results.last_succeeded == 4.0


def test_a_candidate_that_fails_gives_way_to_the_one_that_worked() -> None:
    committed, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY), (2.0, GOOD))
    broken = dpc("zedagent", 2026, cost=9)

    state, commands = after(
        committed, (10.0, Arrived(broken)), (11.0, READY), (12.0, BAD), (42.0, Timer()), (43.0, BAD)
    )

    assert Use(dpc("zedagent", 2025)) in commands
    assert state.current == 1
    assert state.candidates[0].results.last_error == "eth0: no answer from the controller"


APPS_ONLY, NOTHING = (
    Dpc(key="zedagent", adapters=(Adapter(label="eth1", ifname="eth1", ip=IpSettings(mode=IpMode.DHCP)),)),
    Dpc(key="zedagent"),
)


def test_a_candidate_that_nobody_could_be_reached_by_gives_way_at_once() -> None:
    connected, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, READY), (2.0, GOOD))

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
    committed, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY), (2.0, GOOD))
    state, commands = step(committed, Arrived(dpc("zedagent", 2026, cost=9)), 10.0)
    assert SetTimer(10.0 + 5 * 30.0) in commands

    state, commands = step(state, Timer(), 10.0 + 5 * 30.0)

    assert state.current == 1
    assert state.candidates[0].results.last_error == "no management adapter has an address and a name server"


def test_the_same_network_under_another_key_is_taken_over_without_a_new_trial() -> None:
    committed, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, READY), (2.0, GOOD))

    state, commands = step(committed, Arrived(CONTROLLER), 10.0)

    assert state.phase is Phase.COMMITTED
    assert [candidate.key for candidate in state.candidates] == ["zedagent"]
    assert not any(isinstance(command, RunTest) for command in commands)
    assert state.candidates[0].results.last_succeeded == 2.0


def test_what_ranks_lower_than_the_current_dpc_does_not_disturb_it() -> None:
    committed, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, READY), (2.0, GOOD))

    state, commands = step(committed, Arrived(dpc("override", 2030, cost=5)), 10.0)

    assert commands == []
    assert state.candidate is not None
    assert state.candidate.key == "zedagent"


def test_of_two_from_the_controller_the_one_that_comes_last_counts_whatever_their_dates() -> None:
    later, earlier = dpc("zedagent", 2027, cost=5), dpc("zedagent", 2025)
    committed, _ = after(State(), (0.0, Arrived(later)), (1.0, READY), (2.0, GOOD))

    state, commands = step(committed, Arrived(earlier), 10.0)

    assert commands[0] == Use(earlier)
    assert [candidate.dpc for candidate in state.candidates] == [earlier, later]


def test_a_clock_that_is_set_back_does_not_make_what_works_look_broken() -> None:
    state, _ = after(State(), (9000.0, Arrived(CONTROLLER)), (9001.0, READY), (9002.0, BAD))

    state, _ = after(state, (5.0, Timer()), (6.0, READY), (7.0, GOOD))

    assert state.phase is Phase.COMMITTED
    assert state.candidates[0].results.worked


def test_a_source_that_takes_its_dpc_back_leaves_the_others() -> None:
    overridden, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, READY), (2.0, GOOD))
    state, _ = step(overridden, Arrived(dpc("zedagent", cost=5)), 10.0)

    state, commands = step(state, Withdrawn("zedagent"), 20.0)

    assert commands[0] == Use(OVERRIDE)
    assert [candidate.key for candidate in state.candidates] == ["override"]
    assert step(state, Withdrawn("zedagent"), 21.0) == (state, [])

    state, commands = step(state, Withdrawn("override"), 30.0)

    assert (state.candidate, state.phase, commands) == (None, Phase.IDLE, [Use(None)])


def test_one_failed_test_after_the_commit_changes_nothing_yet() -> None:
    committed, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, READY), (2.0, GOOD))

    state, commands = after(committed, (302.0, Timer()), (303.0, BAD))

    assert state.phase is Phase.COMMITTED
    assert all(isinstance(command, SetTimer) for command in commands)


def test_a_late_verdict_is_not_taken_for_that_of_the_next_candidate() -> None:
    state, commands = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY))
    running = commands[0]
    assert isinstance(running, RunTest)
    state, _ = step(state, Arrived(dpc("zedagent", 2026, cost=9)), 2.0)

    state, _ = step(state, Verdicts(running.trial, GOOD), 3.0)

    assert state.phase is Phase.WAITING
    assert state.candidates[0].results.untested


# -- what a trial waits for ---------------------------------------------------------------------------


def on_trial(*ports: PortState) -> tuple[State, list[Command]]:
    """Something worked; a new candidate is on trial since 100.0, and its adapters are like this."""
    new = dpc("zedagent", cost=9)
    two = replace(new, adapters=tuple(replace(new.adapters[0], label=port.label) for port in ports))
    return after(
        State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY), (2.0, GOOD), (100.0, Arrived(two)),
        (100.0, PortsChanged(ports)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wait", "seconds"), [(Wait.INTERFACE, 60.0), (Wait.LINK, 60.0), (Wait.ITEMS, 60.0), (Wait.MODEM, 90.0),
                          (Wait.ADDRESS, 150.0), (Wait.CONFIG, 0.0)],
)  # fmt: skip
def test_each_thing_is_waited_for_as_long_as_it_may_take(wait: Wait, seconds: float) -> None:
    state, commands = on_trial(PortState(label="eth0", wait=wait, problem="eth0 lacks something"))
    assert commands == [SetTimer(100.0 + seconds)]

    state, commands = step(state, Timer(), 100.0 + seconds)

    assert (state.current, state.candidates[0].results.last_error) == (1, "eth0 lacks something")
    assert Use(dpc("zedagent", 2025)) in commands


def test_a_port_that_is_not_there_does_not_hold_up_one_that_is() -> None:
    missing = PortState(label="eth9", wait=Wait.INTERFACE, problem="interface eth9 is missing")

    state, commands = on_trial(PortState(label="eth0"), missing)
    assert commands == [RunTest(state.trial)]
    state, _ = after(state, (101.0, GOOD))

    assert state.phase is Phase.COMMITTED


def test_a_port_that_may_still_get_its_address_is_waited_for_although_another_one_fails() -> None:
    state, _ = on_trial(PortState(label="eth0"), PortState(label="eth1", wait=Wait.ADDRESS, problem="no address"))

    state, _ = after(state, (130.5, BAD))
    assert state.phase is Phase.TESTING

    state, commands = after(state, (159.0, Timer()), (161.0, BAD))
    assert Use(dpc("zedagent", 2025)) in commands


def test_a_candidate_that_failed_before_gets_less_patience_while_another_one_works() -> None:
    state, _ = on_trial(PortState(label="eth0", wait=Wait.ADDRESS, problem="no address"))
    state, _ = after(state, (250.0, Timer()), (251.0, READY), (252.0, GOOD))
    assert state.current == 1

    state, commands = step(state, Timer(), 252.0 + 600.0)

    assert (state.current, state.again) == (0, True)
    assert SetTimer(852.0 + 60.0) in commands


# -- after the commit ---------------------------------------------------------------------------------


def test_a_cable_that_is_pulled_is_held_against_its_port_at_once_and_against_the_dpc_when_it_lasts() -> None:
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, READY), (2.0, GOOD))

    state, commands = step(state, UNPLUGGED, 50.0)

    assert commands == [RunTest(state.trial)]
    assert state.candidates[0].port("eth0").last_error == "eth0: no carrier"
    assert (state.candidates[0].results.worked, state.phase) == (True, Phase.COMMITTED)

    state, _ = after(state, (50.1, BAD), (79.0, Timer()), (79.1, BAD))
    assert state.phase is Phase.COMMITTED
    state, _ = after(state, (80.2, Timer()), (80.3, BAD))
    assert state.phase is Phase.FAILED


def test_an_adapter_of_apps_is_looked_at_too_and_its_error_goes_when_it_is_mended() -> None:
    shared = PortState(label="eth1", management=False, wait=Wait.LINK, problem="link not up for interface eth1")
    state, _ = after(State(), (0.0, Arrived(CONTROLLER)), (1.0, READY), (2.0, GOOD))

    broken, _ = step(state, PortsChanged((*READY.ports, shared)), 10.0)
    mended, _ = step(broken, PortsChanged((*READY.ports, PortState(label="eth1", management=False))), 20.0)

    assert broken.candidates[0].port("eth1").last_error == "link not up for interface eth1"
    assert mended.candidates[0].port("eth1").worked


def test_an_operator_may_ask_for_more_than_one_port_that_works() -> None:
    adapters = tuple(replace(CONTROLLER.adapters[0], label=label) for label in ("eth0", "eth1", "eth2"))
    verdict = {"eth0": GOOD[0], "eth1": replace(BAD[0], label="eth1"), "eth2": replace(GOOD[0], label="eth2")}
    state, _ = after(State(required=2), (0.0, Arrived(replace(CONTROLLER, adapters=adapters))), (1.0, READY))

    one, _ = after(state, (2.0, (verdict["eth0"], verdict["eth1"], replace(BAD[0], label="eth2"))))
    two, _ = after(state, (2.0, tuple(verdict.values())))

    assert (one.phase, two.phase) == (Phase.TESTING, Phase.COMMITTED)
    assert two.candidates[0].port("eth1").has_error


# -- which candidates are tried, and when -------------------------------------------------------------


def fallen_back() -> State:
    """At 43 s the new candidate failed, at 45 s the one before works again."""
    state, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY), (2.0, GOOD))
    state, _ = after(state, (10.0, Arrived(dpc("zedagent", 2026, cost=9))), (11.0, READY), (43.0, BAD))
    state, _ = after(state, (44.0, READY), (45.0, GOOD))
    assert (state.phase, state.current) == (Phase.COMMITTED, 1)
    return state


def test_the_same_broken_config_sent_again_and_again_is_not_tried_each_time() -> None:
    state = fallen_back()

    for now in (50.0, 60.0, 70.0):
        state, commands = step(state, Arrived(dpc("zedagent", 2026, cost=9)), now)
        assert commands == []
        assert (state.current, state.candidates[0].results.last_failed) == (1, 43.0)

    state, commands = step(state, Arrived(dpc("zedagent", 2026, cost=9)), 43.0 + COOL_DOWN)
    assert Use(dpc("zedagent", 2026, cost=9)) in commands


def test_the_config_in_use_sent_again_disturbs_nobody_also_where_it_is_not_the_first() -> None:
    state, _ = after(State(), (0.0, Arrived(OVERRIDE)), (1.0, READY), (2.0, GOOD))
    state, _ = after(state, (10.0, Arrived(dpc("zedagent", cost=9))), (11.0, READY), (43.0, BAD), (44.0, READY))
    state, _ = after(state, (45.0, GOOD))

    state, commands = step(state, Arrived(OVERRIDE), 50.0)

    assert (state.phase, state.current, commands) == (Phase.COMMITTED, 1, [Use(OVERRIDE)])


def test_the_operator_may_have_a_candidate_tried_at_once() -> None:
    state, commands = step(fallen_back(), Asked(), 50.0)

    assert commands[0] == Use(dpc("zedagent", 2026, cost=9))
    assert step(state, Asked("nobody"), 51.0) == (state, [])


def test_after_a_return_from_a_fallback_the_list_keeps_what_stood_in() -> None:
    state, _ = step(fallen_back(), Timer(), 45.0 + 600.0)
    state, _ = after(state, (650.0, READY), (651.0, GOOD))

    assert (state.phase, state.current) == (Phase.COMMITTED, 0)
    assert [candidate.dpc.adapters[0].cost for candidate in state.candidates] == [9, 0]


def test_a_candidate_that_worked_outlives_an_outage_in_which_all_fail_and_new_ones_come() -> None:
    state, _ = after(fallen_back(), (100.0, Timer()), (101.0, BAD), (130.0, Timer()), (132.0, BAD))
    assert (state.phase, state.current) == (Phase.FAILED, 1)

    for n in range(20):
        state, _ = step(state, Arrived(dpc("zedagent", 2027, cost=10 + n)), 200.0 + n)

    assert dpc("zedagent", 2025) in [candidate.dpc for candidate in state.candidates]
    assert len(state.candidates) <= 3


def test_better_ones_take_turns_and_between_them_the_node_is_back_on_what_works() -> None:
    worst = dpc("usb", 2000, cost=2)
    state, _ = after(State(), (0.0, Arrived(worst)), (1.0, READY), (2.0, GOOD))
    state, _ = after(state, (10.0, Arrived(dpc("override", 2030, cost=3))), (11.0, READY), (42.0, BAD))
    state, _ = after(state, (43.0, READY), (44.0, GOOD), (50.0, Arrived(CONTROLLER)), (51.0, READY), (83.0, BAD))
    state, _ = after(state, (84.0, READY), (85.0, GOOD))
    assert state.current == 2

    tried = []
    now = 85.0
    for _ in range(2):
        now += 700.0
        state, commands = step(state, Timer(), now)
        tried += [command.dpc.key for command in commands if isinstance(command, Use) and command.dpc]
        state, commands = after(state, (now + 1.0, READY), (now + 40.0, BAD))
        assert Use(worst) in commands
        state, _ = after(state, (now + 41.0, READY), (now + 42.0, GOOD))

    assert tried == ["override", "zedagent"]


def test_a_test_that_nobody_waits_for_any_longer_is_stopped() -> None:
    state, _ = after(State(), (0.0, Arrived(dpc("zedagent", 2025))), (1.0, READY))

    state, commands = step(state, Arrived(dpc("zedagent", 2026, cost=9)), 2.0)

    assert commands[:2] == [StopTest(), Use(dpc("zedagent", 2026, cost=9))]
    assert not state.test_running


def test_while_it_is_held_no_other_dpc_is_gone_over_to() -> None:
    state, _ = step(fallen_back(), Adjusted(timers=Timers(), held="radio silence"), 50.0)

    state, commands = after(state, (700.0, Timer()), (701.0, BAD), (740.0, Timer()), (742.0, BAD))
    assert (state.phase, state.current) == (Phase.FAILED, 1)
    assert not any(isinstance(command, Use) for command in commands)

    state, commands = step(state, Adjusted(timers=Timers()), 800.0)
    assert commands == [SetTimer(800.0)]
    state, commands = step(state, Timer(), 800.0)
    assert Use(dpc("zedagent", 2026, cost=9)) in commands


def test_settings_that_stay_as_they_are_cause_nothing() -> None:
    state = fallen_back()

    assert step(state, Adjusted(timers=Timers()), 50.0) == (state, [])


def test_a_thousand_alternations_of_good_and_bad_never_cost_more_than_one_trial_each() -> None:
    """The broken one is new each time; what it costs is its own trial, and nothing is left of it in the list."""
    good = dpc("zedagent", 2025)
    state, _ = after(State(), (0.0, Arrived(good)), (1.0, READY), (2.0, GOOD))
    now = 10.0
    for n in range(1000):
        state, commands = step(state, Arrived(dpc("zedagent", 2026, cost=1 + n % 200)), now)
        if isinstance(commands and commands[0], Use):
            state, commands = after(state, (now + 1.0, READY), (now + 31.0 + RETRY, BAD))
            assert Use(good) in commands
            state, _ = after(state, (now + 34.0, READY), (now + 35.0, GOOD))
        now += 40.0
        state, _ = step(state, Arrived(good), now)
        assert (state.phase, state.candidate and state.candidate.dpc) == (Phase.COMMITTED, good)
        assert len(state.candidates) <= 3
        now += 10.0
