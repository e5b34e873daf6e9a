"""Interfaces of apps: names, MACs and addresses, decided for the whole config at once. Pure.

Order of an app's interfaces: by `order` if the app enforces it, else by the id of the first access rule that has one,
as EVE always did. The place in that order is part of the interface's names and of its generated MAC; its address
depends on the interface's own name only, so that it stays when interfaces are added, removed or moved.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evenet_core.apps.macs import vif_mac
from evenet_core.apps.numbers import Numbers
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import App, AppInterface, InstanceType, NetworkInstance
from evenet_core.model.resolved import Vif
from evenet_core.model.subnets import addresses_of_all, dhcp_range, gateway, subnet_problem
from evenet_core.model.values import DhcpRange

__all__ = ["AppSettings", "resolve_vifs"]

MAX_APPS = 65535
# What stands for the app in the path of a namespace: no way into another directory, no empty or hidden name.
NAMESPACE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:+ -]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """What of the node's settings matters to apps."""

    app_namespaces: str = ""  # path with {app} in it; empty = a hypervisor brings the interfaces
    host_routes_only: bool = True  # leases are /32 with a link-local route
    device_uuid: str = ""


def resolve_vifs(
    config: DeviceConfig, numbers: Numbers, settings: AppSettings
) -> tuple[dict[str, tuple[Vif, ...]], Numbers]:
    """Interfaces of all active apps by the key of their network instance, and the numbers that they now hold.

    An interface that cannot be realised is there too, with the reason in `error`.
    """
    instances = {i.name: i for i in config.network_instances} | {i.key: i for i in config.network_instances}
    numbers = numbers.keep("bridge", [i.key for i in config.network_instances])
    numbers = numbers.keep("app", [app.key for app in config.apps])
    numbers, apps = numbers.allocate_all("app", [app.key for app in config.apps], 1, MAX_APPS)
    members: dict[str, list[_Member]] = defaultdict(list)
    for app in config.apps:
        for place, interface in enumerate(_ordered(app), start=1):
            instance = instances.get(interface.network_instance)
            if instance is not None and app.active:
                members[instance.key].append(_Member(app, interface, place, apps.get(app.key, 0)))
    found: dict[str, tuple[Vif, ...]] = {}
    for instance in config.network_instances:
        vifs = _without_twins([_vif(member, instance, numbers, settings) for member in members[instance.key]])
        if instance.type is InstanceType.LOCAL:
            vifs, numbers = _addressed(instance, members[instance.key], vifs, numbers)
        found[instance.key] = tuple(vifs)
    return found, numbers


@dataclass(frozen=True, slots=True)
class _Member:
    """An app's interface in the instance at hand."""

    app: App
    interface: AppInterface
    place: int  # among the app's interfaces, from 1
    number: int  # of the app; 0 = there is none left

    @property
    def key(self) -> str:
        return f"{self.app.key}/{self.interface.name}"


def _ordered(app: App) -> list[AppInterface]:
    if app.enforce_interface_order:
        return sorted(app.interfaces, key=lambda interface: interface.order)
    return sorted(app.interfaces, key=lambda i: next((rule.id for rule in i.rules if rule.id > 0), 0))


def _vif(member: _Member, instance: NetworkInstance, numbers: Numbers, settings: AppSettings) -> Vif:
    app, interface = member.app, member.interface
    mac = interface.mac or vif_mac(
        app.key, instance.key, member.place, member.number, local=instance.type is InstanceType.LOCAL
    )
    namespace, error = _namespace(app, settings)
    if not member.number:
        error = f"no number is left for app {app.name}: {MAX_APPS} apps have one"
    return Vif(
        app=app.name,
        app_key=app.key,
        name=interface.name,
        instance=instance.key,
        bridge=f"bn{numbers.get('bridge', instance.key) or 0}",
        ifname=f"nbu{member.place}x{member.number}",
        guest_ifname=f"eth{member.place - 1}",
        mac=mac,
        access_vlan=interface.access_vlan,
        namespace=namespace,
        rules=interface.rules,
        allow_discovery=interface.allow_discovery,
        error=error,
    )


