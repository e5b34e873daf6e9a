"""The objects that are planned, and what of the inputs makes each plan anew when it changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from evenet_core.apps.conflicts import conflicts
from evenet_core.apps.instances import matching_ports
from evenet_core.apps.policies import hosts_of
from evenet_core.apps.portuse import refused_ports
from evenet_core.model.instances import NetworkInstance
from evenet_core.model.resolved import Vif
from evenet_core.planning.inputs import Inputs

__all__ = ["DEVICE", "ObjectId", "Objects"]

ObjectId: TypeAlias = tuple[str, ...]
DEVICE: ObjectId = ("device",)
_VIF = -2  # place of the interface in the inputs of one
_VIFS = -1  # of all of them in those of a group


@dataclass(frozen=True, slots=True)
class _Group:
    """A network instance with its interfaces: all that they are planned from, and each for itself."""

    given: tuple[Any, ...]
    values: Mapping[ObjectId, Any]
    hosts: frozenset[str]  # names that access rules are about


class Objects:
    """Every object by name, with its inputs. Of what has not changed since `before` it is the very same value."""

    def __init__(self, inputs: Inputs, before: Objects | None = None) -> None:
        self._inputs = inputs
        config, adapters = inputs.config, inputs.adapters
        same = before is not None and before._stands_on(inputs)
        self.refused: Mapping[str, Mapping[str, str]] = (
            before.refused if before and same else refused_ports(config.network_instances, adapters)
        )
        # rivals are made by two instances alone, without any port
        self._rivals: Mapping[str, str] = before._rivals if before and same else conflicts(config.network_instances, ())
        self._groups: dict[str, _Group] = {}
        grouped: dict[ObjectId, Any] = {}
        speaking = tuple((a.label, a.ifname, a.ip, a.addresses) for a in adapters if a.has_ip)
        for instance in config.network_instances:
            if instance.active:
                key, vifs = instance.key, inputs.vifs.get(instance.key, ())
                known = before._groups.get(key) if before is not None else None
                given = known.given[:_VIFS] if known and same else self._given(instance, speaking)
                group = known if known is not None and known.given == (*given, vifs) else _group(key, given, vifs)
                self._groups[key] = group
                grouped |= group.values
        self.hosts: frozenset[str] = frozenset().union(*(group.hosts for group in self._groups.values()))
        self._own: dict[ObjectId, Any] = {DEVICE: (adapters, config.settings, self.hosts)}
        for adapter in adapters:
            self._own["adapter", adapter.label] = (adapter, config.settings)
        self.values = self._own | grouped

    def changed_since(self, before: Objects) -> set[ObjectId]:
        """Names of the objects that are new, or whose inputs are others."""
        known, nothing = before.values, object()
        values = dict(self._own)
        for key, group in self._groups.items():
            if before._groups.get(key) is not group:
                values |= group.values
        return {
            name for name, value in values.items() if (old := known.get(name, nothing)) is not value and old != value
        }

    def vif(self, name: ObjectId) -> Vif:
        """The interface of this name."""
        vif: Vif = self.values[name][_VIF]
        return vif

    def _stands_on(self, inputs: Inputs) -> bool:
        own = self._inputs
        instances, apps = own.config.network_instances, own.apps
        same = instances == inputs.config.network_instances and apps == inputs.apps
        return same and own.adapters == inputs.adapters and own.instance_numbers == inputs.instance_numbers

    def _given(self, instance: NetworkInstance, speaking: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs, key = self._inputs, instance.key
        ports = tuple(matching_ports(instance.port, inputs.adapters))
        numbered = (instance, inputs.instance_numbers.get(key), inputs.apps)
        return (*numbered, ports, self.refused.get(key), self._rivals.get(key), speaking)


def _group(key: str, given: tuple[Any, ...], vifs: tuple[Vif, ...]) -> _Group:
    members = tuple(vif.addresses for vif in vifs if not vif.error)
    values: dict[ObjectId, Any] = {("instance", key): (*given, vifs)}
    for vif in vifs:
        values["vif", vif.app_key, vif.name] = (*given, vif, _asks_for_members(vif) and members)
    return _Group((*given, vifs), values, frozenset(hosts_of(rule for vif in vifs for rule in vif.rules)))


def _asks_for_members(vif: Vif) -> bool:
    return any(rule.instance_members for rule in vif.rules)
