"""Links as the kernel tells of them: one value a link, and the messages that change links."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evenet_core.errors import DriverError
from evenet_core.linux import netlink
from evenet_core.linux.layout import Layout
from evenet_core.linux.netlink import CREATE, EXCLUSIVE, Message, NetlinkError, Reply
from evenet_core.linux.rtnl import Rtnl

__all__ = [
    "ALIAS",
    "NO_ADDRESS",
    "LinkInfo",
    "all_links",
    "ask",
    "bridge_info",
    "decode_link",
    "find_link",
    "forget_name_message",
    "ipv6_mode_message",
    "is_whole",
    "link_called",
    "link_head",
    "link_indexes",
    "link_message",
    "refusals",
    "veth_info",
]

ALIAS = "evenet"  # first word of the alias of every link that is ours

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
DELLINKPROP = 109
UP = 0x1
NO_ADDRESS = 1  # IN6_ADDR_GEN_MODE_NONE

_ADDRESS, _IFNAME, _MTU, _MASTER, _LINKINFO, _IFALIAS = 1, 3, 4, 10, 18, 20
_AF_SPEC, _EXT_MASK, _CARRIER, _PROP_LIST, _ALT_IFNAME = 26, 29, 33, 52, 53
_INFO_KIND, _INFO_DATA = 1, 2
_BRIDGE_FORWARD_DELAY, _BRIDGE_STP, _BRIDGE_GROUP_FWD_MASK = 1, 5, 9
_VETH_PEER = 1
_NET_NS_FD = 28
_INET, _INET6 = 2, 10
_INET6_FLAGS, _ADDR_GEN_MODE = 1, 8
_SKIP_STATISTICS = 1 << 3

_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
_LAYOUT = Layout(_IFINFO, (_MTU, _MASTER, _CARRIER), (_ADDRESS, _IFNAME, _LINKINFO, _IFALIAS, _AF_SPEC))
_NO_HEADER = struct.Struct("=")
_INFO = Layout(_NO_HEADER, (), (_INFO_KIND, _INFO_DATA))
_BRIDGE = Layout(_NO_HEADER, (_BRIDGE_STP, _BRIDGE_GROUP_FWD_MASK))
_FAMILIES = Layout(_NO_HEADER, (), (_INET, _INET6))
_OF_INET6 = Layout(_NO_HEADER, (_INET6_FLAGS, _ADDR_GEN_MODE))
_EVERY = Message(GETLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + netlink.number(_EXT_MASK, _SKIP_STATISTICS), "links")
_NAMES = Layout(struct.Struct("=xxxxixxxxxxxx"), (), (_IFNAME,))


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A network device."""

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    carrier: bool
    master: int
    kind: str
    alias: str
    stp: bool = False
    group_fwd_mask: int = 0
    ipv6_mode: int = 0  # how the kernel makes a link-local address (IN6_ADDR_GEN_MODE_*)

    @property
    def ours(self) -> bool:
        return self.alias.split(" ", 1)[0] == ALIAS


def decode_link(reply: Reply) -> LinkInfo:
    """The link that an RTM_NEWLINK or RTM_DELLINK speaks of."""
    return _link(_LAYOUT.read(reply.body))


def _link(row: tuple[Any, ...]) -> LinkInfo:
    _, _, index, flags, _, mtu, master, carrier, mac, name, about, alias, families = row
    kind_name, data = _INFO.read(about or b"")
    kind = netlink.string(kind_name)
    stp, group_fwd_mask = _BRIDGE.read(data) if kind == "bridge" and data is not None else (0, 0)
    _, inet6 = _FAMILIES.read(families or b"")
    _, ipv6_mode = _OF_INET6.read(inet6 or b"")
    return LinkInfo(
        index=index,
        name=netlink.string(name),
        mac=(mac or b"").hex(":"),
        mtu=mtu,
        up=bool(flags & UP),
        carrier=bool(carrier),
        master=master,
        kind=kind,
        alias=netlink.string(alias),
        stp=bool(stp),
        group_fwd_mask=group_fwd_mask,
        ipv6_mode=ipv6_mode,
    )


def link_head(reply: Reply) -> tuple[int, bool]:
    """Index of the link that a message speaks of, and whether it is up.

    :raises NetlinkError: the message is too short.
    """
    if len(reply.body) < _IFINFO.size:
        raise NetlinkError("a link message that is too short")
    _, _, index, flags, _ = _IFINFO.unpack_from(reply.body)
    return index, bool(flags & UP)


def is_whole(reply: Reply) -> bool:
    """Whether a link message is about the link, not only about it as a bridge port or with IPv6 (AF_BRIDGE, AF_INET6).

    Those have few attributes, and "deleted" in them means that it left the bridge.
    """
    return len(reply.body) > 0 and reply.body[0] == 0


async def all_links(rtnl: Rtnl) -> dict[str, LinkInfo]:
    """Every link of the namespace by name."""
    return {link.name: link for link in await rtnl.dump(_EVERY, _LAYOUT, _link)}


