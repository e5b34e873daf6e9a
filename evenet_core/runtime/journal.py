"""What happened and why, in order: a bounded journal that others can follow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

from evenet_core.status import timestamp

__all__ = ["Journal"]

LIMIT = 5000  # events kept


class Journal:
    """Events as plain values; each has a `seq` that only grows."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._events: deque[dict[str, Any]] = deque(maxlen=LIMIT)
        self._seq = 0
        self._grown = asyncio.Event()

    @property
    def latest(self) -> int:
        """Number of the event added last; 0 = none yet."""
        return self._seq

    def add(self, kind: str, text: str, **fields: Any) -> None:
        self._seq += 1
        self._events.append({"seq": self._seq, "time": self._now(), "kind": kind, "text": text, **fields})
        self._grown.set()
        self._grown = asyncio.Event()

    def since(self, seq: int = 0) -> list[dict[str, Any]]:
        """Events after number `seq`, oldest first."""
        first = self._seq - len(self._events)
        later = islice(self._events, max(0, seq - first), None)
        return [event | {"time": timestamp(event["time"])} for event in later]

    async def follow(self, seq: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events after number `seq`, then new ones as they come."""
        while True:
            grown = self._grown
            for event in self.since(seq):
                seq = event["seq"]
                yield event
            await grown.wait()
