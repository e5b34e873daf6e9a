"""What the kernel tells by itself: links as facts, and drift of what is ours (rtnetlink(7), multicast).

A burst is read to its end before anything is told, so that the steps of our own changes are not taken for
somebody else's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from evenet_core.linux.address import address_item
from evenet_core.linux.linkdriver import link_items
from evenet_core.linux.linkmark import found_port, is_veth
from evenet_core.linux.links import LinkInfo, all_links, decode_link, is_whole, link_head
from evenet_core.linux.listen import discard, waiting
from evenet_core.linux.neighbour import neighbour_item
from evenet_core.linux.netlink import REPLACE, NetlinkError, Reply, number, replies
from evenet_core.linux.procfs import process_name
from evenet_core.linux.route import route_item
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.linux.rule import rule_item
from evenet_core.model.facts import LinkFact, link_fact
from evenet_core.model.ports import lower_name
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["LinkWatcher", "NetlinkMonitor"]

# RTNLGRP_*: link, neighbour, addresses, routes and rules of both families
GROUPS = (1, 3, 5, 7, 8, 9, 11, 19)
NEWLINK, DELLINK, DELADDR, NEWROUTE = 16, 17, 21, 24
KINDS = ("link", "address", "route", "rule", "neighbour")
FEATURES_CHANGED = number(44, 2)  # IFLA_EVENT: IFLA_EVENT_FEATURES


class LinkWatcher(Protocol):
    """Who wants to know about every link, and not from a socket of its own."""

    def all_links(self, links: Iterable[LinkInfo]) -> None:
        """These are all there are."""

    def links_changed(self, links: Mapping[int, LinkInfo | None], features: Collection[int]) -> None:
        """The last word on each of a burst, by index (None: it went), and of which an offload came or went."""


@dataclass(slots=True)
class _Burst:
    """What one reading of the socket said, the last word on each thing."""

    last: dict[int, Reply] = field(default_factory=dict)  # by index of the link
    went_down: set[int] = field(default_factory=set)  # for a moment at least
    features: set[int] = field(default_factory=set)  # an offload came or went
    others: list[Reply] = field(default_factory=list)
    links: dict[str, LinkInfo | None] = field(default_factory=dict)  # what each was before
    items: dict[ItemKey, tuple[Item, bool, int]] = field(default_factory=dict)  # whether it is there, and who said so
    routes_went: bool = False  # with an address the kernel removes the IPv4 routes from it without a word

    def take(self, reply: Reply, *, features: bool) -> None:
        """Of a link that is being made the kernel tells again and again: only the last word is worth decoding."""
        if reply.type not in (NEWLINK, DELLINK):
            self.others.append(reply)
        elif is_whole(reply):
            index, up = link_head(reply)
            self.last[index] = reply
            if not up:
                self.went_down.add(index)
            if features:
                self.features.add(index)


class NetlinkMonitor:
    """Facts `link:NAME`; and to whom it may concern, which items of ours came, changed or went.

    :param seen: (item, whether it is there, by which process if that is known and not we).
    :param lost: kinds that must be observed again: messages were missed, or the kernel removes silently.
    :param watcher: is told of links that are not ours, too.
    :param ours: ports of our own sockets.
    """

    def __init__(
        self,
        rtnl: Rtnl,
        seen: Callable[[Item, bool, str], None],
        lost: Callable[[tuple[str, ...]], None],
        watcher: LinkWatcher | None = None,
        ours: Collection[int] = (),
    ) -> None:
        self._rtnl = rtnl
        self._seen = seen
        self._lost = lost
        self._watcher = watcher
        self._ours = ours
        self._ran = False  # an earlier run ended: what happened since is not known
        self._links: dict[str, LinkInfo] = {}
        self._names: dict[int, str] = {}
        self._facts: dict[str, LinkFact] = {}  # by name of the link

    async def facts(self) -> AsyncIterator[FactChange]:
        opened = open_socket(socket.NETLINK_ROUTE, GROUPS)
        grown = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(opened.fileno(), grown.set)
        try:
            for change in await self._resync():
                yield change
            if self._ran:
                self._lost(KINDS)
            self._ran = True
            yield FULL_PICTURE
            while True:
                await grown.wait()
                grown.clear()
                for change in await self._read(opened):
                    yield change
        finally:
            loop.remove_reader(opened.fileno())
            opened.close()

    async def _resync(self) -> list[FactChange]:
        self._links = await all_links(self._rtnl)
        self._names = {link.index: name for name, link in self._links.items()}
        if self._watcher is not None:
            self._watcher.all_links(self._links.values())
        return self._changed_facts()

    async def _read(self, opened: socket.socket) -> list[FactChange]:
        burst = _Burst()
        try:
            for data in waiting(opened):
                features = FEATURES_CHANGED in data
                for reply in replies(data):
                    burst.take(reply, features=features)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            discard(opened)  # it is older than what is read now
            self._lost(KINDS)
            return await self._resync()
        names = dict(self._names)  # a link that is gone by now still tells whose address went
        last = {index: decode_link(reply) for index, reply in burst.last.items()}
        for index, link in last.items():
            self._take_link(link, _is_new(burst.last[index]), burst)
        if self._watcher is not None and last:
            there = {index: link if index in self._names else None for index, link in last.items()}
            self._watcher.links_changed(there, burst.features)
        names |= self._names
        for reply in burst.others:
            self._take_other(reply, names, burst)
        for item, present, port in burst.items.values():
            self._seen(item, present, "" if port in self._ours else process_name(port))
        if burst.routes_went:
            self._lost(("route",))
        if not burst.links:
            return []
        self._tell_links(burst)
        return self._changed_facts(burst.links)

    def _take_other(self, reply: Reply, names: dict[int, str], burst: _Burst) -> None:
        item = _decoded(reply, names)
        if item is not None:
            burst.items[item.key] = (item, _is_new(reply), reply.port)
            burst.routes_went |= reply.type == DELADDR
        elif reply.type == NEWROUTE and reply.flags & REPLACE and (route := _replaced(reply, names)) is not None:
            burst.items[route.key] = (route, False, reply.port)

    def _take_link(self, link: LinkInfo, present: bool, burst: _Burst) -> None:
        before = self._names.get(link.index)
        if before is not None and (before != link.name or not present):
            holder = self._links.get(before)
            burst.links.setdefault(before, holder)
            if holder is not None and holder.index == link.index:  # else another link has taken the name over
                del self._links[before]
            del self._names[link.index]
        if present:
            burst.links.setdefault(link.name, self._links.get(link.name))
            self._links[link.name] = link
            self._names[link.index] = link.name

    def _tell_links(self, burst: _Burst) -> None:
        """`burst.links` holds what each link was before."""
        earlier = {name: link for name, link in burst.links.items() if link is not None}
        names = set(burst.links) | {lower_name(name) for name in burst.links}
        marks = [link.alias for name in names for link in (self._links.get(name), earlier.get(name)) if link]
        names |= {port.name for mark in marks if (port := found_port(mark)) is not None}
        there = {item.key: item for item in link_items(self._links, names)}
        for item in link_items(self._links | earlier, earlier):
            if item.key not in there:
                self._seen(item, False, "")
        for item in there.values():
            self._seen(item, True, "")
        if any(self._takes_routes_along(name, link, burst.went_down) for name, link in earlier.items()):
            self._lost(("route",))

    def _takes_routes_along(self, name: str, before: LinkInfo, went_down: set[int]) -> bool:
        """The kernel removes the IPv4 routes of a link that goes or is set down without a word."""
        now = self._links.get(name)
        stayed = now is not None and now.up and now.index not in went_down
        return before.up and not is_veth(before.alias) and not stayed

    def _changed_facts(self, names: Iterable[str] | None = None) -> list[FactChange]:
        """Facts on these links (default: all) that are not what was told last."""
        changes = []
        for name in self._facts.keys() | self._links.keys() if names is None else names:
            fact = self._fact(name)
            if fact != self._facts.get(name):
                changes.append(FactChange(link_fact(name), fact))
            if fact is None:
                self._facts.pop(name, None)
            else:
                self._facts[name] = fact
        return changes

    def _fact(self, name: str) -> LinkFact | None:
        link = self._links.get(name)
        if link is None:
            return None
        return LinkFact(
            index=link.index,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            carrier=link.carrier,
            master=self._names.get(link.master, ""),
            kind=link.kind,
            ours=link.ours,
        )


def _is_new(reply: Reply) -> bool:
    return reply.type & 3 == 0  # RTM_NEW*


def _replaced(reply: Reply, names: dict[int, str]) -> Item | None:
    """What would be ours if it were: somebody's route that takes the place of another of the same key."""
    try:
        return route_item(reply, names, anybodys=True)
    except NetlinkError:
        return None


def _decoded(reply: Reply, names: dict[int, str]) -> Item | None:
    """The item of ours that a message is about."""
    try:
        match reply.type & ~3:
            case 20:
                return address_item(reply, names)
            case 24:
                return route_item(reply, names)
            case 28:
                return neighbour_item(reply, names)
            case 32:
                return rule_item(reply)
    except NetlinkError:
        return None
    return None
