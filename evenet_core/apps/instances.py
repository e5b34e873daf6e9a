"""Network instances as decided: ports, MTU, addresses, and what planners need besides. Pure. Routes: routes.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from evenet_core.apps.macs import bridge_mac
from evenet_core.apps.policies import hosts_of
from evenet_core.apps.routes import announce_default, app_routes, default_wanted, instance_routes, matching
from evenet_core.apps.vifs import AppSettings
from evenet_core.model.adapters import DEFAULT_MTU, Adapter
from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.networks import Probe, RouteProbe
from evenet_core.model.resolved import Instance, InstancePort, Vif
from evenet_core.model.subnets import gateway_interface, subnet_problem
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = ["RouteRequest", "matching_ports", "resolve_instance", "route_requests"]

TABLES = 800  # an instance's routing table is this plus its number


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A route that may leave by several ports: the prober shall choose among them."""

    instance_key: str
    destination: IPNetwork
    candidates: tuple[str, ...]  # labels of ports
    probe: RouteProbe = RouteProbe()
    prefer_lower_cost: bool = False
    prefer_stronger_signal: bool = False


def matching_ports(label: str, adapters: Iterable[Adapter]) -> tuple[Adapter, ...]:
    """The adapters that a label means, in their order; none for the empty label of an air-gapped instance."""
    return tuple(adapter for adapter in adapters if label and adapter.answers_to(label))


def route_requests(
    instance: NetworkInstance, ports: Sequence[InstancePort], controller: Probe | None = None
) -> tuple[RouteRequest, ...]:
    """The routes of a local instance whose port is to be found by probing: those with several candidates.

    :param ports: those that the instance's label means
    :param controller: probe of the automatic default route over `uplink` and `freeuplink`, besides their gateways
    """
    if instance.type is not InstanceType.LOCAL or instance.subnet is None:
        return ()
    usable = [port for port in ports if port.l3 and port.ifname]
    requests = []
    for route in (*instance.routes, *default_wanted(instance, usable, controller)):
        candidates = matching(route, usable)
        if len(candidates) > 1 and route.destination.version == instance.subnet.version:
            requests.append(
                RouteRequest(
                    instance_key=instance.key,
                    destination=route.destination,
                    candidates=tuple(port.label for port in candidates),
                    probe=route.probe,
                    prefer_lower_cost=route.prefer_lower_cost,
                    prefer_stronger_signal=route.prefer_stronger_signal,
                )
            )
    first = {request.destination: request for request in reversed(requests)}
    return tuple(reversed(first.values()))


def resolve_instance(  # noqa: PLR0917  each is what the planner has at hand
    instance: NetworkInstance,
    vifs: Sequence[Vif],
    ports: Sequence[InstancePort],
    chosen: Callable[[IPNetwork], str | None],
    number: int,
    settings: AppSettings,
    conflicts: str = "",
    refused: Mapping[str, str] = MappingProxyType({}),
) -> Instance:
    """The instance as it is to be, given what its ports have at this moment.

    :param chosen: label of the port that probing chose for a destination, if it did
    :param conflicts: why its subnet cannot be used here (`apps.conflicts`)
    :param refused: why it cannot have some of its ports, by label (`apps.portuse`)
    """
    usable, problems = _usable_ports(instance, ports, refused)
    mtu, mtu_problem = _mtu(instance, usable)
    common: dict[str, Any] = {
        "config": instance,
        "number": number,
        "mtu": mtu,
        "ports": tuple(usable),
        "host_routes_only": settings.host_routes_only,
    }
    if instance.type is InstanceType.SWITCH:
        found = _switch(usable, common, bridge_mac(settings.device_uuid, number))
    else:
        blocked = subnet_problem(instance) or conflicts
        mac = bridge_mac(settings.device_uuid, number)
        found = Instance(**common, bridge=f"bn{number}", own_bridge=True, table=TABLES + number, mac=mac)
        found = replace(found, subnet=instance.subnet, blocked=bool(blocked))
        problems.insert(0, blocked)
        if not blocked:
            found, more = _local(found, chosen)
            problems += more
    members = tuple(
        vif if (vif.bridge, vif.mtu) == (found.bridge, mtu) else replace(vif, bridge=found.bridge, mtu=mtu)
        for vif in vifs
    )
    hosts = hosts_of(rule for vif in members if not vif.error for rule in vif.rules)
    error = "\n".join(problem for problem in (*problems, mtu_problem) if problem)
    return replace(found, vifs=members, host_sets=tuple(hosts), error=error)


# -- ports --------------------------------------------------------------------------------------------


def _usable_ports(
    instance: NetworkInstance, ports: Sequence[InstancePort], refused: Mapping[str, str]
) -> tuple[list[InstancePort], list[str]]:
    """Ports that can serve the instance, and what is wrong with the others."""
    usable = [port for port in ports if port.label not in refused]
    problems = [refused[port.label] for port in ports if port.label in refused]
    if instance.port and not ports:
        problems.append(f"no port matches label {instance.port}")
    return usable, problems


def _mtu(instance: NetworkInstance, ports: Sequence[InstancePort]) -> tuple[int, str]:
    """The instance's MTU: as configured, but no port may be too narrow for it."""
    lowest = min((port.mtu for port in ports), default=0)
    if not instance.mtu:
        return lowest or DEFAULT_MTU, ""
    if not lowest or instance.mtu <= lowest:
        return instance.mtu, ""
    narrow = next(port.label for port in ports if port.mtu == lowest)
    return lowest, f"MTU {instance.mtu} is more than the {lowest} of port {narrow}, which is used instead"


# -- the two kinds ------------------------------------------------------------------------------------


def _switch(ports: Sequence[InstancePort], common: dict[str, Any], mac: str) -> Instance:
    """A switch on the one port that has IP joins that adapter's bridge; any other has a bridge of its own."""
    if len(ports) == 1 and ports[0].l3:
        return Instance(**common, bridge=ports[0].ifname, own_bridge=False, table=0, mac="")
    return Instance(**common, bridge=f"bn{common['number']}", own_bridge=True, table=0, mac=mac)


def _local(instance: Instance, chosen: Callable[[IPNetwork], str | None]) -> tuple[Instance, list[str]]:
    config, ports = instance.config, instance.ports
    own = gateway_interface(config)
    instance = replace(instance, gateway=own)
    routes, problems = instance_routes(instance, chosen)
    up = [port for port in sorted(ports, key=lambda port: port.cost) if port.carrier and port.addresses]
    # names are asked of every port that may know them, the cheapest first
    servers = {(server, port.ifname): None for port in up for server in port.dns}
    times = {address: None for text in (*_ntp_of_ports(ports), *config.ntp) for address in _address(text)}
    instance = replace(
        instance,
        routes=routes,
        dns_servers=tuple(servers),
        app_dns=config.dns,
        app_ntp=tuple(times),
        announce_default=announce_default(config, ports),
    )
    return replace(instance, app_routes=app_routes(instance)), problems


def _ntp_of_ports(ports: Iterable[InstancePort]) -> Iterable[str]:
    return (server for port in ports for server in port.ntp)


def _address(text: str) -> tuple[IPAddress, ...]:
    """A server given by name is left out: DHCP carries addresses only."""
    try:
        return (ip_address(text),)
    except ValueError:
        return ()
