"""What stands on what: VLANs on ports and bonds, bonds on ports, adapters on any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.rules.view import Layer, View, refer
from evenet_core.model.ports import Bond, BondMode, Port, Vlan

__all__ = ["check_bonds", "check_layers", "check_vlans"]

NO_ARP = (BondMode.LACP, BondMode.BALANCE_TLB, BondMode.BALANCE_ALB)  # drivers/net/bonding/bond_options.c
MOST_TARGETS = 16  # BOND_MAX_ARP_TARGETS

Kinds = Mapping[str, str]  # what each label means: ethernet, wifi, cellular, other, vlan, bond


def check_layers(view: View) -> None:
    kinds = {label: _kind(layer) for label, layer in view.layers.items()}
    vlans = [(("vlans", i), vlan) for i, vlan in enumerate(view.config.vlans)]
    bonds = [(("bonds", i), bond) for i, bond in enumerate(view.config.bonds)]
    check_vlans(view.report, vlans, kinds)
    check_bonds(view.report, bonds, vlans, kinds)
    _check_members(view)
    _check_groups(view)


def _kind(layer: Layer) -> str:
    if isinstance(layer, Port):
        return layer.kind.value
    return "vlan" if isinstance(layer, Vlan) else "bond"


def check_vlans(report: Report, vlans: Sequence[tuple[Path, Vlan]], kinds: Kinds) -> None:
    """A VLAN stands on an Ethernet port or a bond, never on a VLAN; an id is there once."""
    tags: dict[tuple[str, int], Path] = {}
    for path, vlan in vlans:
        here: Path = (*path, "lower")
        refer(report, here, vlan.lower, kinds, "port or bond")
        kind = kinds.get(vlan.lower, "ethernet")
        if vlan.lower and vlan.lower == vlan.label:
            report.at(here, f"{shown(vlan.label)} stands on itself", "write the label of a port or bond")
        elif kind not in ("ethernet", "bond"):
            report.at(here, f"{shown(vlan.lower)} is of kind {kind}", "VLANs stand on Ethernet ports and bonds")
        holder = tags.setdefault((vlan.lower, vlan.id), path)
        if vlan.lower and holder != path:
            text = f"VLAN {vlan.id} is on {shown(vlan.lower)} twice"
            report.at((*path, "id"), text, f"it is that of {report.where(holder)} already")


def check_bonds(
    report: Report, bonds: Sequence[tuple[Path, Bond]], vlans: Sequence[tuple[Path, Vlan]], kinds: Kinds
) -> None:
    """A bond is made of Ethernet ports that serve nothing else."""
    holders: dict[str, str] = {vlan.lower: f"VLAN {shown(vlan.label)} stands on it" for _, vlan in vlans}
    for path, bond in bonds:
        if not bond.lower:
            report.at((*path, "lower"), "is empty", "write the labels of the ports to be bonded")
        for n, member in enumerate(bond.lower):
            here: Path = (*path, "lower", n)
            refer(report, here, member, kinds, "port")
            kind = kinds.get(member, "ethernet")
            if kind != "ethernet":
                report.at(here, f"{shown(member)} is of kind {kind}", "bonds are made of Ethernet ports")
            elif member and member in holders:
                report.at(here, f"{shown(member)} cannot be a member: {holders[member]}", "use another port")
            holders.setdefault(member, f"it is one of {shown(bond.label)}")
        _check_monitor(report, path, bond)


def _check_monitor(report: Report, path: Path, bond: Bond) -> None:
    if bond.arp is None:
        return
    here: Path = (*path, "arp")
    if bond.mii is not None:
        report.at(here, "is there beside mii", "keep one of the two monitors")
    if bond.mode in NO_ARP:
        report.at(here, f"does not go with {bond.mode.value}", "use mii")
    if bond.arp.interval < 1:
        report.at((*here, "interval"), f"is {bond.arp.interval}", "write milliseconds, 1 or more")
    if not 1 <= len(bond.arp.targets) <= MOST_TARGETS:
        report.at((*here, "targets"), f"holds {len(bond.arp.targets)}", f"write 1 to {MOST_TARGETS} addresses")
    for n, target in enumerate(bond.arp.targets):
        if target.version != 4:
            report.at((*here, "targets", n), f"{target} is no IPv4 address", "ARP asks for IPv4 addresses")


def _check_members(view: View) -> None:
    """A port in a bond has no address of its own."""
    members = {label: bond.label for bond in view.config.bonds for label in bond.lower}
    for i, adapter in enumerate(view.config.adapters):
        bond = members.get(adapter.lower or adapter.label)
        if bond is not None and view.has_ip(adapter):
            text = f"the port is a member of bond {shown(bond)} and cannot have IP of its own"
            view.problem(("adapters", i, "network"), text, "leave the network out, or take the port out of the bond")


def _check_groups(view: View) -> None:
    """Passthrough groups and their parents; the node's own networking does not depend on them."""
    parents = {port.group: port.parent_group for port in view.config.ports if port.group and port.parent_group}
    for i, port in enumerate(view.config.ports):
        path: Path = ("ports", i, "parent_group")
        if port.group and port.group == port.parent_group:
            view.notice(path, f"group {shown(port.group)} is its own parent: it cannot be passed through")
        elif _returns(port.group, parents):
            view.notice(path, f"Cycle detected among the parents of group {shown(port.group)}")


def _returns(group: str, parents: Mapping[str, str]) -> bool:
    seen = {""}
    step = parents.get(group, "")
    while step not in seen:
        if step == group:
            return True
        seen.add(step)
        step = parents.get(step, "")
    return False
