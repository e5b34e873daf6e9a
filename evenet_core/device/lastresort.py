"""The DPC of last resort: DHCP on every Ethernet port that is there. Pure (EVE: B.6).

It is made where nobody said anything yet, and stays a candidate if property `network.fallback.any.eth` is `enabled`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from evenet_core.device.dpclist import LAST_RESORT_KEY
from evenet_core.model.adapters import Adapter, Dpc, Origin, Source, built_in_labels
from evenet_core.model.facts import LinkFact
from evenet_core.model.hardware import PortIdentity
from evenet_core.model.networks import IpMode, IpSettings
from evenet_core.model.ports import PortKind, lower_name

__all__ = ["LAST_RESORT", "last_resort"]

LAST_RESORT = "network.fallback.any.eth"  # property; `enabled`, or anything else for not
# EVE: ends of apps' interfaces, radios, ports under a bridge; and what others make for containers
NOT_OURS = ("vif", "nbu", "nbo", "wlan", "wwan", "keth", "veth", "dummy")


def last_resort(
    ports: Mapping[str, PortIdentity], links: Mapping[str, LinkFact], used: Collection[str] = ()
) -> Dpc | None:
    """None = there is no such port.

    :param ports: of the machine, by name, whatever the device itself is called at the moment
    :param links: the kernel's devices, by name
    :param used: names of ports that belong to apps, or to nobody
    """
    names = [name for name, port in ports.items() if name not in used and _serves(name, port, links)]
    labels = built_in_labels(management=True, cost=0)
    adapters = tuple(
        Adapter(
            label=name,
            ifname=name,
            printed_label=name,
            labels=labels,
            management=True,
            ip=IpSettings(mode=IpMode.DHCP),
            source=Source(origin=Origin.LAST_RESORT),
        )
        for name in sorted(names)
    )
    return (
        Dpc(key=LAST_RESORT_KEY, time_priority=datetime(1970, 1, 1, tzinfo=UTC), adapters=adapters) if names else None
    )


def _serves(name: str, port: PortIdentity, links: Mapping[str, LinkFact]) -> bool:
    """An Ethernet port that nobody else has made a part of something."""
    below, itself = links.get(lower_name(name)), links.get(name)
    free = below is not None or (itself is not None and not itself.master)
    return port.kind is PortKind.ETHERNET and free and not name.startswith(NOT_OURS)
