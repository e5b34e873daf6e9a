"""What an operator may call things by: labels, names of interfaces, apps, instances, items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from evenet_core.errors import EvenetError
from evenet_core.planning.inputs import ObjectNames
from evenet_core.planning.objects import DEVICE, ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import Machine

__all__ = ["Thing", "find"]

SUGGESTED = 5  # names that are told when there is none as asked for


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that has a name, and the objects or items that it stands for.

    :param names: what the operator called it, in the config.
    :param devices: network devices that it becomes.
    """

    title: str
    names: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    objects: tuple[ObjectId, ...] = ()
    keys: tuple[ItemKey, ...] = ()
    idle: str = ""  # why there is nothing to plan of it


def find(name: str, planner: Planner, machine: Machine) -> Thing:
    """The thing called `name`: by the operator's own names, else by a network device, else an item.

    :raises EvenetError: there is none, or several; with what there is.
    """
    things = list(_things(planner))
    own = [thing for thing in things if name in (thing.title, *thing.names)]
    found = own or [thing for thing in things if name in thing.devices]
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(f"'{thing.title}'" for thing in found)
        raise EvenetError(f"{len(found)} things are called {name!r}: ask for {several}")
    if keys := _items_called(name, {**machine.wanted, **machine.actual}):
        return Thing(name, keys=tuple(keys))
    raise EvenetError(f"nothing is called {name!r}; {_suggestion(name, things)}")


def _items_called(name: str, keys: Iterable[ItemKey]) -> list[ItemKey]:
    known = list(keys)
    return [key for key in known if name == str(key)] or [key for key in known if name == str(key[-1])]


def _suggestion(name: str, things: Iterable[Thing]) -> str:
    known = {other: None for thing in things for other in (*thing.names, *thing.devices, thing.title)}
    folded = {other.casefold(): other for other in known}
    near = [folded[one] for one in get_close_matches(name.casefold(), list(folded), SUGGESTED, 0.6)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    some = list(known)[:SUGGESTED]
    return f"there are {', '.join(some)} ...; see `evenet status` and `evenet graph`"


def _things(planner: Planner) -> Iterator[Thing]:
    inputs, planned = planner.inputs, planner.objects.values
    naming = ObjectNames(inputs.config)
    for adapter in inputs.adapters:
        own: ObjectId = ("adapter", adapter.label)
        yield Thing(naming(own), (adapter.label,), (adapter.ifname,) if adapter.ifname else (), (own,))
    yield from _ports(planner)
    for instance in inputs.config.network_instances:
        own = ("instance", instance.key)
        resolved = planner.instances.get(instance.key)
        bridges = (resolved.bridge,) if resolved is not None and resolved.own_bridge else ()
        idle = "" if own in planned else "it is not active in the config"
        yield Thing(naming(own), (instance.name, instance.key), bridges, (own,) if not idle else (), idle=idle)
    yield from _apps(planner, naming)
    yield Thing("device", objects=(DEVICE,))


def _ports(planner: Planner) -> Iterator[Thing]:
    """Ports of the config that no adapter stands on."""
    used = {adapter.ifname for adapter in planner.inputs.adapters}
    for port in planner.inputs.config.ports:
        if port.interface and port.interface not in used:
            idle = f"no adapter stands on it (use: {port.use}), so evenet leaves it alone"
            yield Thing(f"port {port.label}", (port.label,), (port.interface,), idle=idle)


def _apps(planner: Planner, naming: ObjectNames) -> Iterator[Thing]:
    devices = {("vif", v.app_key, v.name): v.ifname for vifs in planner.inputs.vifs.values() for v in vifs}
    names = {instance.key: instance.name for instance in planner.inputs.config.network_instances}
    for app in planner.inputs.config.apps:
        members: list[ObjectId] = []
        for interface in app.interfaces:
            own: ObjectId = ("vif", app.key, interface.name)
            idle = (
                ""
                if own in planner.objects.values
                else _idle(app.active, names.get(interface.network_instance, interface.network_instance))
            )
            members += [own] if not idle else []
            called = (f"{app.name}/{interface.name}", f"{app.key}/{interface.name}")
            device = (devices[own],) if own in devices else ()
            yield Thing(naming(own), called, device, (own,) if not idle else (), idle=idle)
        idle = (
            "" if members else "none of its interfaces is to be connected now: it, or what it stands on, is not active"
        )
        yield Thing(f"app {app.name}", (app.name, app.key), objects=tuple(members), idle=idle)


def _idle(active: bool, instance: str) -> str:
    """Why an interface is not planned."""
    if not active:
        return "its app is not active in the config"
    return f"network instance {instance} is not active in the config"
