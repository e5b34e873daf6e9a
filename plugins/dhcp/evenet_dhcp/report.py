"""From what dhcpcd's hook wrote to a lease. Everything in it comes from strangers on the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_network
from typing import TypeVar

from evenet_core.model.addressing import Lease, LeaseRoute, LeaseSource
from evenet_core.model.values import IPAddress, IPInterface

__all__ = ["MAX_REPORT", "Report", "parse_report"]

MAX_REPORT = 65536  # bytes
MAX_SERVERS = 8
MAX_ROUTES = 64
MAX_DOMAINS = 16
SHORTEST_PREFIX = 8  # nobody owns more than a /8 of IPv4: a shorter prefix would draw everything onto the link
FOREVER = 0xFFFFFFFF  # seconds, on the wire
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.?\Z"
)
_ADDRESS6 = re.compile(r"new_dhcp6_ia_na\d+_ia_addr\d+\Z")
_HELD4 = {"BOUND", "RENEW", "REBIND", "REBOOT", "INFORM", "STATIC", "TIMEOUT"}
_HELD6 = {"BOUND6", "RENEW6", "REBIND6", "REBOOT6", "INFORM6", "DELEGATED6"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Report:
    """Who reported, the lease it holds, and when that ends in seconds since boot (None = never)."""

    source: LeaseSource
    lease: Lease | None
    ends: float | None = None


def parse_report(data: bytes) -> Report | None:
    """What a report says; None = it is no report on leases."""
    if len(data) > MAX_REPORT:
        return None
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0"))
    values = {name: value for name, sep, value in pairs if sep}
    reason = values.get("reason", "")
    match values.get("protocol"):
        case "dhcp":
            lease, lifetime = _dhcp4(values) if reason in _HELD4 else _NONE
            return Report(LeaseSource.DHCP4, lease, _end(values, lifetime))
        case "dhcp6":
            lease, lifetime = _dhcp6(values) if reason in _HELD6 else _NONE
            return Report(LeaseSource.DHCP6, lease, _end(values, lifetime))
        case "ra":
            lease, lifetime = _ra(values) if reason == "ROUTERADVERT" else _NONE
            return Report(LeaseSource.RA, lease, _end(values, lifetime))
    return None


_NONE: tuple[Lease | None, int] = (None, FOREVER)


def _end(values: Mapping[str, str], lifetime: int) -> float | None:
    at = _one(float, values.get("evenet_at", ""))
    return None if at is None or lifetime == FOREVER else at + lifetime


def _dhcp4(values: Mapping[str, str]) -> tuple[Lease | None, int]:
    address = _one(IPv4Interface, f"{values.get('new_ip_address')}/{values.get('new_subnet_cidr', '32')}")
    if address is None or not _usable(address.ip) or address.network.prefixlen < SHORTEST_PREFIX:
        return _NONE
    mtu = _number(values, "new_interface_mtu")
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=(address,),
        routers=_addresses(values.get("new_routers", ""), IPv4Address),
        routes=_routes(values.get("new_classless_static_routes", "")),
        dns=_addresses(values.get("new_domain_name_servers", ""), IPv4Address),
        domain=next(iter(_domains(values.get("new_domain_name", ""))), ""),
        search=_domains(values.get("new_domain_search", "")),
        ntp=tuple(map(str, _addresses(values.get("new_ntp_servers", ""), IPv4Address))),
        mtu=mtu if 576 <= mtu <= 65535 else None,  # RFC 791: every host takes 576 bytes
        server=str(_one(ip_address, values.get("new_dhcp_server_identifier", "")) or ""),
    )
    return lease, _number(values, "new_dhcp_lease_time", FOREVER)


def _dhcp6(values: Mapping[str, str]) -> tuple[Lease | None, int]:
    """Addresses that may still be used for something new; a lease can also bring options alone (RFC 8415, 6.1)."""
    addresses: list[IPInterface] = []
    lifetimes = []
    for name in sorted(filter(_ADDRESS6.match, values))[:MAX_SERVERS]:
        address = _one(IPv6Interface, f"{values[name]}/128")
        valid, preferred = (_number(values, f"{name}_{kind}", FOREVER) for kind in ("vltime", "pltime"))
        if address is not None and _usable(address.ip) and valid and preferred:
            addresses.append(address)
            lifetimes.append(valid)
    lease = Lease(
        source=LeaseSource.DHCP6,
        addresses=tuple(addresses),
        dns=_addresses(values.get("new_dhcp6_name_servers", ""), IPv6Address),
        search=_domains(values.get("new_dhcp6_domain_search", "")),
        server=values.get("new_dhcp6_server_id", "")[:260] if values.get("new_dhcp6_server_id", "").isalnum() else "",
    )
    return lease, max(lifetimes, default=FOREVER)


def _ra(values: Mapping[str, str]) -> tuple[Lease | None, int]:
    """Routers that want to be a default, and prefixes to make addresses of; the first router's come first."""
    routers: list[IPAddress] = []
    prefixes: list[IPInterface] = []
    routes: list[LeaseRoute] = []
    dns: list[IPAddress] = []
    search: list[str] = []
    lifetimes = []
    for number in range(1, MAX_SERVERS + 1):
        stem = f"nd{number}"
        router = _one(IPv6Address, values.get(f"{stem}_from", "").partition("%")[0])
        if router is None:
            break
        lifetime = _number(values, f"{stem}_lifetime")
        if lifetime and router.is_link_local:
            routers.append(router)
            lifetimes.append(lifetime)
        for prefix, valid, flags in _prefixes(values, f"{stem}_prefix_information"):
            if "A" in flags:
                prefixes.append(prefix)
            elif "L" in flags:  # its addresses come by DHCPv6, its neighbours are on the link
                routes.append(LeaseRoute(prefix.network, None))
            lifetimes.append(valid)
        dns += _addresses(values.get(f"{stem}_rdnss1_servers", ""), IPv6Address)
        search += _domains(values.get(f"{stem}_dnssl1_search", ""))
    if not (routers or prefixes or routes or dns):
        return _NONE
    lease = Lease(
        source=LeaseSource.RA,
        addresses=tuple(prefixes),
        routers=tuple(routers),
        routes=tuple(routes),
        dns=tuple(dns[:MAX_SERVERS]),
        search=tuple(search[:MAX_DOMAINS]),
        mtu=next((mtu for mtu in [_number(values, "nd1_mtu")] if 1280 <= mtu <= 65535), None),  # RFC 8200, 5
    )
    return lease, max(lifetimes, default=FOREVER)


