"""Other hosts on one link: who claims an address of ours (RFC 5227), and whether the client should ask again.

Neighbours are told of a new IPv4 address, and of all of them when the carrier comes: they need not wait until what
they remember has aged. (For IPv6 the kernel does it: `ndisc_notify`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from evenet_core.model.addressing import Conflict
from evenet_core.model.facts import conflicts_fact
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.facts import FactChange
from evenet_dhcp.arp import BROADCAST, ETHERTYPE, announcement, arp_socket, only_claims, parse_claim, probe
from evenet_dhcp.client import DOUBTS
from evenet_dhcp.tap import Tap
from evenet_dhcp.words import AddressWord

__all__ = ["Hosts", "doubts_fact"]

AGAIN = 2.0  # seconds to the second announcement (RFC 5227, 1.1: ANNOUNCE_INTERVAL)
RECHECK = 10.0  # seconds between questions while a conflict lasts
OVER = 25.0  # seconds without a sign of the other host after which a conflict is over
PATIENCE, MOST_PATIENCE = 10.0, 60.0  # seconds from one doubt to the next about the same silence; doubles
QUIET = 300.0  # seconds without doubt after which a silence is another one
MOST = 8  # conflicts that are told


def doubts_fact(ifname: str) -> str:
    """Name of the fact on how often a link was found to lead elsewhere, perhaps."""
    return f"dhcp:doubts/{ifname}"


@dataclass(slots=True)
class _Claimed:
    mac: str
    seen: float


@dataclass(slots=True)
class Hosts:
    """Listens to ARP on a link.

    :param client: directory of the DHCP client, where the doubts stand that it knows of
    :raises OSError: the link went
    """

    ifname: str
    mac: str
    client: Path
    grown: Callable[[], None]
    _tap: Tap | None = None  # a link without Ethernet addresses has no ARP
    _ours: set[IPAddress] = field(default_factory=set)
    _claimed: dict[IPAddress, _Claimed] = field(default_factory=dict)
    _again: float | None = None  # when addresses are announced once more
    _new: set[IPv4Address] = field(default_factory=set)
    _recheck: float | None = None
    _doubts: int = 0
    _doubted: float = 0.0
    _patience: float = PATIENCE

    def __post_init__(self) -> None:
        self._doubts = _number(self.client / DOUBTS)
        if len(self.mac) == 17:
            self._tap = Tap(arp_socket(self.ifname), self.grown)

    def close(self) -> None:
        if self._tap is not None:
            self._tap.close()

    def facts(self) -> Iterable[FactChange]:
        conflicts = sorted(self._claimed.items(), key=lambda one: str(one[0]))[:MOST]
        told = tuple(Conflict(address, claimed.mac) for address, claimed in conflicts)
        yield FactChange(conflicts_fact(self.ifname), told or None)
        yield FactChange(doubts_fact(self.ifname), self._doubts or None)

    def arrived(self, now: float, *, unnoticed: bool) -> None:
        """The carrier is back. `unnoticed`: the client has not seen that it was lost."""
        if unnoticed:
            self._doubts += 1
        self._announce((a for a in self._ours if isinstance(a, IPv4Address)), now)

    def doubt(self, now: float) -> None:
        """A gateway does not answer."""
        if now > self._doubted + QUIET:
            self._patience = PATIENCE
        elif now < self._doubted + self._patience:
            return
        else:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._doubted = now
        self._doubts += 1

    def address(self, said: AddressWord, now: float, *, known: bool = False) -> None:
        """An address of this link; `known`: it was there when we began."""
        if not said.present:
            self._ours.discard(said.address)
            self._claimed.pop(said.address, None)
            self._filter()
            return
        if said.failed:
            self._claimed[said.address] = _Claimed("", now)
        elif said.address.version == 6:
            self._claimed.pop(said.address, None)
        if said.address in self._ours or said.address.version == 6:
            return
        self._ours.add(said.address)
        self._claimed = {a: one for a, one in self._claimed.items() if a in self._ours or a.version == 6}
        self._filter()
        self._ask([said.address])
        if not known:
            self._announce([said.address], now)

    def read(self, now: float) -> None:
        """What was heard meanwhile."""
        for data, _, _ in self._tap.packets() if self._tap is not None else ():
            claim = parse_claim(data)
            if claim is not None and (claim.address in self._claimed or len(self._claimed) < MOST):
                self._claimed[claim.address] = _Claimed(claim.mac, now)
                self._recheck = self._recheck or now + RECHECK

    def pass_time(self, now: float) -> None:
        if self._again is not None and now >= self._again:
            self._again = None
            self._send(announcement, self._new)
            self._new.clear()
        if self._recheck is not None and now >= self._recheck:
            self._claimed = {a: one for a, one in self._claimed.items() if a.version == 6 or now < one.seen + OVER}
            doubtful = [a for a in self._claimed if isinstance(a, IPv4Address)]
            self._recheck = now + RECHECK if doubtful else None
            self._ask(doubtful)

    def next_change(self, now: float) -> float | None:
        return min((at for at in (self._again, self._recheck) if at is not None), default=None)

    def _announce(self, addresses: Iterable[IPv4Address], now: float) -> None:
        new = set(addresses)
        self._send(announcement, new)
        self._new |= new
        if new:
            self._again = now + AGAIN

    def _ask(self, addresses: Iterable[IPAddress]) -> None:
        """Of an address of ours only: who asked us would get an answer from us."""
        self._send(probe, (a for a in addresses if isinstance(a, IPv4Address)))

    def _send(self, make: Callable[[bytes, IPv4Address], bytes], addresses: Iterable[IPv4Address]) -> None:
        for address in addresses:
            if self._tap is not None:
                self._tap.send(make(self._mac, address), (self.ifname, ETHERTYPE, 0, 0, BROADCAST))

    def _filter(self) -> None:
        if self._tap is not None:
            only_claims(self._tap.socket, self._mac, [a for a in self._ours if isinstance(a, IPv4Address)])

    @property
    def _mac(self) -> bytes:
        return bytes.fromhex(self.mac.replace(":", ""))


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
