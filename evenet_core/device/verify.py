"""Verification of DPCs: test a candidate before it is committed to, fall back when it fails. Sans-IO.

Rules for this file: no clock, no socket; `step` gets the time and returns commands. State is a value.

| phase | event | then |
|---|---|---|
| any | `Arrived` | the list is arranged anew; a changed network is tried from the top |
| any | `Withdrawn` | what that source sent is forgotten; if it was in use, the rest is tried from the top |
| any | nobody could be reached by it | the next candidate; without adapters and others there is nothing to verify |
| waiting, testing | `PortsChanged` | a test runs once some management adapter has an address and a name server |
| testing | `Verdicts` good | committed: success at index 0, else fallback |
| testing | `Verdicts` bad | again every `RETRY` seconds until `test_duration` has passed, then the next candidate |
| waiting | `Timer` | no address within the budget: the next candidate |
| committed | `Timer` | periodic test; a fallback tries the top again after `better_interval` |
| committed | `Verdicts` bad twice | tried from the top |
| failed | `Timer` | the first is tested again; all are tried from the top once another has cooled down |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from evenet_core.device.dpclist import Candidate, Results, arranged, pruned, same_network, without
from evenet_core.model.adapters import Dpc
from evenet_core.probing.verdict import PortVerdict

__all__ = [
    "ADDRESS_BUDGET",
    "Arrived",
    "Command",
    "Event",
    "Phase",
    "PortsChanged",
    "RunTest",
    "SetTimer",
    "State",
    "Timer",
    "Timers",
    "Use",
    "Verdicts",
    "Withdrawn",
    "step",
]

RETRY = 2.0  # seconds between tests of a candidate that has an address but does not reach the controller
ADDRESS_BUDGET = 5  # times `test_duration`: how long a candidate may wait for address and name servers
COOL_DOWN = 300.0  # seconds before a candidate that failed is tried again


class Phase(StrEnum):
    """Where the verification of the current DPC stands."""

    IDLE = "none"  # there is no DPC
    WAITING = "waiting"  # for addresses and name servers
    TESTING = "testing"
    COMMITTED = "committed"
    FAILED = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Device properties `timer.port.*`, in seconds."""

    test_duration: float = 30.0
    test_interval: float = 300.0
    better_interval: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that verification knows. `current` -1 = no DPC in use."""

    candidates: tuple[Candidate, ...] = ()
    current: int = -1
    phase: Phase = Phase.IDLE
    trial: int = 0  # counts trials, so that a late answer is not taken for that of the next candidate
    started: float = 0.0  # of this trial
    test_running: bool = False
    test_again: bool = False  # something changed while a test was running
    failures: int = 0  # in a row, after the commit
    timers: Timers = Timers()

    @property
    def candidate(self) -> Candidate | None:
        return self.candidates[self.current] if self.current >= 0 else None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A source handed a DPC over.

    `instead_of` is what it handed over before and nobody confirmed: it is no candidate any more, nor a fallback.
    """

    dpc: Dpc
    instead_of: Dpc | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A source takes back whatever it handed over."""

    key: str


@dataclass(frozen=True, slots=True)
class PortsChanged:
    """`ready`: some management adapter has an address and a name server."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The test that `RunTest` asked for is done."""

    trial: int
    verdicts: tuple[PortVerdict, ...]


@dataclass(frozen=True, slots=True)
class Timer:
    """The time that `SetTimer` asked for has come."""


Event = Arrived | Withdrawn | PortsChanged | Verdicts | Timer


@dataclass(frozen=True, slots=True)
class Use:
    """Make this DPC the current one; None = there is none."""

    dpc: Dpc | None


