"""Facts: what monitors observe and nobody commands. A fact is a name and a frozen value.

| name | value | from |
|---|---|---|
| `link:IFNAME` | `LinkFact` | netlink monitor |
| `hardware:IFNAME` | `PortDevice`; by the name of the port, whatever the device is called | hardware monitor |
| `lease:IFNAME/SOURCE` | `Lease` | lease monitors (dhcp, cellular) |
| `conflicts:IFNAME` | tuple of `Conflict` | segment monitor (dhcp) |
| `namespace:PATH` | inode as text | namespace monitor |
| `route-choice:INSTANCE/DESTINATION` | label of the chosen port | prober |
| `own-route:VERSION` | label of the port that the node's own unbound traffic is to use | prober |
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "HARDWARE",
    "LinkFact",
    "conflicts_fact",
    "hardware_fact",
    "lease_fact",
    "link_fact",
    "namespace_fact",
    "own_route_fact",
    "own_route_version",
    "radio_silence_fact",
    "route_choice_fact",
    "split_route_choice",
]

HARDWARE = "hardware:"
_OWN_ROUTE = "own-route:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFact:
    """A network device of the kernel, as far as planners care."""

    index: int
    mac: str
    mtu: int
    up: bool  # administratively
    carrier: bool
    master: str = ""
    kind: str = ""  # IFLA_INFO_KIND: bridge, veth, vlan ...; empty for hardware
    ours: bool = False  # carries evenet's mark


def link_fact(ifname: str) -> str:
    """Name of the fact on a link."""
    return f"link:{ifname}"


def hardware_fact(ifname: str) -> str:
    """Name of the fact on the device behind a port."""
    return f"{HARDWARE}{ifname}"


def lease_fact(ifname: str, source: str) -> str:
    """Name of the fact on what `source` reports for an interface."""
    return f"lease:{ifname}/{source}"


def conflicts_fact(ifname: str) -> str:
    """Name of the fact on addresses of an interface that others use, too."""
    return f"conflicts:{ifname}"


def namespace_fact(path: str) -> str:
    """Name of the fact on the network namespace at a path."""
    return f"namespace:{path}"


def radio_silence_fact() -> str:
    """Name of the fact that media are to stop sending."""
    return "radio-silence"


def own_route_fact(version: int) -> str:
    """Name of the fact on the port for the node's own traffic of this IP version."""
    return f"{_OWN_ROUTE}{version}"


def own_route_version(name: str) -> int | None:
    """IP version of the fact on the port for the node's own traffic; None = it is another fact."""
    return int(name.removeprefix(_OWN_ROUTE)) if name.startswith(_OWN_ROUTE) else None


def route_choice_fact(instance: str, destination: object) -> str:
    """Name of the fact on the port chosen for a route of an instance."""
    return f"route-choice:{instance}/{destination}"


def split_route_choice(name: str) -> tuple[str, str]:
    """Instance and destination of the fact on a chosen port."""
    instance, _, destination = name.partition(":")[2].partition("/")
    return instance, destination
