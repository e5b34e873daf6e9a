"""Verification in words: where it stands, what is wrong on which port, and what happens next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from evenet_core.device.dpclist import Candidate
from evenet_core.device.verification import Instant, Phase, State
from evenet_core.device.verify import better_at, next_try, successor, trial_ends
from evenet_core.model.adapters import Dpc

__all__ = ["named", "outlook"]


def named(dpc: Dpc) -> str:
    """A DPC among others of its source: by its date, if it has one."""
    return f"{dpc.key} of {dpc.time_priority:%Y-%m-%d %H:%M:%S}" if dpc.time_priority.timestamp() else dpc.key


def outlook(state: State, at: Instant, told: Callable[[float], str]) -> list[str]:
    """Lines on the DPC in use; none where there is nothing to tell.

    :param told: a time since the epoch, for people
    """

    def clock(moment: float) -> str:
        return told(at.wall + moment - at.now)

    candidate = state.candidate
    if candidate is None or state.phase is Phase.IDLE:
        return []
    lines = list(_phase(state, candidate, at, clock, told))
    if state.held:
        lines.append(f"no other DPC is gone over to: {state.held}")
    return lines


def _phase(
    state: State, candidate: Candidate, at: Instant, clock: Callable[[float], str], told: Callable[[float], str]
) -> Iterator[str]:
    match state.phase:
        case Phase.WAITING | Phase.TESTING:
            what = "waits for its ports" if state.phase is Phase.WAITING else "does not reach the controller yet"
            yield f"on trial since {clock(state.started)}: it {what}"
            yield from _ports(state, candidate)
            yield f"if that is so at {clock(trial_ends(state))}, {_then(state, at)}"
        case Phase.COMMITTED:
            if state.failing_since is not None:
                yield f"fails since {clock(state.failing_since)}"
                yield from _ports(state, candidate)
                lasts = clock(state.failing_since + state.timers.test_duration)
                yield f"if that lasts until {lasts}, {_then(state, at)}"
            for better in state.candidates[: state.current]:
                yield f"stands in for DPC {named(better.dpc)}, which {_failed(better, told)}"
            if (when := better_at(state, at)) < float("inf"):
                yield f"{'that one' if state.current == 1 else 'one of those'} is tried again at {clock(when)}"
        case Phase.FAILED:
            yield f"does not work: {_failed(candidate, told)}"
            yield from _ports(state, candidate)
            others = len(state.candidates) - 1
            also = f"; so do {others} others, and it worked last" if others and candidate.results.last_succeeded else ""
            yield f"it is tested again at {clock(next_try(state, at))} at the latest{also}"


def _ports(state: State, candidate: Candidate) -> Iterator[str]:
    """What is wrong on which port."""
    now = {port.label: port.problem for port in state.ports}
    for adapter in candidate.dpc.adapters:
        if adapter.management:
            error = now.get(adapter.label) or candidate.port(adapter.label).last_error
            yield f"port {adapter.label}: {error or 'not tested yet'}"


def _failed(candidate: Candidate, told: Callable[[float], str]) -> str:
    results = candidate.results
    when = f" at {told(results.last_failed)}" if results.last_failed is not None else ""
    return f"failed{when}: {results.last_error or 'for no known reason'}"


def _then(state: State, at: Instant) -> str:
    """What happens when the DPC in use is given up."""
    after = successor(state, at)
    if after is None:
        return "it has failed, and there is no other DPC to try" if not state.held else "it has failed, and stays"
    worked = after.results.last_succeeded is not None
    return f"DPC {named(after.dpc)} is used, which {'worked before' if worked else 'was never tested'}"
