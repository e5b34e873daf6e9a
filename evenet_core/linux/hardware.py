"""The devices behind ports, as facts `hardware:IFNAME`.

A port that becomes the lower part of an adapter is called `k<name>` and a bridge takes its name. Its fact keeps the
port's name all the while, and its value: nothing in it changes with the name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evenet_core.linux.ethtool import driver_name
from evenet_core.linux.linkmark import found_port
from evenet_core.linux.links import LinkInfo, find_link
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.udev import Udev
from evenet_core.model.facts import hardware_fact
from evenet_core.model.hardware import PortDevice
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange

__all__ = ["HardwareMonitor", "is_pci_device"]

LOOPBACK = 1  # its index in every network namespace
KINDS = {"", "wwan", "veth", "dummy"}  # hardware has none, but for modems; the others stand for it in labs


def is_pci_device(address: str) -> bool:
    """Whether there is a device at this address (0000:02:00.0)."""
    return "/" not in address and Path("/sys/bus/pci/devices", address.lower()).exists()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A port and what it was described from."""

    name: str
    link: LinkInfo
    device: PortDevice


class HardwareMonitor:
    """Describes a device when the monitor of links tells of a new one, and again when udev has dealt with it.

    :param features_changed: called when an offload of a port came or went.
    """

    def __init__(self, rtnl: Rtnl, features_changed: Callable[[], None]) -> None:
        self._rtnl = rtnl
        self._features_changed = features_changed
        self._links: dict[int, LinkInfo] = {}  # that are ports, as was told last; by index
        self._due: set[int] = set()  # those of which something new was told
        self._ports: dict[int, _Seen] = {}
        self._told: dict[str, PortDevice] = {}
        self._grown = asyncio.Event()
        self._pictured = asyncio.Event()

    def all_links(self, links: Iterable[LinkInfo]) -> None:
        """These links are all there are; what happened to their offloads meanwhile is not known."""
        self._links = {link.index: link for link in links if _port_name(link)}
        self._due |= self._links.keys() | self._ports.keys()
        if self._pictured.is_set():
            self._features_changed()
        self._pictured.set()
        self._grown.set()

    def links_changed(self, links: Mapping[int, LinkInfo | None], features: Collection[int]) -> None:
        """Links by index as they are now (None: it went), and of which an offload came or went."""
        for index, link in links.items():
            known = self._links.pop(index, None)
            if link is not None and _port_name(link):
                self._links[index] = link
            if known is not None or index in self._links:
                self._due.add(index)
                self._grown.set()
        if not self._ports.keys().isdisjoint(features):
            self._features_changed()

    async def facts(self) -> AsyncIterator[FactChange]:
        self._udev = Udev()
        file = self._udev.fileno()
        loop = asyncio.get_running_loop()
        if file is not None:
            loop.add_reader(file, self._grown.set)
        try:
            await self._pictured.wait()
            self._ports, self._told, self._due = {}, {}, set(self._links)
            await self._look()
            for change in self._changes():
                yield change
            yield FULL_PICTURE
            while True:
                await self._grown.wait()
                self._grown.clear()
                await self._look()
                for change in self._changes():
                    yield change
        finally:
            if file is not None:
                loop.remove_reader(file)

    async def _look(self) -> None:
        due, self._due = self._due, set()
        for index in due:
            if (link := self._links.get(index)) is None:
                self._ports.pop(index, None)
            elif self._is_news(link):
                # a rename is told before the mark that comes with it: ask once more
                self._see(await find_link(self._rtnl, index) or link)
        if self._udev.fileno() is not None:
            self._look_again(self._udev.events())

    def _see(self, link: LinkInfo) -> None:
        if name := _port_name(link):
            self._ports[link.index] = _Seen(name, link, self._describe(name, link))
        else:
            self._ports.pop(link.index, None)

    def _is_news(self, link: LinkInfo) -> bool:
        before = self._ports.get(link.index)
        seen = (before.name, before.link.name, before.link.mac) if before is not None else ()
        return seen != (_port_name(link), link.name, link.mac)

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
