"""The objects of a graph: their items, what of the world they need, and which stands on which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAILED", "IN_SYNC", "PENDING", "Object", "Outside", "read_objects", "state_of"]

IN_SYNC, PENDING, FAILED = "in-sync", "pending", "failed"
PREFIXES = {"adapter ": "adapter", "network instance ": "network instance", "interface ": "app interface"}


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that nobody plans: a port, the network namespace of an app."""

    name: str
    missing: bool
    because: str = ""


@dataclass(eq=False, slots=True)
class Object:
    """One object with its items; `layer` 0 stands on no other."""

    title: str
    items: list[Mapping[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)
    bases: dict[int, bool] = field(default_factory=dict)  # objects that it stands on; whether one holds it up
    layer: int = 0

    @property
    def kind(self) -> str:
        return next((kind for prefix, kind in PREFIXES.items() if self.title.startswith(prefix)), "device")

    @property
    def name(self) -> str:
        return next((self.title[len(prefix) :] for prefix in PREFIXES if self.title.startswith(prefix)), self.title)

    @property
    def in_sync(self) -> int:
        return sum(state_of(item) == IN_SYNC for item in self.items)

    @property
    def state(self) -> str:
        """The worst of it."""
        states = {state_of(item) for item in self.items}
        if self.errors or FAILED in states:
            return FAILED
        return PENDING if PENDING in states or any(one.missing for one in self.outside) else IN_SYNC


def state_of(item: Mapping[str, Any]) -> str:
    """Whatever is not known to be well or failed is pending."""
    return item["state"] if item["state"] in {IN_SYNC, FAILED} else PENDING


def read_objects(graph: Mapping[str, Any]) -> list[Object]:
    """Every object of a graph, with its layer and what it stands on; what goes without saying is left out."""
    objects: dict[str, Object] = {one["name"]: Object(one["name"]) for one in graph.get("objects", ())}
    for one in graph.get("objects", ()):
        objects[one["name"]].errors += one["errors"]
    for item in graph["items"]:
        objects.setdefault(item["object"], Object(item["object"])).items.append(item)
    found = list(objects.values())
    _connect(found, {one["key"]: one for one in graph.get("external", ())})
    _raise_layers(found)
    _reduce(found)
    return found


def _connect(objects: Sequence[Object], external: Mapping[str, Mapping[str, Any]]) -> None:
    owners = {item["key"]: number for number, one in enumerate(objects) for item in one.items}
    states = {item["key"]: state_of(item) for one in objects for item in one.items}
    for number, one in enumerate(objects):
        needs: dict[str, None] = {}
        for item in one.items:
            for key in item["requires"]:
                needs[key] = None
                base = owners.get(key, number)
                held = state_of(item) == PENDING and states.get(key) != IN_SYNC
                # those of one kind share items, and the first has them: that says nothing unless it hurts
                if base != number and (held or objects[base].kind != one.kind):
                    one.bases[base] = one.bases.get(base, False) or held
        one.outside = [_outside(external[key]) for key in needs if key in external]


def _outside(one: Mapping[str, Any]) -> Outside:
    return Outside(one["name"], one["state"] != "there", one.get("because") or "")


def _raise_layers(objects: Sequence[Object]) -> None:
    """Each is above all that it stands on; of a ring one arrow counts for nothing, or there would be no end."""
    done: set[int] = set()
    for start in range(len(objects)):
        trail = {start: None} if start not in done else {}
        branches = [iter(list(objects[start].bases))] if trail else []
        while branches:
            base = next(branches[-1], None)
            if base is None:
                branches.pop()
                number = trail.popitem()[0]
                done.add(number)
                one = objects[number]
                one.layer = max((objects[b].layer + 1 for b in one.bases if b in done and b != number), default=0)
            elif base in trail:
                top = next(reversed(trail))
                del objects[top].bases[base]
            elif base not in done:
                trail[base] = None
                branches.append(iter(list(objects[base].bases)))


def _reduce(objects: Sequence[Object]) -> None:
    """An arrow says nothing where others lead the same way; who holds up whom is always shown."""
    below: dict[int, set[int]] = {}
    for number in sorted(range(len(objects)), key=lambda number: objects[number].layer):
        bases = objects[number].bases
        below[number] = set(bases).union(*(below[base] for base in bases))
    for one in objects:
        far = _reached(one.bases, below)
        one.bases = {base: held for base, held in one.bases.items() if held or base not in far}


def _reached(bases: Iterable[int], below: Mapping[int, set[int]]) -> set[int]:
    return set().union(*(below[base] for base in bases))
