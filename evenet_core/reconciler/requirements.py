"""Which key requires which, looked up from both ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import is_

from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["Requirements"]

NOTHING: Mapping[ItemKey, bool] = {}


class Requirements:
    """What each key requires, by the items that were told of it."""

    def __init__(self) -> None:
        self._of: dict[ItemKey, tuple[Item, ...]] = {}  # the items that it was told of
        self._below: dict[ItemKey, Mapping[ItemKey, bool]] = {}
        self._above: dict[ItemKey, dict[ItemKey, None]] = {}  # in the order in which they came, as all here

    def below(self, key: ItemKey) -> Mapping[ItemKey, bool]:
        """What `key` requires, and whether an update of that makes `key` anew."""
        return self._below.get(key, NOTHING)

    def above(self, key: ItemKey) -> Collection[ItemKey]:
        """What requires `key`."""
        return self._above.get(key, ())

    def set(self, key: ItemKey, *items: Item | None, like: Requirements | None = None) -> Iterable[ItemKey]:
        """`key` requires what any of these items requires. Returns what it requires no longer.

        :param like: may know already what the very same items require.
        """
        told = tuple([item for item in items if item is not None])
        if self.knows(key, told):
            return ()
        if like is not None and like.knows(key, told):
            below = like.below(key)
        else:
            below = {r.key: r.anew for item in told for r in item.requires}
        if told:
            self._of[key] = told
        else:
            del self._of[key]
        known = self._below.get(key, NOTHING)
        dropped = [need for need in known if need not in below]
        for need in dropped:
            del self._above[need][key]
            if not self._above[need]:
                del self._above[need]
        for need in below:
            self._above.setdefault(need, {})[key] = None
        if below:
            self._below[key] = below
        else:
            self._below.pop(key, None)
        return dropped

    def knows(self, key: ItemKey, told: tuple[Item, ...]) -> bool:
        """Whether it was told of the very same items last."""
        before = self._of.get(key, ())
        return len(before) == len(told) and all(map(is_, before, told))
