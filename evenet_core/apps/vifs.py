"""Interfaces of apps: names, MACs and addresses, decided for the whole config at once. Pure.

Order of an app's interfaces: by `order` if the app enforces it, else by the id of the first access rule that has one,
as EVE always did. The place in that order is part of the interface's names and of its generated MAC; its address
depends on the interface's own name only, so that it stays when interfaces are added, removed or moved.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import is_
from typing import NamedTuple

from evenet_core.apps.macs import vif_mac
from evenet_core.apps.numbers import Numbers, Pool
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import App, AppInterface, InstanceType, NetworkInstance
from evenet_core.model.resolved import Vif
from evenet_core.model.subnets import addresses_of_all, dhcp_range, gateway, subnet_problem
from evenet_core.model.values import DhcpRange

__all__ = ["AppSettings", "Known", "resolve_vifs"]

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
    config: DeviceConfig, numbers: Numbers, settings: AppSettings, known: Known | None = None
) -> tuple[dict[str, tuple[Vif, ...]], Numbers]:
    """Interfaces of all active apps by the key of their network instance, and the numbers that they now hold.

    An interface that cannot be realised is there too, with the reason in `error`.

    :param known: what was resolved before; an instance in which nothing has changed has the very same interfaces.
    """
    known = known if known is not None else Known()
    instances = {instance.key: instance for instance in config.network_instances}
    numbers = numbers.keep("bridge", instances.keys())
    numbers = numbers.without(_forgotten(numbers))
    called = {instance.name: key for key, instance in instances.items()} | {key: key for key in instances}
    members, numbers = known.members_of(config.apps, called, numbers)
    known.forget_instances(instances)
    found: dict[str, tuple[Vif, ...]] = {}
    for key, instance in instances.items():
        bridge = numbers.get("bridge", key) or 0
        given = _Given(instance, bridge, settings, members[key])
        before = known.instances.get(key)
        if before is None or not before.holds(given, numbers):
            vifs, numbers = _resolved(given, numbers)
            before = known.instances[key] = _Resolution(given, vifs, numbers.of(_pools(key)))
        found[key] = before.vifs
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


@dataclass(frozen=True, slots=True)
class _Given:
    """All that the interfaces of one instance are made from, but for the numbers that they have already."""

    instance: NetworkInstance
    bridge: int
    settings: AppSettings
    members: tuple[_Member, ...]


@dataclass(frozen=True, slots=True)
class _Resolution:
    """What it came to, and the pools of numbers as that left them."""

    given: _Given
    vifs: tuple[Vif, ...]
    pools: Sequence[Pool | None]

    def holds(self, given: _Given, numbers: Numbers) -> bool:
        return self.given == given and all(map(is_, self.pools, numbers.of(_pools(given.instance.key))))


class Known:
    """What was resolved before, so that a change costs in proportion to itself."""

    def __init__(self) -> None:
        self.instances: dict[str, _Resolution] = {}
        self._apps: tuple[App, ...] = ()
        self._rows: list[_Row] = []  # one an app
        self._called: Mapping[str, str] = {}
        self._members: dict[str, tuple[_Member, ...]] = {}
        self._pool: Pool | None = None  # numbers of apps, as they were left

    def members_of(
        self, apps: tuple[App, ...], called: Mapping[str, str], numbers: Numbers
    ) -> tuple[Mapping[str, tuple[_Member, ...]], Numbers]:
        """Interfaces of all active apps, in their order, by the key of their instance; and the numbers of the apps.

        Apps that are the very same ones as before, at both ends of their list, are not looked at.

        :param called: keys of instances by what they are called
        """
        same = numbers.pools.get("app") is self._pool
        first, last = _same_ends(self._apps, apps) if same else (0, 0)
        start, end = self._rows[:first], self._rows[len(self._rows) - last :]
        changed = apps[first : len(apps) - last]
        fresh = [app.key for app in changed]
        numbers = numbers.keep("app", [*(row.key for row in start), *fresh, *(row.key for row in end)])
        numbers, given = numbers.allocate_all("app", fresh, 1, MAX_APPS)
        rows = [_Row(key, _members(app, given.get(key, 0))) for app, key in zip(changed, fresh, strict=True)]
        others = [*rows, *self._rows[first : len(self._rows) - last]]
        self._apps, self._rows, self._pool = apps, [*start, *rows, *end], numbers.pools.get("app")
        if self._called != called:
            self._called, touched = called, set(called.values())
        else:
            words = {member.interface.network_instance for row in others for member in row.members}
            touched = {called[word] for word in words if word in called}
        self._sort(touched)
        return self._members, numbers

    def _sort(self, instances: Collection[str]) -> None:
        """Members of these instances, anew."""
        found: dict[str, list[_Member]] = {key: [] for key in instances}
        lists = {word: found[key] for word, key in self._called.items() if key in found}
        everybody = chain.from_iterable(row.members for row in self._rows) if found else ()
        for member in [member for member in everybody if member.interface.network_instance in lists]:
            lists[member.interface.network_instance].append(member)
        self._members |= {key: tuple(fellows) for key, fellows in found.items()}

    def forget_instances(self, instances: Container[str]) -> None:
        """All but these are gone."""
        for gone in [key for key in self.instances if key not in instances]:
            del self.instances[gone]
            self._members.pop(gone, None)


class _Row(NamedTuple):
    key: str  # of an app
    members: tuple[_Member, ...]


def _same_ends(before: Sequence[App], after: Sequence[App]) -> tuple[int, int]:
    """How many apps at the start are the very same ones, and how many at the end."""
    most = min(len(before), len(after))
    first = next((n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one is not other), most)
    ends = zip(reversed(before[first:]), reversed(after[first:]), strict=False)
    last = next((n for n, (one, other) in enumerate(ends) if one is not other), most - first)
    return first, last


def _members(app: App, number: int) -> tuple[_Member, ...]:
    """An app's interfaces in their order; none if it is not active."""
    ordered = enumerate(_ordered(app), start=1) if app.active else ()
    return tuple(_Member(app, interface, place, number) for place, interface in ordered)


