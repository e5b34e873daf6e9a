"""What routers announce on one link: asks for it (RFC 4861, 6.3.7; RFC 7559), hears it, remembers it."""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from evenet_core.linux.files import write_atomic
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.facts import lease_fact
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.facts import FactChange
from evenet_dhcp.advert import SOLICITATION, parse_advertisement
from evenet_dhcp.routers import Routers
from evenet_dhcp.tap import Tap
from evenet_dhcp.words import AddressWord

__all__ = ["Announced"]

FIRST, LAST = 4.0, 3600.0  # seconds to the next question while nobody answers; doubles (RFC 7559, 2)
CALM = 1.0  # seconds between two things told: a flood shall not plan the adapter anew again and again
REMEMBERED = "heard.json"
_ALL_ROUTERS = "ff02::2"
_ICMP6_FILTER = 1
_HOP_LIMIT = 52  # IPV6_HOPLIMIT
_ONLY_ADVERTS = struct.pack(
    "=8I", *(0xFFFFFFFF & ~(1 << (134 & 31)) if n == 134 >> 5 else 0xFFFFFFFF for n in range(8))
)


@dataclass(slots=True)
class Announced:
    """Listens to routers on a link.

    :param directory: where it is remembered what they said last
    :raises OSError: the link went
    """

    ifname: str
    directory: Path
    grown: Callable[[], None]
    now: float
    _tap: Tap = field(init=False)
    _routers: Routers = field(default_factory=Routers)
    _packets: dict[str, tuple[float, str]] = field(default_factory=dict)  # the last one of each router, and when
    _ask: float | None = None  # when
    _wait: float = FIRST
    _told: Lease | None = None
    _told_at: float = 0.0

    def __post_init__(self) -> None:
        self._tap = Tap(_socket(self.ifname), self.grown)
        for router, (heard, packet) in sorted(_remembered(self.directory).items(), key=lambda one: one[1][0]):
            self._hear(router, bytes.fromhex(packet), 255, heard)
        self._routers.pass_time(self.now)
        self.doubt(self.now)
        self._told = self._routers.lease(self.now)

    def close(self) -> None:
        self._tap.close()

    def facts(self) -> Iterable[FactChange]:
        yield FactChange(lease_fact(self.ifname, LeaseSource.RA), self._told)

    def knows(self, address: IPAddress) -> bool:
        return any(router.address == address for router in self._routers.known)

    def arrived(self, now: float, *, unnoticed: bool) -> None:
        """The carrier is back, perhaps of another link."""
        self.doubt(now)

    def doubt(self, now: float) -> None:
        """Ask all routers, now."""
        self._routers.doubt(now)
        self._ask, self._wait = now, FIRST

    def silence(self, address: IPAddress, now: float) -> None:
        """A router does not answer."""
        if isinstance(address, IPv6Address) and self._routers.silence(address):
            self.doubt(now)

    def address(self, said: AddressWord, now: float, *, known: bool = False) -> None:
        """The link's own address is ready: now a question can go out."""
        if said.present and said.address.is_link_local and not said.tentative and self._ask is not None:
            self._ask = now

    def read(self, now: float) -> None:
        """What was heard meanwhile."""
        for data, ancillary, sender in self._tap.packets():
            hop_limit = next((int.from_bytes(v, sys.byteorder) for _, kind, v in ancillary if kind == _HOP_LIMIT), 0)
            router = str(sender[0]).partition("%")[0] if isinstance(sender, tuple) else ""
            if self._hear(router, data, hop_limit, now):
                self._ask = None

    def pass_time(self, now: float) -> None:
        self._routers.pass_time(now)
        if self._ask is not None and now >= self._ask:
            self._tap.send(SOLICITATION, (_ALL_ROUTERS, 0))
            self._ask, self._wait = now + self._wait, min(2 * self._wait, LAST)
        lease = self._routers.lease(now)
        if lease != self._told and now >= self._told_at + CALM:
            self._told, self._told_at = lease, now

    def next_change(self, now: float) -> float | None:
        times = [self._routers.next_change(now), self._ask]
        if self._routers.lease(now) != self._told:
            times.append(self._told_at + CALM)
        return min((at for at in times if at is not None), default=None)

    def _hear(self, router: str, data: bytes, hop_limit: int, now: float) -> bool:
        advert = parse_advertisement(data, IPv6Address(router), hop_limit)
        if advert is None:
            return False
        self._routers.hear(advert, now)
        known = {str(one.address) for one in self._routers.known}
        self._packets = {name: last for name, last in self._packets.items() if name in known}
        if router in known:
            self._packets[router] = (now, data.hex())
        return True

    def remember(self) -> None:
        """For the next agent: a restart shall take no address away."""
        if self.directory.is_dir():
            write_atomic(self.directory / REMEMBERED, json.dumps(self._packets).encode(), sync=False)


def _socket(ifname: str) -> socket.socket:
    """Hears router advertisements of one link."""
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    try:
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _ONLY_ADVERTS)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    except OSError:
        opened.close()
        raise
    return opened


def _remembered(directory: Path) -> dict[str, tuple[float, str]]:
    """What an earlier agent heard; nothing if its file is damaged."""
    try:
        found: Any = json.loads((directory / REMEMBERED).read_bytes())
        known = {str(IPv6Address(name)): (float(heard), str(packet)) for name, (heard, packet) in found.items()}
        [bytes.fromhex(packet) for _, packet in known.values()]
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return known
