"""ARP as far as conflicts of addresses are concerned (RFC 5227)."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address

__all__ = ["BROADCAST", "ETHERTYPE", "Claim", "announcement", "arp_socket", "only_claims", "parse_claim", "probe"]

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
_PACKET = struct.Struct("!HHBBH6s4s6s4s")  # hardware, protocol, their lengths, operation, sender, target
_ETHERNET, _IPV4, _REQUEST, _REPLY = 1, 0x0800, 1, 2
_NOBODY = b"\0" * 4
_ATTACH_FILTER = 26
# classic BPF: load a word or half a word of the packet, compare, return
_WORD, _HALF, _EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_INSTRUCTION = struct.Struct("=HBBI")
MOST = 32  # addresses that a filter watches: jumps are short


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that an address is theirs."""

    address: IPv4Address
    mac: str


def announcement(mac: bytes, address: IPv4Address) -> bytes:
    """Everybody shall learn where the address is (RFC 5227, 2.3)."""
    return _packet(_REQUEST, mac, address.packed, b"\0" * 6, address.packed)


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """Does anybody have this address? Nobody learns anything from the question (RFC 5227, 2.1.1)."""
    return _packet(_REQUEST, mac, _NOBODY, b"\0" * 6, address.packed)


def _packet(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    return _PACKET.pack(_ETHERNET, _IPV4, 6, 4, operation, mac, sender, target_mac, target)


def parse_claim(data: bytes) -> Claim | None:
    """What a packet that passed the filter says."""
    if len(data) < _PACKET.size:
        return None
    hardware, protocol, size, length, _, mac, sender, _, _ = _PACKET.unpack_from(data)
    if (hardware, protocol, size, length) != (_ETHERNET, _IPV4, 6, 4) or sender == _NOBODY:
        return None
    return Claim(IPv4Address(sender), mac.hex(":"))


def arp_socket(ifname: str) -> socket.socket:
    """Hears nothing until it is told what.

    :raises OSError: there is no such link.
    """
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
    try:
        only_claims(opened, b"\0" * 6, ())
        opened.bind((ifname, ETHERTYPE))
    except OSError:
        opened.close()
        raise
    return opened


def only_claims(opened: socket.socket, mac: bytes, addresses: Collection[IPv4Address]) -> None:
    """From now on hear of others who claim one of our addresses, or one that was just asked for by a probe."""
    watched = sorted(addresses)[:MOST]
    high, low = struct.unpack("!IH", mac)
    to_probe = len(watched) - 1
    program = [
        (_WORD, 0, 0, 8),  # the sender is not us
        (_EQUAL, 0, 2, high),
        (_HALF, 0, 0, 12),
        (_EQUAL, len(watched) + 5, 0, low),
        (_WORD, 0, 0, 14),  # its address is one of ours
        *((_EQUAL, to_probe - n + 5, 0, int(address)) for n, address in enumerate(watched)),
        (_HALF, 0, 0, 6),  # or this is the answer to a probe: a reply to nobody's address
        (_EQUAL, 0, 2, _REPLY),
        (_WORD, 0, 0, 24),
        (_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFF),
    ]
    code = b"".join(_INSTRUCTION.pack(*step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    opened.setsockopt(
        socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    )
