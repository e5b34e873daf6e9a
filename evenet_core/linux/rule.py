"""Routing rules. Item and driver."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evenet_core.linux import netlink
from evenet_core.linux.batch import NetlinkDriver
from evenet_core.linux.layout import Layout
from evenet_core.linux.netlink import CREATE, EXCLUSIVE, MARK, Message, Reply
from evenet_core.reconciler.item import Change, Item, ItemKey, Op

__all__ = ["Rule", "RuleDriver", "rule_item", "rule_message"]

NEWRULE, DELRULE, GETRULE = 32, 33, 34
_DST, _SRC, _IIF, _PRIORITY, _FWMARK, _TABLE, _FWMASK, _OIF, _PROTOCOL = 1, 2, 3, 6, 10, 15, 16, 17, 21
_TO_TABLE = 1
_COMPAT = 252
_HEADER = struct.Struct("=BBBBBBBBI")  # family, dst, src, tos, table, 0, 0, action, flags
_LAYOUT = Layout(_HEADER, numbers=(_PROTOCOL, _PRIORITY, _TABLE, _FWMARK, _FWMASK), payloads=(_SRC, _DST, _IIF, _OIF))
_FAMILIES = {4: 2, 6: 10}
_VERSIONS = {2: 4, 10: 6}


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

    @property
    def description(self) -> str:
        selectors = {
            "from": self.source,
            "to": self.destination,
            "by": self.oif,
            "of": "the node itself" if self.iif == "lo" else self.iif,
            "marked": str(self.mark) if self.mask else "",
        }
        what = " ".join(f"{word} {value}" for word, value in selectors.items() if value) or "of all"
        return f"rule {self.priority}: IPv{self.family} {what} uses table {self.table}"


class RuleDriver(NetlinkDriver):
    """Adds and removes rules whose protocol is ours."""

    kinds: tuple[str, ...] = ("rule",)

    async def observe(self) -> Iterable[Item]:
        rules: list[Rule] = []
        for family in _VERSIONS:
            body = _HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
            rules += await self.rtnl.dump(Message(GETRULE, 0, body, "rules"), _LAYOUT, _rule)
        return rules

    async def messages(self, change: Change) -> Sequence[Message]:
        messages = []
        if change.op is not Op.CREATE and isinstance(change.before, Rule):
            messages.append(rule_message(DELRULE, change.before))
        if isinstance(change.after, Rule):
            messages.append(rule_message(NEWRULE, change.after))
        return messages


def rule_message(kind: int, item: Rule) -> Message:
    """NEWRULE or DELRULE of a rule."""
    source, source_length = _network(item.source)
    destination, length = _network(item.destination)
    body = _HEADER.pack(
        _FAMILIES[item.family],
        length,
        source_length,
        0,
        item.table if item.table < 256 else _COMPAT,
        0,
        0,
        _TO_TABLE,
        0,
    )
    body += netlink.number(_PRIORITY, item.priority) + netlink.number(_TABLE, item.table)
    body += netlink.number(_PROTOCOL, MARK, 1)
    if source:
        body += netlink.raw(_SRC, source)
    if destination:
        body += netlink.raw(_DST, destination)
    if item.iif:
        body += netlink.text(_IIF, item.iif)
    if item.oif:
        body += netlink.text(_OIF, item.oif)
    if item.mark or item.mask:
        body += netlink.number(_FWMARK, item.mark) + netlink.number(_FWMASK, item.mask)
    about = f"rule {item.priority} to table {item.table}"
    return Message(kind, CREATE | EXCLUSIVE if kind == NEWRULE else 0, body, about)


def _network(text: str) -> tuple[bytes, int]:
    """Address and prefix length; nothing of no text."""
    address, _, length = text.partition("/")
    return (netlink.address_bytes(address), int(length)) if text else (b"", 0)


def rule_item(reply: Reply) -> Rule | None:
    """The rule that a message speaks of, if it is ours.

    :raises NetlinkError: it is not put together as the kernel would.
    """
    return _rule(_LAYOUT.read(reply.body))


def _rule(row: tuple[Any, ...]) -> Rule | None:
    family, to_length, length, _, short, _, _, action, _, *numbers, source, to, iif, oif = row
    protocol, priority, table, mark, mask = numbers
    if protocol != MARK or action != _TO_TABLE or family not in _VERSIONS:
        return None
    return Rule(
        _VERSIONS[family],
        priority,
        table or short,
        f"{netlink.address_text(source)}/{length}" if source is not None else "",
        f"{netlink.address_text(to)}/{to_length}" if to is not None else "",
        netlink.string(iif),
        netlink.string(oif),
        mark,
        mask,
    )
