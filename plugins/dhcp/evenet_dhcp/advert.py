"""Router advertisements off the wire (RFC 4861, 4191, 8106). Whoever is on the link may send them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from evenet_dhcp.sane import MAX_SERVERS, domains, is_host, is_server

__all__ = ["SOLICITATION", "Advertisement", "MoreSpecific", "Prefix", "parse_advertisement"]

SOLICITATION = struct.pack("!BBHI", 133, 0, 0, 0)  # the kernel fills the checksum in
HOP_LIMIT = 255  # it comes from this link: no router has passed it on
_ADVERT = 134
_HEADER = struct.Struct("!BBHBBHII")  # type, code, checksum, hop limit, flags, lifetime, reachable, retransmit
_PREFIX = struct.Struct("!xxBBIIxxxx16s")  # length, flags, valid, preferred, prefix
_ROUTE = struct.Struct("!xxBBI")  # length, flags, lifetime
_DNS = struct.Struct("!xxxxI")  # lifetime
_MTU = struct.Struct("!xxxxI")
_PREFIX_OPTION, _MTU_OPTION, _ROUTE_OPTION, _RDNSS_OPTION, _DNSSL_OPTION = 3, 5, 24, 25, 31
MOST = 8  # options of one kind that are read: prefixes, and each of the others
_PREFERENCES = {0b01: 1, 0b00: 0, 0b11: -1}  # RFC 4191, 2.1


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of the link; lifetimes in seconds."""

    network: IPv6Network
    on_link: bool
    autonomous: bool  # hosts may make addresses of it by themselves
    valid: int
    preferred: int


@dataclass(frozen=True, slots=True)
class MoreSpecific:
    """A destination that this router is for; lifetime in seconds."""

    network: IPv6Network
    preference: int
    lifetime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """What one router says of the link and of itself. Lifetimes in seconds."""

    router: IPv6Address
    lifetime: int = 0  # as a default router; 0 = it wants to be none
    preference: int = 0  # 1 high, 0 medium, -1 low
    managed: bool = False  # addresses come by DHCPv6
    other: bool = False  # other settings come by DHCPv6
    mtu: int | None = None
    prefixes: tuple[Prefix, ...] = ()
    routes: tuple[MoreSpecific, ...] = ()
    dns: tuple[tuple[IPv6Address, int], ...] = ()
    search: tuple[tuple[str, int], ...] = ()


def parse_advertisement(data: bytes, source: IPv6Address, hop_limit: int) -> Advertisement | None:
    """None = it is none that a host may believe (RFC 4861, 6.1.2). The kernel has looked at its checksum."""
    if not source.is_link_local or hop_limit != HOP_LIMIT or len(data) < _HEADER.size:
        return None
    kind, code, _, _, flags, lifetime, _, _ = _HEADER.unpack_from(data)
    options = list(_options(data[_HEADER.size :]))
    if kind != _ADVERT or code != 0 or None in options:
        return None
    by_kind: dict[int, list[bytes]] = {}
    for option in options:
        if option is not None and len(by_kind.setdefault(option[0], [])) < MOST:
            by_kind[option[0]].append(option)
    return Advertisement(
        router=IPv6Address(int(source)),  # without a scope
        lifetime=lifetime,
        preference=_PREFERENCES.get(flags >> 3 & 3, 0) if lifetime else 0,
        managed=bool(flags & 0x80),
        other=bool(flags & 0x40),
        mtu=next((mtu for one in by_kind.get(_MTU_OPTION, ()) if (mtu := _mtu(one))), None),
        prefixes=tuple(found for one in by_kind.get(_PREFIX_OPTION, ()) if (found := _prefix(one))),
        routes=tuple(route for one in by_kind.get(_ROUTE_OPTION, ()) if (route := _route(one))),
        dns=tuple(found for one in by_kind.get(_RDNSS_OPTION, ()) for found in _servers(one))[:MAX_SERVERS],
        search=tuple(found for one in by_kind.get(_DNSSL_OPTION, ()) for found in _names(one)),
    )


def _options(data: bytes) -> Iterator[bytes | None]:
    """Options, each with its head; None = their lengths do not add up."""
    while data:
        size = data[1] * 8 if len(data) >= 2 else 0
        if not 0 < size <= len(data):
            yield None
            return
        yield data[:size]
        data = data[size:]


def _mtu(option: bytes) -> int | None:
    """RFC 8200, 5: IPv6 needs 1280 bytes."""
    mtu = _MTU.unpack(option)[0] if len(option) == _MTU.size else 0
    return mtu if 1280 <= mtu <= 65535 else None


def _prefix(option: bytes) -> Prefix | None:
    if len(option) != _PREFIX.size:
        return None
    length, flags, valid, preferred, address = _PREFIX.unpack(option)
    network = _network(address, length)
    if network is None or not length or preferred > valid:
        return None
    return Prefix(network, bool(flags & 0x80), bool(flags & 0x40), valid, preferred)


def _route(option: bytes) -> MoreSpecific | None:
    """RFC 4191, 2.3: an option with a preference that does not exist is ignored."""
    length, flags, lifetime = _ROUTE.unpack_from(option)
    address = option[_ROUTE.size :].ljust(16, b"\0")
    network = _network(address, length) if len(address) == 16 and length <= 8 * (len(option) - _ROUTE.size) else None
    if network is None or flags >> 3 & 3 not in _PREFERENCES:
        return None
    return MoreSpecific(network, _PREFERENCES[flags >> 3 & 3], lifetime)


def _network(address: bytes, length: int) -> IPv6Network | None:
    """A prefix that may lead somewhere; ::/0 is everything."""
    if length > 128:
        return None
    network = IPv6Network((address, length), strict=False)
    return network if not length or is_host(network.network_address) else None


def _servers(option: bytes) -> Iterator[tuple[IPv6Address, int]]:
    lifetime = _DNS.unpack_from(option)[0]
    for place in range(_DNS.size, len(option) - 15, 16):
        address = IPv6Address(option[place : place + 16])
        if is_server(address):
            yield address, lifetime


def _names(option: bytes) -> list[tuple[str, int]]:
    """Names as DNS writes them, one label after the other, never compressed (RFC 8106, 5.2)."""
    lifetime, names, labels = _DNS.unpack_from(option)[0], [], list[str]()
    place = _DNS.size
    while place < len(option):
        size = option[place]
        labels.append(option[place + 1 : place + 1 + size].decode("ascii", "replace"))
        place += 1 + size
        if not size:
            names.append(".".join(labels[:-1]))
            labels = []
    return [(name, lifetime) for name in domains(names)]