def _prefixes(values: Mapping[str, str], stem: str) -> Iterable[tuple[IPInterface, int, str]]:
    """Prefixes that may still be used for something new: network, valid for seconds, flags."""
    for number in range(1, MAX_SERVERS + 1):
        name = f"{stem}{number}"
        prefix = _one(IPv6Interface, f"{values.get(f'{name}_prefix', '')}/{values.get(f'{name}_length', '')}")
        valid, preferred = (_number(values, f"{name}_{kind}") for kind in ("vltime", "pltime"))
        if prefix is not None and _usable(prefix.network.network_address) and prefix.network.prefixlen and preferred:
            yield prefix, valid, values.get(f"{name}_flags", "")


def _routes(text: str) -> tuple[LeaseRoute, ...]:
    """Pairs of destination and router, "10.0.0.0/8 192.0.2.1 ..."; router 0.0.0.0 = on the link (RFC 3442)."""
    words = text.split()[: 2 * MAX_ROUTES]
    routes = []
    for destination, router in zip(words[::2], words[1::2], strict=False):
        network, via = _one(lambda value: ip_network(value, strict=False), destination), _one(IPv4Address, router)
        if network is None or via is None or network.version != 4 or network.is_multicast or network.is_loopback:
            continue
        if via.is_unspecified or _usable(via):
            routes.append(LeaseRoute(network, None if via.is_unspecified else via))
    return tuple(routes)


def _addresses(text: str, kind: Callable[[str], IPAddress]) -> tuple[IPAddress, ...]:
    found = [_one(kind, word) for word in text.split()[:MAX_SERVERS]]
    return tuple(a for a in found if a is not None and not a.is_unspecified and not a.is_multicast)


def _usable(address: IPAddress) -> bool:
    """Whether a host can have this address and be reached by it."""
    bad = address.is_unspecified or address.is_multicast or address.is_loopback or address.is_link_local
    return not bad and not (address.version == 4 and address.is_reserved)


def _domains(text: str) -> tuple[str, ...]:
    """Names in letters, digits, hyphens and underscores; anything else is dropped."""
    return tuple(word.rstrip(".").lower() for word in text.split()[:MAX_DOMAINS] if _DOMAIN.match(word))


def _number(values: Mapping[str, str], name: str, default: int = 0) -> int:
    """A number as it comes off the wire: 32 bits without a sign."""
    text = values.get(name, "")
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= FOREVER else default


def _one(parse: Callable[[str], T], text: str) -> T | None:
    """A value, or None. A scope (fe80::1%eth0) is no business of strangers, and could be any text."""
    try:
        return None if "%" in text else parse(text)
    except ValueError:
        return None
