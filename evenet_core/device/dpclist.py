"""The list of DPCs: which candidate stands before which, what counts as a change, and what is kept.

Order (EVE: spec of device connectivity, B.2), decided for the one that arrives:

1. `manual` goes before everything;
2. what the controller sent goes before all else, what it sent before included: dates do not count (a config
   taken back is older, and a file dated in the future surprises nobody);
3. otherwise the newer `time_priority` goes first; what is made as a last resort is older than all.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from evenet_core.device.flatten import CONTROLLER_KEY
from evenet_core.model.adapters import Adapter, Dpc, Source

__all__ = [
    "LAST_RESORT_KEY",
    "MANUAL_KEY",
    "Candidate",
    "Results",
    "arranged",
    "pruned",
    "same_network",
    "same_settings",
    "without",
]

MANUAL_KEY = "manual"  # what a local operator set
LAST_RESORT_KEY = "lastresort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the tests of one candidate (or of one adapter) said. Times in seconds since the epoch."""

    last_failed: float | None = None
    last_succeeded: float | None = None
    last_error: str = ""
    last_warning: str = ""

    @property
    def worked(self) -> bool:
        """The latest test succeeded."""
        return self.last_succeeded is not None and not self.last_error

    @property
    def has_error(self) -> bool:
        return bool(self.last_error)

    @property
    def untested(self) -> bool:
        return self.last_failed is None and self.last_succeeded is None

    def succeeded(self, at: float, warning: str = "") -> Results:
        return replace(self, last_succeeded=at, last_error="", last_warning=warning)

    def failed(self, at: float, error: str) -> Results:
        """`error` says why; it is never empty."""
        return replace(self, last_failed=at, last_error=error, last_warning="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A DPC and its test results, the adapters' by label."""

    dpc: Dpc
    results: Results = Results()
    ports: tuple[tuple[str, Results], ...] = ()

    @property
    def key(self) -> str:
        return self.dpc.key

    def port(self, label: str) -> Results:
        return dict(self.ports).get(label, Results())


def arranged(candidates: Sequence[Candidate], arriving: Dpc) -> tuple[Candidate, ...]:
    """The list with `arriving` at its place; one with the same settings keeps its results."""
    rest = list(candidates)
    known = next((c for c in rest if same_settings(c.dpc, arriving)), None)
    if known is not None:
        rest.remove(known)
    if arriving.key == MANUAL_KEY:
        rest = [candidate for candidate in rest if candidate.key != MANUAL_KEY]
    entry = Candidate(dpc=arriving) if known is None else replace(known, dpc=arriving)
    place = next((i for i, other in enumerate(rest) if _before(arriving, other.dpc)), len(rest))
    return (*rest[:place], entry, *rest[place:])


def without(candidates: Sequence[Candidate], gone: Dpc | None, arriving: Dpc) -> tuple[Candidate, ...]:
    """The candidates but `gone`; one that asks for the same as `arriving` stays."""
    if gone is None or same_settings(gone, arriving):
        return tuple(candidates)
    return tuple(candidate for candidate in candidates if not same_settings(candidate.dpc, gone))


def _before(arriving: Dpc, existing: Dpc) -> bool:
    if arriving.key == MANUAL_KEY:
        return True
    if CONTROLLER_KEY in (arriving.key, existing.key):
        return arriving.key == CONTROLLER_KEY
    return arriving.time_priority >= existing.time_priority


def same_settings(one: Dpc, other: Dpc) -> bool:
    """Whether two DPCs of one source ask for the same; dates do not count."""
    return one.key == other.key and len(one.adapters) == len(other.adapters) and same_network(one, other)


def same_network(one: Dpc, other: Dpc) -> bool:
    """Whether two DPCs, of whatever source, make the same network of this node."""
    return [_comparable(a) for a in one.adapters] == [_comparable(a) for a in other.adapters]


def _comparable(adapter: Adapter) -> Adapter:
    return replace(adapter, source=Source(), network="", printed_label="", table=0, rank=0)


def pruned(candidates: Sequence[Candidate], current: int, lasting: Container[str] = ()) -> tuple[Candidate, ...]:
    """The candidates worth keeping (EVE: B.4, without its limit): what is in use or may be needed again.

    :param lasting: keys of sources whose first candidate always stays
    """
    top, used = candidates[0], candidates[current]
    worked_last = max(candidates, key=lambda c: c.results.last_succeeded or 0.0)
    nobody_worked = worked_last.results.last_succeeded is None
    controller_worked = any(c.key == CONTROLLER_KEY and c.results.last_succeeded is not None for c in candidates)
    kept: list[Candidate] = []
    for candidate in candidates:
        newer = sum(candidate.key == other.key for other in kept)
        lasts = candidate.key == CONTROLLER_KEY or candidate.key in lasting or not controller_worked
        if (
            candidate is top
            or candidate is used
            or (newer == 0 and lasts)
            or (newer == 1 and nobody_worked)  # one of them may be what the operator relies on
            or candidate is worked_last
            or _stood_in(candidate, top)
        ):
            kept.append(candidate)
    return tuple(kept)


def _stood_in(candidate: Candidate, top: Candidate) -> bool:
    """It worked when a newer one of its source did not: it stays until that one gives way too."""
    succeeded, failed = candidate.results.last_succeeded, top.results.last_failed
    return candidate.key == top.key and succeeded is not None and failed is not None and succeeded > failed
