"""The heart: what is, what is wanted, and which change may be made now. Sans-IO: time is handed in.

Rules of this file:

* nothing is created before everything it requires is there;
* nothing that another existing item requires is deleted; a replaced item takes its dependents down first, and so
  does an update those of its dependents that are to be made anew after one;
* what stands on something that goes is updated to stand elsewhere if that can be done at once, else it goes too;
* a group makes nothing new while removals that could make room for it are under way;
* what fails, or is undone by somebody else, is tried again later and holds up only what requires it;
* the cost of a change is that of the items it touches, not that of the node: a key is looked at when
  something happened to it, to what it requires, or to what requires it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evenet_core.reconciler.failures import Drift, DriftError, Failures
from evenet_core.reconciler.fragments import Delta, Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.requirements import Requirements

__all__ = ["PLAIN_REASONS", "Counts", "ItemState", "Machine"]

WANTED, NOT_WANTED = "it is wanted so", "it is not wanted any more"
PLAIN_REASONS = {"", WANTED, NOT_WANTED}  # those that the intent itself gives


class ItemState(StrEnum):
    """Where a wanted item stands."""

    IN_SYNC = "in-sync"
    PENDING = "pending"
    FAILED = "failed"


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
    :param apart: groups each of whose changes is a batch of its own, any number of them in flight.
    """

    def __init__(
        self,
        group_of: Mapping[str, int],
        external: Callable[[ItemKey], bool],
        jitter: Callable[[], float] = random.random,
        apart: Collection[int] = (),
    ) -> None:
        self._group_of = group_of
        self._external = external
        self._apart = apart
        self._failures = Failures(jitter)
        self.failures = self._failures.of
        self.actual: dict[ItemKey, Item] = {}
        self.wanted: dict[ItemKey, Wanted] = {}
        self.former: dict[ItemKey, Wanted] = {}  # what was wanted and is still to be removed
        self.drifted: dict[ItemKey, Drift] = {}  # was as wanted, was found otherwise, and is to be repaired
        self.obsolete: set[ItemKey] = set()  # changes in flight that nobody wants any more, of groups apart
        self._there: dict[int, dict[ItemKey, None]] = {}  # what exists, by group
        self.leaving: set[ItemKey] = set()  # exists and has to be deleted
        self._leaves: Counter[int] = Counter()  # how many of them, by group
        self._dirty: dict[ItemKey, None] = {}  # whether these are leaving may have changed
        self.plans = Requirements()  # of the intent; of what exists where nobody wants it
        self._stands = Requirements()  # of what exists, and of what is being made
        self._look: dict[int, dict[ItemKey, None]] = {}  # keys to look at by group, in the order in which they came up
        self._flying: dict[ItemKey, Change] = {}
        self._flights: Counter[int] = Counter()  # how many of them, by group
        self._removals = 0  # of them

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
            if self._failures:
                self._failures.forget(key)
            if self.drifted:
                self.drifted.pop(key, None)
            if self._flying and self._is_obsolete(key):
                self.obsolete.add(key)
            self._index(key)
            self._touch(key)
        self._sort_out()

    def observed(
        self, kinds: Iterable[str], items: Iterable[Item], now: float = 0.0, by: str = "", but: Container[ItemKey] = ()
    ) -> list[Drift]:
        """All items of these kinds that exist. Returns what is not as it was.

        :param by: whose hand it was, if something is not as it was.
        :param but: keys that were changed during the observation; what it says of them may be old.
        """
        mine = frozenset(kinds)
        found = {item.key: item for item in items if item.kind in mine}
        groups = {self._group_of[kind] for kind in mine}
        known = [key for group in groups for key in self._there.get(group, ()) if key[0] in mine]
        drifts = [
            drift
            for key in dict.fromkeys((*known, *found))
            if key not in self._flying
            and key not in but
            and (drift := self._found(key, found.get(key), now, by)) is not None
        ]
        self._sort_out()
        return drifts

    def saw(self, key: ItemKey, item: Item | None, now: float, by: str = "") -> Drift | None:
        """This item is so now, or is gone; nobody changes it at this moment. Returns what is not as it was."""
        drift = self._found(key, item, now, by)
        self._sort_out()
        return drift

    def external_changed(self, keys: Iterable[ItemKey]) -> None:
        """Something that nobody plans came or went. What went along with it was taken by nobody."""
        for key in keys:
            for above in self.plans.above(key):
                self._failures.forget(above)
            self._touch(key)
        self._sort_out()

    def finished(self, outcomes: Iterable[Outcome], now: float) -> None:
        """What became of changes in flight."""
        for outcome in outcomes:
            key = outcome.change.key
            self._landed(outcome.change)
            if outcome.error is not None:
                self._index(key)
                self._touch(key)
                self._failures.failed(key, outcome.change.op, outcome.error, now)
                continue
            if key not in self.drifted:
                self._failures.changed_at = now  # repairs do not count, or a fight would have no end
            if self._failures:
                self._failures.worked(key)
                for above in self.plans.above(key):
                    self._failures.forget(above)  # what it stood on is new: it may work now
            self._set_actual(key, outcome.change.after)
        self._sort_out()

    def interrupted(self, change: Change, found: Item | None) -> None:
        """A change in flight was cancelled; this is what it left."""
        self._landed(change)
        self._set_actual(change.key, found)
        self._sort_out()

    # -- what is to be done ---------------------------------------------------------------------------

    def ready(self, now: float, busy: Container[int] = ()) -> dict[int, list[Change]]:
        """Changes that may be made now, by group: of all that are not busy."""
        for key in self._failures.due(now):
            self._look_at(key)
        batches: dict[int, list[Change]] = {}
        seen: set[ItemKey] = set()
        while due := [group for group in self._look if group not in busy and not self.is_engaged(group)]:
            for group in due:
                for key in self._look.pop(group):
                    if key in self._flying or key in seen:
                        continue
                    seen.add(key)
                    change = self._change(key, now)
                    if change is not None:
                        batches.setdefault(group, []).append(change)
        for change in self._make_room(batches):
            self._look_at(change.key)
        for group, changes in batches.items():
            changes.sort(key=lambda change: change.op is not Op.DELETE)
            for change in changes:
                self._take_off(group, change)
        return batches

    def wake_at(self) -> float | None:
        """When `ready` has something new though nothing happens; None = never."""
        return self._failures.next_at()

    def idle(self, stuck: Container[int] = ()) -> bool:
        """Nothing is in flight and nothing is left to look at, but in stuck groups: only time or the world can help."""
        return not self._flying and all(group in stuck for group in self._look)

    def has_work(self, group: int) -> bool:
        """Whether something of this group is to be looked at."""
        return group in self._look

    def is_engaged(self, group: int) -> bool:
        """Whether a batch is in flight, and so nothing else may be."""
        return self._flights[group] > 0 and group not in self._apart

    def _look_at(self, key: ItemKey) -> None:
        group = self._group_of.get(key[0])
        if group is not None:
            self._look.setdefault(group, {})[key] = None

    def _take_off(self, group: int, change: Change) -> None:
        self._flying[change.key] = change
        self._flights[group] += 1
        self._removals += change.op is Op.DELETE
        self._stands.set(change.key, change.before, change.after, like=self.plans)

    def _landed(self, change: Change) -> None:
        del self._flying[change.key]
        self._flights[self._group_of[change.key[0]]] -= 1
        self._removals -= change.op is Op.DELETE
        self.obsolete.discard(change.key)

    def _is_obsolete(self, key: ItemKey) -> bool:
        """Whether what is being made is not wanted so any more. (A removal is worth its end.)"""
        change, wanted = self._flying.get(key), self.wanted.get(key)
        if change is None or change.after is None or self._group_of[key[0]] not in self._apart:
            return False
        return not _same(change.after, wanted.item if wanted is not None else None)

    def _change(self, key: ItemKey, now: float) -> Change | None:
        """The change that this item needs and may have now."""
        before, wanted = self.actual.get(key), self.wanted.get(key)
        leaving = key in self.leaving
        if not leaving and _same(before, wanted.item if wanted is not None else None):
            self._failures.worked(key)
            self.former.pop(key, None)
            return None
        if self._failures.holds(key, now):
            return None
        if leaving:
            return Change(Op.DELETE, before, None, key) if self._nobody_stands_on(key) else None
        if wanted is None or self._misses_something(key):
            return None
        if before is None:
            return Change(Op.CREATE, None, wanted.item, key)
        return Change(Op.UPDATE, before, wanted.item, key) if self._nobody_stands_on(key, anew=True) else None

    def _nobody_stands_on(self, key: ItemKey, *, anew: bool = False) -> bool:
        """Nothing that exists requires it (so that it is to be made anew); what does is looked at too."""
        stands = self._stands
        standing = [above for above in stands.above(key) if not anew or stands.below(above)[key]]
        for above in standing:
            self._look_at(above)
        return not standing

    def _make_room(self, batches: dict[int, list[Change]]) -> list[Change]:
        """Take out what is new where more is to be removed first, as long as removals make progress.

        What goes often has what the new one needs: a name, an address, a place in a namespace.
        """
        removing = {group: sum(c.op is Op.DELETE for c in changes) for group, changes in batches.items()}
        if not self._removals and not any(removing.values()):
            return []
        held: list[Change] = []
        crowded = [g for g, n in removing.items() if self._leaves[g] > n and g not in self._apart]
        for group in crowded:
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
            if key in self.leaving:
                before.add(key)
                self.leaving.discard(key)
                doubtful += [above for above in self._near_above(key) if above in self.leaving]
        for key in doubtful:
            if key not in self.leaving and self._has_to_go(key):
                self.leaving.add(key)
                doubtful += [above for above in self._near_above(key) if above not in self.leaving]
        for key in dict.fromkeys(doubtful):
            if (key in before) != (key in self.leaving):
                self._count_leaving(key)
                self._look_at(key)
                for above in self.plans.above(key):
                    self._look_at(above)

    def _count_leaving(self, key: ItemKey) -> None:
        group = self._group_of.get(key[0])
        if group is not None:
            self._leaves[group] += 1 if key in self.leaving else -1

    def _near_above(self, key: ItemKey) -> Iterable[ItemKey]:
        return dict.fromkeys((*self.plans.above(key), *self._stands.above(key)))

    def _has_to_go(self, key: ItemKey) -> bool:
        """Whether this existing item has to be deleted: for itself, or because what it stands on goes."""
        item, wanted = self.actual.get(key), self.wanted.get(key)
        if item is None:
            return False
        if wanted is None or (not _same(wanted.item, item) and wanted.item.replaces(item)):
            return True
        below, standing = self.plans.below(key), self._stands.below(key)
        for need, anew in below.items():
            if need in self.leaving or self._gone_for_good(need) or (anew and self._is_to_change(need)):
                return True
        if standing is below:
            return False
        moves = any(need in self.leaving or (anew and self._is_to_change(need)) for need, anew in standing.items())
        return moves and self._misses_something(key)

    def _is_to_change(self, key: ItemKey) -> bool:
        """It exists, and not as it is wanted."""
        item, wanted = self.actual.get(key), self.wanted.get(key)
        return item is not None and wanted is not None and not _same(item, wanted.item)

    def _gone_for_good(self, key: ItemKey) -> bool:
        """It does not exist and nobody wants it back. (What only has to come back leaves others standing.)"""
        return key not in self.actual and key not in self.wanted and not self._external(key)

    def missing(self, key: ItemKey) -> list[ItemKey]:
        """Requirements of a wanted item that are not there."""
        return [need for need in self.plans.below(key) if not self._is_there(need)]

    def _misses_something(self, key: ItemKey) -> bool:
        return not all(map(self._is_there, self.plans.below(key)))

    def _is_there(self, need: ItemKey) -> bool:
        wanted = self.wanted.get(need)
        if wanted is None:
            return need not in self.actual and self._external(need)
        item = self.actual.get(need)
        same = item is wanted.item or item == wanted.item
        return same and need not in self._flying and need not in self.leaving

    # -- what is known --------------------------------------------------------------------------------

    def state(self, key: ItemKey) -> ItemState:
        """Where a wanted item stands."""
        if key in self.failures:
            return ItemState.FAILED
        wanted = self.wanted.get(key)
        if wanted is not None and _same(self.actual.get(key), wanted.item) and key not in self.leaving:
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
        if change.op is Op.CREATE and not self._failures and not self.drifted:
            return WANTED
        drift, failure = self.drifted.get(key), self.failures.get(key)
        if failure is not None and not isinstance(failure.error, DriftError):
            return f"tried again: {failure.error}"
        if change.op is not Op.DELETE:
            return f"drift: it {drift.what}" if drift is not None else WANTED
        if wanted is None:
            return NOT_WANTED
        if change.before is not None and wanted.item != change.before and wanted.item.replaces(change.before):
            return "it has to be made anew"
        needs = (*self.plans.below(key), *self._stands.below(key))
        gone = next((need for need in needs if need in self.leaving or self._gone_for_good(need)), None)
        return f"what it stands on goes: {gone}" if gone is not None else "what it stands on changes"

    def is_claimed(self, key: ItemKey) -> bool:
        return key.kind in self._group_of

    # -- inside ---------------------------------------------------------------------------------------

    def _found(self, key: ItemKey, item: Item | None, now: float, by: str) -> Drift | None:
        """The system has this item so; a drift if it was as wanted and is not any more."""
        before, wanted = self.actual.get(key), self.wanted.get(key)
        if _same(before, item):
            return None
        drift = None
        if before is not None and wanted is not None and _same(wanted.item, before) and key not in self.leaving:
            drift = self.drifted[key] = self._failures.drifted(key, before, item, now, by)
        self._set_actual(key, item)
        return drift

    def _set_actual(self, key: ItemKey, item: Item | None) -> None:
        wanted = self.wanted.get(key)
        done = _same(item, wanted.item if wanted is not None else None)
        if done:
            item = wanted.item if wanted is not None else None  # it knows best what it stands on
            if self._failures or self.drifted:
                self._failures.worked(key)
                self.drifted.pop(key, None)
        there = self._there.setdefault(self._group_of[key[0]], {})
        if item is None:
            self.actual.pop(key, None)
            self.former.pop(key, None)
            there.pop(key, None)
        else:
            self.actual[key] = item
            there[key] = None
        self._index(key)
        self._touch(key, done=done and key not in self.leaving)

    def _index(self, key: ItemKey) -> None:
        """The intent knows requirements better than what was observed. What it stands on no longer may go now."""
        wanted, actual = self.wanted.get(key), self.actual.get(key)
        self.plans.set(key, wanted.item if wanted is not None else actual)
        if key not in self._flying:
            for dropped in self._stands.set(key, actual, like=self.plans):
                self._look_at(dropped)

    def _touch(self, key: ItemKey, *, done: bool = False) -> None:
        """Look at this key unless it is as wanted, and at what stands on it; whether what exists stays is in doubt."""
        dirty, actual = self._dirty, self.actual
        if not done:
            self._look_at(key)
        if key in actual or key in self.leaving:
            dirty[key] = None
        for above in (*self.plans.above(key), *self._stands.above(key)):
            self._look_at(above)
            if above in actual or above in self.leaving:
                dirty[above] = None


def _same(one: Item | None, other: Item | None) -> bool:
    return one is other or one == other
