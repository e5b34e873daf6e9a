"""Why an item is as it is: its own state, then what it waits for, down to the cause."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from evenet_core.reconciler.fragments import name_of
from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import ItemState, Machine

__all__ = ["explain"]

DEEPEST = 24  # levels of two spaces; the cause of a pending item is rarely further away


def explain(
    machine: Machine, keys: Iterable[ItemKey], now: float, naming: Callable[[Hashable], str] = name_of
) -> list[str]:
    """Lines for people, indented by how far down the cause is. `naming` tells what people call an object.

    Items that wait for others of these are counted only: their cause is told with those.
    """
    asked = dict.fromkeys(keys)
    waiting = [key for key in asked if any(need in asked for need in machine.missing(key))]
    causes = [key for key in asked if key not in waiting] or waiting[:1]  # a ring has no beginning
    story = _Story(machine, now, naming)
    for key in causes:
        story.tell(key, 0)
    more = len(asked) - len(causes)
    return story.lines + ([f"{more} more items wait for {'these' if len(causes) > 1 else 'this one'}"] if more else [])


class _Story:
    def __init__(self, machine: Machine, now: float, naming: Callable[[Hashable], str]) -> None:
        self._machine = machine
        self._now = now
        self._naming = naming
        self._told: set[ItemKey] = set()
        self._way: list[ItemKey] = []  # from the item asked about down to this one
        self.lines: list[str] = []

    def tell(self, key: ItemKey, depth: int) -> None:
        machine, indent = self._machine, "  " * depth
        wanted, actual = machine.wanted.get(key), machine.actual.get(key)
        if wanted is None:
            there = "exists and is to be removed" if actual is not None else "is not there and nothing plans it"
            self.lines.append(f"{indent}{actual.description if actual is not None else key}: {there}")
            return
        if key in self._way:
            self.lines.append(f"{indent}{wanted.item.description}: see above, they require each other")
            return
        state = machine.state(key)
        self.lines.append(
            f"{indent}{wanted.item.description}: {state} (for {self._naming(wanted.object)}, plugin {wanted.plugin})"
        )
        self._tell_failure(key, indent)
        if not machine.is_claimed(key):
            self.lines.append(f"{indent}  no installed plugin brings a driver for items of kind {key.kind}")
        if state is ItemState.IN_SYNC or key in self._told or depth >= DEEPEST:
            return
        self._told.add(key)
        self._way.append(key)
        reasons = {requirement.key: requirement.because for requirement in wanted.item.requires}
        for need in machine.missing(key):
            because = f" ({reasons[need]})" if reasons.get(need) else ""
            self.lines.append(f"{indent}  waits for {need}{because}:")
            self.tell(need, depth + 2)
        self._way.pop()

    def _tell_failure(self, key: ItemKey, indent: str) -> None:
        failure = self._machine.failures.get(key)
        if failure is None:
            return
        wait = max(0.0, failure.retry_at - self._now)
        times = f"{failure.attempts} times" if failure.attempts > 1 else "once"
        self.lines.append(f"{indent}  {failure.op} failed {times}: {failure.error}; next try in {wait:.0f} s")
