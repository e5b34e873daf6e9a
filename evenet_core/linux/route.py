"""Routes in tables of our own. Item and driver."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

from evenet_core.linux import netlink
from evenet_core.linux.address import address_key
from evenet_core.linux.batch import NetlinkDriver
from evenet_core.linux.layout import Layout
from evenet_core.linux.link import link_key
from evenet_core.linux.netlink import CREATE, MARK, REPLACE, Message, Reply
from evenet_core.reconciler.item import Change, Item, ItemKey, Requires

__all__ = ["Route", "RouteDriver", "route_item", "route_message"]

NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
_DST, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _TABLE = 1, 4, 5, 6, 7, 15
_UNICAST, _UNREACHABLE = 1, 7
_UNIVERSE, _LINK, _NOWHERE = 0, 253, 255  # scopes
_COMPAT = 252  # in the header's byte for tables above 255
_ONLINK = 4
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst, src, tos, table, protocol, scope, type, flags
_LAYOUT = Layout(_RTMSG, numbers=(_TABLE, _OIF, _PRIORITY), payloads=(_DST, _GATEWAY, _PREFSRC))
_frequent = lru_cache(256)(netlink.address_text)  # gateways and sources: few of many routes
_FAMILIES = {4: 2, 6: 10}
_VERSIONS = {2: 4, 10: 6}
_DEFAULTS = {4: "0.0.0.0", 6: "::"}
_IPV6_METRIC = 1024  # IP6_RT_PRIO_USER: what the kernel makes of 0


@dataclass(frozen=True, slots=True)
class Route(Item):
    """A route. `link` empty = unreachable: the sender gets an ICMP error at once."""

    kind: ClassVar[str] = "route"
    table: int
    destination: str  # CIDR; 0.0.0.0/0 and ::/0 are the defaults
    link: str = ""
    via: str = ""
    source: str = ""  # preferred source address
    metric: int = 0  # of IPv6, the kernel makes 1024 of 0 (IP6_RT_PRIO_USER); here both are 0

    def __post_init__(self) -> None:
        if self.metric == _IPV6_METRIC and ":" in self.destination:
            object.__setattr__(self, "metric", 0)

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

    @property
    def description(self) -> str:
        if not self.link:
            return f"route to {self.destination} in table {self.table}: unreachable"
        via = f" via {self.via}" if self.via else ""
        return f"route to {self.destination}{via} on {self.link} in table {self.table}"


class RouteDriver(NetlinkDriver):
    """Adds, replaces and removes routes whose protocol is ours.

    To the kernel, metric 0 in the removal of an IPv4 route means any: routes of one prefix, type and link differ
    either in nothing or in metrics that are not 0.
    """

    kinds: tuple[str, ...] = ("route",)

    async def observe(self) -> Iterable[Item]:
        names = await self.link_names()
        ours = Message(GETROUTE, 0, _RTMSG.pack(0, 0, 0, 0, 0, MARK, 0, 0, 0), "routes")
        return await self.rtnl.dump(ours, _LAYOUT, lambda row: _route(row, names))

    async def messages(self, change: Change) -> Sequence[Message]:
        item = change.item
        assert isinstance(item, Route)
        kind = DELROUTE if change.after is None else NEWROUTE
        return [route_message(kind, item, await self.index(item.link) if item.link else 0)]


def route_message(kind: int, item: Route, index: int) -> Message:
    """NEWROUTE or DELROUTE of a route out of the link with this index."""
    address, length = item.destination.split("/")
    destination = netlink.address_bytes(address)
    ipv6 = len(destination) == 16
    scope = _UNIVERSE if item.via or not item.link or ipv6 else _LINK
    body = _RTMSG.pack(
        _FAMILIES[6 if ipv6 else 4],
        int(length),
        0,
        0,
        item.table if item.table < 256 else _COMPAT,
        MARK,
        scope if kind == NEWROUTE or ipv6 else _NOWHERE,  # of IPv4, any
        _UNICAST if item.link else _UNREACHABLE,
        # the gateway is on the link: what else the tables hold at this moment must not matter
        _ONLINK if item.via else 0,
    )
    body += netlink.raw(_DST, destination) + netlink.number(_TABLE, item.table)
    if item.link:
        body += netlink.number(_OIF, index)
    if item.via:
        body += netlink.raw(_GATEWAY, netlink.address_bytes(item.via))
    if item.source:
        body += netlink.raw(_PREFSRC, netlink.address_bytes(item.source))
    metric = item.metric or (_IPV6_METRIC if ipv6 else 0)
    if metric:
        body += netlink.number(_PRIORITY, metric)
    about = f"route to {item.destination} in table {item.table}"
    return Message(kind, CREATE | REPLACE if kind == NEWROUTE else 0, body, about)


def route_item(reply: Reply, names: Mapping[int, str], *, anybodys: bool = False) -> Route | None:
    """The route that a message speaks of, if it is ours, or `anybodys`.

    :raises NetlinkError: it is not put together as the kernel would.
    """
    return _route(_LAYOUT.read(reply.body), names, anybodys=anybodys)


def _route(row: tuple[Any, ...], names: Mapping[int, str], *, anybodys: bool = False) -> Route | None:
    family, prefix, _, _, short, protocol, _, kind, _, table, oif, metric, to, via, source = row
    if (protocol != MARK and not anybodys) or kind not in (_UNICAST, _UNREACHABLE) or family not in _VERSIONS:
        return None
    destination = netlink.address_text(to) if to is not None else _DEFAULTS[_VERSIONS[family]]
    route: Route = _new(Route)  # there may be many: this takes half the time of a frozen dataclass's __init__
    _set_table(route, table or short)
    _set_destination(route, f"{destination}/{prefix}")
    _set_link(route, names.get(oif, "") if kind == _UNICAST else "")
    _set_via(route, _frequent(via) if via is not None else "")
    _set_source(route, _frequent(source) if source is not None else "")
    _set_metric(route, 0 if metric == _IPV6_METRIC and family == _FAMILIES[6] else metric)
    return route


_new = object.__new__
_set_table, _set_destination, _set_link, _set_via, _set_source, _set_metric = (
    getattr(Route, field.name).__set__ for field in fields(Route)
)
