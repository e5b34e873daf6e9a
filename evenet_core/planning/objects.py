"""The objects that are planned, and what of the inputs makes each plan anew when it changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from evenet_core.apps.conflicts import conflicts
from evenet_core.apps.instances import matching_ports
from evenet_core.apps.portuse import refused_ports
from evenet_core.model.resolved import Vif
from evenet_core.planning.inputs import Inputs

__all__ = ["DEVICE", "ObjectId", "Objects"]

ObjectId: TypeAlias = tuple[str, ...]
DEVICE: ObjectId = ("device",)
_VIF = -2  # place of the interface in the inputs of one


@dataclass(frozen=True, slots=True)
class _Group:
    """A network instance with its interfaces: all that they are planned from, and each for itself."""

    given: tuple[Any, ...]
    values: Mapping[ObjectId, Any]


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
        self._own: dict[ObjectId, Any] = {DEVICE: (adapters, config.settings, _host_names(inputs))}
        for adapter in adapters:
            self._own["adapter", adapter.label] = (adapter, config.settings)
        self.values = dict(self._own)
        speaking = tuple((a.label, a.ifname, a.ip, a.addresses) for a in adapters if a.has_ip)
        for key, given, vifs in self._given(speaking):
            known = before._groups.get(key) if before is not None else None
            group = known if known is not None and known.given == (*given, vifs) else _group(key, given, vifs)
            self._groups[key] = group
            self.values |= group.values

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
        return own.config.network_instances == inputs.config.network_instances and own.adapters == inputs.adapters

    def _given(self, speaking: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, ...], tuple[Vif, ...]]]:
        inputs = self._inputs
        for instance in inputs.config.network_instances:
            if instance.active:
                key = instance.key
                ports = tuple(matching_ports(instance.port, inputs.adapters))
                numbered = (instance, inputs.instance_numbers.get(key), inputs.apps)
                given = (*numbered, ports, self.refused.get(key), self._rivals.get(key), speaking)
                yield key, given, tuple(inputs.vifs.get(key, ()))


def _group(key: str, given: tuple[Any, ...], vifs: Sequence[Vif]) -> _Group:
    members = tuple(vif.addresses for vif in vifs if not vif.error)
    values: dict[ObjectId, Any] = {("instance", key): (*given, vifs)}
    for vif in vifs:
        values["vif", vif.app_key, vif.name] = (*given, vif, _asks_for_members(vif) and members)
    return _Group((*given, vifs), values)


def _asks_for_members(vif: Vif) -> bool:
    return any(rule.instance_members for rule in vif.rules)


def _host_names(inputs: Inputs) -> tuple[str, ...]:
    return tuple(sorted({r.host for a in inputs.config.apps for i in a.interfaces for r in i.rules if r.host}))
