"""What holds up what: items that wait for one that does not work, and rings that hold up themselves."""

from __future__ import annotations

from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import ItemState, Machine

__all__ = ["blocked_by", "cycles"]


def blocked_by(machine: Machine, key: ItemKey) -> list[ItemKey]:
    """Wanted items that wait for this one, directly or through others."""
    found: dict[ItemKey, None] = {}
    queue = [key]
    while queue:
        for above in sorted(machine.above(queue.pop()), key=str):
            if above in machine.wanted and above not in found and machine.state(above) is ItemState.PENDING:
                found[above] = None
                queue.append(above)
    return list(found)


def cycles(machine: Machine) -> list[list[ItemKey]]:
    """Rings of items that require each other and so can never be made (or, existing, be removed)."""
    found: list[list[ItemKey]] = []
    done: set[ItemKey] = set()
    below = machine.below
    for start in (*machine.wanted, *machine.leaving):
        if start in done or machine.state(start) is not ItemState.PENDING:
            continue
        trail, branches = {start: None}, [iter(below(start))]
        while branches:
            need = next(branches[-1], None)
            if need is None:
                branches.pop()
                done.add(trail.popitem()[0])
            elif need in trail:
                ring = list(trail)
                found.append(ring[ring.index(need) :])
            elif need not in done and below(need):
                trail[need] = None
                branches.append(iter(below(need)))
    return found
