"""What may be believed of addresses and names that strangers on the network tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evenet_core.model.values import IPAddress

__all__ = ["FOREVER", "MAX_DOMAINS", "MAX_ROUTES", "MAX_SERVERS", "domains", "is_host", "is_server"]

MAX_SERVERS = 8
MAX_ROUTES = 64
MAX_DOMAINS = 16
FOREVER = 0xFFFFFFFF  # seconds, on the wire
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.?\Z"
)


def is_host(address: IPAddress) -> bool:
    """Whether a host can have this address and be reached by it from further away than the link."""
    return is_server(address) and not address.is_link_local


def is_server(address: IPAddress) -> bool:
    """Whether another host can be asked at this address; never ourselves."""
    bad = address.is_unspecified or address.is_multicast or address.is_loopback
    return not bad and not (address.version == 4 and address.is_reserved)


def domains(words: Iterable[str]) -> tuple[str, ...]:
    """Names in letters, digits, hyphens and underscores; anything else is dropped."""
    found = [word.rstrip(".").lower() for word in words if _DOMAIN.match(word)]
    return tuple(found[:MAX_DOMAINS])