@dataclass(frozen=True, slots=True)
class RunTest:
    """Try to reach the controller through every management adapter."""

    trial: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `Timer` at this time; replaces an earlier one."""

    at: float


Command = Use | RunTest | SetTimer


def step(state: State, event: Event, now: float) -> tuple[State, list[Command]]:
    """The next state, and what is to be done about it."""
    match event:
        case Arrived(dpc, gone):
            return _arrived(state, without(state.candidates, gone, dpc), dpc, now)
        case Withdrawn(key):
            return _withdrawn(state, key, now)
        case PortsChanged(ready):
            return _ports_changed(state, ready, now)
        case Verdicts(trial, verdicts):
            return _tested(replace(state, test_running=False), trial, verdicts, now)
        case Timer():
            return _timer(state, now)


def _arrived(state: State, known: Sequence[Candidate], dpc: Dpc, now: float) -> tuple[State, list[Command]]:
    before = state.candidate
    candidates = arranged(known, dpc)
    if before is not None and candidates[0].dpc is dpc and same_network(before.dpc, dpc):
        return _take_over(state, candidates, before, now)
    if before is not None and candidates[0].dpc is not dpc:
        current = next((i for i, c in enumerate(candidates) if c.dpc == before.dpc), 0)
        return replace(state, candidates=candidates, current=current), []
    return _try(replace(state, candidates=candidates), 0, now)


def _withdrawn(state: State, key: str, now: float) -> tuple[State, list[Command]]:
    left = tuple(candidate for candidate in state.candidates if candidate.key != key)
    if state.candidate is not None and state.candidate.key != key:
        return replace(state, candidates=left, current=left.index(state.candidate)), []
    if left:
        return _try(replace(state, candidates=left, current=-1), 0, now)
    return State(trial=state.trial + 1, test_running=state.test_running, timers=state.timers), [Use(None)]


def _take_over(
    state: State, candidates: tuple[Candidate, ...], before: Candidate, now: float
) -> tuple[State, list[Command]]:
    """The same network under another key or date: nothing to change, and what was tested holds."""
    results = before.results if state.phase is Phase.COMMITTED else candidates[0].results
    top = replace(candidates[0], results=results, ports=before.ports)
    taken = replace(state, candidates=(top, *candidates[1:]), current=0)
    if state.phase is not Phase.COMMITTED:
        return taken, [Use(top.dpc)]
    return _kept(taken), [Use(top.dpc), SetTimer(now + state.timers.test_interval)]


def _try(state: State, index: int, now: float) -> tuple[State, list[Command]]:
    """Start the trial of a candidate."""
    candidate = state.candidates[index]
    state = replace(
        state, current=index, phase=Phase.WAITING, trial=state.trial + 1, started=now, failures=0, test_again=False
    )
    if not candidate.dpc.usable:
        return _unusable(state, candidate, now)
    deadline = now + ADDRESS_BUDGET * state.timers.test_duration
    return state, [Use(candidate.dpc), SetTimer(deadline)]


def _unusable(state: State, candidate: Candidate, now: float) -> tuple[State, list[Command]]:
    """No management adapter of it has IP: a node that is reachable stays so by another candidate."""
    if not candidate.dpc.adapters and len(state.candidates) == 1:
        return replace(state, phase=Phase.IDLE), [Use(candidate.dpc)]  # somebody else cares for the node's uplink
    failed = replace(candidate, results=candidate.results.failed(now, "no management adapter has an IP configuration"))
    return _next(_with(state, failed), now, [Use(candidate.dpc)])


def _ports_changed(state: State, ready: bool, now: float) -> tuple[State, list[Command]]:
    if state.phase is Phase.IDLE or not ready:
        return state, []
    if state.test_running:
        return replace(state, test_again=True), []
    if state.phase is Phase.WAITING:
        state = replace(state, phase=Phase.TESTING, started=now)
    return _test(state)


def _test(state: State) -> tuple[State, list[Command]]:
    return replace(state, test_running=True, test_again=False), [RunTest(state.trial)]


def _tested(state: State, trial: int, verdicts: Sequence[PortVerdict], now: float) -> tuple[State, list[Command]]:
    candidate = state.candidate
    if candidate is None:
        return state, []
    again = state.test_again
    if trial != state.trial:
        return _ports_changed(state, again, now)
    state = replace(state, test_again=False)
    good = [verdict for verdict in verdicts if verdict.good]
    text = "; ".join(v.error for v in verdicts if v.error) or "no management adapter could be tested"
    ports = tuple((v.label, _port_results(candidate.port(v.label), v, now)) for v in verdicts)
    results = candidate.results.succeeded(now, good[0].warning) if good else candidate.results.failed(now, text)
    tested = _with(state, replace(candidate, results=results, ports=ports))
    if good:
        committed, commands = _committed(tested, now)
        if not again:
            return committed, commands
        state, more = _test(committed)  # other ports may work too by now
        return state, [*commands, *more]
    if state.phase is Phase.COMMITTED:
        return _failed_after_commit(tested, now)
    if state.phase is Phase.FAILED:
        return tested, [SetTimer(now + state.timers.test_interval)]
    if again or 0.0 <= now - state.started < state.timers.test_duration:  # less than 0: the clock was set back
        return tested, [SetTimer(now + (0.0 if again else RETRY))]
    return _next(tested, now)


def _port_results(before: Results, verdict: PortVerdict, now: float) -> Results:
    return before.succeeded(now, verdict.warning) if verdict.good else before.failed(now, verdict.error)


def _with(state: State, candidate: Candidate) -> State:
    candidates = list(state.candidates)
    candidates[state.current] = candidate
    return replace(state, candidates=tuple(candidates))


def _kept(state: State) -> State:
    candidates, current = pruned(state.candidates, state.current)
    return replace(state, candidates=candidates, current=current)


def _committed(state: State, now: float) -> tuple[State, list[Command]]:
    state = _kept(replace(state, phase=Phase.COMMITTED, failures=0))
    delay = state.timers.test_interval
    if state.current > 0 and state.timers.better_interval:
        delay = min(delay, state.timers.better_interval)
    return state, [SetTimer(now + delay)]


def _failed_after_commit(state: State, now: float) -> tuple[State, list[Command]]:
    """One failed test may be the world's; two in a row put every candidate on trial again."""
    if state.failures == 0:
        return replace(state, failures=1), [SetTimer(now + RETRY)]
    if len(state.candidates) == 1:
        return replace(state, phase=Phase.TESTING, started=now, failures=0), [SetTimer(now + RETRY)]
    return _try(state, 0, now)


