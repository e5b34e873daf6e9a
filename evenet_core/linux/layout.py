"""Reads many messages of one kind quickly: those that look like one before are unpacked in a single step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from struct import Struct
from typing import Any, TypeAlias

from evenet_core.linux.netlink import ATTRIBUTE, TYPE_MASK, NetlinkError, attributes, integer

__all__ = ["Layout"]

MOST = 256  # shapes that are remembered: the kernel has a handful for objects of one kind
_NUMBERS = {1: "B", 2: "H", 4: "I"}
_HEAD = Struct("=I")  # length and type of an attribute, as one number
_MISSING = (0, None)  # a number, a payload

_Values: TypeAlias = tuple[Any, ...]
_Shape: TypeAlias = tuple[
    Callable[[bytes | memoryview, int], _Values], Callable[[_Values], Any], Any, Callable[[_Values], _Values]
]
"""Unpacks a message; picks the heads of its attributes; what they have to be; picks the answer."""


class Layout:
    """Messages with this header and these attributes: numbers, and payloads of bytes.

    The first message of a shape (the lengths and types of all its attributes) is read attribute by attribute, and a
    struct is made that reads the next one at once. What a struct does not fit exactly is read the careful way.
    """

    def __init__(self, header: Struct, numbers: Sequence[int] = (), payloads: Sequence[int] = ()) -> None:
        self._header = header
        self._numbers = tuple(numbers)
        self._payloads = tuple(payloads)
        self._shapes: dict[int, list[_Shape]] = {}  # by length of the message
        self._count = 0

    def read(self, data: bytes | memoryview, place: int = 0, end: int | None = None) -> tuple[Any, ...]:
        """Fields of the header, then numbers (0 = missing), then payloads (None = missing) of a message in `data`.

        :raises NetlinkError: lengths that do not add up.
        """
        if end is None:
            end = len(data)
        for unpack, heads, expected, pick in self._shapes.get(end - place, ()):
            values = unpack(data, place)
            if heads(values) == expected:
                return pick(values + _MISSING)
        return self._read_carefully(memoryview(data)[place:end])

    def _read_carefully(self, body: memoryview) -> tuple[Any, ...]:
        size = self._header.size
        if len(body) < size:
            raise NetlinkError(f"a message of {len(body)} bytes where {size} are the least")
        found = attributes(body[size:])
        numbers = [integer(found.get(kind)) for kind in self._numbers]
        payloads = [bytes(found[kind]) if kind in found else None for kind in self._payloads]
        if found and self._count < MOST:
            self._count += 1
            self._shapes.setdefault(len(body), []).append(self._shape(body))
        return (*self._header.unpack_from(body), *numbers, *payloads)

    def _shape(self, body: memoryview) -> _Shape:
        """Of a message that was found to be in order."""
        heads = list(_heads(body, self._header.size))
        last = {kind: place for place, (_, kind, _) in enumerate(heads)}
        form, places = self._header.format, dict[int, int]()
        count = fields = len(self._header.unpack_from(body))
        for place, (length, kind, _) in enumerate(heads):
            code = self._code(kind, length) if last[kind] == place else ""
            form += f"I{code or f'{length}x'}{-length % 4 if place < len(heads) - 1 else 0}x"
            count += 1
            if code:
                places[kind] = count
                count += 1
        form += f"{len(body) - Struct(form).size}x"
        at = [place for place in range(fields, count) if place not in places.values()]
        wanted = [places.get(kind, count) for kind in self._numbers]  # behind the last one stands _MISSING
        wanted += [places.get(kind, count + 1) for kind in self._payloads]
        expected = tuple(head for _, _, head in heads)
        if len(at) == 1:  # itemgetter gives a tuple only of several
            at, expected = at * 2, expected * 2
        return Struct(form).unpack_from, itemgetter(*at), expected, itemgetter(*range(fields), *wanted)

    def _code(self, kind: int, length: int) -> str:
        """How `struct` writes an attribute that is of interest."""
        if kind in self._numbers:
            return _NUMBERS[length]
        return f"{length}s" if kind in self._payloads else ""


def _heads(body: memoryview, place: int) -> Iterator[tuple[int, int, int]]:
    """Of each attribute: bytes of its payload, its type, and both as they stand there."""
    while place < len(body):
        length, kind = ATTRIBUTE.unpack_from(body, place)
        yield length - 4, kind & TYPE_MASK, _HEAD.unpack_from(body, place)[0]
        place += (length + 3) & ~3
