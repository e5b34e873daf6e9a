"""The driver of links.

What an item says and a link cannot show (an app's namespace, how a port was found) stands in the link's alias:

    evenet bridge                               Bridge, and the bridge of a PortBridge
    evenet lower UP MTU                         the port below a PortBridge, and how it was found
    evenet port UP MTU                          PortLink, and how it was found
    evenet veth MAC PEER NAMESPACE              Veth

An alias goes out in the same datagram as the request that makes the link: the kernel carries both out before
anybody can be killed in between.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from evenet_core.errors import DriverError
from evenet_core.linux.link import Bridge, BridgePort, PortBridge, PortLink, Veth
from evenet_core.linux.links import (
    ALIAS,
    LinkInfo,
    all_links,
    bridge_info,
    find_link,
    link_message,
    veth_info,
)
from evenet_core.linux.netlink import Message
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Item, Op, Outcome

__all__ = ["LinkDriver", "link_items", "lower_name"]

BRIDGE = f"{ALIAS} bridge"
_TAP = re.compile(r"nbu\d+x\d+\Z")  # an app's interface that a hypervisor made


def lower_name(name: str) -> str:
    """Name of the port below the bridge that took its name: `keth0`, within the kernel's 15 bytes."""
    return f"k{name}"[:15]


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
    match link.alias.split(" "):
        case [word, "bridge"] if word == ALIAS:
            lower = links.get(lower_name(link.name))
            if lower is not None and lower.alias.startswith(f"{ALIAS} lower "):
                return PortBridge(link.name, link.mtu if _complete(link, lower) else 0)
            return Bridge(link.name, link.mac, link.mtu if link.up else 0, link.stp, link.group_fwd_mask)
        case [word, "port", _, _] if word == ALIAS:
            return PortLink(link.name, link.mtu if link.up else 0)
        case [word, "veth", mac, peer, namespace] if word == ALIAS:
            master = masters.get(link.master)
            mtu = link.mtu if link.up else 0
            path = namespace.replace("%20", " ").replace("%25", "%")
            return Veth(link.name, master.name if master else "", mtu, path, peer, "" if mac == "-" else mac)
    if link.alias.startswith(f"{ALIAS} lower ") and link.name.startswith("k"):
        upper = links.get(link.name[1:])
        if upper is None or upper.alias != BRIDGE:
            return PortBridge(link.name[1:], 0)  # half made or half removed
    return None


def _complete(bridge: LinkInfo, lower: LinkInfo) -> bool:
    return (
        lower.master == bridge.index and bridge.mac == lower.mac and bridge.up and lower.up and bridge.mtu == lower.mtu
    )


def _member(link: LinkInfo, masters: Mapping[int, LinkInfo]) -> Item | None:
    """A link that somebody else made, in a bridge of ours."""
    master = masters.get(link.master)
    if master is None or master.alias != BRIDGE or link.name == lower_name(master.name):
        return None
    if link.alias.startswith(f"{ALIAS} port ") or (not link.alias and _TAP.match(link.name)):
        return BridgePort(link.name, master.name, link.mtu)
    return None


