"""The intent, kept up to date piece by piece: each object's items, and the facts that its planning read.

A change of the config plans the objects it touches; a changed fact plans the objects that read it. What comes
out is the difference to the intent before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["Conflict", "Delta", "Fragments", "Planned", "Wanted", "name_of"]


@dataclass(frozen=True, slots=True)
class Planned:
    """An item and the plugin that planned it."""

    item: Item
    plugin: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item of the intent, and whose it is."""

    item: Item
    plugin: str
    object: Hashable


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two objects want different things of one item; the first has it."""

    key: ItemKey
    object: Hashable
    plugin: str
    holder: Hashable

    @property
    def text(self) -> str:
        return f"{self.key} is wanted differently by {name_of(self.holder)}, which came first"


Delta: TypeAlias = Mapping[ItemKey, Wanted | None]
"""What changed in the intent; None = not wanted any more."""


class Fragments:
    """Fragments by object.

    :param plan: items of one object, given the facts; the same sequence as before if they are the same.
    :param facts: all facts by name, kept up to date by somebody else.
    """

    def __init__(self, plan: Callable[[Any, Facts], Sequence[Planned]], facts: Mapping[str, Any] | None = None) -> None:
        self._plan = plan
        self._facts = facts if facts is not None else {}
        self._items: dict[Hashable, dict[ItemKey, Planned]] = {}
        self._numbers = count()
        self._order: dict[Hashable, int] = {}  # in which objects came
        self._planned: dict[Hashable, Sequence[Planned]] = {}  # as the planner said it
        self._reads: dict[Hashable, set[str]] = {}
        self._readers: dict[str, set[Hashable]] = {}
        self._claims: dict[ItemKey, dict[Hashable, Planned]] = {}  # in the order in which they came
        self.intent: dict[ItemKey, Wanted] = {}

    def set_objects(self, objects: Iterable[Hashable], changed: Iterable[Hashable] | None = None) -> Delta:
        """These objects are all there are; plan those that changed (default: all) and those that are new."""
        named = list(objects)
        there = set(named)
        due = there if changed is None else set(changed) & there
        touched: list[ItemKey] = []
        for gone in [name for name in self._items if name not in there]:
            touched += self._replace(gone, {}, set())
            del self._items[gone], self._reads[gone], self._order[gone]
            self._planned.pop(gone, None)
        for name in named:
            if name in due or name not in self._items:
                touched += self._plan_one(name)
        return self._delta(touched)

    def invalidate(self, objects: Iterable[Hashable]) -> Delta:
        """Plan these objects again, whatever the reason."""
        touched: list[ItemKey] = []
        for name in sorted({name for name in objects if name in self._items}, key=self._order.__getitem__):
            touched += self._plan_one(name)
        return self._delta(touched)

    def facts_changed(self, names: Iterable[str]) -> Delta:
        """Plan the objects that read one of these facts."""
        return self.invalidate({reader for name in names for reader in self._readers.get(name, ())})

    def keys_of(self, name: Hashable) -> Collection[ItemKey]:
        """Keys of the items that an object wants."""
        return self._items.get(name, {}).keys()

    def conflicts(self) -> list[Conflict]:
        """Every claim that is refused because another object has the item."""
        found = []
        for key, claims in self._claims.items():
            if len(claims) > 1:
                (holder, first), *others = claims.items()
                found += [
                    Conflict(key, name, planned.plugin, holder)
                    for name, planned in others
                    if planned.item != first.item
                ]
        return found

    def _plan_one(self, name: Hashable) -> list[ItemKey]:
        facts = Facts(self._facts)
        planned = self._plan(name, facts)
        if planned is self._planned.get(name) and facts.read == self._reads[name]:
            return []
        self._planned[name] = planned
        items: dict[ItemKey, Planned] = {}
        for one in planned:
            items.setdefault(one.item.key, one)
        return self._replace(name, items, facts.read)

    def _replace(self, name: Hashable, items: dict[ItemKey, Planned], reads: set[str]) -> list[ItemKey]:
        """An object's new fragment; returns the keys whose claims changed."""
        before = self._items.get(name, {})
        touched = [key for key in {**before, **items} if _differ(before.get(key), items.get(key))]
        for key in touched:
            claims = self._claims.setdefault(key, {})
            if key in items:
                claims[name] = items[key]
            else:
                claims.pop(name, None)
            if not claims:
                del self._claims[key]
        known = self._reads.get(name, set())
        for fact in known - reads:
            self._readers[fact].discard(name)
            if not self._readers[fact]:
                del self._readers[fact]
        for fact in reads - known:
            self._readers.setdefault(fact, set()).add(name)
        self._items[name], self._reads[name] = items, reads
        self._order.setdefault(name, next(self._numbers))
        return touched

    def _delta(self, touched: Iterable[ItemKey]) -> Delta:
        delta: dict[ItemKey, Wanted | None] = {}
        for key in dict.fromkeys(touched):
            claims = self._claims.get(key)
            if claims is None:
                if self.intent.pop(key, None) is not None:
                    delta[key] = None
                continue
            name, planned = next(iter(claims.items()))
            wanted = Wanted(planned.item, planned.plugin, name)
            before = self.intent.get(key)
            if _differ(before, wanted):
                self.intent[key] = delta[key] = wanted
        return delta


def _differ(one: Planned | Wanted | None, other: Planned | Wanted | None) -> bool:
    """Requirements do not count in an item's equality, but they are part of the intent."""
    if one is None or other is None or one != other:
        return one is not other
    return one.item is not other.item and one.item.requires != other.item.requires


def name_of(name: Hashable) -> str:
    """An object's name for people: `adapter eth0`."""
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
