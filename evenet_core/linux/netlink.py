"""The bytes of netlink: headers, attributes, error texts (RFC 3549; include/uapi/linux/netlink.h).

What comes from a socket is checked before it is read: wrong lengths are a `NetlinkError`, never an IndexError.
"""

from __future__ import annotations

import errno as errno_names
import os
import socket
import struct
from collections.abc import Container, Iterator
from ipaddress import IPv6Address
from typing import NamedTuple

from evenet_core.errors import DriverError

__all__ = [
    "MARK",
    "Message",
    "NetlinkError",
    "Reply",
    "address_bytes",
    "address_text",
    "attributes",
    "encode",
    "messages",
    "nested",
    "number",
    "refusal",
    "replies",
    "text",
]

MARK = 231  # 0xE7: protocol of routes, rules, neighbours and addresses that are ours

REQUEST, ACK, DUMP_INTERRUPTED = 0x1, 0x4, 0x10
DUMP = 0x300  # NLM_F_ROOT and NLM_F_MATCH
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSGERR_ATTR_MSG = 1

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence number, port
ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=HHI")  # an attribute of four bytes, the most frequent one
_NESTED = 0x8000
TYPE_MASK = 0x3FFF
_FORMATS = {1: struct.Struct("=B"), 2: struct.Struct("=H"), 4: struct.Struct("=I")}


class NetlinkError(DriverError):
    """Bytes from a netlink socket that are not what the kernel would send."""


class Message(NamedTuple):
    """One request. `about` names what it concerns in the text of an error.

    `joined` = it goes out in one datagram with the request before it: nobody can be killed in between.
    """

    type: int
    flags: int
    body: bytes
    about: str = ""
    joined: bool = False


class Reply(NamedTuple):
    """One message from the kernel. `port` is that of the socket which asked for what a notification tells; 0 = none."""

    type: int
    flags: int
    sequence: int
    body: memoryview
    port: int = 0


def encode(message: Message, sequence: int, flags: int = 0) -> bytes:
    """The message as it goes to the socket, with more `flags` than its own."""
    flags |= message.flags | REQUEST
    return HEADER.pack(HEADER.size + len(message.body), message.type, flags, sequence, 0) + message.body


def _attribute(kind: int, payload: bytes) -> bytes:
    length = 4 + len(payload)
    attribute = ATTRIBUTE.pack(length, kind) + payload
    return attribute + b"\0" * (-length % 4) if length % 4 else attribute


def raw(kind: int, payload: bytes) -> bytes:
    """An attribute of bytes."""
    return _attribute(kind, payload)


def number(kind: int, value: int, size: int = 4) -> bytes:
    """An attribute of an unsigned integer in host order, `size` bytes long."""
    return _NUMBER.pack(8, kind, value) if size == 4 else _attribute(kind, _FORMATS[size].pack(value))


def text(kind: int, value: str) -> bytes:
    """An attribute of zero-terminated text."""
    return _attribute(kind, value.encode() + b"\0")


def nested(kind: int, *members: bytes) -> bytes:
    """An attribute of attributes."""
    return _attribute(kind | _NESTED, b"".join(members))


def address_bytes(address: str) -> bytes:
    """An IP address in network order.

    :raises ValueError: it is not one.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_pton(family, address)
    except OSError as error:
        raise ValueError(f"{address!r} is no IP address") from error


def address_text(payload: bytes | memoryview) -> str:
    """An IP address of 4 or 16 bytes as text.

    As the module ipaddress writes it, because items do: inet_ntop has another form of those that embed IPv4.
    """
    if len(payload) == 4:
        return socket.inet_ntop(socket.AF_INET, payload)
    if len(payload) == 16:
        written = socket.inet_ntop(socket.AF_INET6, payload)
        return written if "." not in written else str(IPv6Address(bytes(payload)))
    raise NetlinkError(f"an address of {len(payload)} bytes")


def integer(payload: bytes | memoryview | None, default: int = 0) -> int:
    """An unsigned integer of 1, 2 or 4 bytes; `default` when the attribute is missing."""
    if payload is None:
        return default
    form = _FORMATS.get(len(payload))
    if form is None:
        raise NetlinkError(f"a number of {len(payload)} bytes")
    value: int = form.unpack(payload)[0]
    return value


def string(payload: bytes | memoryview | None) -> str:
    """Zero-terminated text; empty when the attribute is missing."""
    return bytes(payload or b"").split(b"\0", 1)[0].decode(errors="replace")


def attributes(data: memoryview, wanted: Container[int] | None = None) -> dict[int, memoryview]:
    """Attributes by type; of two with one type the last counts, as in the kernel.

    :param wanted: types that are of interest (default: all)
    :raises NetlinkError: lengths that do not add up.
    """
    found: dict[int, memoryview] = {}
    place, end, unpack = 0, len(data), ATTRIBUTE.unpack_from
    while place + 4 <= end:
        length, kind = unpack(data, place)
        if length < 4 or place + length > end:
            raise NetlinkError(f"an attribute of {length} bytes where {end - place} are left")
        kind &= TYPE_MASK
        if wanted is None or kind in wanted:
            found[kind] = data[place + 4 : place + length]
        place += (length + 3) & ~3
    if place < end:
        raise NetlinkError(f"{end - place} bytes after the last attribute")
    return found


def messages(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each message of a datagram: type, flags, sequence number, and where its body starts and ends.

    :raises NetlinkError: lengths that do not add up.
    """
    place, size, unpack = 0, len(data), HEADER.unpack_from
    while place + 16 <= size:
        length, kind, flags, sequence, _ = unpack(data, place)
        end = place + length
        if length < 16 or end > size:
            raise NetlinkError(f"a message of {length} bytes where {size - place} are left")
        yield kind, flags, sequence, place + 16, end
        place = (end + 3) & ~3
    if place < size:
        raise NetlinkError(f"{size - place} bytes after the last message")


def replies(data: bytes) -> Iterator[Reply]:
    """The messages of one datagram.

    :raises NetlinkError: lengths that do not add up.
    """
    view = memoryview(data)
    for kind, flags, sequence, start, end in messages(data):
        yield Reply(kind, flags, sequence, view[start:end], HEADER.unpack_from(data, start - HEADER.size)[4])


def refusal(reply: Reply, about: str) -> DriverError | None:
    """What an NLMSG_ERROR says; None = the request was carried out."""
    if len(reply.body) < 20:
        raise NetlinkError("an acknowledgement that is too short")
    code = -struct.unpack_from("=i", reply.body)[0]
    if code == 0:
        return None
    hint = ""
    if reply.flags & NLM_F_ACK_TLVS:
        echoed = struct.unpack_from("=I", reply.body, 4)[0]
        start = 20 if reply.flags & NLM_F_CAPPED else 4 + echoed + (-echoed % 4)  # capped: only the header is echoed
        hint = string(attributes(reply.body[start:]).get(NLMSGERR_ATTR_MSG))
    name = errno_names.errorcode.get(code, str(code))
    reason = f"{hint} ({name})" if hint else f"{os.strerror(code)} ({name})"
    return DriverError(f"kernel: {about}: {reason}" if about else f"kernel: {reason}", errno=code)
