"""Verification of DPCs: test a candidate before it is committed to, fall back when it fails. Sans-IO.

Rules for this file: no clock, no socket; `step` gets the time and returns commands. State is a value.

| phase | event | then |
|---|---|---|
| any | `Arrived` | the list is arranged anew; a new network at its top is tried |
| any | `Withdrawn` | what that source sent is forgotten; if it was in use, the rest is tried from the top |
| any | nobody could be reached by it | the next candidate; without adapters and others there is nothing to verify |
| waiting | `PortsChanged` | a test runs once some management adapter can be tested (`readiness`) |
| testing | `Verdicts` good | committed: success at index 0, else fallback |
| testing | `Verdicts` bad | again every `RETRY` seconds until the trial is over, then the next candidate |
| waiting, testing | `Timer` | over once nobody is waited for any longer and `test_duration` has passed: the next one |
| committed | `PortsChanged`, `Timer` | a test; a fallback tries better candidates again after `better_interval` |
| committed | `Verdicts` bad for `test_duration` | other candidates are tried |
| failed | `PortsChanged`, `Timer` | a test; other candidates once they have cooled down |

A trial that nobody wins ends on the candidate that worked last: there the node is reachable first when what was wrong
with the world is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from evenet_core.device.dpclist import Candidate, Results, arranged, pruned, same_network, same_settings, without
from evenet_core.device.readiness import LONGEST, PortState, waits_until
from evenet_core.device.verification import (
    Adjusted,
    Arrived,
    Asked,
    Command,
    Event,
    Instant,
    Phase,
    PortsChanged,
    Resumed,
    RunTest,
    SetTimer,
    State,
    StopTest,
    Timer,
    Use,
    Verdicts,
    Withdrawn,
)
from evenet_core.model.adapters import Dpc
from evenet_core.probing.verdict import PortVerdict

__all__ = ["COOL_DOWN", "better_at", "next_try", "step", "successor", "trial_ends"]

RETRY = 2.0  # seconds between tests of a candidate that can be tested but does not reach the controller
COOL_DOWN = 300.0  # seconds before a candidate that failed is tried again
Step: TypeAlias = tuple[State, list[Command]]


def step(state: State, event: Event, at: Instant) -> Step:
    """The next state, and what is to be done about it."""
    match event:
        case Resumed():
            return _resumed(state, event, at)
        case Arrived(dpc, gone):
            return _arrived(state, without(state.candidates, gone, dpc), dpc, at)
        case Withdrawn(key):
            return _withdrawn(state, key, at)
        case PortsChanged(ports):
            return _ports_changed(state, ports, at)
        case Verdicts(trial, verdicts):
            return _tested(state, verdicts, at) if trial == state.trial and state.test_running else (state, [])
        case Asked(key):
            return _asked(state, key, at)
        case Adjusted():
            before = state
            state = replace(state, timers=event.timers, required=event.required, lasting=event.lasting, held=event.held)
            return state, [] if state == before else [SetTimer(at.now)]
        case Timer():
            return _timer(state, at)


def trial_ends(state: State) -> float:
    """When the DPC on trial has failed unless something changes until then."""
    duration = state.timers.test_duration
    ends = waits_until(state.ports, state.started, duration, short=state.again)
    if state.ready_at is not None:
        ends = max(ends, state.ready_at + duration)
    return min(ends, state.started + LONGEST * duration)


def _resumed(state: State, stored: Resumed, at: Instant) -> Step:
    """A trial goes on where it was; what was committed to is tested once more."""
    if not stored.candidates:
        return state, []
    age = at.wall - stored.since if stored.phase in (Phase.WAITING, Phase.TESTING) else 0.0
    started = at.now - max(0.0, age)  # less than 0: the clock was set back
    state = replace(state, candidates=stored.candidates, current=stored.current, trial=state.trial + 1, started=started)
    if not any(candidate.dpc.adapters for candidate in stored.candidates):
        return state, []  # somebody else cares for the node's uplink
    return replace(state, phase=Phase.WAITING), [SetTimer(at.now)]


# -- the list -----------------------------------------------------------------------------------------


def _arrived(state: State, known: Sequence[Candidate], dpc: Dpc, at: Instant) -> Step:
    before, candidates = state.candidate, arranged(known, dpc)
    place = next(i for i, candidate in enumerate(candidates) if candidate.dpc is dpc)
    if before is None:
        return _try(replace(state, candidates=candidates), 0, at)
    if same_network(before.dpc, dpc) and (place == 0 or same_settings(before.dpc, dpc)):
        return _take_over(state, candidates, place, at)
    current = next((i for i, candidate in enumerate(candidates) if candidate is before), -1)
    if current < 0:
        return _try(replace(state, candidates=candidates), 0, at)
    arrived, state = candidates[place], _kept(replace(state, candidates=candidates, current=current))
    nothing_works = state.phase is Phase.FAILED and arrived.results.untested and arrived in state.candidates
    if nothing_works or (place == 0 and (_testable(arrived, at) or arrived.results.untested)):
        return _try(state, state.candidates.index(arrived), at)
    return state, []


def _withdrawn(state: State, key: str, at: Instant) -> Step:
    left = tuple(candidate for candidate in state.candidates if candidate.key != key)
    if state.candidate is not None and state.candidate.key != key:
        return replace(state, candidates=left, current=left.index(state.candidate)), []
    if left:
        return _try(replace(state, candidates=left, current=-1), 0, at)
    ended, commands = _without_test(state)
    nothing = State(trial=state.trial + 1, timers=state.timers, required=state.required, lasting=state.lasting)
    return replace(nothing, held=ended.held), [*commands, Use(None)]


def _take_over(state: State, candidates: tuple[Candidate, ...], place: int, at: Instant) -> Step:
    """The same network under another key or date: nothing to change, and what was tested holds."""
    before, taken = state.candidates[state.current], candidates[place]
    results = before.results if state.phase is Phase.COMMITTED else taken.results
    state = replace(state, candidates=candidates, current=place)
    state = _kept(_with(state, replace(taken, results=results, ports=before.ports)))
    return state, [Use(taken.dpc)]


def _asked(state: State, key: str, at: Instant) -> Step:
    place = next((i for i, c in enumerate(state.candidates) if key in ("", c.key)), None)
    if place is None or state.phase is Phase.IDLE:
        return state, []
    return _test(state) if place == state.current else _try(state, place, at)


def _with(state: State, candidate: Candidate) -> State:
    candidates = list(state.candidates)
    candidates[state.current] = candidate
    return replace(state, candidates=tuple(candidates))


def _kept(state: State) -> State:
    used = state.candidates[state.current]
    candidates = pruned(state.candidates, state.current, state.lasting)
    return replace(state, candidates=candidates, current=candidates.index(used))


# -- trials -------------------------------------------------------------------------------------------


def _try(state: State, index: int, at: Instant) -> Step:
    """Start the trial of a candidate."""
    state, commands = _without_test(state)
    candidate = state.candidates[index]
    others_work = any(other.results.worked for other in state.candidates if other is not candidate)
    state = replace(
        state,
        current=index,
        phase=Phase.WAITING,
        trial=state.trial + 1,
        started=at.now,
        ready_at=None,
        failing_since=None,
        again=others_work and candidate.results.has_error,
        ports=(),
    )
    if not candidate.dpc.usable:
        return _unusable(state, candidate, commands, at)
    return state, [*commands, Use(candidate.dpc), SetTimer(trial_ends(state))]


def _unusable(state: State, candidate: Candidate, commands: list[Command], at: Instant) -> Step:
    """No management adapter of it has IP: a node that is reachable stays so by another candidate."""
    if not candidate.dpc.adapters and len(state.candidates) == 1:
        return replace(state, phase=Phase.IDLE), [*commands, Use(candidate.dpc)]  # somebody else cares for the uplink
    results = candidate.results.failed(at.wall, "no management adapter has an IP configuration")
    state, more = _next(_with(state, replace(candidate, results=results)), at, used=False)
    return state, [*commands, *more]


def _without_test(state: State) -> Step:
    return replace(state, test_running=False, test_again=False), [StopTest()] if state.test_running else []


def _ports_changed(state: State, ports: tuple[PortState, ...], at: Instant) -> Step:
    ready_before = {port.label for port in state.ports if port.ready}
    ready = {port.label for port in ports if port.ready and port.management}
    state = replace(state, ports=ports)
    if state.phase is Phase.IDLE:
        return state, []
    if state.phase in (Phase.WAITING, Phase.TESTING):
        if not ready:
            return state, [] if state.test_running else [SetTimer(trial_ends(state))]
        fresh = not ready <= ready_before
        state = replace(state, phase=Phase.TESTING, ready_at=at.now if fresh else state.ready_at)
        return _test(state)
    return _test(_looked_at(state, at))


def _looked_at(state: State, at: Instant) -> State:
    """What is plain without any test is held against an adapter at once."""
    candidate = state.candidates[state.current]
    ports = dict(candidate.ports)
    for port in state.ports:
        results = candidate.port(port.label)
        if port.problem and port.problem != results.last_error:
            ports[port.label] = results.failed(at.wall, port.problem)
        elif not port.problem and not port.management and results.last_error:
            ports[port.label] = results.succeeded(at.wall)
    return _with(state, replace(candidate, ports=tuple(ports.items())))


def _test(state: State) -> Step:
    if state.test_running:
        return replace(state, test_again=True), []
    return replace(state, test_running=True, test_again=False), [RunTest(state.trial)]


def _tested(state: State, verdicts: Sequence[PortVerdict], at: Instant) -> Step:
    """In the phases in which tests run: all but idle."""
    candidate, again = state.candidates[state.current], state.test_again
    state = replace(state, test_running=False, test_again=False)
    management = {adapter.label for adapter in candidate.dpc.adapters if adapter.management}
    good = [verdict for verdict in verdicts if verdict.good and verdict.label in management]
    bad = [verdict for verdict in verdicts if not verdict.good and verdict.label in management]
    works = len(good) >= max(1, min(state.required, len(good) + len(bad)))
    text = "; ".join(verdict.error for verdict in bad) or "no management adapter could be tested"
    warning = next((verdict.warning for verdict in good if verdict.warning), "")
    results = candidate.results.succeeded(at.wall, warning) if works else candidate.results.failed(at.wall, text)
    ports = dict(candidate.ports) | {v.label: _port_results(candidate.port(v.label), v, at) for v in verdicts}
    tested = _with(state, replace(candidate, results=results, ports=tuple(ports.items())))
    if works:
        tested, commands = _committed(tested, at)
    else:
        tested, commands = _not_working(tested, at)
    if again and tested.trial == state.trial:  # other ports may work too by now
        tested, more = _test(tested)
        commands += more
    return tested, commands


def _port_results(before: Results, verdict: PortVerdict, at: Instant) -> Results:
    return before.succeeded(at.wall, verdict.warning) if verdict.good else before.failed(at.wall, verdict.error)


def _not_working(state: State, at: Instant) -> Step:
    """The present DPC failed a test; it is held against it when that lasts."""
    match state.phase:
        case Phase.COMMITTED:
            since = at.now if state.failing_since is None else state.failing_since
            state = replace(state, failing_since=since)
            if at.now - since < state.timers.test_duration:
                return state, [SetTimer(at.now + RETRY)]
            return _next(state, at)
        case Phase.FAILED:
            return state, [SetTimer(next_try(state, at))]
        case _ if at.now < trial_ends(state):
            return state, [SetTimer(min(trial_ends(state), at.now + RETRY))]
        case _:
            return _next(state, at)


def _committed(state: State, at: Instant) -> Step:
    fresh = state.phase is not Phase.COMMITTED
    started = at.now if fresh else state.started
    state = _kept(replace(state, phase=Phase.COMMITTED, started=started, failing_since=None, again=False))
    return state, [SetTimer(min(at.now + state.timers.test_interval, max(at.now + RETRY, better_at(state, at))))]


def _next(state: State, at: Instant, *, used: bool = True) -> Step:
    """The next candidate that may work; without one, that which worked last is stayed on.

    :param used: the present one is in use
    """
    after = successor(state, at)
    if after is not None:
        return _try(state, state.candidates.index(after), at)
    last = state.current if state.held and used else _worked_last(state)
    moved = last != state.current or not used
    state = replace(state, current=last, phase=Phase.FAILED, failing_since=None, again=False)
    uses: list[Command] = []
    if moved:
        state = replace(state, trial=state.trial + 1, started=at.now, ports=())
        uses = [Use(state.candidates[last].dpc)]
    state = _looked_at(_kept(state), at)
    return state, [*uses, SetTimer(next_try(state, at))]


def successor(state: State, at: Instant) -> Candidate | None:
    """Who is tried when the present one is given up: first what worked when it was tested last. None = nobody.

    All take their turn: one before the present one is not tried once more before those after it.
    """
    if state.held:
        return None
    before, after = state.candidates[: state.current], state.candidates[state.current + 1 :]
    if state.phase is not Phase.COMMITTED:
        before = tuple(candidate for candidate in before if not candidate.results.has_error)
    testable = [candidate for candidate in (*before, *after) if _testable(candidate, at)]
    return min(testable, key=lambda candidate: not candidate.results.worked, default=None)


def _worked_last(state: State) -> int:
    """Index of the candidate that reached the controller last; if none ever did, of the first that could."""

    def worth(index: int) -> tuple[bool, float, int]:
        candidate = state.candidates[index]
        return candidate.dpc.usable, candidate.results.last_succeeded or 0.0, -index

    return max(range(len(state.candidates)), key=worth)


def _testable(candidate: Candidate, at: Instant) -> bool:
    return candidate.dpc.usable and _cools(candidate, at) == 0.0


def _failed_at(candidate: Candidate) -> float:
    return candidate.results.last_failed or 0.0


def _cools(candidate: Candidate, at: Instant) -> float:
    """Seconds until it may be tried again. A clock that was set does not make it longer than ever."""
    failed = candidate.results.last_failed
    if failed is None or candidate.results.worked or at.wall < failed:
        return 0.0
    return max(0.0, failed + COOL_DOWN - at.wall)


def better_at(state: State, at: Instant) -> float:
    """When a better candidate than the present one is tried."""
    better = [_cools(c, at) for c in state.candidates[: state.current] if c.dpc.usable]
    if not better or not state.timers.better_interval or state.held:
        return float("inf")
    return max(state.started + state.timers.better_interval, at.now + min(better))


def next_try(state: State, at: Instant) -> float:
    """Nothing works: when to look again, at the present candidate or at others."""
    others = [_cools(c, at) for i, c in enumerate(state.candidates) if i != state.current and c.dpc.usable]
    wait = min([state.timers.test_duration, *([] if state.held else others)])
    return at.now + max(RETRY, wait)


def _timer(state: State, at: Instant) -> Step:
    candidate = state.candidate
    if candidate is None or state.phase is Phase.IDLE or state.test_running:
        return state, []  # a running test will say more
    match state.phase:
        case Phase.WAITING if at.now < trial_ends(state):
            return state, [SetTimer(trial_ends(state))]
        case Phase.WAITING:
            problems = [port.problem for port in state.ports if port.management and port.problem]
            text = "; ".join(problems) or "no management adapter has an address and a name server"
            results = candidate.results.failed(at.wall, text)
            return _next(_with(state, replace(candidate, results=results)), at)
        case Phase.FAILED if not state.held:
            for index, other in enumerate(state.candidates):
                if index != state.current and _testable(other, at):
                    return _try(state, index, at)
        case Phase.COMMITTED if at.now >= better_at(state, at):
            better = [index for index in range(state.current) if _testable(state.candidates[index], at)]
            return _try(state, min(better, key=lambda index: _failed_at(state.candidates[index])), at)
    return _test(state)
