"""Cellular adapters: recognised, and said plainly that they cannot be used yet."""

from __future__ import annotations

import re

from evenet_core.errors import NotSupported
from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, hookimpl
from evenet_core.linux.bus import pci_address, usb_address
from evenet_core.model.adapters import Adapter
from evenet_core.model.ports import PortKind
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item

__version__ = "0.1.0"

# Class, subclass and protocol of USB interfaces (USB CDC 1.2, tables 4 and 5) that modems are commanded by:
# a serial line for AT commands (/dev/ttyACM0); device management and MBIM (both /dev/cdc-wdm0)
CONTROL = re.compile("02020[1-6]|02(?:09|0e)[0-9a-f]{2}")


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(name="cellular", version=__version__, summary="cellular modems are recognised, not used yet")


@hookimpl
def evenet_identify_port(device: PortDevice) -> PortIdentity | None:
    """The network device of a modem. Some modems show it as Ethernet: then a control channel beside it tells."""
    kind = device.properties.get("DEVTYPE", "")
    if kind != "wwan" and (kind or not _has_control_channel(device)):
        return None
    return PortIdentity(
        kind=PortKind.CELLULAR,
        pci=pci_address(device),
        usb=usb_address(device),
        serial=device.properties.get("ID_SERIAL_SHORT", ""),
    )


def _has_control_channel(device: PortDevice) -> bool:
    """Whether the USB device that it is part of has more than a network device."""
    interfaces = device.properties.get("ID_USB_INTERFACES", "").split(":")  # :020600:0a0000:020201:
    return any(CONTROL.fullmatch(interface) for interface in interfaces)


@hookimpl
def evenet_plan_link(adapter: Adapter, facts: Facts) -> list[Item] | None:
    """
    :raises NotSupported: for every cellular adapter.
    """
    if adapter.kind is not PortKind.CELLULAR:
        return None
    raise NotSupported(
        f"cellular adapter {adapter.label} cannot connect yet: this evenet-cellular recognises modems only "
        "(its access points are kept)"
    )
