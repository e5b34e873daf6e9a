"""What the prober is told: how the ports are, which routes of network instances may leave by several of them, and
which uplinks the node's own traffic has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evenet_core.apps.instances import RouteRequest, matching_ports, route_requests
from evenet_core.apps.routes import DEFAULTS
from evenet_core.linux.l3 import families
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import own_route_fact, route_choice_fact
from evenet_core.model.networks import Probe, RouteProbe
from evenet_core.model.ports import PortKind
from evenet_core.model.resolved import InstancePort
from evenet_core.planning.inputs import Inputs
from evenet_core.probing.prober import ProbedPort, ProbedRoute

__all__ = ["probed", "uplinks"]

DEAREST = 255


def probed(
    inputs: Inputs, ports: Sequence[InstancePort], choice: Callable[[str], str]
) -> tuple[list[ProbedPort], list[ProbedRoute]]:
    """Every port with IP, and every route that needs a choice.

    :param choice: label chosen for a route so far, by the name of the fact on it
    """
    routes: list[ProbedRoute] = []
    for instance in inputs.config.network_instances:
        if instance.active:
            used = {adapter.label for adapter in matching_ports(instance.port, inputs.adapters)}
            usable = [port for port in ports if port.label in used]
            requests = route_requests(instance, usable, inputs.controller)
            routes += [_route(request, inputs.controller, choice) for request in requests]
    routes += _own_routes(inputs, {port.label for port in ports}, choice)
    adapters = {adapter.label: adapter for adapter in inputs.adapters}
    return [_port(port, adapters[port.label]) for port in ports if port.label in adapters], routes


def uplinks(adapters: Sequence[Adapter], version: int) -> list[Adapter]:
    """Management adapters that speak this IP version, in the order in which the kernel tries them."""
    speaking = [a for a in adapters if a.management and a.has_ip and not a.config_error and version in families(a)]
    return sorted(speaking, key=lambda adapter: adapter.rank)


def _own_routes(inputs: Inputs, known: set[str], choice: Callable[[str], str]) -> list[ProbedRoute]:
    """Every uplink is probed, also the only one: whether it works is for people to know."""
    probe = RouteProbe(gateway_ping=True, gateway_ping_max_cost=DEAREST, custom=inputs.controller)
    ways = {version: [a.label for a in uplinks(inputs.adapters, version) if a.label in known] for version in DEFAULTS}
    return [
        ProbedRoute(
            key=(key := own_route_fact(version)),
            destination=DEFAULTS[version],
            ports=tuple(labels),
            probe=probe,
            prefer_lower_cost=True,
            current=choice(key),
            asks_controller=True,
            own=True,
        )
        for version, labels in ways.items()
        if labels
    ]


def _route(request: RouteRequest, controller: Probe | None, choice: Callable[[str], str]) -> ProbedRoute:
    key = route_choice_fact(request.instance_key, request.destination)
    return ProbedRoute(
        key=key,
        destination=request.destination,
        ports=request.candidates,
        probe=request.probe,
        prefer_lower_cost=request.prefer_lower_cost,
        prefer_stronger_signal=request.prefer_stronger_signal,
        current=choice(key),
        asks_controller=request.probe.custom is not None and request.probe.custom == controller,
    )


def _port(port: InstancePort, adapter: Adapter) -> ProbedPort:
    return ProbedPort(
        label=port.label,
        ifname=port.ifname,
        cost=port.cost,
        carrier=port.carrier,
        addresses=tuple(address.ip for address in port.addresses),
        gateways=port.gateways,
        dns=port.dns,
        metered=adapter.kind is PortKind.CELLULAR,
        behind_proxy=adapter.proxy is not None,
    )
