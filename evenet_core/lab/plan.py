"""The site as it is to be built: hosts, links, addresses and routes. Pure.

    device ==cables== bridges [ router ] --- outside (controller, a small Internet)
                                  |
                               endpoints

All bridges are in the router's namespace, their networks' gateways on them. Each network has a routing table of its
own, chosen by where a packet comes in: what the network does not reach is unreachable, at once and with an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from evenet_core.lab.model import Endpoint, Network, NetworkModel
from evenet_core.linux.address import Address
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = [
    "DEVICE",
    "OUTSIDE",
    "ROUTER",
    "Cable",
    "HostItems",
    "Internet",
    "SitePlan",
    "bridge_names",
    "internet_of",
    "plan_site",
    "port_names",
]

DEVICE, ROUTER, OUTSIDE = "device", "router", "outside"
MAIN = 254  # the routing table of packets that come from endpoints and from outside
FIRST_TABLE = 100
LAST = 4294967295
DEFAULTS: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
# between router and outside: RFC 2544, 12 and RFC 4193
TRANSFER = (
    (ip_interface("198.18.0.1/30"), ip_interface("198.18.0.2/30")),
    (ip_interface("fd98:18::1/126"), ip_interface("fd98:18::2/126")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Internet:
    """Addresses that are at home outside."""

    controller: tuple[IPAddress, ...]
    dns: tuple[IPAddress, ...] = tuple(
        ip_address(a)
        for a in (
            "8.8.8.8",
            "8.8.4.4",
            "1.1.1.1",
            "1.0.0.1",
            "2001:4860:4860::8888",
            "2001:4860:4860::8844",
            "2606:4700:4700::1111",
            "2606:4700:4700::1001",
        )
    )
    web: tuple[IPAddress, ...] = (ip_address("198.51.100.80"), ip_address("2001:db8:80::80"))  # *.example.com
    ntp: tuple[IPAddress, ...] = ()  # pool.ntp.org first, then those that the model names

    @property
    def all(self) -> tuple[IPAddress, ...]:
        return tuple(dict.fromkeys((*self.controller, *self.dns, *self.web, *self.ntp)))


CONTROLLER = (ip_address("203.0.113.10"), ip_address("2001:db8:ada::10"))
NTP_POOL = (ip_address("198.51.100.123"), ip_address("2001:db8:123::123"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """Two ends of one veth pair. The near end may be a port of a bridge."""

    host: str
    link: str
    mac: str
    peer_host: str
    peer_link: str
    peer_mac: str
    bridge: str = ""
    mtu: int = 1500
    up: bool = True  # the near end
    peer_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostItems:
    """What one host's kernel gets."""

    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """Everything but the services."""

    hosts: tuple[str, ...]
    bridges: tuple[tuple[str, str, bool], ...]  # name, MAC, STP
    cables: tuple[Cable, ...]
    items: dict[str, HostItems] = field(default_factory=dict)  # by host
    ports: dict[str, str] = field(default_factory=dict)  # the device's interface -> the model's label


def port_names(model: NetworkModel, wanted: Sequence[str]) -> list[str]:
    """Names of the device's interfaces, in the order of the model's ports.

    As the device config calls them; what it leaves open is eth0, eth1 ...

    :param wanted: interface names of the device config's Ethernet ports
    """
    usual = [f"eth{i}" for i in range(len(model.ports))]
    if set(wanted) <= set(usual):
        return usual
    named = list(dict.fromkeys(wanted))[: len(usual)]
    return named + [name for name in usual if name not in named][: len(usual) - len(named)]


def bridge_names(model: NetworkModel) -> dict[str, str]:
    """Links in the router by the bridges' labels."""
    return {bridge.label: f"br{i}" for i, bridge in enumerate(model.bridges)}


