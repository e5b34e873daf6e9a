"""Adapters: what they stand on, the network that they refer to, and their static addresses."""

from __future__ import annotations

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.addresses import check_address, check_version, versions
from evenet_core.formats.rules.view import View, refer
from evenet_core.model.adapters import SystemAdapter
from evenet_core.model.networks import IpMode, Network
from evenet_core.model.ports import Bond, Port, PortKind, PortUse, Vlan
from evenet_core.model.values import IPAddress

__all__ = ["check_adapters"]


def check_adapters(view: View) -> None:
    for i, adapter in enumerate(view.config.adapters):
        path: Path = ("adapters", i)
        _check_lower(view, path, adapter)
        refer(view.report, (*path, "network"), adapter.network or "", view.networks, "network")
        network = view.network_of(adapter)
        _check_static(view, path, adapter, network)
        if adapter.uplink and view.in_use(adapter) and not view.has_ip(adapter) and network is not None:
            view.notice(path, "is an uplink without IP: it cannot reach the controller")
    _check_sharing(view)
    if not any(a.uplink and view.has_ip(a) and view.in_use(a) for a in view.config.adapters):
        view.notice(("adapters",), "no adapter can reach the controller: none is an uplink with IP")


def _check_lower(view: View, path: Path, adapter: SystemAdapter) -> None:
    name = "lower" if adapter.lower else "label"
    refer(view.report, (*path, name), adapter.lower or adapter.label, view.layers, "port, VLAN or bond")
    layer = view.layer_of(adapter)
    if not isinstance(layer, Port):
        return
    if layer.kind is PortKind.OTHER:
        view.problem((*path, name), f"{shown(layer.label)} is no network device", "write a port, VLAN or bond")
    elif not view.in_use(adapter):
        view.notice(path, f"port {shown(layer.label)} is {layer.use.value}: the adapter is not used")
    elif adapter.uplink and layer.use is PortUse.APPS:
        view.notice(path, f"is an uplink on port {shown(layer.label)}, which is for apps")


def _check_static(view: View, path: Path, adapter: SystemAdapter, network: Network | None) -> None:
    here: Path = (*path, "address")
    if network is None:
        if adapter.address is not None and not adapter.network:
            view.problem(here, "is there without a network", "write the network that has its subnet")
        return
    if adapter.address is None:
        if network.ip.mode is IpMode.STATIC:
            view.problem(here, "is missing", "the network is static: write an address of its subnet")
        return
    if network.ip.mode is IpMode.NONE:
        view.notice(here, "not used: the network has no IP")
        return
    check_version(view.report, here, adapter.address, versions(network.ip.family))
    if adapter.address.is_unspecified or adapter.address.is_multicast or adapter.address.is_loopback:
        view.problem(here, f"{adapter.address} is no host's address", "write an address of the subnet")
    elif network.ip.subnet is not None and check_address(view.report, here, adapter.address, network.ip.subnet):
        _check_not_gateway(view, here, adapter.address, network)


def _check_not_gateway(view: View, path: Path, address: IPAddress, network: Network) -> None:
    if address == network.ip.gateway:
        view.problem(path, f"{address} is the gateway's", "write another address of the subnet")


def _check_sharing(view: View) -> None:
    """One adapter on one layer; one holder of one address; no adapter with the label of a layer below another one."""
    layers: dict[str, Path] = {}
    addresses: dict[IPAddress, Path] = {}
    below = _below(view)
    for i, adapter in enumerate(view.config.adapters):
        path: Path = ("adapters", i)
        layer = adapter.lower or adapter.label
        name = "lower" if adapter.lower else "label"
        if layer in view.layers and _another(view, layers.setdefault(layer, path), adapter):
            there = view.report.where(layers[layer])
            view.problem((*path, name), f"{shown(layer)} has an adapter already", f"it is {there}; keep one of them")
        if adapter.address is not None and addresses.setdefault(adapter.address, path) != path:
            there = view.report.where(addresses[adapter.address])
            view.problem((*path, "address"), f"{adapter.address} is given twice", f"{there} has it already")
        if adapter.label != layer and adapter.label in below:
            text = f"{shown(adapter.label)} is the label of something else that adapters stand on"
            view.problem((*path, "label"), text, "use another label")


def _another(view: View, path: Path, adapter: SystemAdapter) -> bool:
    """Whether an adapter of another label is there; that a label is given twice is told elsewhere."""
    return view.config.adapters[int(path[1])].label != adapter.label


def _below(view: View) -> set[str]:
    """Labels of ports and bonds that VLANs and bonds stand on and that have no adapter of their own."""
    own = {adapter.lower or adapter.label for adapter in view.config.adapters}
    found: set[str] = set()
    for layer in view.layers.values():
        found.update((layer.lower,) if isinstance(layer, Vlan) else layer.lower if isinstance(layer, Bond) else ())
    return found - own
