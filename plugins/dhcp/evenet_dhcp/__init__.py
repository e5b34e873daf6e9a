"""Addresses of adapters: dhcpcd asks and reports, evenet configures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from evenet_core.hookspecs import Context, PluginInfo, hookimpl
from evenet_core.linux.l3 import addressing, l3_items
from evenet_core.model.adapters import Adapter
from evenet_core.model.networks import IpMode
from evenet_core.reconciler.facts import Facts, Monitor
from evenet_core.reconciler.item import Item
from evenet_dhcp.client import ClientSettings, dhcp_client
from evenet_dhcp.monitor import SETTINGS_FACT, LeaseMonitor

__version__ = "0.1.0"

log = logging.getLogger(__name__)

SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "conflict_detection": {
            "type": "boolean",
            "default": False,
            "description": "ask by ARP whether anybody else has an offered address (RFC 5227): costs seconds",
        },
        "vendor_class": {
            "type": "string",
            "default": "LFEDGE-EVE",
            "description": "what DHCPv4 servers are told of the kind of client (option 60); empty: nothing",
        },
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
        settings = facts.get(SETTINGS_FACT)
        items.append(dhcp_client(adapter, settings if isinstance(settings, ClientSettings) else ClientSettings()))
    return items


@hookimpl
def evenet_monitors(context: Context) -> Sequence[Monitor]:
    return [LeaseMonitor(context.run_dir / "daemons", _settings(context.settings))]


def _settings(given: Mapping[str, Any]) -> ClientSettings:
    """A mistake in the settings must not cost the node its addresses."""
    try:
        unknown = given.keys() - {"conflict_detection", "vendor_class"}
        if unknown:
            raise msgspec.ValidationError(f"unknown: {', '.join(sorted(unknown))}")
        return msgspec.convert(dict(given), ClientSettings)
    except msgspec.ValidationError as error:
        log.error("settings of plugin dhcp: %s; going on with the defaults", error)
        return ClientSettings()
