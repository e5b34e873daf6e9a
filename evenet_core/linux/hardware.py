"""The devices behind ports, as facts `hardware:IFNAME`.

A port that becomes the lower part of an adapter is called `k<name>` and a bridge takes its name. Its fact keeps the
port's name all the while, and its value: nothing in it changes with the name.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from evenet_core.linux import netlink
from evenet_core.linux.ethtool import driver_name
from evenet_core.linux.linkmark import found_port
from evenet_core.linux.links import LinkInfo, all_links, decode_link, find_link, is_whole, link_head
from evenet_core.linux.listen import discard, waiting
from evenet_core.linux.netlink import Reply, replies
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.linux.udev import Udev
from evenet_core.model.facts import hardware_fact
from evenet_core.model.hardware import PortDevice
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange

__all__ = ["HardwareMonitor"]

LINKS = 1  # RTNLGRP_LINK
NEWLINK, DELLINK = 16, 17
LOOPBACK = 1  # its index in every network namespace
IFINFO = 16  # bytes of struct ifinfomsg
IFLA_EVENT, EVENT_FEATURES = 44, 2
KINDS = {"", "wwan", "veth", "dummy"}  # hardware has none, but for modems; the others stand for it in labs


@dataclass(frozen=True, slots=True)
class _Seen:
    """A port and what it was described from."""

    name: str
    link: LinkInfo
    device: PortDevice


class HardwareMonitor:
    """Describes a device when netlink tells of a new one, and again when udev has dealt with it.

    :param features_changed: called when an offload of a port came or went.
    """

    def __init__(self, rtnl: Rtnl, features_changed: Callable[[], None]) -> None:
        self._rtnl = rtnl
        self._features_changed = features_changed
        self._ports: dict[int, _Seen] = {}  # by index
        self._told: dict[str, PortDevice] = {}

    async def facts(self) -> AsyncIterator[FactChange]:
        opened = open_socket(socket.NETLINK_ROUTE, [LINKS])
        self._udev = Udev()
        grown = asyncio.Event()
        loop = asyncio.get_running_loop()
        watched = [file for file in (opened.fileno(), self._udev.fileno()) if file is not None]
        for file in watched:
            loop.add_reader(file, grown.set)
        try:
            await self._resync()
            for change in self._changes():
                yield change
            yield FULL_PICTURE
            while True:
                await grown.wait()
                grown.clear()
                await self._read(opened)
                for change in self._changes():
                    yield change
        finally:
            for file in watched:
                loop.remove_reader(file)
            opened.close()

    async def _resync(self) -> None:
        links = await all_links(self._rtnl)
        self._ports = {}
        for link in links.values():
            self._see(link)

    async def _read(self, opened: socket.socket) -> None:
        burst: dict[int, Reply] = {}  # the last word on each
        features = False
        try:
            for data in waiting(opened):
                for reply in replies(data):
                    if reply.type in (NEWLINK, DELLINK) and is_whole(reply):
                        index, _ = link_head(reply)
                        burst[index] = reply
                        features |= index in self._ports and _tells_of_features(reply)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            discard(opened)
            await self._resync()
            burst, features = {}, True
        for index, last in burst.items():
            if last.type == DELLINK:
                self._ports.pop(index, None)
            elif self._is_news(link := decode_link(last)):
                # a rename is told before the mark that comes with it: ask once more
                self._see(await find_link(self._rtnl, index) or link)
        if features:
            self._features_changed()
        if self._udev.fileno() is not None:
            self._look_again(self._udev.events())

    def _see(self, link: LinkInfo) -> None:
        if not self._is_news(link):
            return
        if name := _port_name(link):
            self._ports[link.index] = _Seen(name, link, self._describe(name, link))
        else:
            del self._ports[link.index]

    def _is_news(self, link: LinkInfo) -> bool:
        name, before = _port_name(link), self._ports.get(link.index)
        if before is None:
            return bool(name)
        return (before.name, before.link.name, before.link.mac) != (name, link.name, link.mac)

    def _look_again(self, indexes: Iterable[int] | None) -> None:
        for index in list(self._ports) if indexes is None else indexes:
            if (seen := self._ports.get(index)) is not None:
                self._ports[index] = _Seen(seen.name, seen.link, self._describe(seen.name, seen.link))

    def _describe(self, name: str, link: LinkInfo) -> PortDevice:
        properties = self._udev.properties(link)
        try:
            driver = driver_name(link.name)
        except OSError:  # it went, or has another name by now; or its driver tells nothing
            driver = properties.get("ID_NET_DRIVER", "")
        return PortDevice(
            ifname=name, properties=properties, driver=driver if driver.isprintable() else "", mac=link.mac
        )

    def _changes(self) -> list[FactChange]:
        """What is not as it was told last."""
        # of two that claim a name, the one that gave it to its adapter has it
        ports = sorted(self._ports.values(), key=lambda seen: seen.name != seen.link.name)
        now = {seen.name: seen.device for seen in ports}
        changes = [FactChange(hardware_fact(name), None) for name in self._told.keys() - now.keys()]
        changes += [FactChange(hardware_fact(name), now[name]) for name in now if now[name] != self._told.get(name)]
        self._told = now
        return changes


def _tells_of_features(reply: Reply) -> bool:
    return netlink.integer(netlink.attributes(reply.body[IFINFO:]).get(IFLA_EVENT)) == EVENT_FEATURES


def _port_name(link: LinkInfo) -> str:
    """The name of the port that a link is; empty = it is none."""
    if link.index == LOOPBACK or link.kind not in KINDS:
        return ""
    if not link.ours:
        return link.name
    mark = found_port(link.alias)
    if mark is None:
        return ""
    return mark.name if mark.role == "lower" else link.name
