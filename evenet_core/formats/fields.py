"""Reads an object of a foreign format field by field. Every problem is noted with its path; none stops the reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from evenet_core.formats.report import Report
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = ["Fields"]

T = TypeVar("T")


class Fields:
    """One object. Names are found in any case and with or without underscores (`mount_dir`, `mountDir`).

    A field that is missing or null has the default, as in protobuf's JSON.
    """

    def __init__(self, value: Any, path: str, report: Report) -> None:
        self.path = path
        self.report = report
        if not isinstance(value, Mapping):
            report.problem(path, f"is {_kind(value)}", "an object is needed")
            value = {}
        self._values = {_plain(name): (name, member) for name, member in value.items()}

    def raw(self, name: str) -> Any:
        """The value as it stands; None when there is none."""
        return self._values.get(_plain(name), (name, None))[1]

    def at(self, name: str) -> str:
        """Path of a field, in the file's own spelling."""
        spelled = self._values.get(_plain(name), (name,))[0]
        return f"{self.path}.{spelled}" if self.path else str(spelled)

    def text(self, name: str, default: str = "", longest: int = 4096) -> str:
        value = self.raw(name)
        if value is None or value == "":
            return default
        if not isinstance(value, str):
            return self._bad(name, value, "text", default)
        if len(value) > longest or not _clean(value):
            self.report.problem(
                self.at(name), "is too long or holds control characters", f"at most {longest} characters"
            )
            return default
        return value

    def long_text(self, name: str) -> str:
        """Text with line breaks: certificates, scripts."""
        value = self.raw(name)
        return value if isinstance(value, str) else self._bad(name, value, "text", "") if value is not None else ""

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number; 64-bit ones may be text."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdecimal() and len(value) <= 20:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self._bad(name, value, "a whole number", default)

    def within(self, name: str, low: int, high: int, default: int = 0) -> int:
        """A whole number from `low` to `high`; the default is allowed too."""
        value = self.integer(name, default)
        if value == default or low <= value <= high:
            return value
        self.report.problem(self.at(name), f"{value} is out of range", f"use {low} to {high}")
        return default

    def flag(self, name: str) -> bool:
        value = self.raw(name)
        return value if isinstance(value, bool) else self._bad(name, value, "true or false", False) if value else False

    def address(self, name: str) -> IPAddress | None:
        return self._parsed(name, ip_address, "an IP address")

    def network(self, name: str) -> IPNetwork | None:
        return self._parsed(name, lambda text: ip_network(text, strict=False), "a subnet such as 10.1.0.0/24")

    def addresses(self, name: str) -> tuple[IPAddress, ...]:
        found = (
            self._one(f"{self.at(name)}[{i}]", value, ip_address, "an IP address") for i, value in self._list(name)
        )
        return tuple(address for address in found if address is not None)

    def texts(self, name: str, longest: int = 4096) -> tuple[str, ...]:
        found = []
        for i, value in self._list(name):
            if isinstance(value, str) and len(value) <= longest and _clean(value):
                found.append(value)
            else:
                self.report.problem(
                    f"{self.at(name)}[{i}]", f"is {_kind(value)}", f"text of at most {longest} characters"
                )
        return tuple(found)

    def child(self, name: str) -> Fields:
        """An object inside; an empty one when it is missing."""
        return Fields(self.raw(name) or {}, self.at(name), self.report)

    def children(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(value, f"{self.at(name)}[{i}]", self.report) for i, value in self._list(name)]

    def has(self, name: str) -> bool:
        """Whether the field is there and says something."""
        return bool(self.raw(name))

    def _list(self, name: str) -> Iterator[tuple[int, Any]]:
        value = self.raw(name)
        if value is None:
            return iter(())
        if not isinstance(value, list):
            self.report.problem(self.at(name), f"is {_kind(value)}", "a list is needed")
            return iter(())
        return iter(enumerate(value))

    def _parsed(self, name: str, parse: Callable[[str], T], what: str) -> T | None:
        value = self.raw(name)
        return None if value is None or value == "" else self._one(self.at(name), value, parse, what)

    def _one(self, path: str, value: Any, parse: Callable[[str], T], what: str) -> T | None:
        if isinstance(value, str) and len(value) <= 64 and "%" not in value:
            try:
                return parse(value)
            except ValueError:
                pass
        self.report.problem(
            path, f"{_shown(value)} is not {what.removeprefix('an ').removeprefix('a ')}", f"write {what}"
        )
        return None

    def _bad(self, name: str, value: Any, needed: str, default: T) -> T:
        self.report.problem(self.at(name), f"is {_kind(value)}", f"{needed} is needed")
        return default


def _plain(name: Any) -> str:
    return str(name).replace("_", "").lower()


def _clean(text: str) -> bool:
    return text.isprintable()  # no control characters, no lone surrogates, nothing that turns text around


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"the number {_shown(value)}")


def _shown(value: Any) -> str:
    text = str(value)
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return "".join(c if c.isprintable() else "?" for c in short)
