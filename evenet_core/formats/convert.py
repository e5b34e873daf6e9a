"""How single values of foreign formats change on their way into evenet's own. What cannot change stays as it is."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from evenet_core.formats.mapping import Convert, Place, plain
from evenet_core.formats.report import shown

__all__ = [
    "Enumeration",
    "base64_text",
    "each",
    "hostname",
    "mac",
    "moment",
    "network",
    "nonzero",
    "not_flag",
    "uuid",
    "uuid_reference",
    "whole",
]

_NIL = str(UUID(int=0))


class Enumeration:
    """A protobuf enum, given by number or name: the name in any case, with or without its prefix.

    :param members: name and meaning by number; the first name of a meaning is the one that messages tell.
    """

    def __init__(self, prefix: str, members: Mapping[int, tuple[str, Any]]) -> None:
        self._prefix = plain(prefix)
        self._numbers = {number: meaning for number, (_, meaning) in members.items()}
        self._names = {plain(name): meaning for name, meaning in members.values()}
        self._told = ", ".join(f"{number} ({name})" for number, (name, _) in members.items())

    def __call__(self, value: Any, place: Place) -> Any:
        name = plain(value).removeprefix(self._prefix) if isinstance(value, str) else ""
        number = int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else value
        if isinstance(number, int) and not isinstance(number, bool) and number in self._numbers:
            return self._numbers[number]
        if name in self._names:
            return self._names[name]
        place.broken(f"{shown(value)} is not known", f"one of {self._told}")
        return None

    def number(self, meaning: Any) -> int | None:
        """The way back: the first number that means this."""
        return next((number for number, known in self._numbers.items() if known == meaning), None)


def each(convert: Convert) -> Convert:
    """Every element of a list."""

    def converted(value: Any, place: Place) -> Any:
        if not isinstance(value, list):
            return value
        return [convert(element, place.down((i,), (i,))) for i, element in enumerate(value)]

    return converted


def whole(value: Any, _: Place) -> Any:
    """64-bit numbers may be given as text."""
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal() and len(value) < 20:
        return int(value)
    return value


def nonzero(value: Any, place: Place) -> Any:
    """A number of which zero means that it is not given."""
    return whole(value, place) or None


def not_flag(value: Any, _: Place) -> Any:
    """A flag that evenet has the other way round."""
    return not value if isinstance(value, bool) else value


def network(value: Any, _: Place) -> Any:
    """A subnet, given by any address in it."""
    if isinstance(value, str) and "%" not in value:
        try:
            return str(ip_network(value, strict=False))
        except ValueError:
            pass
    return value


def mac(value: Any, _: Place) -> Any:
    return value.lower().replace("-", ":") if isinstance(value, str) else value


def hostname(value: Any, _: Place) -> Any:
    """A name without the final dot of the root."""
    return value.removesuffix(".") if isinstance(value, str) and len(value) > 1 else value


def moment(value: Any, _: Place) -> Any:
    """Go's zero time means none."""
    return None if isinstance(value, str) and value.startswith("0001-01-01") else value


def uuid(value: Any, _: Place) -> Any:
    """The one spelling that a UUID has."""
    if isinstance(value, str):
        try:
            return str(UUID(value))
        except ValueError:
            pass
    return value


def uuid_reference(value: Any, place: Place) -> Any:
    """A reference; all zeros mean none."""
    found = uuid(value, place)
    return None if found == _NIL else found


def base64_text(value: Any, place: Place) -> Any:
    """Text that protobuf's JSON has as bytes."""
    if not isinstance(value, str):
        return value
    try:
        return b64decode("".join(value.split()), validate=True).decode()
    except (Error, ValueError):
        place.broken("is not base64 of a text", "encode the text: base64 -w0 FILE")
        return None
