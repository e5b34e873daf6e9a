"""What is heard on the links of adapters: routers, claims on our addresses, gateways that fall silent. As facts.

Nothing is asked regularly. A question goes out when a link gets its carrier, when an address appears, when a
gateway does not answer, and while a conflict lasts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenet_core.linux.inotify import Watcher
from evenet_core.linux.links import find_link
from evenet_core.linux.listen import discard, waiting
from evenet_core.linux.netlink import Reply, replies
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.model.ports import lower_name
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_dhcp.announced import Announced
from evenet_dhcp.client import CLIENT_PREFIX
from evenet_dhcp.hosts import Hosts
from evenet_dhcp.segment import HOSTS, ROUTERS
from evenet_dhcp.words import ADDRESSES, GROUPS, AddressWord, LinkWord, NeighbourWord, word

__all__ = ["SegmentMonitor"]


@dataclass(slots=True)
class _Link:
    """A link that is listened on. `lower`: its port where it is a bridge, else itself."""

    index: int
    lower: int
    mac: str
    carrier: bool
    lost: bool = False  # the link itself has lost its carrier since its port did


@dataclass(slots=True)
class _Ear:
    listens: Hosts | Announced
    inode: int  # of its directory: another one is another item


class SegmentMonitor:
    """Facts `lease:IFNAME/ra`, `conflicts:IFNAME` and `dhcp:doubts/IFNAME`.

    :param root: where the directories of segments and clients are
    :param gateways: routers that a DHCP server named, by interface
    """

    def __init__(self, root: Path, rtnl: Rtnl, gateways: Callable[[str], Collection[IPAddress]]) -> None:
        self._root = root
        self._rtnl = rtnl
        self._gateways = gateways
        self._links: dict[str, _Link] = {}
        self._ears: dict[tuple[str, str], _Ear] = {}  # by whom is listened to and the link's name
        self._told: dict[str, Any] = {}
        self._wake = asyncio.Event()
        self._moved = False  # directories came or went

    async def facts(self) -> AsyncIterator[FactChange]:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o755)
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            watcher = stack.enter_context(Watcher())
            watcher.add(self._root)
            opened = stack.enter_context(open_socket(socket.NETLINK_ROUTE, GROUPS))
            loop.add_reader(opened.fileno(), self._wake.set)
            stack.callback(loop.remove_reader, opened.fileno())
            looking = asyncio.create_task(self._watch(watcher))
            stack.callback(looking.cancel)
            stack.callback(self._close)
            await self._look(known=True)
            for change in self._news():
                yield change
            yield FULL_PICTURE
            while True:
                await self._something()
                await self._hear(opened)
                if self._moved:
                    await self._look(known=False)
                for change in self._news():
                    yield change

    async def _watch(self, watcher: Watcher) -> None:
        while True:
            await watcher.changes()
            self._moved = True
            self._wake.set()

    async def _something(self) -> None:
        """Returns when there is something to hear or to do."""
        now = _now()
        times = [at for ear in self._ears.values() if (at := ear.listens.next_change(now)) is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(times) - now) if times else None):
                await self._wake.wait()
        self._wake.clear()

    def _news(self) -> Iterator[FactChange]:
        """Facts that are not what was told last."""
        now, facts = _now(), dict[str, Any]()
        for ear in self._ears.values():
            ear.listens.read(now)
            ear.listens.pass_time(now)
            facts |= {fact.name: fact.value for fact in ear.listens.facts() if fact.value is not None}
        changed = [name for name in self._told.keys() | facts if self._told.get(name) != facts.get(name)]
        self._told = facts
        for ear in self._ears.values():
            if isinstance(ear.listens, Announced) and any(fact.name in changed for fact in ear.listens.facts()):
                ear.listens.remember()
        return (FactChange(name, facts.get(name)) for name in sorted(changed))

    # -- which links ----------------------------------------------------------------------------------

    async def _look(self, *, known: bool) -> None:
        """Open and close ears as the directories say. `known`: addresses of links were there before us."""
        self._moved = False
        wanted = dict(_directories(self._root))
        for key in [key for key, ear in self._ears.items() if wanted.get(key) != ear.inode]:
            self._ears.pop(key).listens.close()
        self._links = {name: link for name, link in self._links.items() if any(name == to for _, to in self._ears)}
        new = [key for key in wanted if key not in self._ears]
        for whom, name in new:
            with suppress(OSError):  # the link went; so does the item
                await self._listen(whom, name, wanted[whom, name])
        if new:
            for body in await self._rtnl.bodies(ADDRESSES):
                self._take(word(Reply(20, 0, 0, body)), known=known, only=new)

    async def _listen(self, whom: str, name: str, inode: int) -> None:
        link = await find_link(self._rtnl, name)
        if link is None:
            return
        lower = await find_link(self._rtnl, lower_name(name)) or link
        self._links.setdefault(name, _Link(link.index, lower.index, link.mac, lower.carrier))
        if whom == HOSTS:
            ear: Hosts | Announced = Hosts(name, link.mac, self._root / f"{CLIENT_PREFIX}{name}", self._wake.set)
        else:
            ear = Announced(name, self._root / f"{whom}-{name}", self._wake.set, _now())
        self._ears[whom, name] = _Ear(ear, inode)

    def _close(self) -> None:
        for ear in self._ears.values():
            ear.listens.close()
        self._ears.clear()
        self._links.clear()
        self._told.clear()

    # -- what the kernel says -------------------------------------------------------------------------

    async def _hear(self, opened: socket.socket) -> None:
        try:
            for data in waiting(opened):
                for reply in replies(data):
                    self._take(word(reply))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            discard(opened)
            for body in await self._rtnl.bodies(ADDRESSES):
                self._take(word(Reply(20, 0, 0, body)))

    def _take(
        self,
        said: LinkWord | AddressWord | NeighbourWord | None,
        *,
        known: bool = False,
        only: Collection[tuple[str, str]] | None = None,
    ) -> None:
        if said is None:
            return
        now = _now()
        for name, link in self._links.items():
            if said.index not in (link.index, link.lower):
                continue
            ears = [ear.listens for key, ear in self._ears.items() if key[1] == name and (only is None or key in only)]
            match said:
                case LinkWord():
                    self._carrier(link, said, ears, now)
                case AddressWord() if said.index == link.index:
                    for ear in ears:
                        ear.address(said, now, known=known)
                case NeighbourWord():
                    self._silence(name, said.address, ears, now)

    def _carrier(self, link: _Link, said: LinkWord, ears: Collection[Hosts | Announced], now: float) -> None:
        if said.index == link.index and not said.carrier:
            link.lost = True
        if said.index != link.lower:
            return
        if said.carrier and not link.carrier:
            for ear in ears:
                ear.arrived(now, unnoticed=not link.lost)
        if not said.carrier and link.carrier:
            link.lost = link.index == link.lower
        link.carrier = said.carrier

    def _silence(self, name: str, address: IPAddress, ears: Collection[Hosts | Announced], now: float) -> None:
        routers = [ear for ear in ears if isinstance(ear, Announced)]
        if address not in self._gateways(name) and not any(ear.knows(address) for ear in routers):
            return
        for router in routers:
            router.silence(address, now)
        for ear in ears:
            ear.doubt(now)


def _directories(root: Path) -> Iterator[tuple[tuple[str, str], int]]:
    for path in root.iterdir():
        whom, _, link = path.name.partition("-")
        if whom in (HOSTS, ROUTERS) and link:
            with suppress(FileNotFoundError):
                yield (whom, link), path.stat().st_ino


def _now() -> float:
    """Seconds since boot, time asleep included: nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
