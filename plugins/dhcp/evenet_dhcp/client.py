"""The dhcpcd of one adapter: how it is started, and the hook by which it reports."""

from __future__ import annotations

from evenet_core.linux.daemon import Daemon
from evenet_core.linux.l3 import families
from evenet_core.linux.link import link_key
from evenet_core.model.adapters import Adapter
from evenet_core.reconciler.item import Requires

__all__ = ["CLIENT_PREFIX", "REPORT_PREFIX", "dhcp_client"]

CLIENT_PREFIX = "dhcpcd-"  # of the daemons' names, which go on with the interface

REPORT_PREFIX = "report."  # of the files that the hook writes: report.dhcp, report.dhcp6, report.ra

# Values of options come from strangers: they are passed on as a NUL-separated environment, which they cannot
# forge a variable in, and a reader never sees half a report.
HOOK = """\
#!/bin/sh
umask 077
case "$protocol" in dhcp|dhcp6|ra) ;; *) exit 0 ;; esac
# a lease outlives a lost carrier and a stopped client
case "$reason" in PREINIT|CARRIER|NOCARRIER|UNKNOWN|DEPARTED|STOP|STOPPED) exit 0 ;; esac
env -0 >"{dir}/.new.$protocol" && mv "{dir}/.new.$protocol" "{dir}/report.$protocol"
"""

# dhcpcd.conf(5)
CONFIG = """\
noconfigure
clientid
persistent
noipv4ll
noarp
ipv6ra_noautoconf
option classless_static_routes, domain_name_servers, domain_name, domain_search
option interface_mtu, ntp_servers
option dhcp6_name_servers, dhcp6_domain_search
require dhcp_server_identifier
script {dir}/hook
"""


def dhcp_client(adapter: Adapter) -> Daemon:
    """The client of an adapter. It asks once there is a link, and keeps its lease over a restart."""
    versions = families(adapter)
    only = "" if len(versions) == 2 else f"ipv{versions[0]}only\n"
    return Daemon(
        f"{CLIENT_PREFIX}{adapter.ifname}",
        argv=("dhcpcd", "-B", "-q", "-t", "0", "-f", "{dir}/dhcpcd.conf", adapter.ifname),
        files=(("dhcpcd.conf", CONFIG + only), ("hook+x", HOOK)),
        needs=(Requires(link_key(adapter.ifname), "it asks on this link"),),
    )
