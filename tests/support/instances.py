"""Network instances, apps and ports for tests of decisions and planners."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from evenet_core.apps.instances import resolve_instance
from evenet_core.apps.numbers import Numbers
from evenet_core.apps.vifs import AppSettings, Known, resolve_vifs
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import App, AppInterface, InstanceType, NetworkInstance
from evenet_core.model.resolved import Instance, InstancePort, Vif

__all__ = ["SETTINGS", "app", "local", "port", "resolve", "switch", "vifs_of"]

SETTINGS = AppSettings(app_namespaces="/run/netns/{app}", device_uuid="7f8f9b4e-1f3c-4a6e-8d5c-2b1a0c9d8e7f")


def local(name: str = "ni", subnet: str = "10.50.0.0/24", **more: Any) -> NetworkInstance:
    return NetworkInstance(name=name, subnet=ip_network(subnet), **more)


def switch(name: str = "sw", **more: Any) -> NetworkInstance:
    return NetworkInstance(name=name, type=InstanceType.SWITCH, **more)


def port(label: str, *addresses: str, gateway: str = "", dns: str = "", labels: str = "", **more: Any) -> InstancePort:
    return InstancePort(
        label=label,
        labels=frozenset(("all", *labels.split())),
        ifname=more.pop("ifname", label),
        table=more.pop("table", 501),
        addresses=tuple(ip_interface(address) for address in addresses),
        gateways=tuple(ip_address(one) for one in gateway.split()),
        dns=tuple(ip_address(one) for one in dns.split()),
        **more,
    )


def app(name: str, *interfaces: AppInterface | str, **more: Any) -> App:
    """Interfaces may be given by the name of their network instance."""
    given = [
        AppInterface(name=f"vif{n}", network_instance=one) if isinstance(one, str) else one
        for n, one in enumerate(interfaces)
    ]
    return App(name=name, interfaces=tuple(given), **more)


def vifs_of(
    config: DeviceConfig,
    numbers: Numbers | None = None,
    settings: AppSettings = SETTINGS,
    known: Known | None = None,
) -> tuple[dict[str, tuple[Vif, ...]], Numbers]:
    """Interfaces by key of their instance, and the numbers."""
    numbers = numbers or Numbers()
    numbers, _ = numbers.allocate_all("bridge", [i.key for i in config.network_instances], 1, 4000)
    found, numbers = resolve_vifs(config, numbers, settings, known)
    return found, numbers


def resolve(
    config: DeviceConfig,
    *ports: InstancePort,
    name: str = "",
    chosen: Mapping[str, str] | None = None,
    numbers: Numbers | None = None,
    settings: AppSettings = SETTINGS,
    conflicts: str = "",
    refused: Mapping[str, str] | None = None,
) -> Instance:
    """The instance called `name` (default: the first) with its interfaces."""
    found, given = vifs_of(config, numbers, settings)
    [instance, *_] = [i for i in config.network_instances if name in ("", i.name)]
    number = given.get("bridge", instance.key)
    assert number is not None
    choices = chosen or {}
    return resolve_instance(
        instance,
        found[instance.key],
        ports,
        lambda d: choices.get(str(d)),
        number,
        settings,
        conflicts=conflicts,
        refused=refused or {},
    )
