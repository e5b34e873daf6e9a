"""Ports that a network instance must not have, by what they are and who has them already (EVE: spec, B.5). Pure.

| the instance | may share a port with |
|---|---|
| local | other local ones, and one switch that has this port alone |
| switch with one port | local ones |
| switch with several ports | nobody |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from evenet_core.apps.instances import matching_ports
from evenet_core.model.adapters import Adapter
from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.ports import PortKind

__all__ = ["refused_ports"]

RADIOS = frozenset({PortKind.WIFI, PortKind.CELLULAR})


class _Use(Enum):
    LOCAL = auto()
    SWITCH = auto()  # the only port of its switch
    SWITCHES = auto()  # one of several

    def excludes(self, other: _Use) -> bool:
        if _Use.SWITCHES in {self, other}:
            return True
        return self is other is _Use.SWITCH


def refused_ports(instances: Iterable[NetworkInstance], adapters: Sequence[Adapter]) -> dict[str, dict[str, str]]:
    """By key of an instance and label of a port that it asks for: why it cannot have it.

    Of two instances that exclude each other the later one is at fault.
    """
    refused: dict[str, dict[str, str]] = {}
    users: dict[str, dict[_Use, str]] = {}  # by label of the port: how it is used, by which instance first
    carriers = {adapter.vlan.lower for adapter in adapters if adapter.vlan is not None}
    for instance in instances:
        if not instance.active:
            continue
        asked = matching_ports(instance.port, adapters)
        use = _use(instance, len(asked))
        for adapter in asked:
            reason = _unfit(adapter, use, carriers) or _taken(adapter, use, users)
            if reason:
                refused.setdefault(instance.key, {})[adapter.label] = reason
            else:
                users.setdefault(adapter.label, {}).setdefault(use, instance.name)
    return refused


def _use(instance: NetworkInstance, ports: int) -> _Use:
    if instance.type is InstanceType.LOCAL:
        return _Use.LOCAL
    return _Use.SWITCHES if ports > 1 else _Use.SWITCH


def _unfit(adapter: Adapter, use: _Use, carriers: Iterable[str]) -> str:
    label = adapter.label
    if adapter.config_error:
        return f"port {label}: {adapter.config_error}"
    if not adapter.ifname:
        return f"port {label} has no interface name"
    if use is _Use.LOCAL:
        if not adapter.has_ip:
            return f"port {label} has no IP configuration: a local network instance cannot use it"
        return ""
    if adapter.kind in RADIOS:
        return f"port {label} is wireless: a switch cannot use it"
    if use is _Use.SWITCHES and adapter.has_ip:
        return f"port {label} has an IP configuration: it cannot be one of several in a switch"
    if use is _Use.SWITCHES and label in carriers:
        return f"port {label} carries VLANs of its own: it cannot be one of several in a switch"
    return ""


def _taken(adapter: Adapter, use: _Use, users: Mapping[str, Mapping[_Use, str]]) -> str:
    holder = next((name for other, name in users.get(adapter.label, {}).items() if use.excludes(other)), None)
    return f"port {adapter.label} is already used by network instance {holder}" if holder is not None else ""
