"""What whoever runs the apps (a hypervisor, the lab) has to know of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import App
from evenet_core.model.resolved import Vif

__all__ = ["runtime_document"]


def runtime_document(config: DeviceConfig, vifs: Mapping[str, Sequence[Vif]]) -> list[dict[str, Any]]:
    """One object for each active app: its interfaces in order, the ports that are forwarded to it, and the networks
    that other apps reach through it.

    :param vifs: by key of the network instance
    """
    by_app: dict[str, list[Vif]] = {}
    for members in vifs.values():
        for vif in members:
            by_app.setdefault(vif.app_key, []).append(vif)
    routes = [(i.key, route) for i in config.network_instances if i.active for route in i.routes]
    found = []
    for app in config.apps:
        if app.active:
            mine = sorted(by_app.get(app.key, []), key=_place)
            addresses = {(vif.instance, address) for vif in mine for address in vif.addresses}
            behind = dict.fromkeys(str(route.destination) for key, route in routes if (key, route.gateway) in addresses)
            found.append(
                {
                    "name": app.name,
                    "uuid": app.key,
                    "interfaces": [_interface(vif) for vif in mine if not vif.error],
                    "ports": list(_ports(app)),
                    "gateway_to": list(behind),
                }
            )
    return found


def _place(vif: Vif) -> tuple[int, str]:
    """Order of an app's interfaces: eth2 comes before eth10."""
    return len(vif.guest_ifname), vif.guest_ifname


def _interface(vif: Vif) -> dict[str, Any]:
    return {
        "name": vif.name,
        "link": vif.ifname,
        "guest_link": vif.guest_ifname,
        "mac": vif.mac,
        "addresses": [str(address) for address in vif.addresses],
    }


def _ports(app: App) -> Iterable[dict[str, Any]]:
    rules = (rule for interface in app.interfaces for rule in interface.rules if rule.forward is not None)
    ports = dict.fromkeys((rule.protocol, rule.forward.app_port) for rule in rules if rule.forward is not None)
    return ({"protocol": protocol, "port": port} for protocol, port in ports)
