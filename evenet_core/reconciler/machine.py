"""The heart: what is, what is wanted, and which change may be made now. Sans-IO: time is handed in.

Rules of this file:

* nothing is created before everything it requires is there;
* nothing that another existing item requires is deleted; a replaced item takes its dependents down first, and so
  does an update those of its dependents that are to be made anew after one;
* what stands on something that goes is updated to stand elsewhere if that can be done at once, else it goes too;
* a group makes nothing new while removals that could make room for it are under way;
* what fails, or is undone by somebody else, is tried again later and holds up only what requires it;
* the cost of a change is that of the items it touches, not that of the node: a place is looked at when
  something happened to it, to what it requires, or to what requires it.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evenet_core.reconciler.failures import Drift, DriftError, Failures
from evenet_core.reconciler.fragments import Delta, Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.places import Place, Places

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
        self._fights = self._failures.drifts
        self.actual: dict[ItemKey, Item] = {}
        self.wanted: dict[ItemKey, Wanted] = {}
        self.former: dict[ItemKey, Wanted] = {}  # what was wanted and is still to be removed
        self.drifted: dict[ItemKey, Drift] = {}  # was as wanted, was found otherwise, and is to be repaired
        self.obsolete: set[ItemKey] = set()  # changes in flight that nobody wants any more, of groups apart
        self._places = Places(group_of)
        self._leaves: Counter[int | None] = Counter()  # how many exist and have to be deleted, by group
        self._dirty: dict[Place, None] = {}  # whether these are leaving may have changed
        # places to look at by group, in the order in which they came up
        self._look: defaultdict[int, dict[Place, None]] = defaultdict(dict)
        self._flights: Counter[int] = Counter()  # how many changes are in flight, by group
        self._removals = 0  # of them

    # -- what happens ---------------------------------------------------------------------------------

    def update(self, delta: Delta) -> None:
        """The intent changed."""
        for key, wanted in delta.items():
            place = self._places[key]
            if wanted is not None:
                self.wanted[key], place.wanted = wanted, wanted.item
                if self.former:
                    self.former.pop(key, None)
                if place.actual is not None and place.actual == wanted.item:
                    self.actual[key] = place.actual = wanted.item  # equal, but it may stand on something else now
            elif place.wanted is not None:
                before, place.wanted = self.wanted.pop(key), None
                if place.actual is not None or place.change is not None:
                    self.former[key] = before
            if self.failures or self._fights:
                self._failures.forget(key)
            if self.drifted:
                self.drifted.pop(key, None)
            if place.change is not None and self._is_obsolete(place):
                self.obsolete.add(key)
            self._relate(place)
            self._touch(place)
            if wanted is None:
                self._places.drop(place)
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
        known = [key for key in self.actual if key[0] in mine]
        places = [self._places[key] for key in dict.fromkeys((*known, *found)) if key not in but]
        drifts = [
            drift
            for place in places
            if place.change is None and (drift := self._found(place, found.get(place.key), now, by)) is not None
        ]
        self._sort_out()
        return drifts

    def saw(self, key: ItemKey, item: Item | None, now: float, by: str = "") -> Drift | None:
        """This item is so now, or is gone; nobody changes it at this moment. Returns what is not as it was."""
        drift = self._found(self._places[key], item, now, by)
        self._sort_out()
        return drift

    def external_changed(self, keys: Iterable[ItemKey]) -> None:
        """Something that nobody plans came or went. What went along with it was taken by nobody."""
        for place in [self._places[key] for key in keys if key in self._places]:
            self._forgive_above(place)
            self._touch(place)
        self._sort_out()

    def finished(self, outcomes: Iterable[Outcome], now: float) -> None:
        """What became of changes in flight."""
        for change, error in outcomes:
            place = self._landed(change)
            if error is not None:
                self._relate(place)
                self._touch(place)
                self._failures.failed(change.key, change.op, error, now)
                self._places.drop(place)
                continue
            if not self.drifted or change.key not in self.drifted:
                self._failures.changed_at = now  # repairs do not count, or a fight would have no end
            if self.failures or self._fights:
                self._failures.worked(change.key)
                self._forgive_above(place)  # what they stand on is new: they may work now
            self._set_actual(place, change.after)
        self._sort_out()

    def interrupted(self, change: Change, found: Item | None) -> None:
        """A change in flight was cancelled; this is what it left."""
        self._set_actual(self._landed(change), found)
        self._sort_out()

    # -- what is to be done ---------------------------------------------------------------------------

    def ready(self, now: float, busy: Container[int] = ()) -> dict[int, list[Change]]:
        """Changes that may be made now, by group: of all that are not busy."""
        for key in self._failures.due(now):
            if key in self._places:
                self._look_at(self._places[key])
        batches: dict[int, dict[Place, Change]] = {}
        seen: set[Place] = set()
        while due := [group for group in self._look if group not in busy and not self.is_engaged(group)]:
            for group in due:
                batch = batches.setdefault(group, {})
                for place in self._look.pop(group):
                    if place.change is not None or place in batch or place in seen:
                        continue
                    change = self._change(place, now)
                    if change is not None:
                        batch[place] = change
                    elif place.actual is not None:
                        seen.add(place)
        for place in self._make_room(batches):
            self._look_at(place)
        return {group: self._taken_off(group, batch) for group, batch in batches.items() if batch}

    def wake_at(self) -> float | None:
        """When `ready` has something new though nothing happens; None = never."""
        return self._failures.next_at()

    def idle(self, stuck: Container[int] = ()) -> bool:
        """Nothing is in flight and nothing is left to look at, but in stuck groups: only time or the world can help."""
        return not any(self._flights.values()) and all(group in stuck for group in self._look)

    def has_work(self, group: int) -> bool:
        """Whether something of this group is to be looked at."""
        return group in self._look

    def is_engaged(self, group: int) -> bool:
        """Whether a batch is in flight, and so nothing else may be."""
        return self._flights[group] > 0 and group not in self._apart

    def _look_at(self, place: Place) -> None:
        if place.group is not None:
            self._look[place.group][place] = None

    def _taken_off(self, group: int, batch: Mapping[Place, Change]) -> list[Change]:
        """A batch that is in flight from now on, deletes first."""
        for place, change in batch.items():
            place.change = change
            self._places.relate(place)
        changes = sorted(batch.values(), key=lambda change: change.after is not None)
        self._flights[group] += len(changes)
        self._removals += _removals(changes)
        return changes

    def _landed(self, change: Change) -> Place:
        place = self._places[change.key]
        place.change = None
        self._flights[self._group_of[change.key[0]]] -= 1
        self._removals -= change.after is None
        if self.obsolete:
            self.obsolete.discard(change.key)
        return place

    def _is_obsolete(self, place: Place) -> bool:
        """Whether what is being made is not wanted so any more. (A removal is worth its end.)"""
        if place.change is None or place.change.after is None or place.group not in self._apart:
            return False
        return place.wanted is None or place.change.after != place.wanted

    def _change(self, place: Place, now: float) -> Change | None:
        """The change that this place needs and may have now."""
        before, wanted, key = place.actual, place.wanted, place.key
        if before is wanted and not place.leaving:
            self._failures.worked(key)
            self.former.pop(key, None)
            return None
        if self.failures and self._failures.holds(key, now):
            return None
        if place.leaving:
            return Change(Op.DELETE, before, None, key) if self._nobody_stands_on(place) else None
        if wanted is None or self._misses_something(place):
            return None
        if before is None:
            return Change(Op.CREATE, None, wanted, key)
        return Change(Op.UPDATE, before, wanted, key) if self._nobody_stands_on(place, anew=True) else None

    def _nobody_stands_on(self, place: Place, *, anew: bool = False) -> bool:
        """Nothing that exists requires it (so that it is to be made anew); what does is looked at too."""
        standing = [above for above in place.above if (above.stands.get(place) if anew else place in above.stands)]
        for above in standing:
            self._look_at(above)
        return not standing

    def _make_room(self, batches: dict[int, dict[Place, Change]]) -> list[Place]:
        """Take out what is new where more is to be removed first, as long as removals make progress.

        What goes often has what the new one needs: a name, an address, a place in a namespace.
        """
        if not self._removals and not any(self._leaves.values()):
            return []
        removing = {group: _removals(batch.values()) for group, batch in batches.items()}
        if not self._removals and not any(removing.values()):
            return []
        held: list[Place] = []
        for group in [g for g, n in removing.items() if self._leaves[g] > n and g not in self._apart]:
            held += [place for place, change in batches[group].items() if change.after is not None]
            batches[group] = {place: change for place, change in batches[group].items() if change.after is None}
        return held

    # -- what has to go -------------------------------------------------------------------------------

    def _sort_out(self) -> None:
        """Find out again what is leaving, from what was touched upwards.

        First all in doubt counts as staying, then what has to go is put back. So items that require each
        other do not keep each other leaving, and it ends.
        """
        doubtful, self._dirty = list(self._dirty), {}
        before: dict[Place, None] = {}
        for place in doubtful:
            if place.leaving:
                before[place] = None
                place.leaving = False
                doubtful += [above for above in place.above if above.leaving]
        after: dict[Place, None] = {}
        for place in doubtful:
            if not place.leaving and self._has_to_go(place):
                after[place] = None
                place.leaving = True
                doubtful += [above for above in place.above if not above.leaving]
        for place in {**before, **after}:
            if (place in before) != place.leaving:
                self._leaves[place.group] += 1 if place.leaving else -1
                self._look_at(place)
                for above in place.above:
                    self._look_at(above)

    def _has_to_go(self, place: Place) -> bool:
        """Whether this existing item has to be deleted: for itself, or because what it stands on goes."""
        item, wanted = place.actual, place.wanted
        if item is None:
            return False
        if wanted is None or (wanted is not item and wanted.replaces(item)):
            return True
        for need, anew in place.needs.items():
            if need.leaving or (anew and _is_to_change(need)) or (need.wanted is None and self._gone_for_good(need)):
                return True
        if place.stands is place.needs:
            return False
        moves = any(need.leaving or (anew and _is_to_change(need)) for need, anew in place.stands.items())
        return moves and self._misses_something(place)

    def _gone_for_good(self, place: Place) -> bool:
        """It does not exist and nobody wants it back. (What only has to come back leaves others standing.)"""
        return place.wanted is None and place.actual is None and not self._external(place.key)

    def _misses_something(self, place: Place) -> bool:
        return not all(map(self._is_there, place.needs))

    def _is_there(self, place: Place) -> bool:
        if place.wanted is None:
            return place.actual is None and self._external(place.key)
        return place.actual is place.wanted and place.change is None and not place.leaving

    def close(self) -> None:
        """It is not asked any more."""
        self._places.dissolve()

    # -- what is known --------------------------------------------------------------------------------

    def below(self, key: ItemKey) -> list[ItemKey]:
        """What an item requires; by the intent, or where nobody wants it as it is."""
        place = self._places.get(key)
        return [need.key for need in place.needs] if place is not None else []

    def above(self, key: ItemKey) -> list[ItemKey]:
        """What requires this."""
        place = self._places.get(key)
        return [above.key for above in place.above if place in above.needs] if place is not None else []

    def missing(self, key: ItemKey) -> list[ItemKey]:
        """Requirements of an item that are not there."""
        place = self._places.get(key)
        return [need.key for need in place.needs if not self._is_there(need)] if place is not None else []

    @property
    def leaving(self) -> list[ItemKey]:
        """What exists and has to be deleted."""
        return [key for key in self.actual if self._places[key].leaving]

    def state(self, key: ItemKey) -> ItemState:
        """Where a wanted item stands."""
        place = self._places.get(key)
        if key in self.failures:
            return ItemState.FAILED
        if place is None or place.wanted is None or place.leaving or place.actual is not place.wanted:
            return ItemState.PENDING
        return ItemState.IN_SYNC

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
        place = self._places.get(key)
        return place is not None and place.change is not None

    def reason(self, change: Change) -> str:
        """Why this change is made."""
        if change.before is None and not self.failures and not self.drifted:
            return WANTED
        key, place = change.key, self._places[change.key]
        drift, failure, wanted = self.drifted.get(key), self.failures.get(key), place.wanted
        if failure is not None and not isinstance(failure.error, DriftError):
            return f"tried again: {failure.error}"
        if change.after is not None:
            return f"drift: it {drift.what}" if drift is not None else WANTED
        if wanted is None:
            return NOT_WANTED
        if change.before is not None and wanted != change.before and wanted.replaces(change.before):
            return "it has to be made anew"
        needs = (*place.needs, *place.stands)
        gone = next((need.key for need in needs if need.leaving or self._gone_for_good(need)), None)
        return f"what it stands on goes: {gone}" if gone is not None else "what it stands on changes"

    def is_claimed(self, key: ItemKey) -> bool:
        return key.kind in self._group_of

    # -- inside ---------------------------------------------------------------------------------------

    def _found(self, place: Place, item: Item | None, now: float, by: str) -> Drift | None:
        """The system has this item so; a drift if it was as wanted and is not any more."""
        before, key = place.actual, place.key
        if before is item or before == item:
            self._places.drop(place)
            return None
        drift = None
        if before is not None and before is place.wanted and not place.leaving:
            drift = self.drifted[key] = self._failures.drifted(key, before, item, now, by)
        self._set_actual(place, item)
        return drift

    def _set_actual(self, place: Place, item: Item | None) -> None:
        key, wanted = place.key, place.wanted
        done = item is wanted or item == wanted
        if done:
            item = wanted  # it knows best what it stands on
            if self.failures or self.drifted:
                self._failures.worked(key)
                self.drifted.pop(key, None)
        place.actual = item
        if item is not None:
            self.actual[key] = item
        else:
            self.actual.pop(key, None)
            self.former.pop(key, None)
        if item is not place.planned or place.stands is not place.needs:
            self._relate(place)
        self._touch(place, done=done and not place.leaving)
        if item is None:
            self._places.drop(place)

    def _relate(self, place: Place) -> None:
        """What it stands on no longer may go now."""
        for dropped in self._places.relate(place):
            self._look_at(dropped)

    def _touch(self, place: Place, *, done: bool = False) -> None:
        """Look at this place unless it is as wanted, and at what requires it; whether what exists stays is in doubt."""
        dirty = self._dirty
        if not done:
            self._look_at(place)
        if place.actual is not None or place.leaving:
            dirty[place] = None
        for above in place.above:
            self._look_at(above)
            if above.actual is not None or above.leaving:
                dirty[above] = None

    def _forgive_above(self, place: Place) -> None:
        """What failed for want of this is tried again at once."""
        for above in place.above:
            self._failures.forget(above.key)


def _removals(changes: Iterable[Change]) -> int:
    return sum(change.after is None for change in changes)


def _is_to_change(place: Place) -> bool:
    """It exists, and not as it is wanted."""
    return place.actual is not None and place.wanted is not None and place.actual is not place.wanted
