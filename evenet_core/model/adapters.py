"""Adapters: network configuration attached to a port, VLAN or LAG, as asked for and as one DPC holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from evenet_core.model.networks import Cellular, IpMode, IpSettings, Proxy, Wifi
from evenet_core.model.ports import Bond, PortKind, Vlan
from evenet_core.model.values import Cost, IPAddress, IPInterface, Label, Moment, Mtu, Name

__all__ = [
    "BUILT_IN_LABELS",
    "DEFAULT_MTU",
    "Adapter",
    "Dpc",
    "Origin",
    "Source",
    "SystemAdapter",
    "Usage",
    "built_in_labels",
]

DEFAULT_MTU = 1500  # bytes, Ethernet and WiFi

BUILT_IN_LABELS = frozenset({"all", "uplink", "freeuplink"})  # evenet assigns these by itself


def built_in_labels(*, management: bool, cost: int) -> frozenset[str]:
    """Labels that an adapter gets by itself."""
    labels = {"all"}
    if management:
        labels.add("uplink")
        if cost == 0:
            labels.add("freeuplink")
    return frozenset(labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAdapter:
    """What the operator asks for: this lower layer becomes an adapter with that network."""

    label: Label
    lower: str = ""  # label of a port, VLAN or bond; empty = the one with the adapter's own label
    network: Name | None = None  # None = layer 2 only
    uplink: bool = False  # used to reach the controller
    address: IPAddress | None = None  # static; the prefix length is that of the network's subnet
    alias: str = ""
    cost: Cost = 0
    labels: tuple[Label, ...] = ()  # shared labels, besides the built-in ones
    allow_local_changes: bool = False


class Origin(StrEnum):
    """Who asked for an adapter's settings."""

    UNKNOWN = "unknown"
    CONTROLLER = "controller"
    BOOTSTRAP = "bootstrap"
    OVERRIDE = "override"
    LAST_RESORT = "last-resort"
    CONSOLE = "console"
    LOCAL_CONTROLLER = "local-controller"
    LOCAL_PROFILE = "local-profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Origin of an adapter's settings and when they were handed over."""

    origin: Origin = Origin.UNKNOWN
    submitted_at: Moment | None = None


class Usage(StrEnum):
    """What an adapter is there for (`status.ports[].usage`)."""

    MANAGEMENT = "management"
    APP_SHARED = "app-shared"
    L2_ONLY = "l2-only"
    DEDICATED = "dedicated"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One adapter of a DPC, every reference resolved: all that a planner needs to know of it.

    `table` and `rank` are given by the node when the DPC comes into use: the adapter's own routing
    table, and its place in the order of cost (0 is tried first).
    """

    label: Label
    ifname: str  # kernel name; empty while the name of a modem is unknown
    kind: PortKind = PortKind.ETHERNET
    configured_ifname: str = ""  # in the config, where the device was found by its place under another name
    pci: str = ""
    usb: str = ""
    printed_label: str = ""
    labels: frozenset[str] = frozenset()  # shared labels, built-in ones included
    alias: str = ""
    allow_local_changes: bool = False
    network: str = ""  # name of the network it came from
    management: bool = False
    l3: bool = True  # False: only the lower layer of a VLAN or bond, or of a switch instance
    cost: Cost = 0
    mtu: Mtu | None = None
    ip: IpSettings = IpSettings()
    addresses: tuple[IPInterface, ...] = ()  # static ones
    proxy: Proxy | None = None
    wifi: Wifi | None = None
    cellular: Cellular | None = None
    vlan: Vlan | None = None
    bond: Bond | None = None
    port_access: str = ""  # label of the 802.1X settings, empty = none
    source: Source = Source()
    config_error: str = ""  # why this adapter cannot be used as configured
    table: int = 0
    rank: int = 0

    @property
    def has_ip(self) -> bool:
        """Whether the host itself speaks IP here."""
        return self.l3 and self.ip.mode is not IpMode.NONE

    @property
    def usage(self) -> Usage:
        if not self.has_ip:
            return Usage.L2_ONLY
        return Usage.MANAGEMENT if self.management else Usage.APP_SHARED

    def answers_to(self, label: str) -> bool:
        """Whether `label` means this adapter, by its own or by a shared label."""
        return label == self.label or label in self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Dpc:
    """Device port config: one complete candidate for the device's own connectivity, from one source."""

    key: str  # zedagent, override, usb, bootstrap, manual, lastresort ...
    version: int = 1
    time_priority: Moment = datetime(1970, 1, 1, tzinfo=UTC)
    adapters: tuple[Adapter, ...] = ()

    @property
    def usable(self) -> bool:
        """At least one adapter could reach the controller."""
        return any(a.management and a.has_ip and not a.config_error for a in self.adapters)
