"""A time server for each address that is one: answers clients with this machine's clock (RFC 5905)."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast

from evenet_core.linux.netns import inside
from evenet_core.model.values import IPAddress

__all__ = ["NTP_PORT", "serve_time"]

NTP_PORT = 123
_PACKET = struct.Struct("!BBbb11I")  # 48 bytes
_EPOCH = 2208988800  # seconds from 1900 to 1970
_SERVER = 4


async def serve_time(namespace: int, addresses: Sequence[IPAddress]) -> list[asyncio.DatagramTransport]:
    """One socket an address, so that answers come from the address that was asked."""
    found = []
    for address in addresses:
        with inside(namespace):
            opened = _socket(str(address), NTP_PORT)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Server, sock=opened)
        found.append(transport)
    return found


def _socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    opened.bind((address, port))
    return opened


class _Server(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        if len(data) >= _PACKET.size:
            self._transport.sendto(_answer(data[: _PACKET.size], time.time()), addr)


def _answer(question: bytes, now: float) -> bytes:
    """A server of stratum 1 that has just set its clock."""
    version = question[0] >> 3 & 7
    seconds, fraction = int(now) + _EPOCH, int(now % 1 * 2**32)
    sent = struct.unpack_from("!II", question, 40)
    stamps = (seconds, fraction, *sent, seconds, fraction, seconds, fraction)
    return _PACKET.pack(version << 3 | _SERVER, 1, 6, -20, 0, 0, 0x4C414200, *stamps)
