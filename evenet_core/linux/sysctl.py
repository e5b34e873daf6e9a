"""Kernel settings under /proc/sys. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Sysctl"]


@dataclass(frozen=True, slots=True)
class Sysctl(Item):
    """`name` (with slashes: net/ipv4/ip_forward) has `value`; the value found is given back at teardown."""

    kind: ClassVar[str] = "sysctl"
    name: str
    value: str
    link: str = ""  # the link it belongs to, if any

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        if not self.link:
            return ()
        return (Requires(link_key(self.link), "it is a setting of this link"),)
