"""Facts and the reader that remembers what was read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["FULL_PICTURE", "FactChange", "Facts", "Monitor"]


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact has a new value; None = it holds no longer."""

    name: str
    value: Any


FULL_PICTURE = FactChange("", None)
"""A monitor yields it once, when it has told all that holds at its start: planning waits for it."""


class Facts:
    """Read access to facts for one planning; `read` tells afterwards what the plan depends on."""

    __slots__ = ("_values", "read")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.read: set[str] = set()

    def get(self, name: str) -> Any:
        """Value of a fact, None if it is not known."""
        self.read.add(name)
        return self._values.get(name)


class Monitor(Protocol):
    """Listens to the system. First comes the full picture, then `FULL_PICTURE`, then changes."""

    def facts(self) -> AsyncIterator[FactChange]: ...
