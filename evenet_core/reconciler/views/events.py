"""What the engine tells: changes that it made, and what it found otherwise than it had left it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

from evenet_core.reconciler.failures import Drift
from evenet_core.reconciler.item import Item, Op
from evenet_core.reconciler.machine import PLAIN_REASONS
from evenet_core.reconciler.views.plan import differences

__all__ = ["DriftEvent", "EngineEvent"]


class EngineEvent(NamedTuple):
    """One change that was made, or failed: what, for whom, why, and when by the engine's clock."""

    op: Op
    item: Item
    object: Hashable
    error: Exception | None = None
    because: str = ""
    at: float = 0.0

    @property
    def text(self) -> str:
        """The change in words, with its reason unless that goes without saying."""
        why = "" if self.because in PLAIN_REASONS else f" ({self.because})"
        return f"{self.op} {self.item.description}{why}" + (f" failed: {self.error}" if self.error is not None else "")


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """Something of ours is not as it was left."""

    drift: Drift
    object: Hashable

    @property
    def item(self) -> Item:
        return self.drift.before

    @property
    def text(self) -> str:
        """What was found, by whose hand, and when it is repaired unless that is now."""
        drift = self.drift
        wait = drift.repair_at - drift.at
        later = f"; {drift.times} times now, it is repaired in {wait:.0f} s" if wait > 0 else ""
        fields = differences(drift.before, drift.found)
        return f"drift: {drift.before.description} {drift.what}{fields and f' ({fields})'}{later}"
