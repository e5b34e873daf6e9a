"""What the node knows of itself, for people and programs: why things are as they are, what does not work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from evenet_core.errors import EvenetError
from evenet_core.model.config import DeviceConfig
from evenet_core.planning.inputs import ObjectNames
from evenet_core.planning.objects import ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.events import DriftEvent, EngineEvent
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.machine import ItemState, Machine
from evenet_core.status import timestamp

__all__ = ["explain", "graph", "item_event", "leases", "problems", "refusals", "unsettled"]


def explain(name: str, planner: Planner, engine: Engine, status: Mapping[str, Any]) -> list[str]:
    """Why an object or item is as it is, a line a step: what the status says of it, then its items.

    :raises EvenetError: nothing is called so.
    """
    objects, machine = _objects_called(name, planner), engine.machine
    naming = ObjectNames(planner.inputs.config)
    lines = [f"{naming(o)}: {text}" for o in objects for text in _told(o, status)]
    keys = [key for key, wanted in machine.wanted.items() if wanted.object in objects]
    named = [key for key in {**machine.wanted, **machine.actual} if name in (str(key), str(key[-1]))]
    if not objects and not named:
        raise EvenetError(f"nothing is called {name!r}; see `evenet status` and `evenet graph`")
    unsettled = [key for key in keys if machine.state(key) is not ItemState.IN_SYNC]
    lines += engine.explain([*unsettled, *named])
    if objects and not unsettled:
        lines.append(f"{name}: all {len(keys)} items are in sync")
    return lines


def _told(name: ObjectId, status: Mapping[str, Any]) -> Iterator[str]:
    """What the status says of an object: what is wrong, and why its routes leave where they do."""
    match name:
        case ("adapter", label):
            found = [port for port in status["ports"] if port["label"] == label]
        case ("instance", key):
            found = [instance for instance in status["network_instances"] if instance["uuid"] == key]
        case ("vif", key, interface):
            apps = [app for app in status["apps"] if app["uuid"] == key]
            found = [one for app in apps for one in app["interfaces"] if one["name"] == interface]
        case _:
            return
    for one in found:
        yield from (one[what] for what in ("error", "warning") if one.get(what))
        for route in one.get("routes", ()):
            if route["selected_because"]:
                yield f"{route['dst']} leaves by {route['port']}: {route['selected_because']}"


def _objects_called(name: str, planner: Planner) -> list[ObjectId]:
    """`APP/INTERFACE` is one interface of an app, APP all of them."""
    config = planner.inputs.config
    instances = {i.key for i in config.network_instances if name in (i.name, i.key)}
    names = {app.key: app.name for app in config.apps}

    def is_called(o: ObjectId) -> bool:
        match o:
            case ("adapter", label):
                return label == name
            case ("instance", key):
                return key in instances
            case ("vif", app, interface):
                return name in (app, names.get(app), f"{names.get(app)}/{interface}")
        return o == (name,)

    return [o for o in planner.objects.values if is_called(o)]


def graph(machine: Machine, config: DeviceConfig) -> dict[str, Any]:
    """Items, what they require and where they stand."""
    naming = ObjectNames(config)
    return {
        "items": [
            {
                "key": str(key),
                "description": wanted.item.description,
                "object": naming(wanted.object),
                "plugin": wanted.plugin,
                "state": str(machine.state(key)),
                "requires": [str(requirement.key) for requirement in wanted.item.requires],
            }
            for key, wanted in machine.wanted.items()
        ]
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
