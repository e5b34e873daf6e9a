"""Which routes of network instances may leave by several ports, and how those ports are: what the prober is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evenet_core.apps.instances import RouteRequest, matching_ports, route_requests
from evenet_core.model.facts import route_choice_fact
from evenet_core.model.ports import PortKind
from evenet_core.model.resolved import InstancePort
from evenet_core.planning.inputs import Inputs
from evenet_core.probing.prober import ProbedPort, ProbedRoute

__all__ = ["probed"]


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
            routes += [_route(request, choice) for request in requests]
    metered = {adapter.label for adapter in inputs.adapters if adapter.kind is PortKind.CELLULAR}
    return [_port(port, metered=port.label in metered) for port in ports], routes


def _route(request: RouteRequest, choice: Callable[[str], str]) -> ProbedRoute:
    key = route_choice_fact(request.instance_key, request.destination)
    return ProbedRoute(
        key=key,
        destination=request.destination,
        ports=request.candidates,
        probe=request.probe,
        prefer_lower_cost=request.prefer_lower_cost,
        prefer_stronger_signal=request.prefer_stronger_signal,
        current=choice(key),
    )


def _port(port: InstancePort, *, metered: bool) -> ProbedPort:
    return ProbedPort(
        label=port.label,
        ifname=port.ifname,
        cost=port.cost,
        carrier=port.carrier,
        addresses=tuple(address.ip for address in port.addresses),
        gateways=port.gateways,
        dns=port.dns,
        metered=metered,
    )