def _namespace(app: App, settings: AppSettings) -> tuple[str, str]:
    """Path of the app's network namespace, and why it has none."""
    if not settings.app_namespaces:
        return "", ""
    if not NAMESPACE_NAME.fullmatch(app.name):
        return "", f"app name {app.name!r} cannot be the name of a network namespace"
    return settings.app_namespaces.replace("{app}", app.name), ""


def _without_twins(vifs: Sequence[Vif]) -> list[Vif]:
    """Two interfaces with one MAC in one network: the later one cannot work."""
    holders: dict[str, Vif] = {}
    checked = []
    for vif in vifs:
        holder = vif if vif.error else holders.setdefault(vif.mac, vif)
        twin = holder is not vif
        checked.append(replace(vif, error=f"MAC {vif.mac} is already that of {_called(holder)}") if twin else vif)
    return checked


# -- addresses ----------------------------------------------------------------------------------------


def _addressed(
    instance: NetworkInstance, members: Sequence[_Member], vifs: Sequence[Vif], numbers: Numbers
) -> tuple[list[Vif], Numbers]:
    """Addresses of the interfaces of one local instance: as configured, or the range's start + number."""
    pool = f"vif/{instance.key}"
    dynamic = [member.key for member in members if member.interface.address is None]
    numbers = numbers.keep(pool, dynamic)
    if subnet_problem(instance):
        return list(vifs), numbers
    given_range = dhcp_range(instance)
    numbers, given = numbers.allocate_all(pool, dynamic, 0, int(given_range.end) - int(given_range.start))
    working = [member for member, vif in zip(members, vifs, strict=True) if not vif.error]
    static = _static_problems(instance, working, given_range)
    addressed = []
    for member, vif in zip(members, vifs, strict=True):
        address, error = member.interface.address, static.get(member.key, "")
        if address is None and member.key in given:
            address = given_range.start + given[member.key]
        elif address is None:
            error = (
                f"no free IP addresses in DHCP range {given_range.start}-{given_range.end}"
                f" of network instance {instance.name}"
            )
        addresses = (address,) if address is not None and not error else ()
        addressed.append(replace(vif, addresses=addresses, error=vif.error or error))
    return _passed_on(instance, addressed, numbers)


def _static_problems(instance: NetworkInstance, members: Iterable[_Member], given: DhcpRange) -> Mapping[str, str]:
    """What is wrong with configured addresses, by member key."""
    problems: dict[str, str] = {}
    holders: dict[object, _Member] = {}
    for member in members:
        address = member.interface.address
        if address is None or instance.subnet is None:
            continue
        holder = holders.setdefault(address, member)
        if address not in instance.subnet:
            problems[member.key] = f"address {address} is outside of subnet {instance.subnet}"
        elif address in addresses_of_all(instance.subnet):
            problems[member.key] = (
                f"address {address} stands for the whole of subnet {instance.subnet}: no app can have it"
            )
        elif int(given.start) <= int(address) <= int(given.end):
            problems[member.key] = f"address {address} is inside of DHCP range {given.start}-{given.end}"
        elif address == gateway(instance):
            problems[member.key] = f"address {address} is that of network instance {instance.name} itself"
        elif holder is not member:
            problems[member.key] = f"address {address} is already that of {holder.interface.name} of {holder.app.name}"
    return problems


def _passed_on(instance: NetworkInstance, vifs: Sequence[Vif], numbers: Numbers) -> tuple[list[Vif], Numbers]:
    """Count how often each address went from one MAC to another."""
    holders, counts = f"holder/{instance.key}", f"passed-on/{instance.key}"
    counted = []
    for vif in vifs:
        passed_on = 0
        for address in vif.addresses if not vif.error else ():
            mac = int(vif.mac.replace(":", ""), 16)
            before = numbers.get(holders, str(address))
            passed_on = numbers.get(counts, str(address)) or 0
            if before is None:
                numbers = numbers.put(holders, str(address), mac)
            elif before != mac:
                passed_on += 1
                numbers = numbers.put(holders, str(address), mac).put(counts, str(address), passed_on)
        counted.append(replace(vif, passed_on=passed_on))
    return counted, numbers


def _called(vif: Vif) -> str:
    return f"{vif.name} of {vif.app}"
