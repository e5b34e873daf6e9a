"""Ports: the physical network devices of the node, and what is stacked on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evenet_core.model.values import InterfaceName, IPAddress, Label, VlanId

__all__ = [
    "ArpMonitor",
    "Bond",
    "BondMode",
    "LacpRate",
    "MiiMonitor",
    "Port",
    "PortKind",
    "PortUse",
    "VirtualFunction",
    "Vlan",
    "lower_name",
]


def lower_name(interface: str) -> str:
    """Name of a port while the adapter on it, a bridge, has taken the port's own: `keth0`.

    Names have 15 bytes. Of a longer one the end stays, where those of USB adapters (enx and the MAC) differ.
    """
    return f"k{interface[-14:]}"


class PortKind(StrEnum):
    """What kind of device a port is."""

    ETHERNET = "ethernet"
    WIFI = "wifi"
    CELLULAR = "cellular"
    OTHER = "other"  # not a network device: kept for passthrough groups, never configured


class PortUse(StrEnum):
    """Policy: what the port may be used for."""

    NONE = "none"
    MANAGEMENT_AND_APPS = "management-and-apps"
    APPS = "apps"
    DEDICATED = "dedicated"  # passed through to an app
    DISABLED = "disabled"
    MANAGEMENT = "management"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualFunction:
    """One SR-IOV virtual function of a port."""

    index: int
    mac: str = ""
    vlan: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A physical network device: Ethernet NIC, WiFi module, cellular modem."""

    label: Label
    kind: PortKind = PortKind.ETHERNET
    interface: str = ""  # kernel name; empty for a modem known only by its PCI or USB address
    pci: str = ""  # 0000:02:00.0
    usb: str = ""  # bus:port.port
    printed_label: str = ""  # what is printed on the box
    use: PortUse = PortUse.MANAGEMENT_AND_APPS
    group: str = ""  # devices of one group are passed through together
    parent_group: str = ""
    virtual_functions: tuple[VirtualFunction, ...] = ()
    attributes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vlan:
    """An 802.1Q sub-interface of a port or bond."""

    label: Label
    interface: InterfaceName
    lower: Label
    id: VlanId


class BondMode(StrEnum):
    """Linux bonding modes (kernel: Documentation/networking/bonding.rst)."""

    BALANCE_RR = "balance-rr"
    ACTIVE_BACKUP = "active-backup"
    BALANCE_XOR = "balance-xor"
    BROADCAST = "broadcast"
    LACP = "802.3ad"
    BALANCE_TLB = "balance-tlb"
    BALANCE_ALB = "balance-alb"


class LacpRate(StrEnum):
    """How often LACP partners speak: every 30 s or every second."""

    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class MiiMonitor:
    """Link supervision by carrier; milliseconds."""

    interval: int = 100
    up_delay: int = 0
    down_delay: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArpMonitor:
    """Link supervision by ARP; milliseconds, IPv4 targets."""

    interval: int
    targets: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """A link aggregation of ports; the first is the primary of active-backup."""

    label: Label
    interface: InterfaceName
    lower: tuple[Label, ...]
    mode: BondMode = BondMode.BALANCE_RR
    lacp_rate: LacpRate = LacpRate.SLOW
    mii: MiiMonitor | None = None
    arp: ArpMonitor | None = None
