"""What does not work, as plain values: items that fail, drivers that break, kinds without a driver, rings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import Machine
from evenet_core.reconciler.supervised import Supervised
from evenet_core.reconciler.views.knots import blocked_by, cycles

__all__ = ["Problem", "attributed", "problems"]

Problem: TypeAlias = dict[str, Any]
"""`key`, `item`, `object`, `plugin`, `error`, `since`, `retry_at`, and which keys it `blocks`."""


def problems(machine: Machine, drivers: Iterable[Supervised]) -> list[Problem]:
    """Everything that does not work, with whom it holds up."""
    found = [attributed(machine, key, str(f.error), f.since, f.retry_at) for key, f in machine.failures.items()]
    for driver in drivers:
        key = ItemKey(driver.kinds[:1])
        found += [attributed(machine, key, t.error, t.since, t.retry_at) for t in driver.troubles()]
    for key in machine.wanted:
        if not machine.is_claimed(key):
            found.append(attributed(machine, key, f"no installed plugin brings a driver for items of kind {key.kind}"))
    for ring in cycles(machine):
        for place, key in enumerate(ring):
            way = " -> ".join(map(str, (*ring[place:], *ring[: place + 1])))
            found.append(attributed(machine, key, f"requires itself: {way}"))
    return found


def attributed(
    machine: Machine, key: ItemKey, error: str, since: float | None = None, retry_at: float | None = None
) -> Problem:
    """A problem of this item, with whose it is and what it holds up."""
    wanted = machine.owner(key)
    item = wanted.item if wanted is not None else machine.actual.get(key)
    return {
        "key": key,
        "item": item.description if item is not None else str(key),
        "object": wanted.object if wanted is not None else None,
        "plugin": wanted.plugin if wanted is not None else None,
        "error": error,
        "since": since,
        "retry_at": retry_at,
        "blocks": [str(above) for above in blocked_by(machine, key)],
    }
