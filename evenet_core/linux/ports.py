"""Ports of the machine that become adapters, and are given back as they were found.

Each step looks at what is there, so that any half-done state leads to the same end.
"""

from __future__ import annotations

import errno

from evenet_core.errors import DriverError
from evenet_core.linux.belongings import belongings
from evenet_core.linux.link import PortBridge, PortLink
from evenet_core.linux.linkmark import BRIDGE, found_port, port_mark
from evenet_core.linux.links import (
    NO_ADDRESS,
    LinkInfo,
    ask,
    bridge_info,
    find_link,
    forget_name_message,
    ipv6_mode_message,
    link_called,
    link_message,
)
from evenet_core.linux.netlink import Message
from evenet_core.linux.rtnl import Rtnl
from evenet_core.model.ports import lower_name
from evenet_core.reconciler.item import Change, Op

__all__ = ["Ports", "lower_mtu"]

IPV6_LEAST = 1280  # bytes (RFC 8200, 5): a link with less loses all that was set of its IPv6


def lower_mtu(mtu: int) -> int:
    """MTU of the port below an adapter with this one."""
    return max(mtu, IPV6_LEAST)


class Ports:
    """Carries out changes of PortLink and PortBridge."""

    def __init__(self, rtnl: Rtnl) -> None:
        self._rtnl = rtnl

    async def apply(self, change: Change) -> None:
        """
        :raises DriverError: the port is not there, is not free, or the kernel refuses.
        """
        item = change.item
        if isinstance(item, PortLink):
            await (self._release if change.op is Op.DELETE else self._take)(item)
        elif isinstance(item, PortBridge):
            await (self._unbridge if change.op is Op.DELETE else self._bridge)(item)

    async def _take(self, item: PortLink) -> None:
        port = await find_link(self._rtnl, item.name)
        if port is None:
            raise DriverError(f"there is no port {item.name}")
        known = found_port(port.alias)
        if port.ours and (known is None or known.role != "port"):
            raise DriverError(f"{item.name} is in use for something else of evenet")
        mark = port_mark("port", port)
        await ask(self._rtnl, link_message(f"port {item.name}", index=port.index, alias=mark, mtu=item.mtu, up=True))

    async def _release(self, item: PortLink) -> None:
        port = await find_link(self._rtnl, item.name)
        if port is not None:
            await self._give_back(port)

    async def _bridge(self, item: PortBridge) -> None:
        about = f"adapter {item.name}"
        port = await self._lower(item.name, about)
        bridge = await find_link(self._rtnl, item.name)
        if bridge is None:
            bridge = await self._new_bridge(item.name, port, about)
        if bridge is None or bridge.alias != BRIDGE:
            raise DriverError(f"{about}: another link took the name {item.name}")
        await ask(
            self._rtnl,
            ipv6_mode_message(about, NO_ADDRESS, index=port.index),
            link_message(about, index=port.index, master=bridge.index, mtu=lower_mtu(item.mtu), up=True),
            link_message(about, index=bridge.index, mac=port.mac, mtu=item.mtu, up=True),
        )

    async def _new_bridge(self, name: str, port: LinkInfo, about: str) -> LinkInfo | None:
        """A bridge with the port's former name, marked. The kernel may have to load a module first: time for udevd."""
        info = bridge_info(stp=False, forward_delay=0)
        create = link_message(about, name=name, create=True, mac=port.mac, info=info)
        mark = link_message(
            about, name=name, alias=BRIDGE, info=info, joined=True
        )  # with `info`: no other link takes it
        for last in (False, True):
            await self._free(name, port, about)
            try:
                await ask(self._rtnl, create, mark)
                break
            except DriverError as error:
                if last or error.errno != errno.EEXIST:
                    raise
        return await find_link(self._rtnl, name)

    async def _free(self, name: str, port: LinkInfo, about: str) -> None:
        """udevd gives a port that was renamed its former name as a further one (systemd.link(5), altname)."""
        holder = await link_called(self._rtnl, name)
        if holder is None or holder.name == name:
            return
        if holder.index != port.index:
            raise DriverError(f"{about}: {name} is another name of {holder.name}, which is not ours")
        await ask(self._rtnl, forget_name_message(about, index=port.index, name=name))

    async def _lower(self, name: str, about: str) -> LinkInfo:
        """The port under its second name: as it is there, or renamed and marked in one request."""
        below = lower_name(name)
        port = await find_link(self._rtnl, below)
        if port is not None:
            known = found_port(port.alias)
            if known is None or (known.role, known.name) != ("lower", name):
                raise DriverError(f"{about}: {below} is there already, and it is not ours")
            return port
        port = await find_link(self._rtnl, name)
        if port is None or port.alias == BRIDGE:
            raise DriverError(f"there is no port {name}")
        if port.kind == "bridge" or port.master:
            raise DriverError(f"{about}: {name} is a bridge or a port of one, and that is not ours")
        mark = port_mark("lower", port)
        await self._rename(port, link_message(about, index=port.index, rename=below, alias=mark), up=port.up)
        return port

    async def _unbridge(self, item: PortBridge) -> None:
        bridge = await find_link(self._rtnl, item.name)
        if bridge is not None and bridge.alias == BRIDGE:
            await ask(self._rtnl, link_message(f"adapter {item.name}", index=bridge.index, delete=True))
        port = await find_link(self._rtnl, lower_name(item.name))
        if port is not None:
            await self._give_back(port)

    async def _give_back(self, port: LinkInfo) -> None:
        """The port as it was found. Its mark goes last: until then, whoever comes after us can finish this."""
        known = found_port(port.alias)
        if known is None:
            return
        about = f"port {known.name}"
        await ask(self._rtnl, link_message(about, index=port.index, master=0))
        if port.mtu != known.mtu:
            await ask(self._rtnl, link_message(about, index=port.index, mtu=known.mtu))
        await ask(self._rtnl, ipv6_mode_message(about, known.ipv6_mode, index=port.index))
        await self._free(known.name, port, about)
        name = known.name if known.name != port.name else ""
        last = link_message(about, index=port.index, rename=name, alias=known.alias, up=known.up)
        await self._rename(port, last, up=known.up)

    async def _rename(self, port: LinkInfo, request: Message, *, up: bool) -> None:
        """Kernels before 6.3 rename only links that are down. What is `up` afterwards has what others gave it."""
        [error] = await self._rtnl.send([request])
        if error is not None and error.errno == errno.EBUSY:
            kept = await belongings(self._rtnl, port.index) if up else []
            about = f"port {port.name}"
            await ask(self._rtnl, link_message(about, index=port.index, up=False), request)
            if up:
                await self._rtnl.send([link_message(about, index=port.index, up=True), *kept])
        elif error is not None:
            raise error
