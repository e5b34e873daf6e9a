"""Cellular adapters: recognised, and said plainly that they cannot be used yet."""

from __future__ import annotations

from evenet_core.errors import NotSupported
from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, hookimpl
from evenet_core.model.adapters import Adapter
from evenet_core.model.ports import PortKind
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item

__version__ = "0.1.0"


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(name="cellular", version=__version__, summary="cellular modems are recognised, not used yet")


@hookimpl
def evenet_identify_port(device: PortDevice) -> PortIdentity | None:
    if device.properties.get("DEVTYPE") != "wwan":
        return None
    return PortIdentity(kind=PortKind.CELLULAR, usb=device.properties.get("ID_USB_INTERFACE_NUM", ""))


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
