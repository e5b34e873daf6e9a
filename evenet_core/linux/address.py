"""IP addresses on links. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Address", "address_key"]


def address_key(link: str, address: str) -> ItemKey:
    """Identity of an address; `address` without prefix length."""
    return ItemKey(("address", link, address))


@dataclass(frozen=True, slots=True)
class Address(Item):
    """`address`/`prefix` on `link`. No route comes with it (IFA_F_NOPREFIXROUTE): routes are items."""

    kind: ClassVar[str] = "address"
    link: str
    address: str
    prefix: int

    @property
    def key(self) -> ItemKey:
        return address_key(self.link, self.address)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "the address sits on this link"),)
