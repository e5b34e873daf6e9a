"""What an adapter's lease clients report, and what becomes of it together with the static settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["Addressing", "Conflict", "Lease", "LeaseRoute", "LeaseSource"]


class LeaseSource(StrEnum):
    """Who reported a lease; each has a fact of its own, `lease:IFNAME/SOURCE`."""

    DHCP4 = "dhcp4"
    DHCP6 = "dhcp6"
    RA = "ra"
    STATIC = "static"  # a static address that was found free of conflict
    MODEM = "modem"


@dataclass(frozen=True, slots=True)
class LeaseRoute:
    """A route that came with a lease; `via` None = on the link."""

    destination: IPNetwork
    via: IPAddress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one lease client reports of one interface. Times that change by themselves are left out."""

    source: LeaseSource
    addresses: tuple[IPInterface, ...] = ()
    routers: tuple[IPAddress, ...] = ()
    routes: tuple[LeaseRoute, ...] = ()  # classless routes (RFC 3442) beat `routers`
    dns: tuple[IPAddress, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    mtu: int | None = None
    wpad: str = ""  # URL of a PAC file
    server: str = ""
    managed: bool = False  # routers say that addresses come by DHCPv6
    other: bool = False  # routers say that other settings come by DHCPv6


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another host uses an address of ours."""

    address: IPAddress
    mac: str = ""  # of the other host; IPv6 does not tell

    def __str__(self) -> str:
        return f"address {self.address} is used by another host, too{f' ({self.mac})' if self.mac else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """The effective IP configuration of one adapter: static settings and leases merged."""

    addresses: tuple[IPInterface, ...] = ()
    gateways: tuple[IPAddress, ...] = ()  # default routers, at most the first of each family is used
    routes: tuple[LeaseRoute, ...] = ()  # besides the default and the connected ones
    dns: tuple[IPAddress, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    mtu: int | None = None
    wpad: str = ""  # URL of a PAC file that DHCP offers
