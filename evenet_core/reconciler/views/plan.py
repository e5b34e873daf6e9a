"""The difference between what is and what is wanted, for people and programs. Pure.

It comes from the machine itself, run to its end in a world where every change succeeds: what is printed is
what would be done.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import Any

from evenet_core.reconciler.fragments import Wanted, name_of
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.machine import Machine

__all__ = ["Plan", "PlannedChange", "diff", "differences", "public_values"]

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
    wave: int = 0  # changes of one wave do not depend on each other
    once: tuple[ItemKey, ...] = ()  # what nobody plans and must come first: a port that is not there

    @property
    def item(self) -> Item:
        item = self.after if self.after is not None else self.before
        assert item is not None
        return item

    def describe(self) -> str:
        """`+ bridge bn1 ...`; an update names the fields that change."""
        line = f"{SIGNS[self.op]} {self.item.description}"
        if self.once:
            line = f"{line}, once {' and '.join(map(str, self.once))} is there"
        changed = differences(self.before, self.after) if self.op is Op.UPDATE else ""
        return f"{line} ({changed})" if changed else line

    def to_json(self) -> dict[str, Any]:
        return {
            "op": str(self.op),
            "kind": self.item.kind,
            "key": str(self.item.key),
            "object": name_of(self.object) if self.object is not None else None,
            "plugin": self.plugin or None,
            "before": public_values(self.before) if self.before is not None else None,
            "after": public_values(self.after) if self.after is not None else None,
            "because": list(self.because),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they would be made, and what of the intent cannot be planned: object and why."""

    changes: tuple[PlannedChange, ...] = ()
    problems: tuple[tuple[Hashable, str], ...] = ()

    @property
    def summary(self) -> dict[str, int]:
        return {str(op): sum(change.op is op for change in self.changes) for op in Op}

    def describe(self) -> list[str]:
        """One line a change."""
        return [change.describe() for change in self.changes]

    @property
    def waves(self) -> list[list[PlannedChange]]:
        """Changes that are made together, wave after wave."""
        return [list(wave) for _, wave in groupby(self.changes, key=lambda change: change.wave)]

    def named(self, naming: Callable[[Hashable], str]) -> Plan:
        """The same plan with objects as people call them."""
        return Plan(
            tuple(
                change if change.object is None else replace(change, object=naming(change.object))
                for change in self.changes
            ),
            tuple((naming(name), error) for name, error in self.problems),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "changes": [change.to_json() for change in self.changes],
            "summary": self.summary,
            "problems": [{"object": name_of(name), "error": error} for name, error in self.problems],
        }


def diff(
    actual: Mapping[ItemKey, Item],
    wanted: Mapping[ItemKey, Wanted],
    external: Callable[[ItemKey], bool] = lambda key: True,
    former: Mapping[ItemKey, Wanted] | None = None,
) -> Plan:
    """What would change; first what can change now, then what waits for something that nobody plans.

    :param former: who wanted what is to be removed, where that is known.
    """
    arrived: set[ItemKey] = set()
    kinds = {key.kind: 0 for key in (*actual, *wanted)}
    machine = Machine(kinds, lambda key: key in arrived or external(key))
    machine.observed(kinds, actual.values())
    machine.update(wanted)
    changes = _run(machine, former or {}, {}, 0)
    absent = {
        key: [r.key for r in want.item.requires if r.key not in wanted and not external(r.key)]
        for key, want in wanted.items()
        if machine.actual.get(key) != want.item
    }
    arrived.update(need for needs in absent.values() for need in needs)
    if arrived:
        machine.external_changed(arrived)
        changes += _run(machine, former or {}, absent, changes[-1].wave + 1 if changes else 0)
    machine.close()
    return Plan(tuple(changes))


def _run(
    machine: Machine, former: Mapping[ItemKey, Wanted], absent: Mapping[ItemKey, list[ItemKey]], wave: int
) -> list[PlannedChange]:
    """The machine's changes to its end."""
    changes = []
    while batches := machine.ready(0.0):
        for batch in batches.values():
            changes += [_planned(machine, former, absent, change, wave) for change in batch]
            machine.finished([Outcome(change) for change in batch], 0.0)
        wave += 1
    return changes


def _planned(
    machine: Machine,
    former: Mapping[ItemKey, Wanted],
    absent: Mapping[ItemKey, list[ItemKey]],
    change: Change,
    wave: int,
) -> PlannedChange:
    owner = machine.wanted.get(change.key) or former.get(change.key)
    after = [] if change.after is None else change.after.requires
    because = (machine.reason(change), *(f"after {r.key}{f': {r.because}' if r.because else ''}" for r in after))
    return PlannedChange(
        change.op,
        change.before,
        change.after,
        owner.object if owner is not None else None,
        owner.plugin if owner is not None else "",
        because,
        wave,
        tuple(absent.get(change.key, ())),
    )


def differences(before: Item | None, after: Item | None) -> str:
    """The fields that change from one to the other, for people: `mtu: 1500 -> 1400`."""
    if before is None or after is None:
        return ""
    old, new = public_values(before), public_values(after)
    # Observed items may be of another type, with other fields.
    return "; ".join(f"{name}: {_step(old.get(name), value)}" for name, value in new.items() if old.get(name) != value)


def public_values(item: Item) -> dict[str, Any]:
    """An item's fields as plain values."""
    return {name: _plain(value) for name, value in item.public().items()}


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


def _step(before: Any, after: Any) -> str:
    """From a value to another; of named parts only which."""
    if isinstance(before, dict) and isinstance(after, dict):
        return f"{', '.join(name for name in before | after if before.get(name) != after.get(name))} changed"
    return f"{_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
