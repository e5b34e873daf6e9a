"""From what dhcpcd's hook wrote to a lease. Everything in it comes from strangers on the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_network
from typing import TypeVar

from evenet_core.model.addressing import Lease, LeaseRoute, LeaseSource
from evenet_core.model.values import IPAddress, IPInterface
from evenet_dhcp.sane import FOREVER, MAX_ROUTES, MAX_SERVERS, domains, is_host, is_server

__all__ = ["MAX_REPORT", "Report", "parse_report"]

MAX_REPORT = 65536  # bytes
SHORTEST_PREFIX = 8  # nobody owns more than a /8 of IPv4: a shorter prefix would draw everything onto the link
SHORTEST_LEASE = 20  # seconds: dhcpcd takes no lease for less
_ADDRESS6 = re.compile(r"new_dhcp6_ia_na\d+_ia_addr\d+\Z")
LONGEST_URL = 255  # bytes in an option, RFC 2132
_NTP6 = ("new_dhcp6_ntp_server_addr", "new_dhcp6_sntp_servers")  # RFC 5908, 4075
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
    return None


_NONE: tuple[Lease | None, int] = (None, FOREVER)


def _end(values: Mapping[str, str], lifetime: int) -> float | None:
    at = _one(float, values.get("evenet_at", ""))
    return None if at is None or lifetime == FOREVER else at + max(lifetime, SHORTEST_LEASE)


def _dhcp4(values: Mapping[str, str]) -> tuple[Lease | None, int]:
    address = _one(IPv4Interface, f"{values.get('new_ip_address')}/{values.get('new_subnet_cidr', '32')}")
    if address is None or not _is_ours(address):
        return _NONE
    mtu = _number(values, "new_interface_mtu")
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=(address,),
        routers=_addresses(values.get("new_routers", ""), IPv4Address),
        routes=_routes(values.get("new_classless_static_routes", "")),
        dns=_addresses(values.get("new_domain_name_servers", ""), IPv4Address),
        domain=next(iter(domains(values.get("new_domain_name", "").split())), ""),
        search=domains(values.get("new_domain_search", "").split()),
        ntp=tuple(map(str, _addresses(values.get("new_ntp_servers", ""), IPv4Address))),
        mtu=mtu if 576 <= mtu <= 65535 else None,  # RFC 791: every host takes 576 bytes
        wpad=_url(values.get("new_wpad_url", "")),
        server=str(_one(ip_address, values.get("new_dhcp_server_identifier", "")) or ""),
    )
    return lease, _number(values, "new_dhcp_lease_time", FOREVER)


def _url(text: str) -> str:
    """Of a PAC file; some servers end it with a newline or a zero. What is none is not fetched from anywhere."""
    text = text.strip().rstrip("\0")
    usable = text.isascii() and text.isprintable() and " " not in text and len(text) <= LONGEST_URL
    return text if usable and text.startswith(("http://", "https://")) else ""


def _is_ours(address: IPv4Interface) -> bool:
    """Whether a host can have this address in this network."""
    network = address.network
    special = network.prefixlen < 31 and address.ip in (network.network_address, network.broadcast_address)
    return is_host(address.ip) and network.prefixlen >= SHORTEST_PREFIX and not special


def _dhcp6(values: Mapping[str, str]) -> tuple[Lease | None, int]:
    """Addresses that may still be used for something new; a lease can also bring options alone (RFC 8415, 6.1)."""
    addresses: list[IPInterface] = []
    lifetimes = []
    for name in sorted(filter(_ADDRESS6.match, values))[:MAX_SERVERS]:
        address = _one(IPv6Interface, f"{values[name]}/128")
        valid, preferred = (_number(values, f"{name}_{kind}", FOREVER) for kind in ("vltime", "pltime"))
        if address is not None and is_host(address.ip) and valid and preferred:
            addresses.append(address)
            lifetimes.append(valid)
    ntp = (str(server) for name in _NTP6 for server in _addresses(values.get(name, ""), IPv6Address))
    lease = Lease(
        source=LeaseSource.DHCP6,
        addresses=tuple(addresses),
        dns=_addresses(values.get("new_dhcp6_name_servers", ""), IPv6Address),
        search=domains(values.get("new_dhcp6_domain_search", "").split()),
        ntp=tuple(dict.fromkeys(ntp)),
        server=values.get("new_dhcp6_server_id", "")[:260] if values.get("new_dhcp6_server_id", "").isalnum() else "",
    )
    return lease, max(lifetimes, default=FOREVER)


def _routes(text: str) -> tuple[LeaseRoute, ...]:
    """Pairs of destination and router, "10.0.0.0/8 192.0.2.1 ..."; router 0.0.0.0 = on the link (RFC 3442)."""
    words = text.split()[: 2 * MAX_ROUTES]
    routes = []
    for destination, router in zip(words[::2], words[1::2], strict=False):
        network, via = _one(lambda value: ip_network(value, strict=False), destination), _one(IPv4Address, router)
        if network is None or via is None or network.version != 4 or network.is_multicast or network.is_loopback:
            continue
        if via.is_unspecified or is_host(via):
            routes.append(LeaseRoute(network, None if via.is_unspecified else via))
    return tuple(routes)


def _addresses(text: str, kind: Callable[[str], IPAddress]) -> tuple[IPAddress, ...]:
    found = [_one(kind, word) for word in text.split()[:MAX_SERVERS]]
    return tuple(a for a in found if a is not None and is_server(a))


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