def _pools(key: str) -> tuple[str, str, str]:
    """The pools of an instance: numbers of its interfaces, who has an address, how often an address passed on."""
    return f"vif/{key}", f"holder/{key}", f"passed-on/{key}"


def _forgotten(numbers: Numbers) -> set[str]:
    """Pools of instances whose own number was given to another one meanwhile."""
    instances = numbers.pools.get("bridge")
    if instances is None:
        return set()
    return {pool for pool in numbers.pools if "/" in pool and pool.partition("/")[2] not in instances}


def _resolved(given: _Given, numbers: Numbers) -> tuple[tuple[Vif, ...], Numbers]:
    vifs = _without_twins([_vif(member, given) for member in given.members])
    if given.instance.type is InstanceType.LOCAL:
        vifs, numbers = _addressed(given.instance, given.members, vifs, numbers)
    return tuple(vifs), numbers


def _ordered(app: App) -> list[AppInterface]:
    if app.enforce_interface_order:
        return sorted(app.interfaces, key=lambda interface: interface.order)
    return sorted(app.interfaces, key=lambda i: next((rule.id for rule in i.rules if rule.id > 0), 0))


def _vif(member: _Member, given: _Given) -> Vif:
    app, interface, instance = member.app, member.interface, given.instance
    mac = interface.mac or vif_mac(
        app.key, instance.key, member.place, member.number, local=instance.type is InstanceType.LOCAL
    )
    namespace, error = _namespace(app, given.settings)
    if not member.number:
        error = f"no number is left for app {app.name}: {MAX_APPS} apps have one"
    return Vif(
        app=app.name,
        app_key=app.key,
        name=interface.name,
        instance=instance.key,
        bridge=f"bn{given.bridge}",
        ifname=f"nbu{member.place}x{member.number}",
        guest_ifname=f"eth{member.place - 1}",
        first=member.place == 1,
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
    pool, _, _ = _pools(instance.key)
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
    _, holders, counts = _pools(instance.key)
    counted, macs, passed = [], dict[str, int](), dict[str, int]()
    for vif in vifs:
        passed_on = 0
        for address in map(str, vif.addresses if not vif.error else ()):
            macs[address] = int(vif.mac.replace(":", ""), 16)
            passed_on = numbers.get(counts, address) or 0
            if numbers.get(holders, address) not in {None, macs[address]}:
                passed_on = passed[address] = passed_on + 1
        counted.append(replace(vif, passed_on=passed_on) if passed_on else vif)
    return counted, numbers.put(holders, macs).put(counts, passed)


def _called(vif: Vif) -> str:
    return f"{vif.name} of {vif.app}"
