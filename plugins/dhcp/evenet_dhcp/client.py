"""The dhcpcd of one adapter: how it is started, and the hook by which it reports.

There is one for each IP version. That of IPv6 runs where routers say so; they are listened to by evenet itself
(`announced.py`), because dhcpcd 9 runs a program for each advertisement and keeps every router that it hears of.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from evenet_core.linux.daemon import Daemon
from evenet_core.linux.link import link_key
from evenet_core.model.adapters import Adapter
from evenet_core.reconciler.item import Requires

__all__ = [
    "CLIENT_PREFIX",
    "CLIENT_PREFIX6",
    "DOUBTS",
    "REPORT_PREFIX",
    "ClientSettings",
    "dhcp6_client",
    "dhcp_client",
]

CLIENT_PREFIX, CLIENT_PREFIX6 = "dhcpcd-", "dhcpcd6-"  # of the daemons' names, which go on with the interface

DOUBTS = "doubts"  # name of the file that makes a client ask again (SIGHUP) when it changes
REPORT_PREFIX = "report."  # of the files that the hook writes: report.dhcp, report.dhcp6

# Values of options come from strangers: they are passed on as a NUL-separated environment, which they cannot
# forge a variable in, and a reader never sees half a report. `evenet_at` is the boot clock, in seconds.
HOOK = """\
#!/bin/sh
umask 077
case "$protocol" in dhcp|dhcp6) ;; *) exit 0 ;; esac
# a lease outlives a stopped client, and a lost carrier (RFC 2131, 3.7): the reader knows when it ends
case "$reason" in STOP*|PREINIT|CARRIER|NOCARRIER*|UNKNOWN|DEPARTED|RECONFIGURE*) exit 0 ;; esac
# nobody confirms the lease, but nobody refuses it either: what was reported of it holds
[ "$reason" = TIMEOUT ] && [ -e "{dir}/report.$protocol" ] && exit 0
[ "$ifcarrier" = down ] && exit 0
read -r now rest </proc/uptime
evenet_at="$now" env -0 >"{dir}/.new.$protocol" && mv "{dir}/.new.$protocol" "{dir}/report.$protocol"
"""

# dhcpcd.conf(5)
CONFIG = """\
noconfigure
persistent
script {dir}/hook
"""
CONFIG4 = """\
nodelay
noipv4ll
lastlease
reboot 2
define 252 string wpad_url
option classless_static_routes, domain_name_servers, domain_name, domain_search
option interface_mtu, ntp_servers, rapid_commit, wpad_url
require dhcp_server_identifier
"""
CONFIG6 = """\
noipv6rs
option dhcp6_name_servers, dhcp6_domain_search, dhcp6_ntp_server, dhcp6_sntp_servers
"""


class ClientId(StrEnum):
    """By what a DHCPv4 server knows this node again (option 61)."""

    MAC = "mac"
    DUID = "duid"  # RFC 4361: the same as in DHCPv6, whatever becomes of the MAC


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What the operator of a machine may choose for all its clients."""

    conflict_detection: bool = False  # ask by ARP whether anybody else has an offered address (RFC 5227)
    client_id: ClientId = ClientId.MAC
    vendor_class: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{0,64}\Z")] = "LFEDGE-EVE"  # option 60; empty = none


def dhcp_client(adapter: Adapter, settings: ClientSettings, doubts: int = 0) -> Daemon:
    """The DHCPv4 client of an adapter. It asks once there is a link, and keeps its lease over a restart.

    :param doubts: how often the link was found to lead elsewhere, perhaps: when that changes it asks again
    """
    config = CONFIG + CONFIG4 + ("clientid\n" if settings.client_id is ClientId.MAC else "duid\n")
    if not settings.conflict_detection:
        config += "noarp\n"
    if settings.vendor_class:
        config += f"vendorclassid {settings.vendor_class}\n"
    return _client(f"{CLIENT_PREFIX}{adapter.ifname}", "-4", config, adapter, doubts)


def dhcp6_client(adapter: Adapter, *, managed: bool, doubts: int = 0) -> Daemon:
    """The DHCPv6 client of an adapter.

    :param managed: it asks for an address, too, not for settings only
    """
    config = CONFIG + CONFIG6 + ("ia_na\n" if managed else "inform6\n")
    return _client(f"{CLIENT_PREFIX6}{adapter.ifname}", "-6", config, adapter, doubts)


def _client(name: str, version: str, config: str, adapter: Adapter, doubts: int) -> Daemon:
    return Daemon(
        name,
        argv=("dhcpcd", version, "-B", "-q", "-t", "0", "-f", "{dir}/dhcpcd.conf", adapter.ifname),
        files=(("dhcpcd.conf", config), ("hook+x", HOOK)),
        reloadable=((DOUBTS, str(doubts)),),
        needs=(Requires(link_key(adapter.ifname), "it asks on this link"),),
    )
