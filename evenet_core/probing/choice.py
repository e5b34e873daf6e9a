"""Choice of one port among those that a route may use. Pure: what stands where, in; which port and why, out.

The order of preference:

1. how far the port's probes succeed (`Standing`): a port whose gateway answers while the operator's own probe
   fails is worse than one where all succeed, whatever they cost;
2. the lower cost, if the route asks for it;
3. more successful probes; the stronger signal among cellular ports, if the route asks for it;
4. the port in use; otherwise the next one in the order of the candidates.

Leaving a port that does not work takes no time. Returning to one that failed waits until it has been up for
its hold-down, unless the port in use is worse off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import inf

__all__ = ["NOWHERE", "Candidate", "Choice", "Standing", "choose"]

NOWHERE = "no port has a path"

SIGNAL_MARGIN = 6  # dB; less does not make a cellular port leave the one in use (readings waver by as much)


class Standing(IntEnum):
    """How well a port serves a route; lower is better."""

    ANSWERS = 0  # every probe succeeds
    PARTLY = 1  # some do
    UNPROBED = 2  # nothing to ask or no answer yet, but the link is there
    SILENT = 3  # none succeeds
    LINK_LOCAL = 4  # has a link-local address only
    NO_PATH = 5  # no carrier or no address

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A port as one route sees it."""

    label: str
    standing: Standing
    cost: int = 0
    up: int = 0  # probes that succeed
    settled_at: float = 0.0  # from then on it may be returned to
    pending: bool = False  # its probes have not spoken yet
    signal: int | None = None  # dBm, cellular ports only
    evidence: str = ""  # for people: "gateway ping 172.22.10.1 ok"


@dataclass(frozen=True, slots=True)
class Choice:
    """The port to use (empty = there is none), why, and when to choose again though nothing has changed."""

    label: str
    because: str
    again_at: float = inf


def choose(
    candidates: Sequence[Candidate],
    current: str,
    now: float,
    *,
    cheaper: bool = False,
    stronger: bool = False,
    steady: bool = True,
) -> Choice:
    """The port for a route that now uses `current` (empty = none yet).

    `cheaper`: prefer lower cost; `stronger`: prefer the stronger cellular signal; `steady`: of equals the port in use
    stays, else it is the first in their order.
    """
    if not candidates:
        return Choice("", "no port matches")
    incumbent = next((candidate for candidate in candidates if candidate.label == current), None)
    if incumbent is not None and incumbent.pending:
        return Choice(current, "in use; its probes have not spoken yet")
    best = _best(candidates, incumbent if steady else None, cheaper, stronger)
    at_once = Choice(best.label, _because(best, incumbent, candidates, cheaper))
    if incumbent is None or best is incumbent or best.settled_at <= now:
        return at_once
    better = [c for c in candidates if c.settled_at <= now and c.standing <= incumbent.standing]
    if not all(_good_enough(candidate, best) for candidate in (incumbent, *better)):
        return at_once
    meanwhile = _best([incumbent, *better], incumbent, cheaper, stronger)
    return Choice(meanwhile.label, f"{best.label} works again and is returned to if it stays so", best.settled_at)


def _good_enough(candidate: Candidate, best: Candidate) -> bool:
    """Whether a port serves until the best one has proved itself."""
    return candidate.standing in {Standing.ANSWERS, Standing.UNPROBED, best.standing}


def _best(candidates: Sequence[Candidate], incumbent: Candidate | None, cheaper: bool, stronger: bool) -> Candidate:
    standing = min(candidate.standing for candidate in candidates)
    group = [candidate for candidate in candidates if candidate.standing is standing]
    works = standing <= Standing.UNPROBED
    if incumbent in group and not works:
        return incumbent  # none is better off: moving would only break what may still work
    if cheaper and works:
        group = _cheapest(group)
    most = max(candidate.up for candidate in group)
    group = [candidate for candidate in group if candidate.up == most]
    if stronger:
        group = _strongest(group, incumbent)
    if incumbent in group:
        return incumbent
    return _next_in_turn(_cheapest(group) if standing >= Standing.UNPROBED else group, candidates, incumbent)


def _cheapest(group: list[Candidate]) -> list[Candidate]:
    lowest = min(candidate.cost for candidate in group)
    return [candidate for candidate in group if candidate.cost == lowest]


def _strongest(group: list[Candidate], incumbent: Candidate | None) -> list[Candidate]:
    """Of the cellular ports only the one with the best signal; others stay in the race."""
    best = max((candidate.signal for candidate in group if candidate.signal is not None), default=0)

    def stays(candidate: Candidate) -> bool:
        margin = SIGNAL_MARGIN if candidate is incumbent else 1
        return candidate.signal is None or candidate.signal > best - margin

    return [candidate for candidate in group if stays(candidate)]


def _next_in_turn(group: list[Candidate], order: Sequence[Candidate], incumbent: Candidate | None) -> Candidate:
    """Ports of equal worth take turns, beginning after the one that is left."""
    start = order.index(incumbent) + 1 if incumbent in order else 0
    return next(candidate for candidate in (*order[start:], *order[:start]) if candidate in group)


def _because(best: Candidate, incumbent: Candidate | None, candidates: Sequence[Candidate], cheaper: bool) -> str:
    match best.standing:
        case Standing.ANSWERS:
            text = f"{'cheapest port that answers' if cheaper else 'answers'}: {best.evidence}"
        case Standing.PARTLY:
            text = f"no port answers everything; here {best.evidence}"
        case Standing.UNPROBED:
            text = f"{'cheapest port' if cheaper or best is not incumbent else 'port'} with a link"
        case Standing.NO_PATH:
            text = f"{NOWHERE}: {best.evidence}"
        case _ if best is incumbent:
            text = f"no port works better; kept: {best.evidence}"
        case _:
            text = f"no port works; cheapest {_LEFT_OVER[best.standing]}: {best.evidence}"
    return f"the only port; {text}" if len(candidates) == 1 else text


_LEFT_OVER = {
    Standing.SILENT: "with an address",
    Standing.LINK_LOCAL: "with a link-local address",
}
