"""Addresses of adapters: dhcpcd asks and reports, evenet configures."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from evenet_core.hookspecs import Context, PluginInfo, hookimpl
from evenet_core.linux.l3 import addressing, families, l3_items
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.facts import lease_fact
from evenet_core.model.networks import IpMode
from evenet_core.reconciler.facts import Facts, Monitor
from evenet_core.reconciler.item import Driver, Item
from evenet_dhcp.client import ClientSettings, dhcp6_client, dhcp_client
from evenet_dhcp.hosts import doubts_fact
from evenet_dhcp.listener import SegmentMonitor
from evenet_dhcp.monitor import SETTINGS_FACT, LeaseMonitor
from evenet_dhcp.segment import HOSTS, ROUTERS, Segment, SegmentDriver

__version__ = "0.1.0"

log = logging.getLogger(__name__)

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "conflict_detection": {
            "type": "boolean",
            "default": False,
            "description": "ask by ARP whether anybody else has an offered address (RFC 5227): costs seconds",
        },
        "client_id": {
            "enum": ["mac", "duid"],
            "default": "mac",
            "description": "by what DHCPv4 servers know this node again (option 61): the MAC, or the DUID of RFC 4361",
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
    return [*l3_items(adapter, addressing(adapter, facts)), Segment(adapter.ifname, HOSTS), *_clients(adapter, facts)]


def _clients(adapter: Adapter, facts: Facts) -> Iterable[Item]:
    """Who asks for leases. Routers say whether there is a DHCPv6 server to be asked, and for what (RFC 4861, 4.2)."""
    if adapter.ip.mode is not IpMode.DHCP:
        return
    settings, doubts = facts.get(SETTINGS_FACT), facts.get(doubts_fact(adapter.ifname)) or 0
    versions = families(adapter)
    if 4 in versions:
        yield dhcp_client(adapter, settings if isinstance(settings, ClientSettings) else ClientSettings(), doubts)
    if 6 in versions:
        yield Segment(adapter.ifname, ROUTERS)
        told = facts.get(lease_fact(adapter.ifname, LeaseSource.RA))
        if isinstance(told, Lease) and (told.managed or told.other):
            yield dhcp6_client(adapter, managed=told.managed, doubts=doubts)


@hookimpl
def evenet_drivers(context: Context) -> Sequence[Driver]:
    return [SegmentDriver(context.run_dir / "daemons")]


@hookimpl
def evenet_monitors(context: Context) -> Sequence[Monitor]:
    daemons = context.run_dir / "daemons"
    leases = LeaseMonitor(daemons, _settings(context.settings))
    return [leases, SegmentMonitor(daemons, context.rtnl, leases.gateways)]


def _settings(given: Mapping[str, Any]) -> ClientSettings:
    """A mistake in the settings must not cost the node its addresses."""
    try:
        unknown = given.keys() - SETTINGS["properties"].keys()
        if unknown:
            raise msgspec.ValidationError(f"unknown: {', '.join(sorted(unknown))}")
        return msgspec.convert(dict(given), ClientSettings)
    except msgspec.ValidationError as error:
        log.error("settings of plugin dhcp: %s; going on with the defaults", error)
        return ClientSettings()
