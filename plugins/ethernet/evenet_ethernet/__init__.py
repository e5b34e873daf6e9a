"""Ethernet adapters: a bridge that takes the port's name and MAC, or the port as it is."""

from __future__ import annotations

from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, hookimpl
from evenet_core.linux.bus import pci_address, usb_address
from evenet_core.linux.l3 import addressing
from evenet_core.linux.link import PortBridge, PortLink
from evenet_core.linux.sysctl import Sysctl
from evenet_core.model.adapters import DEFAULT_MTU, Adapter
from evenet_core.model.ports import PortKind
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item

__version__ = "0.1.0"

WIRELESS = {"wlan", "wwan"}  # DEVTYPE, by the kernel


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(
        name="ethernet",
        version=__version__,
        summary="Ethernet ports as adapters",
        capabilities=("link.ethernet",),
    )


@hookimpl(trylast=True)
def evenet_identify_port(device: PortDevice) -> PortIdentity | None:
    """Whatever has an Ethernet address and is no radio."""
    if device.properties.get("DEVTYPE") in WIRELESS or not device.mac:
        return None
    return PortIdentity(
        kind=PortKind.ETHERNET,
        pci=pci_address(device),
        usb=usb_address(device),
        serial=device.properties.get("ID_SERIAL_SHORT", ""),
    )


@hookimpl
def evenet_plan_link(adapter: Adapter, facts: Facts) -> list[Item] | None:
    """An adapter with IP is a bridge, so that switch network instances can join it at any time.

    On one without, the node believes no router. (To switch IPv6 off would take away what others gave the port.)
    """
    if adapter.kind is not PortKind.ETHERNET or adapter.vlan or adapter.bond:
        return None
    mtu = adapter.mtu or addressing(adapter, facts).mtu or DEFAULT_MTU
    if adapter.has_ip:
        return [PortBridge(adapter.ifname, mtu)]
    deaf = [Sysctl(f"net/ipv6/conf/{adapter.ifname}/{name}", "0", adapter.ifname) for name in ("accept_ra", "autoconf")]
    return [PortLink(adapter.ifname, mtu), *deaf]
