"""Names that may reach a resolver's configuration."""

from __future__ import annotations

import re

__all__ = ["is_dns_name"]

# RFC 1035, 2.3.4 and RFC 1123, 2.1; underscores as in real life (RFC 8552)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_dns_name(text: str) -> bool:
    """Whether `text` is a host or domain name, without a final dot."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None
