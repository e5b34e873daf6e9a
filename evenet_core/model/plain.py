"""Model values as plain JSON values and back: what files and stored documents hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, TypeVar

import msgspec

from evenet_core.model.networks import Secret
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["from_plain", "parse", "to_json", "to_plain"]

T = TypeVar("T")


_REMEMBERED = 4096  # addresses: a config repeats them, and Python takes 10 µs for one
_PARSERS: dict[Any, Callable[[str], Any]] = {
    IPAddress: lru_cache(_REMEMBERED)(ip_address),
    IPNetwork: lru_cache(_REMEMBERED)(ip_network),
    IPInterface: lru_cache(_REMEMBERED)(ip_interface),
    Secret: Secret,
}


def to_plain(value: Any) -> Any:
    """Plain values of a model value. Secrets stand in it as they are: for files that only root reads."""
    return msgspec.to_builtins(value, enc_hook=_text)


def to_json(value: Any) -> bytes:
    """`to_plain` as JSON; equal values are spelled alike."""
    return msgspec.json.encode(value, enc_hook=_text, order="deterministic")


def from_plain(value: Any, type_: type[T]) -> T:
    """The model value that plain values mean.

    :raises msgspec.ValidationError: they mean none; the message ends in the path.
    """
    return msgspec.convert(value, type_, dec_hook=parse)


def parse(type_: type, value: Any) -> Any:
    """Decoder's hook: text to the types that msgspec does not know.

    :raises ValueError: the text is not one of that type.
    """
    if type_ is object:
        return value  # kept as it came
    parser = _PARSERS.get(type_)
    if parser is None or not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    if type_ is not Secret and "%" in value:  # ipaddress takes any text as zone, and it would go on into config files
        raise ValueError("an address with a zone")
    return parser(value)


def _text(value: Any) -> str:
    if isinstance(value, tuple(_PARSERS)):
        return str.__str__(value) if isinstance(value, Secret) else str(value)
    raise TypeError(f"{type(value).__name__} has no plain form")
