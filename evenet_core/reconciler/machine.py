"""The heart: what is, what is wanted, and which change may be made now. Sans-IO: time is handed in.

Rules of this file:

* nothing is created before everything it requires is there;
* nothing that another existing item requires is deleted; a replaced item takes its dependents down first;
* what stands on something that goes is updated to stand elsewhere if that can be done at once, else it goes too;
* a group makes nothing new while removals that could make room for it are under way;
* what fails is tried again later and holds up only what requires it;
* the cost of a change is that of the items it touches, not that of the node: a key is looked at when
  something happened to it, to what it requires, or to what requires it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evenet_core.reconciler.fragments import Delta, Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.requirements import Requirements

__all__ = ["BACKOFF_LIMIT", "PLAIN_REASONS", "Counts", "Failure", "ItemState", "Machine"]

WANTED, NOT_WANTED = "it is wanted so", "it is not wanted any more"
PLAIN_REASONS = {"", WANTED, NOT_WANTED}  # those that the intent itself gives
BACKOFF_FIRST = 1.0  # seconds
BACKOFF_LIMIT = 60.0  # seconds


class ItemState(StrEnum):
    """Where a wanted item stands."""

    IN_SYNC = "in-sync"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt on an item failed."""

    error: Exception
    op: Op
    since: float
    attempts: int
    retry_at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Items by state. `pending` counts also what is still to be removed."""

    wanted: int
    in_sync: int
    pending: int
    failed: int


class Machine:
    """Decides; the engine carries out.

    :param group_of: by kind, the group (driver) that changes it. One batch of a group is in flight at a time.
    :param external: whether something that nobody plans (a physical port) is there.
    :param jitter: a number from 0 to 1 for each retry, so that many failures do not come back together.
    """

    def __init__(
        self,
        group_of: Mapping[str, int],
        external: Callable[[ItemKey], bool],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._group_of = group_of
        self._external = external
        self._jitter = jitter
        self.actual: dict[ItemKey, Item] = {}
        self.wanted: dict[ItemKey, Wanted] = {}
        self.former: dict[ItemKey, Wanted] = {}  # what was wanted and is still to be removed
        self.failures: dict[ItemKey, Failure] = {}
        self.drifted: set[ItemKey] = set()  # was as wanted, then was found otherwise
        self._leaving: set[ItemKey] = set()  # exists and has to be deleted
        self._dirty: dict[ItemKey, None] = {}  # whether these are leaving may have changed
        self._plans = Requirements()  # of the intent; of what exists where nobody wants it
        self._stands = Requirements()  # of what exists, and of what is being made
        self._look: dict[ItemKey, None] = {}  # keys to look at, in the order in which they came up
        self._in_flight: dict[int, list[Change]] = {}
        self._flying: dict[ItemKey, Change] = {}
        self._retries: list[tuple[float, int, ItemKey]] = []  # time, order of failing
        self._fails = 0

    # -- what happens ---------------------------------------------------------------------------------

    def update(self, delta: Delta) -> None:
        """The intent changed."""
        for key, wanted in delta.items():
            if wanted is None:
                before = self.wanted.pop(key, None)
                if before is not None and (key in self.actual or key in self._flying):
                    self.former[key] = before
            else:
                self.wanted[key] = wanted
                self.former.pop(key, None)
                if self.actual.get(key) == wanted.item:
                    self.actual[key] = wanted.item  # equal, but it may stand on something else now
            self.failures.pop(key, None)
            self.drifted.discard(key)
            self._index(key)
            self._touch(key)
        self._sort_out()

    def observed(self, kinds: Iterable[str], items: Iterable[Item]) -> None:
        """All items of these kinds that exist."""
        mine = frozenset(kinds)
        found = {item.key: item for item in items if item.kind in mine}
        known = [key for key in self.actual if key.kind in mine]
        for key in dict.fromkeys((*known, *found)):
            before, item, wanted = self.actual.get(key), found.get(key), self.wanted.get(key)
            if before == item:
                continue
            if wanted is not None and wanted.item == before:
                self.drifted.add(key)
            self._set_actual(key, item)
        self._sort_out()

    def external_changed(self, keys: Iterable[ItemKey]) -> None:
        """Something that nobody plans came or went."""
        for key in keys:
            self._touch(key)
        self._sort_out()

    def finished(self, group: int, outcomes: Sequence[Outcome], now: float) -> None:
        """A batch is done: an outcome for each of its changes."""
        for change in self._in_flight.pop(group, ()):
            del self._flying[change.key]
        for outcome in outcomes:
            key = outcome.change.key
            if outcome.error is not None:
                self._fail(key, outcome.change.op, outcome.error, now)
                continue
            for above in self._plans.above(key) if self.failures else ():
                self.failures.pop(above, None)  # what it stood on is new: it may work now
            self.failures.pop(key, None)
            self._set_actual(key, outcome.change.after)
        self._sort_out()

    # -- what is to be done ---------------------------------------------------------------------------

    def ready(self, now: float, busy: Container[int] = ()) -> dict[int, list[Change]]:
        """Changes that may be made now, a batch for each group that has none in flight and is not busy."""
        while self._retries and self._retries[0][0] <= now:
            self._look[heapq.heappop(self._retries)[2]] = None
        batches: dict[int, list[Change]] = {}
        waiting: dict[ItemKey, None] = {}
        seen: set[ItemKey] = set()
        while self._look:
            look, self._look = self._look, {}
            for key in look:
                group = self._group_of.get(key.kind)
                if key in self._flying or group is None or key in seen:
                    continue
                seen.add(key)
                if group in self._in_flight or group in busy:
                    waiting[key] = None
                    continue
                change = self._change(key, now)
                if change is not None:
                    batches.setdefault(group, []).append(change)
        for change in self._make_room(batches):
            waiting[change.key] = None
        self._look = waiting
        for group, changes in batches.items():
            changes.sort(key=lambda change: change.op is not Op.DELETE)
            self._in_flight[group] = changes
            for change in changes:
                self._flying[change.key] = change
                self._stands.set(change.key, change.before, change.after, like=self._plans)
        return batches

    def wake_at(self) -> float | None:
        """When `ready` has something new though nothing happens; None = never."""
        while self._retries and not self._is_due(*self._retries[0]):
            heapq.heappop(self._retries)
        return self._retries[0][0] if self._retries else None

    def idle(self, stuck: Container[int] = ()) -> bool:
        """Nothing is in flight and nothing is left to look at, but in stuck groups: only time or the world can help."""
        return not self._in_flight and all(self._group_of.get(key.kind) in stuck for key in self._look)

    def _is_due(self, at: float, _: int, key: ItemKey) -> bool:
        """Whether this retry is still meant: it was not overtaken by success or a later failure."""
        failure = self.failures.get(key)
        return failure is not None and failure.retry_at == at

    def _change(self, key: ItemKey, now: float) -> Change | None:
        """The change that this item needs and may have now."""
        before, wanted = self.actual.get(key), self.wanted.get(key)
        leaving = key in self._leaving
        if not leaving and _same(before, wanted.item if wanted is not None else None):
            self.failures.pop(key, None)
            self.former.pop(key, None)
            return None
        failure = self.failures.get(key)
        if failure is not None and failure.retry_at > now:
            return None
        if leaving:
            return Change(Op.DELETE, before, None) if self._nobody_stands_on(key) else None
        if wanted is None or next(self.missing(key), None) is not None:
            return None
        return Change(Op.CREATE if before is None else Op.UPDATE, before, wanted.item)

    def _nobody_stands_on(self, key: ItemKey) -> bool:
        """Nothing that exists requires it; what does is looked at too."""
        standing = self._stands.above(key)
        for above in standing:
            self._look.setdefault(above)
        return not standing

    def _make_room(self, batches: dict[int, list[Change]]) -> list[Change]:
        """Take out what is new where more is to be removed first, as long as removals make progress.

        What goes often has what the new one needs: a name, an address, a place in a namespace.
        """
        removing = {change.key for changes in batches.values() for change in changes if change.op is Op.DELETE}
        if not removing and not any(change.op is Op.DELETE for change in self._flying.values()):
            return []
        crowded = {self._group_of.get(key.kind) for key in self._leaving if key not in removing}
        held: list[Change] = []
        for group in [group for group in batches if group in crowded]:
            held += [change for change in batches[group] if change.op is not Op.DELETE]
            batches[group] = [change for change in batches[group] if change.op is Op.DELETE]
            if not batches[group]:
                del batches[group]
        return held

    # -- what has to go -------------------------------------------------------------------------------

    def _sort_out(self) -> None:
        """Find out again what is leaving, from what was touched upwards.

        First all in doubt counts as staying, then what has to go is put back. So items that require each
        other do not keep each other leaving, and it ends.
        """
        doubtful, self._dirty = list(self._dirty), {}
        before: set[ItemKey] = set()
        for key in doubtful:
            if key in self._leaving:
                before.add(key)
                self._leaving.discard(key)
                doubtful += [above for above in self._near_above(key) if above in self._leaving]
        for key in doubtful:
            if key not in self._leaving and self._has_to_go(key):
                self._leaving.add(key)
                doubtful += [above for above in self._near_above(key) if above not in self._leaving]
        for key in dict.fromkeys(doubtful):
            if (key in before) != (key in self._leaving):
                self._look[key] = None
                self._look.update(dict.fromkeys(self._plans.above(key)))

    def _near_above(self, key: ItemKey) -> Iterable[ItemKey]:
        return dict.fromkeys((*self._plans.above(key), *self._stands.above(key)))

    def _has_to_go(self, key: ItemKey) -> bool:
        """Whether this existing item has to be deleted: for itself, or because what it stands on goes."""
        item, wanted = self.actual.get(key), self.wanted.get(key)
        if item is None:
            return False
        if wanted is None or (not _same(wanted.item, item) and wanted.item.replaces(item)):
            return True
        if any(need in self._leaving or self._gone_for_good(need) for need in self._plans.below(key)):
            return True
        moves = any(need in self._leaving for need in self._stands.below(key))
        return moves and next(self.missing(key), None) is not None

    def _gone_for_good(self, key: ItemKey) -> bool:
        """It does not exist and nobody wants it back. (What only has to come back leaves others standing.)"""
        return key not in self.actual and key not in self.wanted and not self._external(key)

    def missing(self, key: ItemKey) -> Iterator[ItemKey]:
        """Requirements of a wanted item that are not there."""
        for need in self._plans.below(key):
            wanted = self.wanted.get(need)
            if wanted is not None:
                if not _same(self.actual.get(need), wanted.item) or need in self._leaving or need in self._flying:
                    yield need
            elif need in self.actual or not self._external(need):
                yield need

    # -- what is known --------------------------------------------------------------------------------

    def state(self, key: ItemKey) -> ItemState:
        """Where a wanted item stands."""
        if key in self.failures:
            return ItemState.FAILED
        wanted = self.wanted.get(key)
        if wanted is not None and _same(self.actual.get(key), wanted.item) and key not in self._leaving:
            return ItemState.IN_SYNC
        return ItemState.PENDING

    def counts(self) -> Counts:
        """Items by state."""
        states = [self.state(key) for key in self.wanted]
        leaving = sum(key not in self.wanted for key in self.actual)
        in_sync, failed = states.count(ItemState.IN_SYNC), states.count(ItemState.FAILED)
        return Counts(len(states), in_sync, len(states) - in_sync - failed + leaving, failed)

    def owner(self, key: ItemKey) -> Wanted | None:
        """Who wants this item, or wanted it until it was to be removed."""
        return self.wanted.get(key) or self.former.get(key)

    def is_flying(self, key: ItemKey) -> bool:
        """Whether a change of it is in flight."""
        return key in self._flying

    def reason(self, change: Change) -> str:
        """Why this change is made."""
        key, wanted = change.key, self.wanted.get(change.key)
        if key in self.failures:
            return f"tried again: {self.failures[key].error}"
        if change.op is not Op.DELETE:
            return "drift: it was there as wanted, then it was not" if key in self.drifted else WANTED
        if wanted is None:
            return NOT_WANTED
        if change.before is not None and wanted.item != change.before and wanted.item.replaces(change.before):
            return "it has to be made anew"
        needs = (*self._plans.below(key), *self._stands.below(key))
        gone = next((need for need in needs if need in self._leaving or self._gone_for_good(need)), None)
        return f"what it stands on goes: {gone}"

    def blocked_by(self, key: ItemKey) -> list[ItemKey]:
        """Wanted items that wait for this one, directly or through others."""
        found: dict[ItemKey, None] = {}
        queue = [key]
        while queue:
            for above in sorted(self._plans.above(queue.pop()), key=str):
                if above in self.wanted and above not in found and self.state(above) is ItemState.PENDING:
                    found[above] = None
                    queue.append(above)
        return list(found)

    def cycles(self) -> list[list[ItemKey]]:
        """Rings of items that require each other and so can never be made (or, existing, be removed)."""
        found: list[list[ItemKey]] = []
        done: set[ItemKey] = set()
        for start in (*self.wanted, *self._leaving):
            if start in done or self.state(start) is not ItemState.PENDING:
                continue
            trail, branches = {start: None}, [iter(self._plans.below(start))]
            while branches:
                need = next(branches[-1], None)
                if need is None:
                    branches.pop()
                    done.add(trail.popitem()[0])
                elif need in trail:
                    ring = list(trail)
                    found.append(ring[ring.index(need) :])
                elif need not in done and self._plans.below(need):
                    trail[need] = None
                    branches.append(iter(self._plans.below(need)))
        return found

    def unclaimed(self) -> list[ItemKey]:
        """Wanted items of a kind that no driver changes."""
        return [key for key in self.wanted if not self.is_claimed(key)]

    def is_claimed(self, key: ItemKey) -> bool:
        return key.kind in self._group_of

    # -- inside ---------------------------------------------------------------------------------------

    def _set_actual(self, key: ItemKey, item: Item | None) -> None:
        wanted = self.wanted.get(key)
        if _same(item, wanted.item if wanted is not None else None):
            item = wanted.item if wanted is not None else None  # it knows best what it stands on
            self.failures.pop(key, None)
            self.drifted.discard(key)
        if item is None:
            self.actual.pop(key, None)
            self.former.pop(key, None)
        else:
            self.actual[key] = item
        self._index(key)
        self._touch(key)

    def _index(self, key: ItemKey) -> None:
        """The intent knows requirements better than what was observed. What it stands on no longer may go now."""
        wanted, actual = self.wanted.get(key), self.actual.get(key)
        self._plans.set(key, wanted.item if wanted is not None else actual)
        if key not in self._flying:
            self._look.update(dict.fromkeys(self._stands.set(key, actual, like=self._plans)))

    def _touch(self, key: ItemKey) -> None:
        """Look at this key and at what stands on it; of what exists it is in doubt whether it stays."""
        look, dirty = self._look, self._dirty
        look[key] = None
        if key in self.actual or key in self._leaving:
            dirty[key] = None
        for known in (self._plans, self._stands):
            for above in known.above(key):
                look[above] = None
                if above in self.actual or above in self._leaving:
                    dirty[above] = None

    def _fail(self, key: ItemKey, op: Op, error: Exception, now: float) -> None:
        self._index(key)
        self._touch(key)
        before = self.failures.get(key)
        attempts = before.attempts + 1 if before is not None else 1
        delay = BACKOFF_LIMIT
        if getattr(error, "retryable", True):
            delay = min(BACKOFF_LIMIT, BACKOFF_FIRST * 2.0 ** min(attempts - 1, 16))
        retry_at = now + delay * (0.75 + 0.25 * self._jitter())
        since = before.since if before is not None else now
        self.failures[key] = Failure(error, op, since, attempts, retry_at)
        self._fails += 1
        heapq.heappush(self._retries, (retry_at, self._fails, key))


def _same(one: Item | None, other: Item | None) -> bool:
    return one is other or one == other
