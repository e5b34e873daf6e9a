"""IP on an adapter: what static settings and leases come to, and the items that make it so. Pure.

Every adapter has a routing table of its own, chosen by source address, by bound device, and for the node's own
unbound traffic by cost. What one adapter gets depends on nothing of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, IPv6Interface, ip_network

from evenet_core.linux.address import Address
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.linux.sysctl import Sysctl
from evenet_core.model.adapters import DEFAULT_MTU, Adapter
from evenet_core.model.addressing import Addressing, Lease, LeaseRoute, LeaseSource
from evenet_core.model.facts import LinkFact, lease_fact, link_fact
from evenet_core.model.networks import IpFamily, IpMode
from evenet_core.model.values import IPAddress, IPInterface
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["addressing", "families", "l3_items", "offered"]

PRIORITY_MARK = 9000  # replies leave by the port that the connection came in
PRIORITY_SOURCE = 15000
PRIORITY_DEVICE = 15001
PRIORITY_CHOSEN = 15999  # the uplink that works best for the node's own traffic, if it is not the first
PRIORITY_OWN = 16000  # plus the adapter's rank
MARK_MASK = 0xFFFF
LINK_LOCAL = "fe80::/64"  # RFC 4291, 2.5.6
IPV4_MTU, IPV6_MTU = 576, 1280  # bytes: the least that every host must take
# arp(7): an answer holds for 2.5 to 7.5 s, then the neighbour is asked after 1 s, three times
NEIGHBOURS = {"base_reachable_time_ms": "5000", "delay_first_probe_time": "1"}
_SOURCES = (
    (LeaseSource.DHCP4, {4}),
    (LeaseSource.MODEM, {4, 6}),
    (LeaseSource.DHCP6, {6}),
    (LeaseSource.RA, {6}),
)


def families(adapter: Adapter) -> tuple[int, ...]:
    """IP versions that an adapter speaks, the preferred one first."""
    match adapter.ip.family:
        case IpFamily.IPV4:
            return (4,)
        case IpFamily.IPV6:
            return (6,)
        case IpFamily.DUAL_PREFER_IPV6:
            return (6, 4)
        case _:
            return (4, 6)


def addressing(adapter: Adapter, facts: Facts) -> Addressing:
    """Static settings and leases of one adapter merged (EVE: spec of device connectivity, A.1)."""
    if not adapter.has_ip:
        return Addressing()
    versions = families(adapter)
    leases = _leases(adapter, facts) if adapter.ip.mode is IpMode.DHCP else []
    ignore = adapter.ip.ignore
    given = [] if ignore.addresses else [a for lease in leases for a in _addresses(adapter, lease, facts)]
    addresses = [a for a in (*adapter.addresses, *given) if a.version in versions]
    dns = [] if ignore.dns else [server for lease in leases for server in lease.dns]
    ntp = [] if ignore.ntp else [server for lease in leases for server in lease.ntp]
    domains = [] if ignore.dns else [lease.domain for lease in leases if lease.domain]
    search = [] if ignore.dns else [domain for lease in leases for domain in lease.search]
    return Addressing(
        addresses=tuple(dict.fromkeys(addresses)),
        gateways=tuple(_gateways(adapter, versions, [] if ignore.gateways else leases)),
        routes=() if ignore.addresses else tuple(r for x in leases for r in x.routes if r.destination.prefixlen),
        dns=tuple(dict.fromkeys((*adapter.ip.dns, *dns))),
        domain=adapter.ip.domain or next(iter(domains), ""),
        search=tuple(dict.fromkeys(search)),
        ntp=tuple(dict.fromkeys((*adapter.ip.ntp, *ntp))),
        wpad=next((lease.wpad for lease in leases if lease.wpad), ""),
        mtu=min((_mtu(lease.mtu, versions) for lease in leases if lease.mtu), default=None),
    )


def _leases(adapter: Adapter, facts: Facts) -> list[Lease]:
    """Leases of the families that the adapter speaks; those that assign addresses come first."""
    versions = families(adapter)
    found = [facts.get(lease_fact(adapter.ifname, source)) for source, uses in _SOURCES if uses & {*versions}]
    return [lease for lease in found if isinstance(lease, Lease)]


def _mtu(offered: int, versions: Sequence[int]) -> int:
    """A stranger may ask for a smaller MTU: not for a larger one, and not for one that IPv6 dies of (RFC 8200, 5)."""
    return max(IPV6_MTU if 6 in versions else IPV4_MTU, min(offered, DEFAULT_MTU))


def _addresses(adapter: Adapter, lease: Lease, facts: Facts) -> Iterable[IPInterface]:
    """A router announces prefixes; the host's part of the address is made of the link's MAC (RFC 4291, A)."""
    if lease.source is not LeaseSource.RA:
        return lease.addresses
    link = facts.get(link_fact(adapter.ifname))
    if not isinstance(link, LinkFact) or not link.mac:
        return ()
    return [_slaac(address, link.mac) for address in lease.addresses if address.network.prefixlen == 64]


def _slaac(prefix: IPInterface, mac: str) -> IPInterface:
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 0x02
    host = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    return IPv6Interface((IPv6Address(prefix.network.network_address.packed[:8] + host), 64))


def _gateways(adapter: Adapter, versions: Sequence[int], leases: Sequence[Lease]) -> list[IPAddress]:
    """At most one of each family; a static one replaces what leases say, an unspecified one means none.

    A server that names our own address as the router names none: the kernel would refuse it.
    """
    static = adapter.ip.gateway
    own = {address.ip for lease in leases for address in lease.addresses} | {a.ip for a in adapter.addresses}
    found = []
    for version in versions:
        if static is not None and static.version == version:
            candidates = [] if static.is_unspecified else [static]
        else:
            told = [gateway for lease in leases for gateway in offered(lease) if gateway.version == version]
            candidates = [gateway for gateway in told if gateway not in own]
        found += candidates[:1]
    return found


def offered(lease: Lease) -> list[IPAddress]:
    """Default routers of a lease; classless routes of DHCPv4 beat the router option (RFC 3442)."""
    if lease.routes and lease.source is LeaseSource.DHCP4:
        return [route.via for route in lease.routes if route.via is not None and not route.destination.prefixlen]
    return list(lease.routers)


def l3_items(adapter: Adapter, has: Addressing) -> list[Item]:
    """Items of an adapter's IP configuration."""
    link, table = adapter.ifname, adapter.table
    items: list[Item] = [*_settings(adapter), *_rules(adapter)]
    for address in has.addresses:
        text = str(address.ip)
        items.append(Address(link, text, address.network.prefixlen))
        items.append(Rule(address.version, PRIORITY_SOURCE, table, source=f"{text}/{address.max_prefixlen}"))
    items += _connected(adapter, has.addresses)
    speakable = {address.version for address in has.addresses}
    for gateway in has.gateways:
        if gateway.version in speakable:
            everything = "0.0.0.0/0" if gateway.version == 4 else "::/0"
            items.append(Route(table, everything, link, via=str(gateway)))
    items += [_route(adapter, route) for route in has.routes if route.destination.version in speakable]
    unique: dict[ItemKey, Item] = {}
    for item in items:  # what is said first is what the operator or the prefix of an address said
        unique.setdefault(item.key, item)
    return list(unique.values())


