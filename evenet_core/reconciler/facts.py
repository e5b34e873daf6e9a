"""Facts and the reader that remembers what was read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["FactChange", "Facts", "Monitor"]


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact has a new value; None = it holds no longer."""

    name: str
    value: Any


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
    """Listens to the system. The first facts are the full picture, then come changes."""

    def facts(self) -> AsyncIterator[FactChange]: ...
