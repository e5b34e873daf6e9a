"""The dhcpcd of one adapter: how it is started, and the hook by which it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from evenet_core.linux.daemon import Daemon
from evenet_core.linux.l3 import families
from evenet_core.linux.link import link_key
from evenet_core.model.adapters import Adapter
from evenet_core.reconciler.item import Requires

__all__ = ["CLIENT_PREFIX", "REPORT_PREFIX", "ClientSettings", "dhcp_client"]

CLIENT_PREFIX = "dhcpcd-"  # of the daemons' names, which go on with the interface

REPORT_PREFIX = "report."  # of the files that the hook writes: report.dhcp, report.dhcp6, report.ra

# Values of options come from strangers: they are passed on as a NUL-separated environment, which they cannot
# forge a variable in, and a reader never sees half a report. `evenet_at` is the boot clock, in seconds.
HOOK = """\
#!/bin/sh
umask 077
case "$protocol" in dhcp|dhcp6|ra) ;; *) exit 0 ;; esac
# a lease outlives a stopped client, and a lost carrier (RFC 2131, 3.7): the reader knows when it ends
case "$reason" in STOP*|PREINIT|CARRIER|NOCARRIER*|UNKNOWN|DEPARTED) exit 0 ;; esac
[ "$ifcarrier" = down ] && exit 0
read -r now rest </proc/uptime
evenet_at="$now" env -0 >"{dir}/.new.$protocol" && mv "{dir}/.new.$protocol" "{dir}/report.$protocol"
"""

# dhcpcd.conf(5)
CONFIG = """\
noconfigure
clientid
persistent
nodelay
noipv4ll
ipv6ra_noautoconf
option classless_static_routes, domain_name_servers, domain_name, domain_search
option interface_mtu, ntp_servers, rapid_commit
option dhcp6_name_servers, dhcp6_domain_search
require dhcp_server_identifier
script {dir}/hook
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What the operator of a machine may choose for all its clients."""

    conflict_detection: bool = False  # ask by ARP whether anybody else has an offered address (RFC 5227)
    vendor_class: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{0,64}\Z")] = "LFEDGE-EVE"  # option 60; empty = none


def dhcp_client(adapter: Adapter, settings: ClientSettings) -> Daemon:
    """The client of an adapter. It asks once there is a link, and keeps its lease over a restart."""
    versions = families(adapter)
    config = CONFIG
    if len(versions) == 1:
        config += f"ipv{versions[0]}only\n"
    if not settings.conflict_detection:
        config += "noarp\n"
    if settings.vendor_class:
        config += f"vendorclassid {settings.vendor_class}\n"
    return Daemon(
        f"{CLIENT_PREFIX}{adapter.ifname}",
        argv=("dhcpcd", "-B", "-q", "-t", "0", "-f", "{dir}/dhcpcd.conf", adapter.ifname),
        files=(("dhcpcd.conf", config), ("hook+x", HOOK)),
        needs=(Requires(link_key(adapter.ifname), "it asks on this link"),),
    )
