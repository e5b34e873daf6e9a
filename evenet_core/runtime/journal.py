"""What happened and why, in order: a bounded journal that others can follow, and that outlives the agent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from evenet_core.runtime.eventfile import EventFile
from evenet_core.runtime.ledger import Ledger
from evenet_core.status import timestamp

__all__ = ["Journal"]

LIMIT = 5000  # events told
KEPT = 500  # of those in the file, so many stay in memory
CHUNK = 250  # events written at once, every moment: a burst must not hold up the network
GAP = 1_000_000  # numbers left out at a restart: so many may have been told and not been written


@dataclass(frozen=True, slots=True)
class _Event:
    seq: int
    time: float
    kind: str
    told: Callable[[], Mapping[str, Any]]

    def document(self) -> dict[str, Any]:
        return {"seq": self.seq, "time": timestamp(self.time), "kind": self.kind, **self._words()}

    def _words(self) -> Mapping[str, Any]:
        try:
            return self.told()
        except Exception as error:  # a plugin's item that cannot be described
            return {"text": f"something that cannot be told: {type(error).__name__}: {error}"}


class Journal:
    """Events as plain values; each has a `seq` that only grows, over restarts, too.

    :param file: what outlives this run; None = nothing does.
    :param ledger: when it is written.
    """

    def __init__(
        self, now: Callable[[], float] = time.time, file: EventFile | None = None, ledger: Ledger | None = None
    ) -> None:
        self._now = now
        self._file = file
        self._ledger = ledger
        last = file.last() if file is not None else 0
        self._seq = last + GAP if last else 0
        self._events: deque[_Event] = deque(maxlen=LIMIT)
        self._written = self._seq
        self._due = False
        self._grown = asyncio.Event()

    @property
    def latest(self) -> int:
        """Number of the event added last."""
        return self._seq

    def add(self, kind: str, text: str, **fields: Any) -> None:
        self.add_later(kind, lambda: {"text": text, **fields})

    def add_later(self, kind: str, told: Callable[[], Mapping[str, Any]]) -> None:
        """An event whose `text` and fields are put into words when somebody asks, each time the same."""
        self._seq += 1
        self._events.append(_Event(self._seq, self._now(), kind, told))
        self._grown.set()
        self._grown = asyncio.Event()
        if self._ledger is not None and not self._due:
            self._due = True
            self._ledger.enter("events", self._write)

    def since(self, seq: int = 0) -> list[dict[str, Any]]:
        """Events after number `seq`, oldest first."""
        before = self._seq - len(self._events)  # number of the last event that is not in memory
        events = [event.document() for event in islice(self._events, max(0, seq - before), None)]
        room = LIMIT - len(self._events)
        if self._file is None or seq >= before or not room:
            return events
        earlier = [event for event in self._file.read() if seq < event["seq"] <= before]
        return [*earlier[-room:], *events]

    async def follow(self, seq: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events after number `seq`, then new ones as they come."""
        while True:
            grown = self._grown
            for event in self.since(seq):
                seq = event["seq"]
                yield event
            await grown.wait()

    def _write(self) -> None:
        """The next events to the file.

        :raises OSError: the disk does not take them.
        """
        assert self._file is not None
        assert self._ledger is not None
        before = self._seq - len(self._events)
        start = max(self._written, before)
        due = list(islice(self._events, start - before, start - before + CHUNK))
        self._file.append(event.document() for event in due)
        self._written = due[-1].seq
        while len(self._events) > KEPT and self._events[0].seq <= self._written:
            self._events.popleft()
        self._due = self._written < self._seq
        if self._due:
            self._ledger.enter("events", self._write)
