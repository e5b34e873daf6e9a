"""What happened and why, in order: a bounded journal that others can follow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from evenet_core.status import timestamp

__all__ = ["Journal"]

LIMIT = 5000  # events kept


@dataclass(frozen=True, slots=True)
class _Event:
    seq: int
    time: float
    kind: str
    told: Callable[[], Mapping[str, Any]]

    def document(self) -> dict[str, Any]:
        return {"seq": self.seq, "time": timestamp(self.time), "kind": self.kind, **self.told()}


class Journal:
    """Events as plain values; each has a `seq` that only grows."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._events: deque[_Event] = deque(maxlen=LIMIT)
        self._seq = 0
        self._grown = asyncio.Event()

    @property
    def latest(self) -> int:
        """Number of the event added last; 0 = none yet."""
        return self._seq

    def add(self, kind: str, text: str, **fields: Any) -> None:
        self.add_later(kind, lambda: {"text": text, **fields})

    def add_later(self, kind: str, told: Callable[[], Mapping[str, Any]]) -> None:
        """An event whose `text` and fields are put into words when somebody asks, each time the same."""
        self._seq += 1
        self._events.append(_Event(self._seq, self._now(), kind, told))
        self._grown.set()
        self._grown = asyncio.Event()

    def since(self, seq: int = 0) -> list[dict[str, Any]]:
        """Events after number `seq`, oldest first."""
        first = self._seq - len(self._events)
        return [event.document() for event in islice(self._events, max(0, seq - first), None)]

    async def follow(self, seq: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events after number `seq`, then new ones as they come."""
        while True:
            grown = self._grown
            for event in self.since(seq):
                seq = event["seq"]
                yield event
            await grown.wait()
