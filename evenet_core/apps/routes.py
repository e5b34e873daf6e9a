"""Routes of a local network instance: what its table holds, and what its apps are told. Pure.

The table, in this order, each destination once:

1. the operator's static routes, the default among them, each through one port;
2. without a static default: the automatic one over several ports, or that of the only port;
3. the networks of the ports, and the instance's own;
4. at the end an unreachable default: what has no route gets an error at once instead of another way out.

A route with a gateway inside of the instance's own subnet leads to an app: the node does not use it, apps do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network

from evenet_core.model.instances import NetworkInstance, StaticRoute
from evenet_core.model.networks import Probe, RouteProbe
from evenet_core.model.resolved import Instance, InstancePort, InstanceRoute, RouteKind
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = [
    "LAST",
    "announce_default",
    "app_routes",
    "default_wanted",
    "instance_routes",
    "matching",
]

LAST = 4294967295  # the metric that loses against any other
DEFAULTS = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
UPLINKS = frozenset({"uplink", "freeuplink"})

Chosen = Callable[[IPNetwork], "str | None"]


# -- what is wanted -----------------------------------------------------------------------------------


def default_wanted(
    instance: NetworkInstance, ports: Sequence[InstancePort], controller: Probe | None = None
) -> tuple[StaticRoute, ...]:
    """The default route of an instance over several ports whose operator wrote none (spec, A.3).

    :param controller: how to see whether a port leads to the controller; asked of `uplink` and `freeuplink`
    """
    if len(ports) < 2 or _default_given(instance):
        return ()
    assert instance.subnet is not None
    default = DEFAULTS[instance.subnet.version]
    probe = RouteProbe(gateway_ping=True, custom=controller if instance.port in UPLINKS else None)
    return (StaticRoute(destination=default, port=instance.port, probe=probe, prefer_lower_cost=True),)


def matching(route: StaticRoute, ports: Iterable[InstancePort]) -> list[InstancePort]:
    """Ports that a route may leave by: those that its label means, whose network holds its gateway."""
    labelled = [port for port in ports if not route.port or port.answers_to(route.port)]
    if not _of_one_family(route):
        return []
    if route.gateway is None:
        return labelled if route.port else []
    return [port for port in labelled if _reaches(port, route.gateway)]


def announce_default(instance: NetworkInstance, ports: Sequence[InstancePort]) -> bool:
    """Whether apps are told the bridge as default router (spec, C.9)."""
    assert instance.subnet is not None
    default = DEFAULTS[instance.subnet.version]
    offered = any(gateway.version == default.version for port in ports for gateway in port.gateways)
    asked = any(route.destination == default for route in instance.routes)
    return any(port.management for port in ports) or (bool(ports) and (asked or offered))


# -- the instance's table -----------------------------------------------------------------------------


def instance_routes(instance: Instance, chosen: Chosen) -> tuple[tuple[InstanceRoute, ...], list[str]]:
    """Routes of the instance's table, and what is wrong with those that it cannot have."""
    subnet = instance.subnet
    assert subnet is not None
    problems: list[str] = []
    found: dict[IPNetwork, InstanceRoute] = {}
    for route in (*instance.config.routes, *default_wanted(instance.config, instance.ports)):
        if route.destination in found or route.destination.version != subnet.version or _inside(route, subnet):
            continue
        candidates = matching(route, instance.ports)
        if not candidates and instance.ports and route.port:
            problems.append(f"route {route.destination}: no port of the network instance matches {_asked(route)}")
        installed = _installed(route, candidates, chosen)
        if installed is not None:
            found[route.destination] = installed
    default = DEFAULTS[subnet.version]
    if len(instance.ports) == 1 and not _default_given(instance.config):
        [port] = instance.ports
        only = StaticRoute(destination=default, port=port.label)
        installed = _installed(only, [port], chosen)
        if installed is not None:
            found[default] = installed
    for connected in _connected(instance, subnet):
        found.setdefault(connected.destination, connected)
    ordered = sorted(found.values(), key=lambda route: (bool(route.destination.prefixlen), not route.port))
    unreachable = InstanceRoute(destination=default, kind=RouteKind.UNREACHABLE, metric=LAST)
    return (*ordered, unreachable), problems


def _default_given(instance: NetworkInstance) -> bool:
    """Whether the operator wrote a default route for the node to use; one via an app is for the other apps."""
    subnet = instance.subnet
    assert subnet is not None
    return any(r.destination == DEFAULTS[subnet.version] and not _inside(r, subnet) for r in instance.routes)


