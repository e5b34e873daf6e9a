"""Permanent neighbour entries. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Neighbour"]


@dataclass(frozen=True, slots=True)
class Neighbour(Item):
    """`address` is always at `mac` on `link`; nobody asks ARP or NDP."""

    kind: ClassVar[str] = "neighbour"
    link: str
    address: str
    mac: str

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.link, self.address))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "the kernel drops its neighbours with it"),)
