"""Servers and routers that mean no good, as programs to be run inside a network namespace.

    python -m tests.support.hostile dhcp LINK '{"address": "172.22.10.10", "options": {"15": "HEX"}}'
    python -m tests.support.hostile routers LINK '{"count": 5000}'

A DHCP server answers whatever it is asked with these options; a long one is spread as RFC 3396 says. Routers
announce themselves as fast as they can, each once in a round, until they are ended; each line of output is a round.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

__all__ = ["advertisement", "frame", "prefix_option"]

_SERVER, _CLIENT = 67, 68
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s192x4s")
_COOKIE = bytes((99, 130, 83, 99))
_TYPE, _LEASE, _SERVER_ID, _END = 53, 51, 54, 255
_OFFER, _ACK = 2, 5
_ANSWERS = {1: _OFFER, 3: _ACK, 8: _ACK}  # DISCOVER, REQUEST, INFORM
ALL_NODES = IPv6Address("ff02::1")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _option(code: int, value: bytes) -> bytes:
    parts = [value[at : at + 255] for at in range(0, len(value), 255)] or [b""]
    return b"".join(bytes((code, len(part))) + part for part in parts)


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data and data[0] != _END:
        if data[0]:
            yield data[0], data[2 : 2 + data[1]]
            data = data[2 + data[1] :]
        else:
            data = data[1:]


def _serve_dhcp(link: str, how: Mapping[str, Any]) -> None:
    mine = IPv4Address(how.get("server", "172.22.10.1")).packed
    told = {_LEASE: struct.pack("!I", 120), 1: IPv4Address("255.255.255.0").packed}
    told |= {int(code): bytes.fromhex(value) for code, value in how.get("options", {}).items()}
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.bind(("", _SERVER))
    _say("ready")
    while True:
        data = sock.recv(4096)
        _, htype, hlen, _, xid, _, _, ciaddr, _, _, _, chaddr, cookie = _BOOTP.unpack_from(data)
        asked = dict(_options(data[_BOOTP.size :])).get(_TYPE, b"\0")[0] if cookie == _COOKIE else 0
        if asked not in _ANSWERS:
            continue
        given = IPv4Address(how.get("address", "172.22.10.10")).packed
        head = _BOOTP.pack(2, htype, hlen, 0, xid, 0, 0x8000, ciaddr, given, mine, b"\0" * 4, chaddr, _COOKIE)
        body = _option(_TYPE, bytes((_ANSWERS[asked],))) + _option(_SERVER_ID, mine)
        body += b"".join(_option(code, value) for code, value in told.items())
        sock.sendto(head + body + bytes((_END,)), ("255.255.255.255", _CLIENT))
        _say("answered")


def prefix_option(prefix: str, *, valid: int = 600, preferred: int = 600, flags: int = 0xC0) -> bytes:
    """A /64 (RFC 4861, 4.6.2)."""
    return struct.pack("!BBBBIII16s", 3, 4, 64, flags, valid, preferred, 0, IPv6Address(prefix).packed)


def advertisement(options: bytes = b"", *, lifetime: int = 600, flags: int = 0) -> bytes:
    """An ICMPv6 message without its checksum."""
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, flags, lifetime, 0, 0) + options


def frame(source: IPv6Address, message: bytes, mac: bytes = b"\x02\0\0\0\0\xaa") -> bytes:
    """An Ethernet frame with an ICMPv6 message to all nodes of the link."""
    pseudo = source.packed + ALL_NODES.packed + struct.pack("!IxxxB", len(message), 58)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = struct.pack("!IHBB16s16s", 6 << 28, len(message), 58, 255, source.packed, ALL_NODES.packed)
    return b"\x33\x33\0\0\0\x01" + mac + b"\x86\xdd" + head + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _announce(link: str, how: Mapping[str, Any]) -> None:
    chance = random.Random(1)
    frames = []
    for number in range(int(how["count"])):
        prefixes = (f"2001:db8:{chance.getrandbits(16):x}:{chance.getrandbits(16):x}::" for _ in range(8))
        options = b"".join(map(prefix_option, prefixes))
        router = IPv6Address(f"fe80::bad:{number >> 16:x}:{number & 0xFFFF:x}")
        frames.append(frame(router, advertisement(options, lifetime=int(how.get("lifetime", 9000)))))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((link, 0))
    while True:
        for one in frames:
            sock.send(one)
        _say(str(len(frames)))


if __name__ == "__main__":
    {"dhcp": _serve_dhcp, "routers": _announce}[sys.argv[1]](sys.argv[2], json.loads(sys.argv[3]))
