"""Apps and their interfaces: where they are connected, and by which addresses."""

from __future__ import annotations

from collections.abc import Iterator

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.addresses import check_address, check_version
from evenet_core.formats.rules.view import View, refer
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.instances import App, AppInterface, InstanceType, NetworkInstance
from evenet_core.model.subnets import dhcp_range, gateway, subnet_problem

__all__ = ["check_apps"]

LARGEST_VLAN = 4093  # 1 is that of untagged frames, 4094 the bridge's own


def check_apps(view: View) -> None:
    for a, app in enumerate(view.config.apps):
        for i, interface in enumerate(app.interfaces):
            path: Path = ("apps", a, "interfaces", i)
            reference = interface.network_instance
            refer(view.report, (*path, "network_instance"), reference, view.instances, "network instance")
            _check_mac(view, (*path, "mac"), interface.mac)
        _check_order(view, ("apps", a), app)
        if app.name and not is_dns_name(app.name):
            view.notice(("apps", a, "name"), "is no DNS name: other apps cannot find the app by it")
    for path, interface, instance in view.interfaces:
        if instance.type is InstanceType.LOCAL:
            _check_local(view, path, interface, instance)
        else:
            _check_switched(view, path, interface)
    _check_twins(view)


def _check_mac(view: View, path: Path, mac: str) -> None:
    if mac and (int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00"):
        view.problem(path, f"{mac} is no interface's address", "write one whose first octet is even, such as 02:...")


def _check_order(view: View, path: Path, app: App) -> None:
    if not app.enforce_interface_order:
        return
    places: dict[int, Path] = {}
    for here, order in _orders(path, app):
        holder = places.setdefault(order, here)
        if holder != here:
            there = view.report.where(holder[:-1])
            view.problem(here, f"{order} is the place of another interface", f"{there} has it; each place is for one")


def _orders(path: Path, app: App) -> Iterator[tuple[Path, int]]:
    for name in ("interfaces", "adapters"):
        for i, one in enumerate(getattr(app, name)):
            yield (*path, name, i, "order"), one.order


def _check_local(view: View, path: Path, interface: AppInterface, instance: NetworkInstance) -> None:
    if interface.access_vlan > 1:
        view.notice((*path, "access_vlan"), "not used: only switches have VLANs")
    address, here = interface.address, (*path, "address")
    if address is None or instance.subnet is None:
        return
    check_version(view.report, here, address, (instance.subnet.version,))
    if address.version != instance.subnet.version or not check_address(view.report, here, address, instance.subnet):
        return
    if subnet_problem(instance):  # said of the instance
        return
    if address == gateway(instance):
        view.problem(here, f"{address} is that of the network instance itself", "write another address of its subnet")
        return
    pool = dhcp_range(instance)
    if int(pool.start) <= int(address) <= int(pool.end):
        text = f"is inside of the DHCP range {pool.start} to {pool.end}: the app does not get it"
        view.notice(here, f"{text}; write one outside of the range")


def _check_switched(view: View, path: Path, interface: AppInterface) -> None:
    if interface.address is not None:
        view.notice((*path, "address"), "not used: a switch gives no addresses, the site does")
    if interface.access_vlan > LARGEST_VLAN:
        text = f"{interface.access_vlan} is no VLAN for apps"
        view.problem((*path, "access_vlan"), text, f"write 2 to {LARGEST_VLAN}, or 0 for all VLANs")


def _check_twins(view: View) -> None:
    """One MAC and one address once in one network instance."""
    holders: dict[tuple[str, object], Path] = {}
    for path, interface, instance in view.interfaces:
        for name, value in (("mac", interface.mac), ("address", interface.address)):
            if not value or (name == "address" and instance.type is InstanceType.SWITCH):
                continue
            holder = holders.setdefault((instance.key, value), path)
            if holder != path:
                there = view.report.where(holder)
                text = f"{value} is given twice in network instance {shown(instance.name)}"
                view.problem((*path, name), text, f"{there} has it already; use another one")
