"""What does not work, or does not stay: when each item is tried again. Pure: time is handed in.

Two things make an item wait: its change failed, or somebody else undoes it again and again. Both wait longer every
time, and both are forgotten when the item's place in the intent changes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evenet_core.reconciler.item import Item, ItemKey, Op

__all__ = ["BACKOFF_LIMIT", "Drift", "DriftError", "Failure", "Failures", "backoff"]

BACKOFF_FIRST = 1.0  # seconds
BACKOFF_LIMIT = 60.0  # seconds
FREE_REPAIRS = 3  # times that drift is repaired at once; from then on somebody fights
FIGHT_LIMIT = 600.0  # seconds
ALONG = 2.0  # seconds in which a change takes things along without a word, and monitors notice
CALM = 2 * FIGHT_LIMIT  # seconds without drift after which earlier drift is forgotten


class DriftError(Exception):
    """Nothing failed, but it does not stay as it was made."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt on an item failed, or the item does not stay as it is made."""

    error: Exception
    op: Op
    since: float
    attempts: int
    retry_at: float


@dataclass(frozen=True, slots=True)
class Drift:
    """An item that was as wanted was found otherwise: for how many times lately, and by whose hand if that is known."""

    before: Item
    found: Item | None
    by: str
    times: int
    since: float
    at: float
    repair_at: float

    @property
    def what(self) -> str:
        """What became of it, and by whose hand."""
        if not self.by:
            return "is gone" if self.found is None else "was changed"
        return f"was {'removed' if self.found is None else 'changed'} by {self.by}"


def backoff(attempts: int, limit: float = BACKOFF_LIMIT) -> float:
    """Seconds until the next attempt after so many that failed."""
    return min(limit, BACKOFF_FIRST * 2.0 ** min(attempts - 1, 16))


class Failures:
    """Failures by key, and the times of their next attempts.

    :param jitter: a number from 0 to 1 for each, so that many failures do not come back together.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.of: dict[ItemKey, Failure] = {}
        self.drifts: dict[ItemKey, Drift] = {}
        self.changed_at = -ALONG  # when something else was made that is wanted, or removed that is not
        self._retries: list[tuple[float, int, ItemKey]] = []  # time, order of failing
        self._count = 0

    def failed(self, key: ItemKey, op: Op, error: Exception, now: float) -> None:
        """An attempt failed; a lost cause is tried again as late as can be."""
        before = self.of.get(key)
        attempts = before.attempts + 1 if before is not None else 1
        delay = backoff(attempts) if getattr(error, "retryable", True) else BACKOFF_LIMIT
        self._wait(
            key, Failure(error, op, before.since if before is not None else now, attempts, now + self._spread(delay))
        )

    def drifted(self, key: ItemKey, before: Item, found: Item | None, now: float, by: str) -> Drift:
        """What was as wanted was found otherwise. It is repaired at once, unless that was of no use lately.

        What goes right after a change of ours, and by nobody's hand, went along with it and does not count.
        """
        last = self.drifts.get(key)
        if last is not None and now - last.at > CALM:
            last = None
        if not by and now - self.changed_at < ALONG:
            return Drift(before, found, by, last.times if last is not None else 0, now, now, now)
        times = last.times + 1 if last is not None else 1
        delay = self._spread(backoff(times - FREE_REPAIRS, FIGHT_LIMIT)) if times > FREE_REPAIRS else 0.0
        drift = Drift(before, found, by, times, last.since if last is not None else now, now, now + delay)
        self.drifts[key] = drift
        if delay:
            error = DriftError(f"somebody undoes it again and again: it {drift.what}, {times} times now")
            op = Op.CREATE if found is None else Op.UPDATE
            self._wait(key, Failure(error, op, drift.since, times, drift.repair_at))
        return drift

    def worked(self, key: ItemKey) -> None:
        """It is as it is wanted, or may be tried at once."""
        self.of.pop(key, None)

    def forget(self, key: ItemKey) -> None:
        """Something else is wanted of it now."""
        self.of.pop(key, None)
        self.drifts.pop(key, None)

    def holds(self, key: ItemKey, now: float) -> bool:
        """Whether its time has not come yet."""
        failure = self.of.get(key)
        return failure is not None and failure.retry_at > now

    def due(self, now: float) -> Iterator[ItemKey]:
        """What may be tried again now."""
        while self._retries and self._retries[0][0] <= now:
            yield heapq.heappop(self._retries)[2]

    def next_at(self) -> float | None:
        """When the next attempt is due; None = there is none."""
        while self._retries and not self._is_meant(*self._retries[0]):
            heapq.heappop(self._retries)
        return self._retries[0][0] if self._retries else None

    def _is_meant(self, at: float, _: int, key: ItemKey) -> bool:
        """It was not overtaken by success or a later failure."""
        failure = self.of.get(key)
        return failure is not None and failure.retry_at == at

    def _wait(self, key: ItemKey, failure: Failure) -> None:
        self.of[key] = failure
        self._count += 1
        heapq.heappush(self._retries, (failure.retry_at, self._count, key))

    def _spread(self, delay: float) -> float:
        return delay * (0.75 + 0.25 * self._jitter())
