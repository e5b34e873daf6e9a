"""WiFi adapters: recognised, and said plainly that they cannot be used yet."""

from __future__ import annotations

from evenet_core.errors import NotSupported
from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, hookimpl
from evenet_core.linux.bus import pci_address, usb_address
from evenet_core.model.adapters import Adapter
from evenet_core.model.ports import PortKind
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item

__version__ = "0.1.0"


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(name="wifi", version=__version__, summary="WiFi ports are recognised, not used yet")


@hookimpl
def evenet_identify_port(device: PortDevice) -> PortIdentity | None:
    """What the kernel calls a wireless LAN device (net/wireless/core.c: `wiphy_type`)."""
    if device.properties.get("DEVTYPE") != "wlan":
        return None
    return PortIdentity(
        kind=PortKind.WIFI,
        pci=pci_address(device),
        usb=usb_address(device),
        serial=device.properties.get("ID_SERIAL_SHORT", ""),
    )


@hookimpl
def evenet_plan_link(adapter: Adapter, facts: Facts) -> list[Item] | None:
    """
    :raises NotSupported: for every WiFi adapter.
    """
    if adapter.kind is not PortKind.WIFI:
        return None
    networks = len(adapter.wifi.networks) if adapter.wifi else 0
    raise NotSupported(
        f"WiFi adapter {adapter.label} cannot join a network yet: this evenet-wifi recognises WiFi ports only "
        f"(its {networks} configured networks are kept)"
    )