async def link_indexes(rtnl: Rtnl) -> dict[str, int]:
    """Index of every link of the namespace by name."""
    return {netlink.string(name): index for index, name in await rtnl.dump(_EVERY, _NAMES, tuple)}


async def find_link(rtnl: Rtnl, which: str | int) -> LinkInfo | None:
    """The link with this name or index. A name that a link has besides its own (altname) does not count."""
    link = await link_called(rtnl, which)
    return link if link is None or isinstance(which, int) or link.name == which else None


async def link_called(rtnl: Rtnl, which: str | int) -> LinkInfo | None:
    """The link that the kernel takes this for: a name is its own or one of its others, and nobody else's."""
    index, name = (which, b"") if isinstance(which, int) else (0, netlink.text(_IFNAME, which))
    body = _IFINFO.pack(0, 0, index, 0, 0) + name + netlink.number(_EXT_MASK, _SKIP_STATISTICS)
    reply = await rtnl.get(Message(GETLINK, 0, body, f"link {which}"))
    return decode_link(reply) if reply is not None else None


def link_message(
    about: str,
    *,
    index: int = 0,
    name: str = "",
    create: bool = False,
    delete: bool = False,
    rename: str = "",
    up: bool | None = None,
    mac: str = "",
    mtu: int = 0,
    master: int | None = None,
    alias: str | None = None,
    info: bytes = b"",
    joined: bool = False,
) -> Message:
    """One request about a link, named by `index` or `name`.

    :param master: index of the bridge it becomes a port of; 0 = of none.
    :param joined: see `Message`
    """
    flags = UP if up else 0
    change = 0 if up is None else UP
    body = _IFINFO.pack(0, 0, index, flags, change)
    if name or rename:
        body += netlink.text(_IFNAME, rename or name)
    if mac:
        body += netlink.raw(_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    if mtu:
        body += netlink.number(_MTU, mtu)
    if master is not None:
        body += netlink.number(_MASTER, master)
    if alias is not None:
        body += netlink.text(_IFALIAS, alias) if alias else netlink.raw(_IFALIAS, b"\0")
    kind = DELLINK if delete else NEWLINK if create or info else SETLINK  # only NEWLINK changes what a type knows
    return Message(kind, CREATE | EXCLUSIVE if create else 0, body + info, about, joined)


def forget_name_message(about: str, *, index: int, name: str) -> Message:
    """A link shall no longer have this name besides its own."""
    names = netlink.nested(_PROP_LIST, netlink.text(_ALT_IFNAME, name))
    return Message(DELLINKPROP, 0, _IFINFO.pack(0, 0, index, 0, 0) + names, about)


def ipv6_mode_message(about: str, mode: int, *, index: int = 0, name: str = "") -> Message:
    """How the kernel shall make a link-local address when the link is set up.

    A link without IPv6 (switched off at boot, or the MTU is below 1280) refuses with EAFNOSUPPORT, the whole request.
    """
    body = _IFINFO.pack(0, 0, index, 0, 0) + (netlink.text(_IFNAME, name) if name else b"")
    body += netlink.nested(_AF_SPEC, netlink.nested(_INET6, netlink.number(_ADDR_GEN_MODE, mode, 1)))
    return Message(SETLINK, 0, body, about)


async def ask(rtnl: Rtnl, *messages: Message) -> None:
    """Requests that belong together, in one datagram; every one is tried.

    :raises DriverError: the first refusal.
    """
    if failures := refusals(await rtnl.send(messages)):
        raise failures[0]


def refusals(errors: Iterable[DriverError | None]) -> list[DriverError]:
    """What failed of requests about links. That a link has no IPv6 is no failure: then it makes no addresses."""
    return [error for error in errors if error is not None and error.errno != errno.EAFNOSUPPORT]


def bridge_info(*, stp: bool | None = None, forward_delay: int | None = None, group_fwd_mask: int = 0) -> bytes:
    """Link type bridge.

    :param forward_delay: centiseconds until a port forwards. With STP at least 200; a request that changes both
        is refused, because the kernel looks at the delay first.
    """
    data = netlink.number(_BRIDGE_GROUP_FWD_MASK, group_fwd_mask, 2)
    if stp is not None:
        data += netlink.number(_BRIDGE_STP, int(stp))
    if forward_delay is not None:
        data += netlink.number(_BRIDGE_FORWARD_DELAY, forward_delay)
    return netlink.nested(_LINKINFO, netlink.text(_INFO_KIND, "bridge"), netlink.nested(_INFO_DATA, data))


def veth_info(*, peer: str, peer_mac: str, mtu: int, namespace: int) -> bytes:
    """Link type veth; the other end is made in the namespace behind a descriptor."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + netlink.text(_IFNAME, peer) + netlink.number(_MTU, mtu)
    if peer_mac:
        body += netlink.raw(_ADDRESS, bytes.fromhex(peer_mac.replace(":", "")))
    body += netlink.number(_NET_NS_FD, namespace)
    data = netlink.raw(_VETH_PEER | 0x8000, body)
    return netlink.nested(_LINKINFO, netlink.text(_INFO_KIND, "veth"), netlink.nested(_INFO_DATA, data))
