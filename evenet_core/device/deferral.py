"""The queue of what is sent later: which item is tried when. Pure.

One item a key: the controller wants the last word on each matter, not all of them. New bytes are tried at once; the
same bytes again wait as before. An item that the controller refuses for now waits 1, 2, 4 ... 15 minutes and holds up
no other; where nobody answers at all, everything waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

__all__ = ["MOST", "Deferred", "Item", "is_retriable"]

FIRST_PAUSE, LAST_PAUSE = 60.0, 900.0  # seconds after a refusal; doubles from the first to the last
SILENCE = 10.0  # seconds after which somebody may answer again
MOST = 4096  # items; the one that waits longest of the least important gives way
RETRIABLE = frozenset({401, 403, 407, 408, 429})  # the controller may think better of it


def is_retriable(status: int) -> bool:
    """Whether the same request may be answered otherwise later (EVE: spec of device connectivity, D.3)."""
    return status in RETRIABLE or status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A request that waits."""

    key: str
    url: str
    body: bytes
    content_type: str = "application/octet-stream"
    priority: int = 0  # the lower one goes first
    number: int = 0  # in which they came
    not_before: float = 0.0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Deferred:
    """All that waits, and until when nobody is asked."""

    items: tuple[Item, ...] = ()
    silent_until: float = 0.0
    count: int = 0

    def put(self, item: Item) -> Deferred:
        """In place of what waits under the same key."""
        known = next((one for one in self.items if one.key == item.key), None)
        others = [one for one in self.items if one.key != item.key]
        if known is not None and (known.url, known.body) == (item.url, item.body):
            return self
        if len(others) >= MOST:
            others.remove(max(others, key=lambda one: (one.priority, -one.number)))
        number = known.number if known is not None else self.count
        return replace(self, items=(*others, replace(item, number=number)), count=self.count + 1)

    def drop(self, key: str) -> Deferred:
        """Nobody wants to send this any more."""
        return replace(self, items=tuple(item for item in self.items if item.key != key))

    def due(self, now: float) -> Item | None:
        """What is to be sent now."""
        if now < self.silent_until:
            return None
        return min((item for item in self.items if item.not_before <= now), key=_turn, default=None)

    @property
    def wake_at(self) -> float:
        """When something may be due."""
        return max(self.silent_until, min((item.not_before for item in self.items), default=inf))

    def answered(self, item: Item, status: int, now: float) -> Deferred:
        """The controller said this of the item; what came under its key meanwhile is another matter."""
        current = next((one for one in self.items if one == item), None)
        if current is None:
            return self
        if not is_retriable(status):
            return self.drop(item.key)
        pause = min(LAST_PAUSE, FIRST_PAUSE * 2**current.refusals)
        waits = replace(current, not_before=now + pause, refusals=current.refusals + 1)
        return replace(self, items=tuple(waits if one is current else one for one in self.items))

    def unanswered(self, now: float) -> Deferred:
        """Nobody answered over any uplink."""
        return replace(self, silent_until=now + SILENCE)

    def connected(self) -> Deferred:
        """Somebody answers again."""
        return replace(self, silent_until=0.0)

    def waiting(self) -> Sequence[str]:
        """Keys in their order."""
        return [item.key for item in sorted(self.items, key=_turn)]


def _turn(item: Item) -> tuple[int, int]:
    return item.priority, item.number
