"""What others gave a link and it loses when it is set down: IPv6 addresses, routes, permanent neighbours.

Each is kept as the kernel's own message about it, which is also the request to make it again (ip-route(8), `save` and
`restore`). Left out is what comes back by itself (the kernel's own routes) and what a router announced: its time
would begin anew.
"""

from __future__ import annotations

import struct

from evenet_core.linux import netlink
from evenet_core.linux.netlink import CREATE, EXCLUSIVE, REPLACE, Message
from evenet_core.linux.rtnl import Rtnl

__all__ = ["belongings"]

NEWADDR, GETADDR, NEWROUTE, GETROUTE, NEWNEIGH, GETNEIGH = 20, 22, 24, 26, 28, 30
_INET6 = 10
_IFADDR = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_IFA_FLAGS, _TEMPORARY, _PRIVATE = 8, 0x01, 0x800  # RFC 8981, RFC 7217: the kernel makes them anew
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst, src, tos, table, protocol, scope, type, flags
_OIF, _GATEWAY, _VIA, _BY_KERNEL, _BY_ROUTER, _UNICAST, _ONLINK = 4, 5, 18, 2, 9, 1, 4
_NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_PERMANENT, _PROXY = 0x80, 0x08


async def belongings(rtnl: Rtnl, index: int) -> list[Message]:
    """Requests that give the link with this index again what it has now.

    :raises DriverError: the kernel refuses to tell.
    """
    addresses = await rtnl.bodies(Message(GETADDR, 0, _IFADDR.pack(_INET6, 0, 0, 0, 0), "addresses"))
    routes = await rtnl.bodies(Message(GETROUTE, 0, _RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0), "routes"))
    neighbours = await rtnl.bodies(Message(GETNEIGH, 0, _NDMSG.pack(0, 0, 0, 0, 0), "neighbours"))
    proxies = await rtnl.bodies(Message(GETNEIGH, 0, _NDMSG.pack(0, 0, 0, _PROXY, 0), "neighbours"))
    again = [_address(body, index) for body in addresses]
    again += [_route(body, index, direct=direct) for direct in (True, False) for body in routes]
    again += [_neighbour(body, index) for body in (*neighbours, *proxies)]
    return [message for message in again if message is not None]


def _address(body: memoryview, index: int) -> Message | None:
    *_, link = _IFADDR.unpack_from(body)
    flags = netlink.attributes(body[_IFADDR.size :], {_IFA_FLAGS}).get(_IFA_FLAGS)
    if link != index or netlink.integer(flags) & (_TEMPORARY | _PRIVATE):
        return None
    return Message(NEWADDR, CREATE | EXCLUSIVE, bytes(body), "address of others")


def _route(body: memoryview, index: int, *, direct: bool) -> Message | None:
    """Those without a gateway come first: gateways are reached by them."""
    *head, protocol, scope, kind, flags = _RTMSG.unpack_from(body)
    found = netlink.attributes(body[_RTMSG.size :], {_OIF, _GATEWAY, _VIA})
    if netlink.integer(found.get(_OIF)) != index or direct is bool(found.keys() & {_GATEWAY, _VIA}):
        return None
    if kind != _UNICAST or protocol in (_BY_KERNEL, _BY_ROUTER):
        return None
    again = _RTMSG.pack(*head, protocol, scope, kind, flags & _ONLINK) + bytes(body[_RTMSG.size :])
    return Message(NEWROUTE, CREATE | EXCLUSIVE, again, "route of others")


def _neighbour(body: memoryview, index: int) -> Message | None:
    _, link, state, flags, _ = _NDMSG.unpack_from(body)
    if link != index or not (state & _PERMANENT or flags & _PROXY):
        return None
    return Message(NEWNEIGH, CREATE | REPLACE, bytes(body), "neighbour of others")
