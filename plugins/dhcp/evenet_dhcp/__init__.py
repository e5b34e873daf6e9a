"""Addresses of adapters: dhcpcd asks and reports, evenet configures."""

from __future__ import annotations

from collections.abc import Sequence

from evenet_core.hookspecs import Context, PluginInfo, hookimpl
from evenet_core.linux.l3 import addressing, l3_items
from evenet_core.model.adapters import Adapter
from evenet_core.model.networks import IpMode
from evenet_core.reconciler.facts import Facts, Monitor
from evenet_core.reconciler.item import Item
from evenet_dhcp.client import dhcp_client
from evenet_dhcp.monitor import LeaseMonitor

__version__ = "0.1.0"

SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "conflict_detection": {
            "type": "boolean",
            "default": False,
            "description": "ask by ARP whether anybody else has an offered address (RFC 5227): costs seconds",
        }
    },
}


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(
        name="dhcp",
        version=__version__,
        summary="static addresses, DHCPv4, DHCPv6 and SLAAC",
        capabilities=("addressing.static", "addressing.dhcp", "ipv6"),
        settings_schema=SETTINGS,
    )


@hookimpl
def evenet_plan_addressing(adapter: Adapter, facts: Facts) -> list[Item] | None:
    items = l3_items(adapter, addressing(adapter, facts))
    if adapter.ip.mode is IpMode.DHCP:
        items.append(dhcp_client(adapter))
    return items


@hookimpl
def evenet_monitors(context: Context) -> Sequence[Monitor]:
    return [LeaseMonitor(context.run_dir / "daemons")]
