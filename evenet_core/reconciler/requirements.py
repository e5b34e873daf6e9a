"""Which key requires which, looked up from both ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["Requirements"]

NOTHING: Mapping[ItemKey, bool] = {}


class Requirements:
    """What each key requires, by the items that were told of it."""

    def __init__(self) -> None:
        self._of: dict[ItemKey, tuple[Item, Item | None]] = {}  # the items that it was told of
        self._below: dict[ItemKey, Mapping[ItemKey, bool]] = {}
        self._above: dict[ItemKey, dict[ItemKey, None]] = {}  # in the order in which they came, as all here

    def below(self, key: ItemKey) -> Mapping[ItemKey, bool]:
        """What `key` requires, and whether an update of that makes `key` anew."""
        return self._below.get(key, NOTHING)

    def above(self, key: ItemKey) -> Collection[ItemKey]:
        """What requires `key`."""
        return self._above.get(key, ())

    def set(
        self, key: ItemKey, item: Item | None, other: Item | None = None, *, like: Requirements | None = None
    ) -> Iterable[ItemKey]:
        """`key` requires what any of these items requires. Returns what it requires no longer.

        :param like: may know already what the very same item requires.
        """
        if item is None:
            item, other = other, None
        of = self._of.get(key)
        if of is None:
            if item is None:
                return ()
        elif of[0] is item and of[1] is other:
            return ()
        if item is None:
            del self._of[key]
        else:
            self._of[key] = item, other
        return self._require(key, self._needs(key, item, other, like))

    def _needs(
        self, key: ItemKey, item: Item | None, other: Item | None, like: Requirements | None
    ) -> Mapping[ItemKey, bool]:
        if item is None:
            return NOTHING
        if like is not None and other is None and like._knows(key, item):
            return like.below(key)
        needs = {r.key: r.anew for r in item.requires}
        return needs if other is None else needs | {r.key: r.anew for r in other.requires}

    def _knows(self, key: ItemKey, item: Item) -> bool:
        of = self._of.get(key)
        return of is not None and of[0] is item and of[1] is None

    def _require(self, key: ItemKey, below: Mapping[ItemKey, bool]) -> Iterable[ItemKey]:
        known = self._below.get(key, NOTHING)
        dropped = [need for need in known if need not in below] if known else ()
        for need in dropped:
            del self._above[need][key]
            if not self._above[need]:
                del self._above[need]
        if below is not known:
            for need in below:
                self._above.setdefault(need, {})[key] = None
        if below:
            self._below[key] = below
        elif known:
            del self._below[key]
        return dropped