def _connected(adapter: Adapter, addresses: Sequence[IPInterface]) -> Iterable[Item]:
    """Packets into an IPv4 prefix come from the first address in it; for IPv6 the kernel knows better (RFC 6724)."""
    prefixes: dict[str, str] = {}
    for address in addresses:
        if address.network.prefixlen < address.max_prefixlen:
            prefixes.setdefault(str(address.network), str(address.ip) if address.version == 4 else "")
    if 6 in families(adapter):
        prefixes[LINK_LOCAL] = ""  # the kernel's own is in the main table, behind the default route of this one
    return [Route(adapter.table, prefix, adapter.ifname, source=source) for prefix, source in prefixes.items()]


def _route(adapter: Adapter, route: LeaseRoute) -> Route:
    destination = str(ip_network(route.destination))
    return Route(adapter.table, destination, adapter.ifname, via=str(route.via) if route.via else "")


def _rules(adapter: Adapter) -> Iterable[Rule]:
    table = adapter.table
    for version in families(adapter):
        yield Rule(version, PRIORITY_MARK, table, mark=table, mask=MARK_MASK)
        yield Rule(version, PRIORITY_DEVICE, table, oif=adapter.ifname)
        if adapter.management:
            yield Rule(version, PRIORITY_OWN + adapter.rank, table, iif="lo")


def _settings(adapter: Adapter) -> Iterable[Sysctl]:
    """Routers are listened to by the lease client alone; a route over a dead link is no route.

    A gateway that falls silent is noticed within 12 s by whoever talks to it (the kernel's own values: 53 s).
    """
    link = adapter.ifname
    values = {
        f"net/ipv4/conf/{link}/rp_filter": "2",  # loose (RFC 3704): replies leave by their own port anyway
        f"net/ipv4/conf/{link}/arp_ignore": "1",  # an address is answered for on its own link only
        f"net/ipv4/conf/{link}/arp_announce": "2",  # and neighbours learn no address there that is of another link
        f"net/ipv4/conf/{link}/arp_notify": "1",  # neighbours hear of a new MAC
        f"net/ipv6/conf/{link}/ndisc_notify": "1",  # and of new addresses
        f"net/ipv4/conf/{link}/ignore_routes_with_linkdown": "1",
        f"net/ipv4/conf/{link}/promote_secondaries": "1",  # an address that goes takes no other along
        f"net/ipv6/conf/{link}/disable_ipv6": "0" if 6 in families(adapter) else "1",
        f"net/ipv6/conf/{link}/accept_ra": "0",
        f"net/ipv6/conf/{link}/autoconf": "0",
        f"net/ipv6/conf/{link}/ignore_routes_with_linkdown": "1",
    }
    for version in families(adapter):
        values |= {f"net/ipv{version}/neigh/{link}/{name}": value for name, value in NEIGHBOURS.items()}
    return [Sysctl(name, value, link) for name, value in values.items()]
