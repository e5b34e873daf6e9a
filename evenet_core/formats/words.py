"""What the model's types want and what stands there instead, in words for people."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from msgspec import inspect

from evenet_core.formats.report import shown
from evenet_core.model.networks import Secret
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["found", "hint", "known", "likely", "wanted"]

_MANY = 12  # names that a message lists
_COMPARED = 200  # names that an unknown one is compared with: each costs some 10 µs

_CUSTOM: dict[Any, str] = {
    IPAddress: "an IP address",
    IPNetwork: "a subnet such as 10.1.0.0/24",
    IPInterface: "an address with its prefix length such as 10.1.0.5/24",
    Secret: "text",
}


def wanted(info: inspect.Type) -> str:
    """A value of this type, in words."""
    match info:
        case inspect.Metadata():
            described = (info.extra_json_schema or {}).get("description")
            return str(described or wanted(info.type))
        case inspect.UnionType():
            return wanted(next(member for member in info.types if not isinstance(member, inspect.NoneType)))
        case inspect.IntType():
            return _number(info)
        case inspect.StrType():
            return _text(info)
        case inspect.EnumType():
            return f"one of {', '.join(member.value for member in info.cls)}"
        case inspect.LiteralType():
            return " or ".join(map(str, info.values))
        case inspect.CustomType():
            return _CUSTOM.get(info.cls, "a value")
        case inspect.VarTupleType() | inspect.FrozenSetType():
            return "a list"
        case inspect.BoolType():
            return "true or false"
        case inspect.DateTimeType():
            return "a time such as 2026-01-31T12:00:00Z"
        case _:
            return "an object"


def _number(info: inspect.IntType) -> str:
    if info.ge is None or info.le is None:
        return "a whole number"
    return f"a whole number from {info.ge} to {info.le}"


def _text(info: inspect.StrType) -> str:
    if info.max_length is None:
        return "text"
    least = f"{info.min_length} to " if info.min_length else "at most "
    return f"text of {least}{info.max_length} characters"


def found(value: Any, *, secret: bool = False) -> str:
    """What stands there. Secrets are not repeated, whatever they are."""
    if isinstance(value, str):
        return "text" if secret else f"the text {shown(value)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "a number" if secret else f"the number {shown(value)}"
    return shown(value)


def hint(value: Any, info: inspect.Type) -> str:
    """What is probably meant: a remedy; empty if nobody knows."""
    network: Any = IPNetwork
    if info == inspect.CustomType(network) and isinstance(value, str) and "%" not in value:
        try:
            return f"write {ip_network(value, strict=False)}, the subnet of that address"
        except ValueError:
            return ""
    return ""


def likely(name: str, names: Iterable[str]) -> str:
    """What the operator may have meant instead of an unknown name: a remedy."""
    from difflib import get_close_matches  # noqa: PLC0415  good configs do without

    candidates = sorted(set(names))
    close = get_close_matches(name[:128], candidates[:_COMPARED], n=1)
    return f"did you mean {shown(close[0])}?" if close else known(candidates)


def known(names: Iterable[str]) -> str:
    """Names that would be right: a remedy."""
    candidates = sorted({name for name in names if name})
    if not candidates:
        return "there is none"
    more = f" and {len(candidates) - _MANY} more" if len(candidates) > _MANY else ""
    return f"known: {', '.join(shown(name).strip(chr(39)) for name in candidates[:_MANY])}{more}"