def _installed(route: StaticRoute, candidates: Sequence[InstancePort], chosen: Chosen) -> InstanceRoute | None:
    """A route through the port that serves it best; None if none can."""
    version = route.destination.version
    ways = [(port, via) for port in candidates if (via := _via(route, port, version)) is not None]
    if len(candidates) > 1:
        ways = [(port, via) for port, via in ways if port.carrier]
    if not ways:
        return None
    label = chosen(route.destination) if len(candidates) > 1 else None
    by_label = {port.label: (port, via) for port, via in ways}
    if label in by_label:
        (port, via), because = by_label[label], "probing chose it"
    else:
        port, via = min(ways, key=lambda way: way[0].cost)
        because = "the only port" if len(candidates) == 1 else "cheapest port that has a link and an address"
    return InstanceRoute(
        destination=route.destination,
        via=via,
        port=port.label,
        ifname=port.ifname,
        kind=RouteKind.STATIC if route.destination.prefixlen else RouteKind.DEFAULT,
        because=because,
    )


def _via(route: StaticRoute, port: InstancePort, version: int) -> IPAddress | None:
    """Next hop through a port; None if the port cannot serve the route now."""
    if not any(address.version == version for address in port.addresses):
        return None
    return route.gateway or next((gateway for gateway in port.gateways if gateway.version == version), None)


def _connected(instance: Instance, subnet: IPNetwork) -> Iterable[InstanceRoute]:
    """Networks of the ports, the cheapest port first that has a link; then the instance's own."""
    for port in sorted(instance.ports, key=lambda port: (not port.carrier, port.cost)):
        for address in port.addresses:
            if address.version == subnet.version and address.network.prefixlen < address.max_prefixlen:
                network = ip_network(address.network)
                yield InstanceRoute(destination=network, port=port.label, ifname=port.ifname, kind=RouteKind.CONNECTED)
    yield InstanceRoute(destination=subnet, ifname=instance.bridge, kind=RouteKind.CONNECTED)


# -- what apps are told -------------------------------------------------------------------------------


def app_routes(instance: Instance) -> tuple[InstanceRoute, ...]:
    """Routes handed to apps, in EVE's order. Who is a gateway itself is not told its own (the plugin leaves them out).

    A destination may stand there twice, first via an app, later via the bridge: for that very app. Where leases are
    /32, each next hop comes first as a host on the link: dhcpcd takes the subnet's own route for a host route.
    """
    assert instance.subnet is not None
    assert instance.gateway is not None
    config, subnet, bridge = instance.config, instance.subnet, instance.gateway.ip
    told: list[tuple[IPNetwork, IPAddress | None, RouteKind]] = []
    if instance.host_routes_only:
        told.append((subnet, None, RouteKind.CONNECTED))
    if instance.ports:
        servers = [server for server in (*instance.app_ntp, *instance.app_dns) if server not in subnet]
        told += [(ip_network(server), bridge, RouteKind.STATIC) for server in servers]
    for route in config.routes:
        kind = RouteKind.STATIC if route.destination.prefixlen else RouteKind.DEFAULT
        if _inside(route, subnet):
            told.append((route.destination, route.gateway, kind))
        elif matching(route, instance.ports):
            told.append((route.destination, bridge, kind))
    if config.propagate_connected_routes:
        networks = [ip_network(address.network) for port in instance.ports for address in port.addresses]
        told += [(network, bridge, RouteKind.CONNECTED) for network in networks]
    if instance.announce_default:
        told.append((DEFAULTS[subnet.version], bridge, RouteKind.DEFAULT))
    if instance.host_routes_only:
        told[:0] = [(ip_network(via), None, RouteKind.CONNECTED) for _, via, _ in told if via is not None]
    unique: dict[tuple[IPNetwork, IPAddress | None], RouteKind] = {}
    for destination, via, kind in told:
        if destination.version == subnet.version:
            unique.setdefault((destination, via), kind)
    return tuple(
        InstanceRoute(destination=destination, via=via, ifname=instance.bridge, kind=kind)
        for (destination, via), kind in unique.items()
    )


def _inside(route: StaticRoute, subnet: IPNetwork) -> bool:
    return route.gateway is not None and route.gateway in subnet


def _of_one_family(route: StaticRoute) -> bool:
    return route.gateway is None or route.gateway.version == route.destination.version


def _reaches(port: InstancePort, gateway: IPAddress) -> bool:
    if gateway.is_link_local and gateway.version == 6:
        return True  # a link-local gateway is on any link
    return any(gateway in address.network for address in port.addresses)


def _asked(route: StaticRoute) -> str:
    return f"{route.port}" if route.gateway is None else f"{route.port} with {route.gateway} in its network"
