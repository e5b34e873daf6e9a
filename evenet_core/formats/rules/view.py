"""A config with its objects found by name: what rules look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.words import likely
from evenet_core.model.adapters import SystemAdapter, built_in_labels
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AppInterface, InstanceType, NetworkInstance
from evenet_core.model.networks import IpMode, Network
from evenet_core.model.ports import Bond, Port, PortUse, Vlan

__all__ = ["Layer", "View", "once", "refer"]

Layer = Port | Vlan | Bond
_UNUSED = (PortUse.DEDICATED, PortUse.DISABLED)


class View:
    """One config. Of objects that share a name the first counts; that they share it is a problem told elsewhere."""

    def __init__(self, config: DeviceConfig, report: Report) -> None:
        self.config = config
        self.report = report

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Ports, VLANs and bonds by label."""
        return first_by_name((layer.label, layer) for _, layer in self.each_layer())

    def each_layer(self) -> Iterator[tuple[Path, Layer]]:
        for name in ("ports", "vlans", "bonds"):
            yield from (((name, i), layer) for i, layer in enumerate(getattr(self.config, name)))

    @cached_property
    def networks(self) -> dict[str, Network]:
        return first_by_name((network.name, network) for network in self.config.networks)

    @cached_property
    def instances(self) -> dict[str, NetworkInstance]:
        """By name and by UUID, as interfaces of apps refer to them."""
        named = [(i.name, i) for i in self.config.network_instances]
        return first_by_name([(i.key, i) for i in self.config.network_instances] + named)

    @cached_property
    def _labelled(self) -> dict[str, list[SystemAdapter]]:
        found: dict[str, list[SystemAdapter]] = defaultdict(list)
        for adapter in self.config.adapters:
            automatic = built_in_labels(management=adapter.uplink, cost=adapter.cost)
            for label in {adapter.label, *adapter.labels, *automatic}:
                found[label].append(adapter)
        return found

    def answering(self, label: str) -> list[SystemAdapter]:
        """The adapters that an own or shared label means, in their order; none for no label."""
        return self._labelled.get(label, []) if label else []

    def labels(self) -> Iterable[str]:
        """Every label that means an adapter."""
        return self._labelled

    def layer_of(self, adapter: SystemAdapter) -> Layer | None:
        return self.layers.get(adapter.lower or adapter.label)

    def network_of(self, adapter: SystemAdapter) -> Network | None:
        return self.networks.get(adapter.network) if adapter.network else None

    def has_ip(self, adapter: SystemAdapter) -> bool:
        network = self.network_of(adapter)
        return network is not None and network.ip.mode is not IpMode.NONE

    def in_use(self, adapter: SystemAdapter) -> bool:
        """Not on a port that is kept from the node."""
        layer = self.layer_of(adapter)
        return not (isinstance(layer, Port) and layer.use in _UNUSED)

    @cached_property
    def interfaces(self) -> list[tuple[Path, AppInterface, NetworkInstance]]:
        """Interfaces of apps whose network instance is known."""
        return [
            (("apps", a, "interfaces", i), interface, self.instances[interface.network_instance])
            for a, app in enumerate(self.config.apps)
            for i, interface in enumerate(app.interfaces)
            if interface.network_instance in self.instances
        ]

    def local(self) -> Iterator[tuple[Path, NetworkInstance]]:
        for i, instance in enumerate(self.config.network_instances):
            if instance.type is InstanceType.LOCAL:
                yield ("network_instances", i), instance

    def problem(self, path: Path, problem: str, remedy: str) -> None:
        self.report.at(path, problem, remedy)

    def notice(self, path: Path, text: str) -> None:
        self.report.notice_at(path, text)


def first_by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def once(report: Report, what: str, given: Iterable[tuple[Path, str]]) -> None:
    """Each of these texts may be given once; an empty one is none."""
    holders: dict[str, Path] = {}
    for path, text in given:
        holder = holders.setdefault(text, path) if text else path
        if holder != path:
            there = report.where(holder)
            report.at(path, f"{what} {shown(text)} is given twice", f"it is that of {there} already; use another one")


def refer(report: Report, path: Path, name: str, known: Mapping[str, Any] | set[str], what: str) -> None:
    """A name must be that of something. Where one of the known names is broken, it may be the one that is meant."""
    if name and name not in known and "" not in known:
        report.at(path, f"there is no {what} {shown(name)}", likely(name, known))
