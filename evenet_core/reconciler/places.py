"""Places: what is known of each key, and which place requires which, from both ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey

__all__ = ["Place", "Places"]


class Place:
    """A key. Places refer to each other, for to look a key up costs more than all that is asked of a place."""

    __slots__ = (
        "above",
        "actual",
        "change",
        "group",
        "key",
        "leaving",
        "needs",
        "planned",
        "stands",
        "stood",
        "wanted",
    )

    def __init__(self, key: ItemKey, group: int | None) -> None:
        self.key = key
        self.group = group  # None = nobody makes items of this kind
        self.wanted: Wanted | None = None
        self.actual: Item | None = None
        self.change: Change | None = None  # in flight
        self.leaving = False  # exists and has to be deleted
        # What it requires, and whether an update of that makes it anew: by the intent, or where nobody wants it as it
        # is; and what it stands on as it is, or is being made. Mostly the very same.
        self.needs: Mapping[Place, bool] = NOTHING
        self.stands: Mapping[Place, bool] = NOTHING
        self.planned: Item | None = None  # whose requirements `needs` are
        self.stood: tuple[Item | None, Item | None] = NOWHERE  # whose requirements `stands` are
        self.above: dict[Place, None] = NOBODY  # who needs it or stands on it, in the order in which they came


NOTHING: Mapping[Place, bool] = {}
NOBODY: dict[Place, None] = {}  # never written to: most places carry nothing
NOWHERE = (None, None)


class Places(dict[ItemKey, Place]):
    """All places that anything is known of.

    :param group_of: by kind, the group that makes items of it.
    """

    def __init__(self, group_of: Mapping[str, int]) -> None:
        super().__init__()
        self._group_of = group_of

    def at(self, key: ItemKey) -> Place:
        """The place of this key."""
        place = self.get(key)
        if place is None:
            place = self[key] = Place(key, self._group_of.get(key[0]))
        return place

    def plan(self, place: Place) -> None:
        """What it requires follows from the intent, which knows better than what was observed."""
        item = place.wanted.item if place.wanted is not None else place.actual
        if item is not place.planned:
            before, place.needs, place.planned = place.needs, self._required(item), item
            self._link(place, before, place.needs)

    def stand(self, place: Place, one: Item | None, other: Item | None = None) -> Iterable[Place]:
        """It stands on what any of these items requires. Returns what it stands on no longer."""
        if one is None:
            one, other = other, None
        if place.stood[0] is one and place.stood[1] is other:
            return ()
        before, place.stood = place.stands, (one, other)
        stands = place.needs if one is place.planned else self._required(one)
        place.stands = stands if other is None else {**stands, **self._required(other)}
        if place.stands is not place.needs or before:
            self._link(place, before, place.stands)
        return [below for below in before if below not in place.stands]

    def drop(self, place: Place) -> None:
        """Forget a place of which nothing is known any more."""
        if place.wanted is None and place.actual is None and place.change is None and not place.above:
            self.pop(place.key, None)

    def _required(self, item: Item | None) -> Mapping[Place, bool]:
        if item is None:
            return NOTHING
        return {self.at(need.key): need.anew for need in item.requires} or NOTHING

    def _link(self, place: Place, before: Mapping[Place, bool], after: Mapping[Place, bool]) -> None:
        """`before` gave way to `after` among what it needs or stands on."""
        if before is after:
            return
        for below in after:
            if below.above is NOBODY:
                below.above = {}
            below.above[place] = None
        for below in before:
            if below not in place.needs and below not in place.stands:
                del below.above[place]
                self.drop(below)