class LinkDriver:
    """Makes, changes and removes links over netlink."""

    kinds: tuple[str, ...] = ("link", "bridge-port")

    def __init__(self, rtnl: Rtnl) -> None:
        self._rtnl = rtnl

    async def observe(self) -> Iterable[Item]:
        return link_items(await all_links(self._rtnl))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Plain requests of the batch leave in one datagram; the steps of a PortBridge come one by one."""
        errors: list[Exception | None] = [None] * len(changes)
        requests: list[tuple[int, list[Message]]] = []
        descriptors: list[int] = []
        try:
            for place, change in enumerate(changes):
                item = change.item
                if isinstance(item, PortBridge | PortLink):
                    await self._flush(requests, errors)
                    errors[place] = await self._port(change, item)
                    continue
                try:
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
            failures = [error for _ in messages if (error := next(results)) is not None]
            errors[place] = failures[0] if failures else None
        requests.clear()

    async def _requests(self, change: Change, descriptors: list[int]) -> list[Message]:
        """What one change of a Bridge, Veth or BridgePort asks of the kernel."""
        item, about = change.item, change.item.description
        if change.op is Op.DELETE:
            return await self._removal(item, about)
        match item:
            case Bridge():
                return await self._bridge(item, about)
            case Veth():
                return await self._veth(item, about, descriptors)
            case BridgePort():
                master = await self._index(item.bridge)
                return [link_message(about, name=item.link, master=master, mtu=item.mtu, up=True)]
        raise DriverError(f"{about}: links of type {type(item).__name__} are unknown here", retryable=False)

    async def _removal(self, item: Item, about: str) -> list[Message]:
        name = item.link if isinstance(item, BridgePort) else str(item.key[1])
        link = await find_link(self._rtnl, name)
        if link is None:
            return []
        if isinstance(item, BridgePort):
            return [link_message(about, index=link.index, master=0)] if link.master else []
        return [link_message(about, index=link.index, delete=True)] if link.ours else []

    async def _bridge(self, item: Bridge, about: str) -> list[Message]:
        found = await find_link(self._rtnl, item.name)
        if found is not None and not (found.ours and found.kind == "bridge"):
            raise DriverError(f"{about}: another link of this name is there, and it is not ours")
        info = bridge_info(stp=item.stp, group_fwd_mask=item.group_fwd_mask)
        create = link_message(about, name=item.name, create=True, mac=item.mac, info=info)
        mark = link_message(about, name=item.name, alias=BRIDGE, ipv6_address=False)
        rest = link_message(about, name=item.name, mac=item.mac, mtu=item.mtu, up=True, info=info)
        return [rest] if found is not None else [create, mark, rest]

    async def _veth(self, item: Veth, about: str, descriptors: list[int]) -> list[Message]:
        master = await self._index(item.master)
        found = await find_link(self._rtnl, item.name)
        path = item.namespace.replace("%", "%25").replace(" ", "%20")
        alias = f"{ALIAS} veth {item.peer_mac or '-'} {item.peer} {path}"
        if found is not None and found.ours and found.alias == alias:
            return [link_message(about, index=found.index, master=master, mtu=item.mtu, up=True)]
        if found is not None and not found.ours:
            raise DriverError(f"{about}: another link of this name is there, and it is not ours")
        namespace = os.open(item.namespace, os.O_RDONLY | os.O_CLOEXEC)
        descriptors.append(namespace)
        info = veth_info(peer=item.peer, peer_mac=item.peer_mac, mtu=item.mtu, namespace=namespace)
        removal = [link_message(about, index=found.index, delete=True)] if found is not None else []
        create = link_message(about, name=item.name, create=True, mtu=item.mtu, info=info, master=master)
        mark = link_message(about, name=item.name, alias=alias, ipv6_address=False)
        return [*removal, create, mark, link_message(about, name=item.name, up=True)]

    async def _index(self, name: str) -> int:
        link = await find_link(self._rtnl, name)
        if link is None:
            raise DriverError(f"there is no link {name}")
        return link.index

    # -- ports ----------------------------------------------------------------------------------------

    async def _port(self, change: Change, item: PortBridge | PortLink) -> Exception | None:
        """Each step looks at what is there, so that any half-done state leads to the same end."""
        try:
            if isinstance(item, PortLink):
                await (self._release if change.op is Op.DELETE else self._take)(item)
            elif change.op is Op.DELETE:
                await self._unbridge(item)
            else:
                await self._bridge_port(item)
        except (DriverError, OSError) as error:
            return _driver_error(error, item)
        return None

    async def _take(self, item: PortLink) -> None:
        link = await find_link(self._rtnl, item.name)
        if link is None:
            raise DriverError(f"there is no link {item.name}")
        alias = link.alias if link.alias.startswith(f"{ALIAS} port ") else f"{ALIAS} port {_found(link)}"
        await self._ask(link_message(f"port {item.name}", index=link.index, alias=alias, mtu=item.mtu, up=True))

    async def _release(self, item: PortLink) -> None:
        link = await find_link(self._rtnl, item.name)
        if link is not None and link.ours:
            await self._give_back(link, item.name)

    async def _bridge_port(self, item: PortBridge) -> None:
        name, below = item.name, lower_name(item.name)
        about = f"adapter {name}"
        port = await find_link(self._rtnl, below)
        if port is None:
            port = await find_link(self._rtnl, name)
            if port is None:
                raise DriverError(f"there is no port {name}")
            if port.kind == "bridge":
                raise DriverError(f"{about}: {name} is a bridge of somebody else")
            await self._ask(link_message(about, index=port.index, alias=f"{ALIAS} lower {_found(port)}"))
            await self._rename(port, below)
        bridge = await find_link(self._rtnl, name)
        if bridge is None:
            info = bridge_info(stp=False, group_fwd_mask=0)
            await self._ask(
                link_message(about, name=name, create=True, mac=port.mac, info=info),
                link_message(about, name=name, alias=BRIDGE),
            )
            bridge = await find_link(self._rtnl, name)
        if bridge is None or bridge.alias != BRIDGE:
            raise DriverError(f"{about}: another link took the name {name}")
        await self._ask(
            link_message(about, index=port.index, ipv6_address=False),
            link_message(about, index=port.index, master=bridge.index, mtu=item.mtu, up=True),
            link_message(about, index=bridge.index, mac=port.mac, mtu=item.mtu, up=True),
        )

    async def _unbridge(self, item: PortBridge) -> None:
        bridge = await find_link(self._rtnl, item.name)
        if bridge is not None and bridge.alias == BRIDGE:
            await self._ask(link_message(f"adapter {item.name}", index=bridge.index, delete=True))
        port = await find_link(self._rtnl, lower_name(item.name))
        if port is not None and port.ours:
            await self._give_back(port, item.name)

    async def _give_back(self, port: LinkInfo, name: str) -> None:
        """The port as it was found: its name, its MTU, up or down, without our mark."""
        about = f"port {name}"
        words = port.alias.split(" ")
        was_up, mtu = (words[2] == "up", int(words[3])) if len(words) == 4 and words[3].isdecimal() else (port.up, 0)
        if port.name != name:
            await self._rename(port, name)
        await self._ask(
            link_message(about, index=port.index, alias="", mtu=mtu, master=0, ipv6_address=True),
            link_message(about, index=port.index, up=was_up),
        )

    async def _rename(self, port: LinkInfo, name: str) -> None:
        """Kernels before 6.3 rename only links that are down."""
        about = f"port {port.name}"
        rename = link_message(about, index=port.index, rename=name)
        [error] = await self._rtnl.send([rename])
        if error is not None and error.errno == errno.EBUSY:
            await self._ask(link_message(about, index=port.index, up=False), rename)
        elif error is not None:
            raise error

    async def _ask(self, *messages: Message) -> None:
        for error in await self._rtnl.send(messages):
            if error is not None:
                raise error


def _found(link: LinkInfo) -> str:
    return f"{'up' if link.up else 'down'} {link.mtu}"


def _driver_error(error: DriverError | OSError, item: Item) -> DriverError:
    if isinstance(error, DriverError):
        return error
    return DriverError(f"{item.description}: {error.filename or ''}: {error.strerror}", errno=error.errno or 0)
