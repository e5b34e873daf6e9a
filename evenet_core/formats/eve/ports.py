"""PhysicalIO, VlanAdapter and BondAdapter."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import mac, whole
from evenet_core.formats.eve.enums import BOND_MODE, IO_TYPE, IO_USAGE, LACP_RATE
from evenet_core.formats.mapping import Field, Place, Table, inside, lookup, many, one

__all__ = ["BOND", "PORT", "VLAN"]

NOT_AN_ADDRESS = "not used: a port is found by ifname, pcilong or usbaddr"
NETWORK_DEVICES = ("ethernet", "wifi", "cellular")


def _finish_port(made: dict[str, Any], io: dict[str, Any], place: Place) -> None:
    """Labels and names that stand for each other when one is missing; a count of functions that are not listed."""
    if lookup(lookup(io, "vflist"), "vfCount") and "virtual_functions" not in made:
        place.at(io, "vflist").notice("SR-IOV is not yet supported: evenet makes no virtual functions")
    made.setdefault("label", lookup(io, "phylabel") or None)
    if made["label"] is None:
        del made["label"]
    named = any(made.get(name) for name in ("interface", "pci", "usb"))
    if not named and made.get("kind") in NETWORK_DEVICES and isinstance(made.get("label"), str):
        made["interface"] = made["label"]
        place.notice(f"has no address: the interface {made['label']} is meant")


def _texts(value: Any, _: Place) -> Any:
    """Attributes are text, whatever they were written as."""
    if not isinstance(value, dict):
        return value
    return {name: member if isinstance(member, (str, dict, list)) else str(member) for name, member in value.items()}


VIRTUAL_FUNCTION = Table(
    Field("index", "index", whole, default=0),
    Field("mac", "mac", mac),
    Field("vlanId", "vlan", whole),
)
PORT = Table(
    Field("logicallabel", "label"),
    Field("phylabel", "printed_label"),
    Field("ptype", "kind", IO_TYPE, default="other"),
    inside(
        "phyaddrs",
        Field("ifname", "interface"),
        Field("pcilong", "pci"),
        Field("usbaddr", "usb"),
        Field("serial", notice=NOT_AN_ADDRESS),
        Field("irq", notice=NOT_AN_ADDRESS),
        Field("ioports", notice=NOT_AN_ADDRESS),
        Field("usbproduct", notice=NOT_AN_ADDRESS),
    ),
    Field("usage", "use", IO_USAGE, default="none"),
    inside("usagePolicy", Field("freeUplink")),  # what it means for costs: config.py
    Field("assigngrp", "group"),
    Field("parentassigngrp", "parent_group"),
    inside(
        "vflist",
        many("data", "virtual_functions", VIRTUAL_FUNCTION),
        Field("vfCount"),
    ),
    Field("cbattr", "attributes", _texts),
    finish=_finish_port,
)


def _finish_stacked(made: dict[str, Any], _: dict[str, Any], __: Place) -> None:
    """The interface is called as the adapter is, unless it has a name of its own."""
    if isinstance(made.get("label"), str):
        made.setdefault("interface", made["label"])


VLAN = Table(
    Field("logicallabel", "label"),
    Field("interfaceName", "interface"),
    Field("lowerLayerName", "lower"),
    Field("vlanId", "id", whole),
    finish=_finish_stacked,
)
MII = Table(
    Field("interval", "interval", whole, default=0),
    Field("updelay", "up_delay", whole),
    Field("downdelay", "down_delay", whole),
)
ARP = Table(Field("interval", "interval", whole), Field("ipTargets", "targets"))
BOND = Table(
    Field("logicallabel", "label"),
    Field("interfaceName", "interface"),
    Field("lowerLayerNames", "lower"),
    Field("bondMode", "mode", BOND_MODE, default="balance-rr"),
    Field("lacpRate", "lacp_rate", LACP_RATE, default="slow"),
    one("mii", "mii", MII),
    one("arp", "arp", ARP),
    finish=_finish_stacked,
)
