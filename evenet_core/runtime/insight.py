"""What the node knows of itself, for people and programs: items, leases, what does not work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from evenet_core.planning.inputs import ObjectNames
from evenet_core.planning.objects import ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import ItemState, Machine
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from evenet_core.runtime.causes import Causes
from evenet_core.status import timestamp

__all__ = ["graph", "item_event", "leases", "problems", "refusals", "unsettled"]


def graph(machine: Machine, planner: Planner, causes: Causes) -> dict[str, Any]:
    """Items, what they require and where they stand; objects; and what nobody plans but items require."""
    needs = dict.fromkeys(need for key in machine.wanted for need in machine.below(key))
    return {
        "time": timestamp(time.time()),
        "items": [_node(machine, causes, key) for key in machine.wanted],
        "objects": [
            {"name": causes.called(name), "kind": name[0], "errors": list(planner.errors.get(name) or ())}
            for name in planner.objects.values
        ],
        "external": [
            {
                "key": str(key),
                "name": causes.thing(key),
                "state": "there" if causes.exists(key) else "missing",
                "because": None if causes.exists(key) else causes.absence(key),
            }
            for key in needs
            if key not in machine.wanted
        ],
    }


def _node(machine: Machine, causes: Causes, key: ItemKey) -> dict[str, Any]:
    wanted, failure = machine.wanted[key], machine.failures.get(key)
    return {
        "key": str(key),
        "kind": key.kind,
        "description": wanted.item.description,
        "object": causes.called(wanted.object),
        "plugin": wanted.plugin,
        "state": str(machine.state(key)),
        "requires": [str(requirement.key) for requirement in wanted.item.requires],
        "error": str(failure.error) if failure is not None else None,
        "attempts": failure.attempts if failure is not None else 0,
        "since": timestamp(causes.wall(failure.since)) if failure is not None else None,
        "retry_at": timestamp(causes.wall(failure.retry_at)) if failure is not None else None,
    }


def leases(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Leases that clients of adapters hold."""
    return [
        {
            "ifname": name.removeprefix("lease:").rpartition("/")[0],
            "source": str(lease.source),
            "addresses": [str(address) for address in lease.addresses],
            "routers": [str(router) for router in lease.routers],
            "dns": [str(server) for server in lease.dns],
            "ntp": list(lease.ntp),
            "domain": lease.domain or None,
            "mtu": lease.mtu,
            "server": lease.server or None,
        }
        for name, lease in sorted(facts.items())
        if name.startswith("lease:")
    ]


def problems(engine: Engine, fragments: Fragments, planner: Planner) -> Iterator[dict[str, Any]]:
    """What does not work: items that failed, objects that cannot be planned, claims that were refused."""
    naming = ObjectNames(planner.inputs.config)
    offset = time.time() - asyncio.get_running_loop().time()
    for found in engine.problems():
        yield {
            "item": found["item"],
            "object": naming(found["object"]) if found["object"] is not None else None,
            "plugin": found["plugin"],
            "error": found["error"],
            "since": timestamp(found["since"] + offset) if found["since"] is not None else None,
            "retry_at": timestamp(found["retry_at"] + offset) if found["retry_at"] is not None else None,
            "blocks": found["blocks"],
        }
    refused = [(c.object, c.plugin, c.text) for c in fragments.conflicts()]
    planning = [(o, None, error) for o, errors in planner.errors.items() for error in errors]
    unknown: dict[str, Any] = {"item": None, "since": None, "retry_at": None, "blocks": []}
    for owner, plugin, error in (*refused, *planning):
        yield unknown | {"object": naming(owner), "plugin": plugin, "error": error}


def refusals(planner: Planner) -> tuple[tuple[ObjectId, str], ...]:
    """What cannot be planned, and why."""
    return tuple((name, error) for name, errors in planner.errors.items() for error in errors)


def unsettled(machine: Machine) -> Mapping[Hashable, str]:
    """Objects with items that are not in sync, and what failed; an empty text if nothing did."""
    found: dict[Hashable, str] = {}
    for key, wanted in machine.wanted.items():
        if key in machine.failures:
            found[wanted.object] = str(machine.failures[key].error)
        elif machine.state(key) is not ItemState.IN_SYNC:
            found.setdefault(wanted.object, "")
    return found


def item_event(event: EngineEvent | DriftEvent, owner: str | None) -> dict[str, Any]:
    """A change or a drift of an item, as an event of the journal tells it."""
    if isinstance(event, DriftEvent):
        return {"text": event.text, "item": str(event.item.key), "object": owner, "by": event.drift.by or None}
    return {
        "text": event.text,
        "op": str(event.op),
        "item": str(event.item.key),
        "object": owner,
        "because": event.because,
        "error": str(event.error) if event.error is not None else None,
    }
