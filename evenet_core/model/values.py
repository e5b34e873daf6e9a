"""Small values that the whole vocabulary is made of."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta

__all__ = [
    "Cost",
    "DhcpRange",
    "IPAddress",
    "IPInterface",
    "IPNetwork",
    "InterfaceName",
    "Label",
    "LongText",
    "MacAddress",
    "Moment",
    "Mtu",
    "Name",
    "PortNumber",
    "Protocol",
    "VlanId",
]

if TYPE_CHECKING:
    IPAddress: TypeAlias = IPv4Address | IPv6Address
    IPNetwork: TypeAlias = IPv4Network | IPv6Network
    IPInterface: TypeAlias = IPv4Interface | IPv6Interface
else:
    # A decoder takes one type of its own in a union (`IPAddress | None`), so each pair is one type here.
    class IPAddress(ABC):  # noqa: B024
        """IPv4Address or IPv6Address."""

    class IPNetwork(ABC):  # noqa: B024
        """IPv4Network or IPv6Network."""

    class IPInterface(ABC):  # noqa: B024
        """IPv4Interface or IPv6Interface."""

    for pair, members in (
        (IPAddress, (IPv4Address, IPv6Address)),
        (IPNetwork, (IPv4Network, IPv6Network)),
        (IPInterface, (IPv4Interface, IPv6Interface)),
    ):
        for member in members:
            pair.register(member)

# Linux: 1..15 bytes, no '/', no white space, not '.' or '..' (dev_valid_name in net/core/dev.c);
# narrower here, because these names reach rules, file names and argument lists.
InterfaceName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}\Z",
        description="an interface name of 1 to 15 letters, digits, '_', '-' and '.'",
    ),
]
MacAddress: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}\Z",
        description="a MAC address in lower case such as 02:16:3e:00:00:01",
    ),
]
Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
LongText: TypeAlias = Annotated[str, Meta(max_length=1 << 20, extra={"lines": True})]  # may hold line breaks
Moment: TypeAlias = Annotated[datetime, Meta(tz=True, description="a time such as 2026-01-31T12:00:00Z")]
VlanId: TypeAlias = Annotated[int, Meta(ge=1, le=4094)]
Cost: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
Mtu: TypeAlias = Annotated[int, Meta(ge=1280, le=65535)]  # L3 MTU in bytes
PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]


class Protocol(StrEnum):
    """L4 protocol that a rule or forward speaks of."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpRange:
    """Addresses handed out, both ends included."""

    start: IPAddress
    end: IPAddress
