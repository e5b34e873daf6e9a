"""Places: what is known of each key, and which place requires which, from both ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
        "wanted",
    )

    def __init__(self, key: ItemKey, group: int | None) -> None:
        self.key = key
        self.group = group  # None = nobody makes items of this kind
        self.wanted: Item | None = None
        self.actual: Item | None = None  # if it is as wanted, it is `wanted` itself
        self.change: Change | None = None  # in flight
        self.leaving = False  # exists and has to be deleted
        # What it requires, and whether an update of that makes it anew: by the intent, or where nobody wants it as it
        # is; and what it stands on as it is, or is being made. Mostly the very same.
        self.needs: Mapping[Place, bool] = NOTHING
        self.stands: Mapping[Place, bool] = NOTHING
        self.planned: Item | None = None  # whose requirements `needs` are
        self.above: dict[Place, None] = NOBODY  # who needs it or stands on it, in the order in which they came


NOTHING: Mapping[Place, bool] = {}
NOBODY: dict[Place, None] = {}  # never written to: most places carry nothing


class Places(dict[ItemKey, Place]):
    """All places that anything is known of. To ask for another makes it.

    :param group_of: by kind, the group that makes items of it.
    """

    def __init__(self, group_of: Mapping[str, int]) -> None:
        super().__init__()
        self._group_of = group_of

    def __missing__(self, key: ItemKey) -> Place:
        place = self[key] = Place(key, self._group_of.get(key[0]))
        return place

    def relate(self, place: Place) -> Iterable[Place]:
        """What it requires and stands on follows from what is known of it. Returns what it stands on no longer."""
        item = place.wanted if place.wanted is not None else place.actual
        if item is not place.planned:
            former, place.needs, place.planned = place.needs, self._required(item), item
            self._link(place, former, place.needs)
        before, place.stands = place.stands, self._standing(place)
        if before is place.stands:
            return ()
        if before or place.stands is not place.needs:
            self._link(place, before, place.stands)
        return [below for below in before if below not in place.stands]

    def drop(self, place: Place) -> None:
        """Forget a place of which nothing is known any more."""
        if place.wanted is None and place.actual is None and place.change is None and not place.above:
            self.pop(place.key, None)

    def dissolve(self) -> None:
        """Nothing is known of anything. What refers to each other would stay until somebody looks for circles."""
        for place in self.values():
            place.needs = place.stands = NOTHING
            place.above = NOBODY
        self.clear()

    def _standing(self, place: Place) -> Mapping[Place, bool]:
        after = place.change.after if place.change is not None else None
        if place.actual is None or after is None:
            return self._under(place, place.actual if after is None else after)
        return {**self._under(place, place.actual), **self._under(place, after)}

    def _under(self, place: Place, item: Item | None) -> Mapping[Place, bool]:
        return place.needs if item is place.planned else self._required(item)

    def _required(self, item: Item | None) -> Mapping[Place, bool]:
        requires = item.requires if item is not None else ()
        return {self[key]: anew for key, _, anew in requires} if requires else NOTHING

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
