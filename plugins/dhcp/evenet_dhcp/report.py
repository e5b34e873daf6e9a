"""From what dhcpcd's hook wrote to a lease. Everything in it comes from strangers on the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import TypeVar

from evenet_core.model.addressing import Lease, LeaseRoute, LeaseSource
from evenet_core.model.values import IPAddress, IPInterface

__all__ = ["MAX_REPORT", "parse_report"]

MAX_REPORT = 65536  # bytes
MAX_SERVERS = 8
MAX_ROUTES = 64
MAX_DOMAINS = 16
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.?\Z"
)
_HELD4 = {"BOUND", "RENEW", "REBIND", "REBOOT", "INFORM", "STATIC", "TIMEOUT"}
_HELD6 = {"BOUND6", "RENEW6", "REBIND6", "REBOOT6", "INFORM6", "DELEGATED6"}


T = TypeVar("T")


def parse_report(data: bytes) -> tuple[LeaseSource, Lease | None] | None:
    """Who reported, and the lease it holds (None = none any more). None = it is no report on leases."""
    if len(data) > MAX_REPORT:
        return None
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0"))
    values = {name: value for name, sep, value in pairs if sep}
    reason = values.get("reason", "")
    match values.get("protocol"):
        case "dhcp":
            return LeaseSource.DHCP4, _dhcp4(values) if reason in _HELD4 else None
        case "dhcp6":
            return LeaseSource.DHCP6, _dhcp6(values) if reason in _HELD6 else None
        case "ra":
            return LeaseSource.RA, _ra(values) if reason == "ROUTERADVERT" else None
    return None


def _dhcp4(values: Mapping[str, str]) -> Lease | None:
    address = _one(IPv4Interface, f"{values.get('new_ip_address')}/{values.get('new_subnet_cidr', '32')}")
    if address is None or address.ip.is_unspecified or address.ip.is_multicast or address.ip.is_loopback:
        return None
    mtu = _one(int, values.get("new_interface_mtu", ""))
    return Lease(
        source=LeaseSource.DHCP4,
        addresses=(address,),
        routers=_addresses(values.get("new_routers", "")),
        routes=_routes(values.get("new_classless_static_routes", "")),
        dns=_addresses(values.get("new_domain_name_servers", "")),
        domain=next(iter(_domains(values.get("new_domain_name", ""))), ""),
        search=_domains(values.get("new_domain_search", "")),
        ntp=tuple(map(str, _addresses(values.get("new_ntp_servers", "")))),
        mtu=mtu if mtu is not None and 576 <= mtu <= 65535 else None,
        server=str(_one(ip_address, values.get("new_dhcp_server_identifier", "")) or ""),
    )


def _dhcp6(values: Mapping[str, str]) -> Lease | None:
    named = [value for name, value in values.items() if re.fullmatch(r"new_dhcp6_ia_na\d+_ia_addr\d+", name)]
    found = [_one(IPv6Interface, f"{value}/128") for value in named[:MAX_SERVERS]]
    return Lease(
        source=LeaseSource.DHCP6,
        addresses=tuple(a for a in found if a is not None and not a.ip.is_multicast and not a.ip.is_unspecified),
        dns=_addresses(values.get("new_dhcp6_name_servers", "")),
        search=_domains(values.get("new_dhcp6_domain_search", "")),
    )


def _ra(values: Mapping[str, str]) -> Lease | None:
    """Routers that want to be a default, and prefixes to make addresses of; the first router's come first."""
    routers: list[IPAddress] = []
    prefixes: list[IPInterface] = []
    dns: list[IPAddress] = []
    search: list[str] = []
    for number in range(1, MAX_SERVERS + 1):
        router = _one(ip_address, values.get(f"nd{number}_from", "").partition("%")[0])
        if router is None:
            break
        if values.get(f"nd{number}_lifetime", "0") != "0" and router.is_link_local:
            routers.append(router)
        dns += _addresses(values.get(f"nd{number}_rdnss1_servers", ""))
        search += _domains(values.get(f"nd{number}_dnssl1_search", ""))
        prefixes += _prefixes(values, f"nd{number}_prefix_information")
    return Lease(
        source=LeaseSource.RA,
        addresses=tuple(prefixes),
        routers=tuple(routers),
        dns=tuple(dns[:MAX_SERVERS]),
        search=tuple(search[:MAX_DOMAINS]),
    )


def _prefixes(values: Mapping[str, str], stem: str) -> Iterable[IPInterface]:
    for number in range(1, MAX_SERVERS + 1):
        name = f"{stem}{number}"
        text = f"{values.get(f'{name}_prefix', '')}/{values.get(f'{name}_length', '')}"
        prefix = _one(ip_interface, text)
        autonomous = "A" in values.get(f"{name}_flags", "")
        if prefix is not None and autonomous and values.get(f"{name}_vltime", "0") != "0" and not prefix.is_link_local:
            yield prefix


def _routes(text: str) -> tuple[LeaseRoute, ...]:
    """Pairs of destination and router, "10.0.0.0/8 192.0.2.1 ..."; router 0.0.0.0 = on the link (RFC 3442)."""
    words = text.split()[: 2 * MAX_ROUTES]
    routes = []
    for destination, router in zip(words[::2], words[1::2], strict=False):
        network, via = _one(lambda value: ip_network(value, strict=False), destination), _one(ip_address, router)
        if network is not None and via is not None and network.version == via.version and not network.is_multicast:
            routes.append(LeaseRoute(network, None if via.is_unspecified else via))
    return tuple(routes)


def _addresses(text: str) -> tuple[IPAddress, ...]:
    found = [_one(ip_address, word) for word in text.split()[:MAX_SERVERS]]
    return tuple(a for a in found if a is not None and not a.is_unspecified and not a.is_multicast)


def _domains(text: str) -> tuple[str, ...]:
    """Names in letters, digits, hyphens and underscores; anything else is dropped."""
    return tuple(word.rstrip(".").lower() for word in text.split()[:MAX_DOMAINS] if _DOMAIN.match(word))


def _one(parse: Callable[[str], T], text: str) -> T | None:
    try:
        return parse(text)
    except ValueError:
        return None
