"""Routes in tables of our own. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.linux.address import address_key
from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Route"]


@dataclass(frozen=True, slots=True)
class Route(Item):
    """A route. `link` empty = unreachable: the sender gets an ICMP error at once."""

    kind: ClassVar[str] = "route"
    table: int
    destination: str  # CIDR; 0.0.0.0/0 and ::/0 are the defaults
    link: str = ""
    via: str = ""
    source: str = ""  # preferred source address
    metric: int = 0  # of IPv6, 0 reads back as 1024 (IP6_RT_PRIO_USER)

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.table, self.destination, self.metric))

    @property
    def requires(self) -> tuple[Requires, ...]:
        if not self.link:
            return ()
        needs = [Requires(link_key(self.link), "the route leads out of this link")]
        if self.source:
            needs.append(Requires(address_key(self.link, self.source), "it is the route's source address"))
        return tuple(needs)