def _next(state: State, now: float, otherwise: Sequence[Command] = ()) -> tuple[State, list[Command]]:
    """The next candidate that may work; without one, the first is parked on.

    :param otherwise: what is to be done if that is the present one
    """
    for index in range(state.current + 1, len(state.candidates)):
        if _testable(state.candidates[index], now):
            return _try(state, index, now)
    uses = [Use(state.candidates[0].dpc)] if state.current != 0 else [*otherwise]
    parked = replace(state, current=0, phase=Phase.FAILED, trial=state.trial + bool(state.current))
    return parked, [*uses, SetTimer(now + RETRY * 5)]


def _testable(candidate: Candidate, now: float) -> bool:
    if not candidate.dpc.usable:
        return False
    failed = candidate.results.last_failed
    return failed is None or candidate.results.worked or not 0.0 <= now - failed < COOL_DOWN


def _timer(state: State, now: float) -> tuple[State, list[Command]]:
    if state.candidate is None or state.phase is Phase.IDLE:
        return state, []
    if state.test_running:
        return state, [SetTimer(now + RETRY)]
    if state.phase is Phase.WAITING:
        text = "no management adapter has an address and a name server"
        failed = replace(state.candidate, results=state.candidate.results.failed(now, text))
        return _next(_with(state, failed), now)
    if state.phase is Phase.FAILED and any(_testable(candidate, now) for candidate in state.candidates[1:]):
        return _try(state, 0, now)
    due = state.timers.better_interval
    if state.phase is Phase.COMMITTED and state.current > 0 and due and now - state.started >= due:
        return _try(state, 0, now)
    return _test(state)