def internet_of(model: NetworkModel) -> Internet:
    """The Internet as this model needs it."""
    named = [segment.dhcp.public_ntp for network in model.networks for segment in network.segments]
    addresses = [address for name in named if (address := _literal(name)) is not None]
    upstreams = [address for e in model.endpoints for u in e.upstreams if (address := _literal(u)) is not None]
    public = [server for network in model.networks for s in network.segments for server in s.dhcp.public_dns]
    internet = Internet(controller=model.controller_addresses or CONTROLLER, ntp=(*NTP_POOL, *addresses))
    home = {address.ip for endpoint in model.endpoints for address in endpoint.addresses}
    dns = dict.fromkeys((*internet.dns, *(a for a in (*upstreams, *public) if a not in home)))
    return Internet(controller=internet.controller, ntp=internet.ntp, dns=tuple(dns))


def plan_site(model: NetworkModel, names: Sequence[str]) -> SitePlan:
    """The plan of a model that was found feasible.

    :param names: the device's interfaces, in the order of the model's ports
    """
    hosts = [DEVICE, ROUTER, OUTSIDE, *(endpoint.label for endpoint in model.endpoints)]
    items = {ROUTER: _router(model), OUTSIDE: _outside(model)}
    items |= {endpoint.label: _endpoint_items(endpoint, model) for endpoint in model.endpoints}
    bridges = bridge_names(model)
    return SitePlan(
        hosts=tuple(hosts),
        bridges=tuple((bridges[b.label], _mac("bridge", b.label), b.stp) for b in model.bridges),
        cables=tuple(_cables(model, names)),
        items=items,
        ports={name: port.label for name, port in zip(names, model.ports, strict=True)},
    )


# -- links --------------------------------------------------------------------------------------------


def _cables(model: NetworkModel, names: Sequence[str]) -> Iterator[Cable]:
    bridges = bridge_names(model)
    home = {label: bridges[bridge.label] for bridge in model.bridges for label in bridge.ports}
    for i, (port, name) in enumerate(zip(model.ports, names, strict=True)):
        mac, device_mac = port.mac or _mac("port", port.label), port.device_mac or _mac("device", port.label)
        yield Cable(
            host=ROUTER,
            link=f"port{i}",
            mac=mac,
            bridge=home.get(port.label, ""),
            up=port.up,
            peer_host=DEVICE,
            peer_link=name,
            peer_mac=device_mac,
            peer_up=False,
        )
    for i, endpoint in enumerate(model.endpoints):
        yield Cable(
            host=ROUTER,
            link=f"ep{i}",
            mac=_mac("near", endpoint.label),
            bridge=bridges[endpoint.bridge] if endpoint.bridge else "",
            mtu=endpoint.mtu,
            peer_host=endpoint.label,
            peer_link="eth0",
            peer_mac=_mac("far", endpoint.label),
        )
    near, far = _mac("near", OUTSIDE), _mac("far", OUTSIDE)
    yield Cable(host=ROUTER, link="out", mac=near, peer_host=OUTSIDE, peer_link="eth0", peer_mac=far)


def _mac(role: str, label: str) -> str:
    return (b"\x02" + sha256(f"{role} {label}".encode()).digest()[:5]).hex(":")


# -- addresses and routes -----------------------------------------------------------------------------


def _router(model: NetworkModel) -> HostItems:
    bridges = bridge_names(model)
    addresses = [Address("out", str(near.ip), near.network.prefixlen, dad=False) for near, _ in TRANSFER]
    addresses += [
        Address(bridges[network.bridge], str(segment.gateway), segment.subnet.prefixlen, dad=False)
        for network in model.networks
        for segment in network.segments
    ]
    addresses += [Address(link, "fe80::1", 64, dad=False) for link in _speaking_ipv6(model, bridges)]
    for i, endpoint in enumerate(model.endpoints):
        if not endpoint.bridge:
            links = ((f"ep{i}", _gateway_of(address)) for address in endpoint.addresses)
            addresses += [Address(link, str(own), own.max_prefixlen, dad=False) for link, own in links]
    routes = _Table(MAIN)
    for network in model.networks:
        _towards_network(routes, network, bridges)
    for i, endpoint in enumerate(model.endpoints):
        _towards_endpoint(routes, i, endpoint)
    _towards_outside(routes)
    rules = []
    for place, network in enumerate(model.networks):
        table = FIRST_TABLE + place
        routes.add(*_network_table(table, network, model))
        rules += [Rule(version, 1000, table, iif=bridges[network.bridge]) for version in (4, 6)]
    return HostItems(addresses=tuple(addresses), routes=tuple(routes.routes.values()), rules=tuple(rules))


