"""From the three layers of a device config (ports, VLANs and bonds, adapters) to one flat DPC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_interface

from evenet_core.model.adapters import Adapter, Dpc, Origin, Source, SystemAdapter, built_in_labels
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import IpMode, IpSettings, Network
from evenet_core.model.ports import Bond, Port, PortKind, PortUse, Vlan
from evenet_core.model.values import IPInterface

__all__ = ["CONTROLLER_KEY", "dpc_from_config"]

CONTROLLER_KEY = "zedagent"  # EVE's key for what the controller sent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNUSED = frozenset({PortUse.DEDICATED, PortUse.DISABLED})


def dpc_from_config(config: DeviceConfig, key: str = CONTROLLER_KEY, origin: Origin = Origin.CONTROLLER) -> Dpc:
    """The DPC that a device config asks for.

    Order: adapters as listed, each preceded by the lower layers that only it brings in. Ports of
    dedicated or disabled use take no part.
    """
    layers = _Layers(config)
    flat: dict[str, Adapter] = {}
    for adapter in config.adapters:
        for lower in layers.below(adapter):
            flat.setdefault(lower.label, lower)
        flat[adapter.label] = layers.flatten(adapter)
    submitted = Source(origin=origin, submitted_at=config.timestamp)
    adapters = tuple(_finished(adapter, submitted) for adapter in flat.values())
    return Dpc(key=key, time_priority=config.timestamp or _EPOCH, adapters=adapters)


def _finished(adapter: Adapter, source: Source) -> Adapter:
    automatic = built_in_labels(management=adapter.management, cost=adapter.cost)
    return replace(adapter, labels=adapter.labels | automatic, source=source)


class _Layers:
    """Looks objects of a config up by label."""

    def __init__(self, config: DeviceConfig) -> None:
        self._networks = {network.name: network for network in config.networks}
        self._below: dict[str, Port | Vlan | Bond] = {
            layer.label: layer for layers in (config.ports, config.vlans, config.bonds) for layer in layers
        }
        self._access = {access.port: access.port for access in config.port_access}
        # a lower layer with an adapter of its own is known by that adapter's label
        self._own = {adapter.lower or adapter.label: adapter.label for adapter in config.adapters}

    def below(self, adapter: SystemAdapter) -> Iterator[Adapter]:
        """Layers under this adapter that have no adapter of their own: layer 2 only."""
        for label in self._lower_labels(self._below[adapter.lower or adapter.label]):
            yield from self._bare(label)

    def _bare(self, label: str) -> Iterator[Adapter]:
        if label in self._own:
            return
        layer = self._below[label]
        for lower in self._lower_labels(layer):
            yield from self._bare(lower)
        yield self._on(layer, Adapter(label=label, ifname="", l3=False))

    @staticmethod
    def _lower_labels(layer: Port | Vlan | Bond) -> tuple[str, ...]:
        if isinstance(layer, Vlan):
            return (layer.lower,)
        return layer.lower if isinstance(layer, Bond) else ()

    def flatten(self, adapter: SystemAdapter) -> Adapter:
        network = self._networks.get(adapter.network) if adapter.network else None
        settings = network.ip if network else IpSettings()
        flat = Adapter(
            label=adapter.label,
            ifname="",
            labels=frozenset(adapter.labels),
            alias=adapter.alias,
            allow_local_changes=adapter.allow_local_changes,
            network=adapter.network or "",
            management=adapter.uplink,
            l3=network is not None,
            cost=adapter.cost,
            ip=settings,
            addresses=_static(adapter, settings),
        )
        return self._on(self._below[adapter.lower or adapter.label], _with_network(flat, network))

    def _on(self, layer: Port | Vlan | Bond, adapter: Adapter) -> Adapter:
        """The adapter with what comes from the layer it sits on."""
        if isinstance(layer, Vlan):
            lower = self._own.get(layer.lower, layer.lower)
            return replace(adapter, ifname=layer.interface, vlan=replace(layer, lower=lower))
        if isinstance(layer, Bond):
            members = tuple(self._own.get(label, label) for label in layer.lower)
            return replace(adapter, ifname=layer.interface, bond=replace(layer, lower=members))
        unused = f"port {layer.label} is {layer.use.value}" if layer.use in _UNUSED else ""
        return replace(
            adapter,
            ifname=layer.interface,
            kind=layer.kind if layer.kind is not PortKind.OTHER else PortKind.ETHERNET,
            pci=layer.pci,
            usb=layer.usb,
            printed_label=layer.printed_label,
            port_access=self._access.get(layer.label, ""),
            config_error=unused,
        )


def _with_network(adapter: Adapter, network: Network | None) -> Adapter:
    if network is None:
        return adapter
    return replace(adapter, mtu=network.mtu, proxy=network.proxy, wifi=network.wifi, cellular=network.cellular)


def _static(adapter: SystemAdapter, settings: IpSettings) -> tuple[IPInterface, ...]:
    if adapter.address is None or settings.mode is IpMode.NONE:
        return ()
    prefix = settings.subnet.prefixlen if settings.subnet else adapter.address.max_prefixlen
    return (ip_interface(f"{adapter.address}/{prefix}"),)
