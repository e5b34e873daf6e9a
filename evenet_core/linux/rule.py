"""Routing rules. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.reconciler.item import Item, ItemKey

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class Rule(Item):
    """Packets that match all given selectors are routed by `table`. Empty selector = any."""

    kind: ClassVar[str] = "rule"
    family: int  # 4 or 6
    priority: int
    table: int
    source: str = ""  # CIDR
    destination: str = ""  # CIDR
    iif: str = ""  # "lo" = packets of the node itself
    oif: str = ""  # sockets bound to this link
    mark: int = 0
    mask: int = 0

    @property
    def key(self) -> ItemKey:
        return ItemKey(
            (
                self.kind,
                self.family,
                self.priority,
                self.source,
                self.destination,
                self.iif,
                self.oif,
                self.mark,
                self.table,
            )
        )
