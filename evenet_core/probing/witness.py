"""Who can prove that a config works: the controller, or somebody whom a probe reaches.

Such a target is written as a URL: `icmp://HOST`, `tcp://HOST:PORT`, the same with the name of a plugin's probe, or
`https://HOST/PATH`.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from evenet_core.model.dnsname import is_dns_name
from evenet_core.probing.prober import Target
from evenet_core.probing.targets import literal

__all__ = ["CONTROLLER", "HTTP", "parse_target"]

CONTROLLER = "controller"
HTTP = ("http", "https")
LONGEST = 2048  # characters


def parse_target(text: str) -> Target:
    """What is asked, and of whom: `kind` is the name of a probe, or one of `HTTP` with the whole URL as `host`.

    :raises ValueError: it names nobody; the message says what would.
    """
    forms = "write controller, icmp://HOST, tcp://HOST:PORT or https://HOST/PATH"
    parts = _parts(text)
    if parts is None or not parts.scheme or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{text[:100]!r} names nobody to ask; {forms}")
    if parts.scheme in HTTP:
        return Target(parts.scheme, 0, text)
    if parts.path or parts.query or parts.fragment or not _is_host(parts.hostname):
        raise ValueError(f"{text[:100]!r} is more than a host and a port, or its host is none; {forms}")
    if parts.scheme == "tcp" and not parts.port:
        raise ValueError(f"{text[:100]!r} has no port; {forms}")
    return Target(parts.scheme, 0, parts.hostname, parts.port or 0)


def _parts(text: str) -> SplitResult | None:
    if len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text:
        with suppress(ValueError):
            parts = urlsplit(text)
            return parts if parts.port != 0 else None
    return None


def _is_host(text: str) -> bool:
    return is_dns_name(text) or ("%" not in text and literal(text) is not None)
