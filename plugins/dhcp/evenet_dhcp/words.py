"""What the kernel tells of links, addresses and neighbours (rtnetlink(7)), as far as segments are concerned."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from evenet_core.linux.layout import Layout
from evenet_core.linux.netlink import Message, NetlinkError, Reply
from evenet_core.model.values import IPAddress

__all__ = ["ADDRESSES", "GROUPS", "AddressWord", "LinkWord", "NeighbourWord", "word"]

GROUPS = (1, 3, 5, 9)  # RTNLGRP_*: link, neighbour, addresses of both families
_NEWADDR, _GETADDR = 20, 22
_LOWER_UP = 0x10000
_FAILED, _DAD_FAILED, _TENTATIVE = 0x20, 0x08, 0x40
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_ADDRESSES = Layout(_ADDRESS, payloads=(2, 1))  # local, address
_NEIGHBOURS = Layout(_NEIGHBOUR, payloads=(1,))
ADDRESSES = Message(_GETADDR, 0, _ADDRESS.pack(0, 0, 0, 0, 0), "addresses")


@dataclass(frozen=True, slots=True)
class LinkWord:
    index: int
    carrier: bool


@dataclass(frozen=True, slots=True)
class AddressWord:
    """An address came, changed or went. `failed`: another host has it; `tentative`: that is not known yet (IPv6)."""

    index: int
    address: IPAddress
    present: bool = True
    failed: bool = False
    tentative: bool = False


@dataclass(frozen=True, slots=True)
class NeighbourWord:
    """A neighbour that was needed did not answer."""

    index: int
    address: IPAddress


def word(reply: Reply) -> LinkWord | AddressWord | NeighbourWord | None:
    """What a message says; None = nothing of interest."""
    body = reply.body
    try:
        match reply.type:
            case 16 if len(body) >= _LINK.size and not body[0]:  # not about it as a bridge port
                _, _, index, flags, _ = _LINK.unpack_from(body)
                return LinkWord(index, bool(flags & _LOWER_UP))
            case 20 | 21:
                _, _, flags, _, index, local, peer = _ADDRESSES.read(body)
                failed, tentative = bool(flags & _DAD_FAILED), bool(flags & _TENTATIVE)
                return AddressWord(index, ip_address(local or peer), reply.type == _NEWADDR, failed, tentative)
            case 28 if len(body) >= _NEIGHBOUR.size and _NEIGHBOUR.unpack_from(body)[2] & _FAILED:
                _, index, _, _, _, address = _NEIGHBOURS.read(body)
                return NeighbourWord(index, ip_address(address))
    except (NetlinkError, ValueError):  # not put together as the kernel would
        return None
    return None