def _speaking_ipv6(model: NetworkModel, bridges: dict[str, str]) -> Iterable[str]:
    """A router needs a link-local address where it announces itself (RFC 4861, 6.1.2)."""
    return dict.fromkeys(bridges[n.bridge] for n in model.networks if any(s.subnet.version == 6 for s in n.segments))


class _Table:
    """Routes by what tells them apart; the first of two is kept."""

    def __init__(self, table: int) -> None:
        self.table = table
        self.routes: dict[object, Route] = {}

    def add(self, *routes: Route) -> None:
        for route in routes:
            self.routes.setdefault(route.key, route)

    def via(self, destination: IPNetwork, link: str, via: IPAddress | None = None) -> None:
        self.add(Route(self.table, str(destination), link, via=str(via) if via is not None else ""))


def _network_table(table: int, network: Network, model: NetworkModel) -> Iterable[Route]:
    """What packets from a network find: itself, what it reaches, and an error for the rest."""
    bridges, routes, router = bridge_names(model), _Table(table), network.router
    _towards_network(routes, network, bridges)
    for other in model.networks:
        if router is None or other.label in router.networks:
            _towards_network(routes, other, bridges)
    for i, endpoint in enumerate(model.endpoints):
        if router is None or endpoint.label in router.endpoints:
            _towards_endpoint(routes, i, endpoint)
    if router is None or router.outside:
        _towards_outside(routes)
    for default in DEFAULTS:
        routes.add(Route(table, str(default), metric=LAST))
    return routes.routes.values()


def _towards_network(routes: _Table, network: Network, bridges: dict[str, str]) -> None:
    link = bridges[network.bridge]
    for segment in network.segments:
        routes.via(segment.subnet, link)
    for route in network.router.routes if network.router is not None else ():
        routes.via(route.destination, link, route.gateway)


def _towards_endpoint(routes: _Table, place: int, endpoint: Endpoint) -> None:
    """One that is plugged into a bridge is reached through the network there."""
    if endpoint.bridge:
        return
    for address in endpoint.addresses:
        routes.via(ip_network(address.ip), f"ep{place}")
        routes.via(ip_network(address.network), f"ep{place}")


def _towards_outside(routes: _Table) -> None:
    for default, (_, far) in zip(DEFAULTS, TRANSFER, strict=True):
        routes.via(default, "out", far.ip)


def _endpoint_items(endpoint: Endpoint, model: NetworkModel) -> HostItems:
    addresses, routes = [], _Table(MAIN)
    on_bridge = [s for n in model.networks if n.bridge == endpoint.bridge for s in n.segments]
    for address in endpoint.addresses:
        addresses.append(Address("eth0", str(address.ip), address.network.prefixlen, dad=False))
        routes.via(ip_network(address.network), "eth0")
        gateways = [segment.gateway for segment in on_bridge if address.ip in segment.subnet]
        gateway = next(iter(gateways), None if endpoint.bridge else _gateway_of(address))
        if gateway is not None:
            routes.via(DEFAULTS[0] if address.version == 4 else DEFAULTS[1], "eth0", gateway)
    return HostItems(addresses=tuple(addresses), routes=tuple(routes.routes.values()))


def _outside(model: NetworkModel) -> HostItems:
    addresses = [Address("eth0", str(far.ip), far.network.prefixlen, dad=False) for _, far in TRANSFER]
    addresses += [Address("lo", str(ip), ip.max_prefixlen, dad=False) for ip in internet_of(model).all]
    routes = _Table(MAIN)
    for default, (near, far) in zip(DEFAULTS, TRANSFER, strict=True):
        routes.via(ip_network(far.network), "eth0")
        routes.via(default, "eth0", near.ip)
    return HostItems(addresses=tuple(addresses), routes=tuple(routes.routes.values()))


def _gateway_of(address: IPInterface) -> IPAddress:
    """The router's address in an endpoint's subnet: the first that is not the endpoint's."""
    first = ip_address(address.network.network_address + 1)
    return first if first != address.ip else ip_address(first + 1)


def _literal(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
