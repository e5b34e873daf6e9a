"""Permanent neighbour entries. Item and driver."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evenet_core.linux import netlink
from evenet_core.linux.batch import NetlinkDriver
from evenet_core.linux.layout import Layout
from evenet_core.linux.link import link_key
from evenet_core.linux.netlink import CREATE, MARK, REPLACE, Message, Reply
from evenet_core.reconciler.item import Change, Item, ItemKey, Requires

__all__ = ["Neighbour", "NeighbourDriver", "neighbour_item", "neighbour_message"]

NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
_DST, _LLADDR, _PROTOCOL = 1, 2, 12
_PERMANENT = 0x80
_NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_LAYOUT = Layout(_NDMSG, numbers=(_PROTOCOL,), payloads=(_DST, _LLADDR))
_FAMILIES = {4: 2, 16: 10}  # by length of the address


@dataclass(frozen=True, slots=True)
class Neighbour(Item):
    """`address` is always at `mac` on `link`; nobody asks ARP or NDP."""

    kind: ClassVar[str] = "neighbour"
    link: str
    address: str
    mac: str

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.link, self.address))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "the kernel drops its neighbours with it"),)

    @property
    def description(self) -> str:
        return f"neighbour {self.address} at {self.mac} on {self.link}"


class NeighbourDriver(NetlinkDriver):
    """Adds and removes permanent neighbours whose protocol is ours."""

    kinds: tuple[str, ...] = ("neighbour",)

    async def observe(self) -> Iterable[Item]:
        names = await self.link_names()
        everyone = Message(GETNEIGH, 0, _NDMSG.pack(0, 0, 0, 0, 0), "neighbours")
        return await self.rtnl.dump(everyone, _LAYOUT, lambda row: _neighbour(row, names))

    async def messages(self, change: Change) -> Sequence[Message]:
        item = change.item
        assert isinstance(item, Neighbour)
        kind = DELNEIGH if change.after is None else NEWNEIGH
        return [neighbour_message(kind, item, await self.index(item.link))]


def neighbour_message(kind: int, item: Neighbour, index: int) -> Message:
    """NEWNEIGH or DELNEIGH of an entry on the link with this index."""
    address = netlink.address_bytes(item.address)
    body = _NDMSG.pack(_FAMILIES[len(address)], index, _PERMANENT, 0, 0)
    body += netlink.raw(_DST, address) + netlink.number(_PROTOCOL, MARK, 1)
    about = f"neighbour {item.address} on {item.link}"
    if kind == DELNEIGH:
        return Message(DELNEIGH, 0, body, about)
    body += netlink.raw(_LLADDR, bytes.fromhex(item.mac.replace(":", "")))
    return Message(NEWNEIGH, CREATE | REPLACE, body, about)


def neighbour_item(reply: Reply, names: Mapping[int, str]) -> Neighbour | None:
    """The neighbour that a message speaks of, if it is ours.

    :raises NetlinkError: it is not put together as the kernel would.
    """
    return _neighbour(_LAYOUT.read(reply.body), names)


def _neighbour(row: tuple[Any, ...], names: Mapping[int, str]) -> Neighbour | None:
    _, index, state, _, _, protocol, address, mac = row
    if protocol != MARK or address is None or index not in names:
        return None
    known = (mac or b"").hex(":") if state & _PERMANENT else ""  # one that somebody made forgettable
    return Neighbour(names[index], netlink.address_text(address), known)
