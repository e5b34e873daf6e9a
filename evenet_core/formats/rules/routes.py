"""Static routes of network instances."""

from __future__ import annotations

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.networks import check_probe
from evenet_core.formats.rules.view import View
from evenet_core.model.instances import InstanceType, NetworkInstance, StaticRoute
from evenet_core.model.values import IPNetwork

__all__ = ["check_routes"]


def check_routes(view: View, path: Path, instance: NetworkInstance) -> None:
    if instance.type is not InstanceType.LOCAL:
        return
    seen: set[IPNetwork] = set()
    for n, route in enumerate(instance.routes):
        here: Path = (*path, "routes", n)
        _check_way(view, here, route)
        _check_port(view, here, route, instance)
        check_probe(view.report, (*here, "probe", "custom"), route.probe.custom)
        if instance.subnet is not None and route.destination.version != instance.subnet.version:
            text = f"{route.destination} is IPv{route.destination.version}, and the instance is not"
            view.problem((*here, "destination"), text, f"write an IPv{instance.subnet.version} subnet")
        if route.destination in seen:
            view.notice((*here, "destination"), "a route to the same destination stands before: that one counts")
        seen.add(route.destination)


def _check_way(view: View, path: Path, route: StaticRoute) -> None:
    gateway = route.gateway
    if gateway is None:
        if not route.port:
            view.problem((*path, "gateway"), "is missing, and so is the port", "write a gateway or a port")
        return
    here: Path = (*path, "gateway")
    if gateway.version != route.destination.version:
        view.problem(here, f"{gateway} is no next hop to {route.destination}", "write one of the same IP version")
    elif gateway.is_unspecified or gateway.is_multicast or gateway.is_loopback:
        view.problem(here, f"{gateway} is no host's address", "write the next hop, or leave it out: the port's counts")


def _check_port(view: View, path: Path, route: StaticRoute, instance: NetworkInstance) -> None:
    """A label that means no port of the instance leaves the route without a way."""
    if not route.port:
        return
    mine = {adapter.label for adapter in view.answering(instance.port)}
    if not any(adapter.label in mine for adapter in view.answering(route.port)):
        view.notice((*path, "port"), f"{shown(route.port)} means no port of this instance: the route leads nowhere")
