"""IP addresses on links. Item and driver."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar

from evenet_core.linux import netlink
from evenet_core.linux.batch import NetlinkDriver
from evenet_core.linux.layout import Layout
from evenet_core.linux.link import link_key
from evenet_core.linux.netlink import CREATE, EXCLUSIVE, MARK, Message, Reply
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Requires

__all__ = ["Address", "AddressDriver", "address_item", "address_key", "address_message", "addressed_links"]

NEWADDR, DELADDR, GETADDR = 20, 21, 22
_ADDRESS, _LOCAL, _FLAGS, _METRIC, _PROTO = 1, 2, 8, 9, 11
METRIC_MARK = 0xE7E7E7  # metric of the prefix route that we do not ask for: it means nothing, but it is kept
_NODAD, _TENTATIVE, _NOPREFIXROUTE = 0x02, 0x40, 0x200
_UNIVERSE, _LINK = 0, 253  # scopes
_IFADDR = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_LAYOUT = Layout(_IFADDR, numbers=(_PROTO, _METRIC), payloads=(_LOCAL, _ADDRESS))
_EVERY = Message(GETADDR, 0, _IFADDR.pack(0, 0, 0, 0, 0), "addresses")
_FAMILIES = {4: 2, 16: 10}  # by length of the address


def address_key(link: str, address: str) -> ItemKey:
    """Identity of an address; `address` without prefix length."""
    return ItemKey(("address", link, address))


@dataclass(frozen=True, slots=True)
class Address(Item):
    """`address`/`prefix` on `link`. No route comes with it (IFA_F_NOPREFIXROUTE): routes are items."""

    kind: ClassVar[str] = "address"
    link: str
    address: str
    prefix: int
    dad: bool = field(default=True, compare=False)  # IPv6: ask first whether anybody else has it

    @property
    def key(self) -> ItemKey:
        return address_key(self.link, self.address)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "the address sits on this link"),)

    @property
    def description(self) -> str:
        return f"address {self.address}/{self.prefix} on {self.link}"


class AddressDriver(NetlinkDriver):
    """Adds and removes addresses. Ours carry IFA_PROTO; for kernels before 5.18, which do not store it, a metric."""

    kinds: tuple[str, ...] = ("address",)

    async def observe(self) -> Iterable[Item]:
        names = await self.link_names()
        return await self.rtnl.dump(_EVERY, _LAYOUT, lambda row: _address(row, names))

    async def messages(self, change: Change) -> Sequence[Message]:
        before, after = change.before, change.after
        messages = []
        if change.op is not Op.CREATE and isinstance(before, Address):
            messages.append(address_message(DELADDR, before, await self.index(before.link)))
        if isinstance(after, Address):
            messages.append(address_message(NEWADDR, after, await self.index(after.link)))
        return messages


def address_message(kind: int, item: Address, index: int) -> Message:
    """NEWADDR or DELADDR of an address on the link with this index."""
    address = netlink.address_bytes(item.address)
    flags = _NOPREFIXROUTE | (0 if item.dad else _NODAD)
    scope = _LINK if _is_link_local(address) else _UNIVERSE
    body = _IFADDR.pack(_FAMILIES[len(address)], item.prefix, 0, scope, index)
    body += netlink.raw(_LOCAL, address) + netlink.raw(_ADDRESS, address)
    body += netlink.number(_FLAGS, flags) + netlink.number(_PROTO, MARK, 1)
    body += netlink.number(_METRIC, METRIC_MARK)
    about = f"address {item.address}/{item.prefix} on {item.link}"
    return Message(kind, CREATE | EXCLUSIVE if kind == NEWADDR else 0, body, about)


def _is_link_local(address: bytes) -> bool:
    """169.254.0.0/16 and fe80::/10."""
    return address[:2] == b"\xa9\xfe" if len(address) == 4 else address[0] == 0xFE and address[1] & 0xC0 == 0x80


def address_item(reply: Reply, names: Mapping[int, str]) -> Address | None:
    """The address that a message speaks of, if it is ours.

    :raises NetlinkError: it is not put together as the kernel would.
    """
    return _address(_LAYOUT.read(reply.body), names)


def _address(row: tuple[Any, ...], names: Mapping[int, str]) -> Address | None:
    _, prefix, _, _, index, proto, metric, local, peer = row
    address = local if local is not None else peer
    ours = proto == MARK or metric == METRIC_MARK
    if not ours or address is None or index not in names:
        return None
    return Address(names[index], netlink.address_text(address), prefix)


async def addressed_links(rtnl: Rtnl) -> set[int]:
    """Indexes of the links that have an address which leads further than the link, whoever gave it.

    :raises DriverError: the kernel refuses.
    """
    found: list[tuple[int, int, int]] = await rtnl.dump(_EVERY, _LAYOUT, itemgetter(2, 3, 4))
    return {index for flags, scope, index in found if scope == _UNIVERSE and not flags & _TENTATIVE}
