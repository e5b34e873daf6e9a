"""The driver of links. How it knows its own: linkmark.py.

A mark goes out in the same datagram as the request that makes or renames the link: the kernel carries both out
before anybody can be killed in between.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from evenet_core.errors import DriverError
from evenet_core.linux.batch import deletes_first
from evenet_core.linux.link import Bridge, BridgePort, PortBridge, PortLink, Veth
from evenet_core.linux.linkmark import BRIDGE, found_port, marked_veth, port_mark, veth_mark
from evenet_core.linux.links import (
    NO_ADDRESS,
    LinkInfo,
    all_links,
    bridge_info,
    find_link,
    ipv6_mode_message,
    link_message,
    refusals,
    veth_info,
)
from evenet_core.linux.netlink import Message
from evenet_core.linux.netns import open_namespace
from evenet_core.linux.ports import Ports, lower_mtu
from evenet_core.linux.rtnl import Rtnl
from evenet_core.model.ports import lower_name
from evenet_core.reconciler.item import Change, Item, Op, Outcome

__all__ = ["LinkDriver", "link_items"]

MANY = 16  # changes in a batch from which it is cheaper to look at all links once
STP_DELAY = 200  # centiseconds, the least that STP allows
_TAP = re.compile(r"nbu\d+x\d+\Z")  # an app's interface that a hypervisor made


def link_items(links: Mapping[str, LinkInfo], names: Iterable[str] | None = None) -> list[Item]:
    """The items that these links are (default: all of them); links of others are none."""
    masters = {link.index: link for link in links.values() if link.kind == "bridge"}
    items = []
    for name in links if names is None else names:
        link = links.get(name)
        if link is not None:
            items += [item for item in (_link_item(link, links, masters), _member(link, masters)) if item]
    return items


def _link_item(link: LinkInfo, links: Mapping[str, LinkInfo], masters: Mapping[int, LinkInfo]) -> Item | None:
    if link.alias == BRIDGE:
        lower = links.get(lower_name(link.name))
        known = found_port(lower.alias) if lower is not None else None
        if lower is not None and known is not None and (known.role, known.name) == ("lower", link.name):
            return PortBridge(link.name, link.mtu if _complete(link, lower) else 0)
        return Bridge(link.name, link.mac, link.mtu if link.up else 0, link.stp, link.group_fwd_mask)
    port = found_port(link.alias)
    if port is not None and port.role == "port":
        return PortLink(link.name, link.mtu if link.up else 0)
    if port is not None and port.role == "lower":
        upper = links.get(port.name)
        return None if upper is not None and upper.alias == BRIDGE else PortBridge(port.name, 0)  # half done
    master = masters.get(link.master)
    return marked_veth(link, master.name if master else "")


def _complete(bridge: LinkInfo, lower: LinkInfo) -> bool:
    alike = bridge.mac == lower.mac and lower.mtu == lower_mtu(bridge.mtu)
    return lower.master == bridge.index and alike and bridge.up and lower.up


def _member(link: LinkInfo, masters: Mapping[int, LinkInfo]) -> Item | None:
    """A link that somebody else made, in a bridge of ours, or on its way out of one."""
    master = masters.get(link.master)
    port = found_port(link.alias)
    if master is None or master.alias != BRIDGE:
        return BridgePort(link.name, "", link.mtu) if port is not None and port.role == "tap" else None
    if (port is not None and port.role in ("port", "tap")) or (not link.ours and _TAP.match(link.name)):
        return BridgePort(link.name, master.name, link.mtu)
    return None


class LinkDriver:
    """Makes, changes and removes links over netlink."""

    kinds: tuple[str, ...] = ("link", "bridge-port")

    def __init__(self, rtnl: Rtnl) -> None:
        self._rtnl = rtnl
        self._ports = Ports(rtnl)
        self._known: dict[str, LinkInfo] | None = None  # every link, while a large batch is prepared

    async def observe(self) -> Iterable[Item]:
        return link_items(await all_links(self._rtnl))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Plain requests of the batch leave together; the steps of a PortBridge come one by one."""
        errors: list[Exception | None] = [None] * len(changes)
        self._known = await all_links(self._rtnl) if len(changes) >= MANY else None
        requests: list[tuple[int, list[Message]]] = []
        descriptors: list[int] = []
        try:
            for place, change in deletes_first(changes):
                item = change.item
                try:
                    if isinstance(item, PortBridge | PortLink):
                        await self._flush(requests, errors)
                        await self._ports.apply(change)
                        self._known = None
                    else:
                        requests.append((place, await self._requests(change, descriptors)))
                except (DriverError, OSError) as error:
                    errors[place] = _driver_error(error, item)
            await self._flush(requests, errors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return [Outcome(change, error) for change, error in zip(changes, errors, strict=True)]

    async def _flush(self, requests: list[tuple[int, list[Message]]], errors: list[Exception | None]) -> None:
        results = iter(await self._rtnl.send([message for _, messages in requests for message in messages]))
        for place, messages in requests:
            failures = refusals([next(results) for _ in messages])
            errors[place] = failures[0] if failures else None
        requests.clear()

    async def _requests(self, change: Change, descriptors: list[int]) -> list[Message]:
        """What one change of a Bridge, Veth or BridgePort asks of the kernel."""
        item, about = change.item, change.item.description
        if isinstance(item, BridgePort):
            return await (self._part if change.op is Op.DELETE else self._join)(item, about)
        if change.op is Op.DELETE:
            link = await self._find(str(item.key[1]))
            return [link_message(about, index=link.index, delete=True)] if link is not None and link.ours else []
        match item:
            case Bridge():
                return await self._bridge(item, about)
            case Veth():
                return await self._veth(item, about, descriptors)
        raise DriverError(f"{about}: links of type {type(item).__name__} are unknown here", retryable=False)

    async def _bridge(self, item: Bridge, about: str) -> list[Message]:
        found = await self._find(item.name)
        _refuse_foreign(found, item.name, "bridge")
        mask, delay = item.group_fwd_mask, STP_DELAY if item.stp else 0
        if found is not None:
            stp = bridge_info(stp=item.stp, group_fwd_mask=mask)
            rest = bridge_info(forward_delay=delay, group_fwd_mask=mask)  # without STP nothing can loop: no delay
            return [
                link_message(about, name=item.name, info=stp),
                link_message(about, name=item.name, mac=item.mac, mtu=item.mtu, up=True, info=rest),
            ]
        info = bridge_info(stp=item.stp, forward_delay=delay, group_fwd_mask=mask)
        return [
            link_message(about, name=item.name, create=True, mac=item.mac, info=info),
            link_message(about, name=item.name, alias=BRIDGE, joined=True),
            ipv6_mode_message(about, NO_ADDRESS, name=item.name),
            # a bridge follows the MTU of its ports unless it was changed after its creation
            link_message(about, name=item.name, mtu=item.mtu, up=True),
        ]

    async def _veth(self, item: Veth, about: str, descriptors: list[int]) -> list[Message]:
        master = await self._ours(item.master)
        found = await self._find(item.name)
        _refuse_foreign(found, item.name, "veth")
        namespace = open_namespace(item.namespace)
        descriptors.append(namespace)
        mark = veth_mark(item, namespace)
        if found is not None and found.alias == mark:
            if found.mtu != item.mtu:
                await self._resize_peer(item, namespace)
            return [link_message(about, index=found.index, master=master.index, mtu=item.mtu, up=True)]
        removal = [link_message(about, index=found.index, delete=True)] if found is not None else []
        info = veth_info(peer=item.peer, peer_mac=item.peer_mac, mtu=item.mtu, namespace=namespace)
        return [
            *removal,
            link_message(about, name=item.name, create=True, mtu=item.mtu, info=info, master=master.index),
            link_message(about, name=item.name, alias=mark, joined=True),
            ipv6_mode_message(about, NO_ADDRESS, name=item.name),
            link_message(about, name=item.name, up=True),
        ]

    async def _find(self, name: str) -> LinkInfo | None:
        return self._known.get(name) if self._known is not None else await find_link(self._rtnl, name)

    async def _resize_peer(self, item: Veth, namespace: int) -> None:
        """The app may have renamed its end: then its size is the app's business."""
        inside = Rtnl.open(namespace)
        try:
            await inside.send([link_message(item.description, name=item.peer, mtu=item.mtu)])
        finally:
            inside.close()

    async def _join(self, item: BridgePort, about: str) -> list[Message]:
        bridge = await self._ours(item.bridge)
        link = await find_link(self._rtnl, item.link)
        if link is None:
            raise DriverError(f"there is no link {item.link}")
        if link.master:
            master = await find_link(self._rtnl, link.master)
            if master is None or not master.ours:
                name = master.name if master is not None else "another link"
                raise DriverError(f"{item.link} is a port of {name}, which is not ours")
        mark = link.alias if link.ours else port_mark("tap", link)
        return [link_message(about, index=link.index, alias=mark, master=bridge.index, mtu=item.mtu, up=True)]

    async def _part(self, item: BridgePort, about: str) -> list[Message]:
        link = await find_link(self._rtnl, item.link)
        bridge = await find_link(self._rtnl, item.bridge) if item.bridge else None
        if link is None:
            return []
        inside = bridge is not None and link.master == bridge.index
        leave = [link_message(about, index=link.index, master=0)] if inside else []
        found = found_port(link.alias)
        if found is None or found.role != "tap":
            return leave
        size = link_message(about, index=link.index, mtu=found.mtu)  # by itself: what is to be small may not be large
        return [*leave, size, link_message(about, index=link.index, alias=found.alias, up=found.up)]

    async def _ours(self, name: str) -> LinkInfo:
        link = await self._find(name)
        if link is None:
            raise DriverError(f"there is no link {name}")
        _refuse_foreign(link, name, "bridge")
        return link


def _refuse_foreign(link: LinkInfo | None, name: str, kind: str) -> None:
    if link is not None and not (link.ours and link.kind == kind):
        raise DriverError(f"{name}: another link of this name is there, and it is not ours")


def _driver_error(error: DriverError | OSError, item: Item) -> DriverError:
    if isinstance(error, DriverError):
        return error
    return DriverError(f"{item.description}: {error.filename or ''}: {error.strerror}", errno=error.errno or 0)
