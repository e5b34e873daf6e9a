"""The difference between what is and what is wanted, for people and programs. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import Item, ItemKey, Op, Requires

__all__ = ["Plan", "PlannedChange", "diff", "public_values"]

SIGNS = {Op.CREATE: "+", Op.UPDATE: "~", Op.DELETE: "-"}
LONGEST = 60  # characters of one value in a line for people


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change, whose it is and why it comes when it comes."""

    op: Op
    before: Item | None
    after: Item | None
    object: Hashable = None
    plugin: str = ""
    because: tuple[str, ...] = ()

    @property
    def item(self) -> Item:
        item = self.after if self.after is not None else self.before
        assert item is not None
        return item

    def describe(self) -> str:
        """`+ bridge bn1 ...`; an update names the fields that change."""
        line = f"{SIGNS[self.op]} {self.item.description}"
        if self.op is not Op.UPDATE or self.before is None or self.after is None:
            return line
        before, after = public_values(self.before), public_values(self.after)
        changed = [
            f"{name}: {_short(before.get(name))} -> {_short(value)}"
            for name, value in after.items()
            if before.get(name) != value
        ]
        return f"{line} ({'; '.join(changed)})" if changed else line

    def to_json(self) -> dict[str, Any]:
        return {
            "op": str(self.op),
            "kind": self.item.kind,
            "key": str(self.item.key),
            "object": _text(self.object),
            "plugin": self.plugin or None,
            "before": public_values(self.before) if self.before is not None else None,
            "after": public_values(self.after) if self.after is not None else None,
            "because": list(self.because),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order of their requirements: deletes from the top down, then creates from the ground up."""

    changes: tuple[PlannedChange, ...] = ()

    @property
    def summary(self) -> dict[str, int]:
        return {str(op): sum(change.op is op for change in self.changes) for op in Op}

    def describe(self) -> list[str]:
        """One line a change."""
        return [change.describe() for change in self.changes]

    def to_json(self) -> dict[str, Any]:
        return {"changes": [change.to_json() for change in self.changes], "summary": self.summary}


def diff(actual: Mapping[ItemKey, Item], wanted: Mapping[ItemKey, Wanted]) -> Plan:
    """What would change."""
    gone = [item for key, item in actual.items() if key not in wanted]
    replaced = [
        actual[key]
        for key, want in wanted.items()
        if key in actual and actual[key] != want.item and want.item.replaces(actual[key])
    ]
    deletes = [PlannedChange(Op.DELETE, item, None) for item in reversed(_ordered([*gone, *replaced]))]
    again = {item.key for item in replaced}
    changes = []
    for item in _ordered([want.item for want in wanted.values()]):
        before = actual.get(item.key)
        if before == item:
            continue
        want = wanted[item.key]
        op = Op.CREATE if before is None or item.key in again else Op.UPDATE
        because = tuple(f"after {r.key}{f': {r.because}' if r.because else ''}" for r in item.requires)
        changes.append(PlannedChange(op, before if op is Op.UPDATE else None, item, want.object, want.plugin, because))
    return Plan((*deletes, *changes))


def _ordered(items: Iterable[Item]) -> list[Item]:
    """Items so that each stands after what it requires; cycles are cut somewhere."""
    by_key = {item.key: item for item in items}
    done: dict[ItemKey, Item] = {}
    for start in by_key:
        path: list[tuple[ItemKey, bool]] = [(start, False)]
        entered: set[ItemKey] = set()
        while path:
            key, finished = path.pop()
            if finished:
                done.setdefault(key, by_key[key])
            elif key in by_key and key not in done and key not in entered:
                entered.add(key)
                path.append((key, True))
                path += [(requirement.key, False) for requirement in by_key[key].requires]
    return list(done.values())


def public_values(item: Item) -> dict[str, Any]:
    """An item's fields as plain values. A value that hides itself (a secret) stays hidden."""
    assert is_dataclass(item)
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    return {name: _plain(value) for name, value in values.items() if not _is_requirement(value)}


def _is_requirement(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Requires)


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Enum | str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(member) for member in value), key=str)
    if isinstance(value, tuple | list):
        return [_plain(member) for member in value]
    return str(value)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _text(name: Hashable) -> str | None:
    if name is None:
        return None
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
