"""Hardware behind a port: how the system describes it, what it is, and what a vendor knows about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evenet_core.model.ports import PortKind

__all__ = ["PortDevice", "PortIdentity", "PortQuirks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortDevice:
    """A network device as udev and the kernel describe it.

    Its name is that of the port, also while the device itself is the lower part of an adapter and called `k<name>`.
    """

    ifname: str
    # DEVTYPE, DEVPATH (without the name at its end) and ID_* as udev has them; empty = nobody knows
    properties: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""  # of the kernel: e1000e, cdc_mbim
    mac: str = ""  # lower case, with colons


@dataclass(frozen=True, slots=True, kw_only=True)
class PortIdentity:
    """What a device is, and the addresses that stay when its name does not."""

    kind: PortKind
    pci: str = ""  # 0000:02:00.0
    usb: str = ""  # bus:port.port
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortQuirks:
    """Vendor knowledge about one NIC or modem.

    evenet acts on `offloads_off`; the rest it shows (`evenet ports --json`) and leaves to others, so far.
    """

    reason: str  # one sentence for people
    offloads_off: tuple[str, ...] = ()  # features as ethtool(8) calls them: tso, tx-tcp-segmentation
    settle_seconds: float = 0.0  # rest after the link was set up
    max_virtual_functions: int | None = None  # of SR-IOV
