"""MAC addresses that nobody has to remember, made as EVE makes them. Pure."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

__all__ = ["bridge_mac", "vif_mac"]

UNICAST, LOCAL = 0xFE, 0x02  # IEEE 802: the two lowest bits of the first octet


def bridge_mac(device_uuid: str, number: int) -> str:
    """MAC of an instance's own bridge: the same on each start, another one on another device."""
    a, b = sha256(_octets(device_uuid)).digest()[:2] if device_uuid else (0x06, 0x00)
    return bytes((0x00, 0x16, 0x3E, a, b ^ (number >> 8), number & 0xFF)).hex(":")


def vif_mac(app: str, instance: str, interface_number: int, app_number: int, *, local: bool) -> str:
    """MAC of an app's interface. On a switch its vendor part is Xen's with the local bit set: 02:16:3e.

    :param app: UUID of the app; `instance`: UUID of the network instance
    :param interface_number: place of the interface in its app, from 1
    """
    identity = _octets(app) + _octets(instance) + bytes((interface_number & 0xFF, app_number & 0xFF))
    digest = sha256(identity).digest()
    if not local:
        return (b"\x02\x16\x3e" + digest[:3]).hex(":")
    return bytes(((digest[0] & UNICAST) | LOCAL, *digest[1:6])).hex(":")


def _octets(uuid: str) -> bytes:
    try:
        return UUID(uuid).bytes
    except ValueError:
        return uuid.encode()
