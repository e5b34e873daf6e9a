"""Addresses, gateways and servers of one subnet, whether of a network, a DPC's adapter or a network instance."""

from __future__ import annotations

from collections.abc import Iterable

from evenet_core.formats.report import Path, Report
from evenet_core.formats.rules.hosts import check_name, check_servers
from evenet_core.model.networks import IpFamily, IpMode, IpSettings
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = [
    "check_address",
    "check_dns",
    "check_gateway",
    "check_servers_of",
    "check_subnet",
    "check_version",
    "reserved",
    "versions",
]

VERSIONS = {IpFamily.IPV4: (4,), IpFamily.IPV6: (6,)}


def versions(family: IpFamily) -> tuple[int, ...]:
    """IP versions that a family means."""
    return VERSIONS.get(family, (4, 6))


def check_subnet(report: Report, path: Path, ip: IpSettings) -> None:
    """The subnet of an adapter's static addresses."""
    if ip.mode is IpMode.STATIC and ip.subnet is None:
        report.at((*path, "subnet"), "is missing", "write the subnet of the static addresses, such as 192.0.2.0/24")
    if ip.subnet is not None:
        check_version(report, (*path, "subnet"), ip.subnet, versions(ip.family))
        if ip.mode is IpMode.STATIC and ip.subnet.prefixlen == 0:
            report.at((*path, "subnet"), f"is {ip.subnet}", "write the subnet of the link")


def check_servers_of(report: Report, path: Path, ip: IpSettings) -> None:
    """Gateway, name and time servers of an adapter."""
    allowed = versions(ip.family)
    if ip.gateway is not None:
        check_version(report, (*path, "gateway"), ip.gateway, allowed)
        if not ip.gateway.is_unspecified:
            within = ip.subnet if ip.mode is IpMode.STATIC else None
            check_gateway(report, (*path, "gateway"), ip.gateway, within)
    check_dns(report, (*path, "dns"), ip.dns, allowed)
    check_name(report, (*path, "domain"), ip.domain)
    check_servers(report, (*path, "ntp"), ip.ntp)
    if ip.dhcp_range is not None:
        report.notice_at((*path, "dhcp_range"), "not used: a range counts in network instances only")


def check_version(report: Report, path: Path, value: IPAddress | IPNetwork, allowed: Iterable[int]) -> None:
    if value.version not in allowed:
        only = " or ".join(f"IPv{version}" for version in allowed)
        report.at(path, f"{value} is IPv{value.version}", f"only {only} is spoken here")


def check_gateway(report: Report, path: Path, gateway: IPAddress, subnet: IPNetwork | None) -> None:
    """A router is a host of the subnet; an IPv6 one may be known by its link-local address."""
    if gateway.is_multicast or gateway.is_loopback:
        report.at(path, f"{gateway} is no host's address", "write the router's address")
    elif subnet is None or (gateway.version == 6 == subnet.version and gateway.is_link_local):
        return
    elif gateway not in subnet:
        report.at(path, f"{gateway} is outside of subnet {subnet}", "write an address of the subnet")
    elif gateway in reserved(subnet):
        report.at(path, f"{gateway} stands for the whole of subnet {subnet}", "write the address of one host")


def check_address(report: Report, path: Path, address: IPAddress, subnet: IPNetwork) -> bool:
    """A host's address in a subnet."""
    if address not in subnet:
        report.at(path, f"{address} is outside of subnet {subnet}", "write an address of the subnet")
    elif address in reserved(subnet):
        report.at(path, f"{address} stands for the whole of subnet {subnet}", "write the address of one host")
    else:
        return True
    return False


def reserved(subnet: IPNetwork) -> tuple[IPAddress, ...]:
    """Addresses that mean all hosts, or all routers (RFC 4291, 2.6.1); a link of two has none (RFC 3021, 6164)."""
    if subnet.max_prefixlen - subnet.prefixlen < 2:
        return ()
    if subnet.version == 4:
        return (subnet.network_address, subnet.broadcast_address)
    return (subnet.network_address,)


def check_dns(report: Report, path: Path, servers: Iterable[IPAddress], allowed: Iterable[int]) -> None:
    for n, server in enumerate(servers):
        check_version(report, (*path, n), server, allowed)
        if server.is_unspecified or server.is_multicast:
            report.at((*path, n), f"{server} is no server's address", "write the server's address")
