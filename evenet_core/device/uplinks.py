"""By which uplinks a request may leave, and in which order. Pure.

1. Those whose probes say that nothing answers come behind all others: they may be wrong about them.
2. Before that, the cheaper one. Among equals each request begins with the next one, so that they share the load.
3. Those dearer than the request is worth are not used at all (EVE: `network.download.max.cost`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from evenet_core.model.values import IPAddress
from evenet_core.probing.ways import Proxied

__all__ = ["Uplink", "candidates"]

LEAST_PATIENCE = 0.3  # seconds that a way has before the next one is tried, too; RFC 8305 advises 0.25
LONGEST_PATIENCE = 3.0
SLOWER = 4  # times the usual latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """A management port as it is now."""

    label: str
    ifname: str
    cost: int = 0
    addresses: tuple[IPAddress, ...] = ()
    dns: tuple[IPAddress, ...] = ()
    proxied: Proxied | None = None  # what its network says of proxies
    works: bool = True  # its probes do not say otherwise
    latency: float | None = None  # seconds, where it is known

    @property
    def patience(self) -> float:
        """Seconds after which a connection through it may be waited for at another one, too."""
        return min(LONGEST_PATIENCE, max(LEAST_PATIENCE, SLOWER * (self.latency or 0.0)))


def candidates(uplinks: Sequence[Uplink], *, max_cost: int, turn: int) -> list[Uplink]:
    """Those that a request may use, best first.

    :param turn: counts requests
    """
    fit = [uplink for uplink in uplinks if uplink.cost <= max_cost and uplink.addresses]
    order = sorted(fit, key=_rank)
    found: list[Uplink] = []
    for _, equals in groupby(order, key=_rank):
        group = list(equals)
        start = turn % len(group)
        found += group[start:] + group[:start]
    return found


def _rank(uplink: Uplink) -> tuple[bool, int]:
    return not uplink.works, uplink.cost
