"""Rules for a DPC: a complete candidate for the device's own connectivity."""

from __future__ import annotations

from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.rules.addresses import check_servers_of, check_version, reserved, versions
from evenet_core.formats.rules.interfaces import check_interfaces
from evenet_core.formats.rules.layers import check_bonds, check_vlans
from evenet_core.formats.rules.networks import check_proxy, check_radio
from evenet_core.formats.rules.unsupported import tell_unsupported_dpc
from evenet_core.formats.rules.view import once
from evenet_core.model.adapters import BUILT_IN_LABELS, Adapter, Dpc
from evenet_core.model.networks import IpMode

__all__ = ["check_adapter", "check_dpc"]

MOST = 256  # routing tables 501 to 799


def check_dpc(dpc: Dpc, report: Report) -> None:
    adapters: list[tuple[Path, Adapter]] = [(("adapters", i), one) for i, one in enumerate(dpc.adapters)]
    if len(adapters) > MOST:
        report.at(("adapters",), f"holds {len(adapters)}", f"at most {MOST} are possible")
    once(report, "label", (((*path, "label"), one.label) for path, one in adapters))
    check_interfaces(report, (((*path, "ifname"), one.ifname, one.has_ip) for path, one in adapters))
    for path, adapter in adapters:
        check_adapter(report, path, adapter)
    _check_layers(report, adapters)
    if not dpc.usable and adapters:
        report.at(("adapters",), "no port can reach the controller", "one must be for management, with IP")
    if not adapters:
        report.at(("adapters",), "is empty", "write the ports of the device")
    tell_unsupported_dpc(dpc, report)


def check_adapter(report: Report, path: Path, adapter: Adapter) -> None:
    """One adapter by itself."""
    if adapter.label and not (adapter.ifname or adapter.pci or adapter.usb):
        report.at((*path, "ifname"), "is missing", "write the interface, or PCIAddr or USBAddr of a modem")
    if adapter.label in BUILT_IN_LABELS:
        report.at((*path, "label"), f"{adapter.label} is a label of evenet's own", "use another one")
    check_servers_of(report, (*path, "ip"), adapter.ip)
    _check_addresses(report, path, adapter)
    check_proxy(report, (*path, "proxy"), adapter.proxy)
    check_radio(report, path, adapter.wifi, adapter.cellular)


def _check_addresses(report: Report, path: Path, adapter: Adapter) -> None:
    if adapter.ip.mode is IpMode.STATIC and not adapter.addresses:
        report.at((*path, "addresses"), "is missing", "a static port needs an address such as 192.0.2.7/24")
    for n, address in enumerate(adapter.addresses):
        here: Path = (*path, "addresses", n)
        check_version(report, here, address.ip, versions(adapter.ip.family))
        if address.ip in reserved(address.network):
            report.at(here, f"{address.ip} stands for the whole of its subnet", "write the address of one host")
        if address.ip == adapter.ip.gateway:
            report.at(here, f"{address.ip} is the gateway's", "write another address of the subnet")


def _check_layers(report: Report, adapters: list[tuple[Path, Adapter]]) -> None:
    kinds = {one.label: _kind(one) for _, one in adapters}
    vlans = [((*path, "vlan"), one.vlan) for path, one in adapters if one.vlan]
    bonds = [((*path, "bond"), one.bond) for path, one in adapters if one.bond]
    check_vlans(report, vlans, kinds)
    check_bonds(report, bonds, vlans, kinds)
    members = {label: bond.label for _, bond in bonds for label in bond.lower}
    for path, one in adapters:
        if one.has_ip and one.label in members:
            text = f"the port is a member of bond {shown(members[one.label])} and cannot have IP of its own"
            report.at((*path, "ip", "mode"), text, "write Dhcp 0, or take the port out of the bond")


def _kind(adapter: Adapter) -> str:
    if adapter.vlan is not None:
        return "vlan"
    return "bond" if adapter.bond is not None else adapter.kind.value
