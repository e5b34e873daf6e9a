"""Ping: one ICMP or ICMPv6 echo (RFC 792, RFC 4443 4.1) from one port's own address."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from time import monotonic

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Egress, ProbeRequest
from evenet_core.probing.sockets import bound_socket, os_failures, socket_address
from evenet_core.probing.targets import first_answer

__all__ = ["checksum", "echo_reply_matches", "echo_request", "ping", "probe_icmp"]

ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
TOKEN_BYTES = 56  # with the header 64 bytes, as ping sends

# linux/icmp.h, linux/icmpv6.h: a filter lets the kernel drop what is no echo reply before we are woken.
# IPv4: a bit that is set blocks its type; IPv6: likewise, 256 bits in 32-bit words.
ICMP_FILTER = 1
ICMP6_FILTER = 1
SOL_RAW = 255
IP_RECVERR = 11  # linux/in.h: errors that routers report become errors of the socket
IPV6_RECVERR = 25


async def probe_icmp(request: ProbeRequest) -> float:
    """Seconds until the first of the hosts answered a ping."""
    return await first_answer(request, lambda source, host: ping(request.egress, source, host))


async def ping(egress: Egress, source: IPAddress, target: IPAddress) -> float:
    """Seconds until `target` answered one echo. Raises `ProbeError`; the caller sets the deadline."""
    loop = asyncio.get_running_loop()
    identifier, sequence = secrets.randbits(16), secrets.randbits(16)
    token = secrets.token_bytes(TOKEN_BYTES)
    request = echo_request(target.version, identifier, sequence, token)
    what = f"ping {target} from {source} on {egress.ifname}"
    with os_failures(what), bound_socket(egress, source, socket.SOCK_RAW, PROTOCOL[target.version]) as sock:
        _only_replies(sock, target.version)
        sock.connect(socket_address(target, 0, egress.ifname))  # waits for nobody; the loop's own knows no raw sockets
        started = monotonic()
        await loop.sock_sendall(sock, request)
        while True:
            packet = await loop.sock_recv(sock, 2048)
            if echo_reply_matches(target.version, packet, request):
                return monotonic() - started


def _only_replies(sock: socket.socket, version: int) -> None:
    if version == 4:
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~(1 << ECHO_REPLY[4]) & 0xFFFFFFFF))
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        return
    blocked = [0xFFFFFFFF] * 8
    blocked[ECHO_REPLY[6] >> 5] &= ~(1 << (ECHO_REPLY[6] & 31))
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *blocked))
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def echo_request(version: int, identifier: int, sequence: int, token: bytes) -> bytes:
    """An echo request; the kernel fills in the ICMPv6 checksum."""
    message = struct.pack("!BBHHH", ECHO_REQUEST[version], 0, 0, identifier, sequence) + token
    if version == 6:
        return message
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_reply_matches(version: int, packet: bytes, request: bytes) -> bool:
    """Whether `packet` (with its header if IPv4) answers `request`: same identifier, sequence and token."""
    start = (packet[0] & 0x0F) * 4 if version == 4 and packet else 0
    message = packet[start:]
    return message[:2] == bytes((ECHO_REPLY[version], 0)) and message[4:] == request[4:]
