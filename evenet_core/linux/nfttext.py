"""From items to nft's language, and from its JSON back to items. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

from evenet_core.errors import DriverError
from evenet_core.linux.nft import NftChain, NftElement, NftSet, NftTable
from evenet_core.reconciler.item import Change, Item, Op

__all__ = ["chain_texts", "element_text", "items_of", "script"]

MARK = "about"  # chain of a table that nobody jumps to: its only rule tells the digest of the table's body
_WORD = re.compile(r"[A-Za-z0-9_.:/-]+\Z")
_LINK = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_ORDER = (NftTable, NftSet, NftChain, NftElement)
_SET = _ORDER.index(NftSet)
_KEYWORDS = {"tcp", "udp", "icmp", "icmpv6", "accept", "drop", "jump", "return", "goto"}
_MARK = re.compile(r"evenet ([0-9a-f]{16}) (\d+)\Z")
_SET_MARK = "evenet"  # comment of a set that is an item


def script(changes: Sequence[Change], known: Iterable[Item]) -> list[tuple[int | None, str]]:
    """One transaction: lines of nft, each with the place of the change that it serves (None = of no single one).

    A table that changes is made anew within the transaction, with everything else `known` to be in it. Sets go
    last: a chain that looked into one may be gone only by then.

    :raises DriverError: an element holds text that could be taken for something else.
    """
    lines: list[tuple[int | None, str]] = []
    deletes = [(place, change) for place, change in enumerate(changes) if change.op is Op.DELETE]
    others = [(place, change) for place, change in enumerate(changes) if change.op is not Op.DELETE]
    users = [(place, change) for place, change in deletes if _rank(change.item) > _SET]
    used = [(place, change) for place, change in deletes if _rank(change.item) <= _SET]
    for place, change in sorted(users, key=lambda pair: _rank(pair[1].item), reverse=True):
        lines += [(place, line) for line in _removal(change.item)]
    for place, change in sorted(others, key=lambda pair: _rank(pair[1].item)):
        item = change.item
        lines += [(place, line) for line in _creation(change)]
        if isinstance(item, NftTable) and change.op is Op.UPDATE:
            mentioned = {change.key for change in changes}
            rest = [i for i in known if _in_table(i, item) and i.key not in mentioned]
            for kept in sorted(rest, key=_rank):
                lines += [(None, line) for line in _creation(Change(Op.CREATE, None, kept))]
    for place, change in sorted(used, key=lambda pair: _rank(pair[1].item), reverse=True):
        lines += [(place, line) for line in _removal(change.item)]
    return lines


def _rank(item: Item) -> int:
    """What stands on nothing first."""
    return _ORDER.index(type(item)) if type(item) in _ORDER else len(_ORDER)


def _in_table(item: Item, table: NftTable) -> bool:
    return isinstance(item, NftSet | NftChain | NftElement) and (item.family, item.table) == (table.family, table.name)


def _removal(item: Item) -> list[str]:
    match item:
        case NftTable():
            return [f"add table {item.family} {item.name}", f"delete table {item.family} {item.name}"]
        case NftSet():
            return [_set_creation(item), f"delete set {item.family} {item.table} {item.name}"]
        case NftChain():
            name = f"{item.family} {item.table} {item.name}"
            return [f"add chain {name}", f"flush chain {name}", f"delete chain {name}"]
        case NftElement():
            return _element_removal(item)
    raise DriverError(f"{item.key} is nothing that nftables knows", retryable=False)


def _creation(change: Change) -> list[str]:
    item = change.item
    match item:
        case NftTable():
            end = f'return comment "evenet {item.digest} {_rules_in(item.body)}"'
            start = f"table {item.family} {item.name} {{"
            return [*_removal(item), start, *item.body.splitlines(), f"chain {MARK} {{", end, "}", "}"]
        case NftSet():
            return [_set_creation(item)]
        case NftChain():
            name = f"{item.family} {item.table} {item.name}"
            end = f'return comment "evenet {item.digest} {len(item.rules)}"'
            # a block with the chain in it would be quicker to write, but nft reads all that exists before it takes one
            rules = [f"add rule {name} {rule}" for rule in (*item.rules, end)]
            return [f"add chain {name}", f"flush chain {name}", *rules]
        case NftElement():
            again = _element_removal(change.before) if isinstance(change.before, NftElement) else []
            value = f" : {_words(item.value)}" if item.value else ""
            return [*again, f"add element {_set(item)} {{ {_words(item.element)}{value} }}"]
    raise DriverError(f"{item.key} is nothing that nftables knows", retryable=False)


def _set_creation(item: NftSet) -> str:
    """`dynamic`: rules may refresh what is in it."""
    body = f'type {item.type}; flags dynamic,timeout; timeout {item.timeout}s; comment "{_SET_MARK}";'
    return f"add set {item.family} {item.table} {item.name} {{ {body} }}"


def _element_removal(item: NftElement) -> list[str]:
    value = f" : {_words(item.value)}" if item.value else ""
    return [f"delete element {_set(item)} {{ {_words(item.element)}{value} }}"]


def _set(item: NftElement) -> str:
    return f"{item.family} {item.table} {_plain(item.set)}"


def _plain(word: str) -> str:
    if not _WORD.match(word):
        raise DriverError(f"{word!r} cannot stand in a firewall rule", retryable=False)
    return word


def _words(text: str) -> str:
    """`a . b` and `jump c`, each word checked, names of links quoted."""
    return " . ".join(map(_part, text.split(" . ")))


def _part(text: str) -> str:
    first, *others = text.split(" ")
    for word in others:
        _plain(word)
    is_link = first not in _KEYWORDS and _LINK.match(first)
    return " ".join((f'"{first}"' if is_link else _plain(first), *others)) if is_link or others else _plain(first)


def _rules_in(body: str) -> int:
    """Rules of the chains that a table's body declares: each stands on a line of its own."""
    count, inside = 0, False
    for line in map(str.strip, body.splitlines()):
        if line.startswith("chain "):
            inside = True
        elif line == "}":
            inside = False
        elif inside and line and not line.startswith(("type ", "policy ", "comment ", "#")):
            count += 1
    return count


def items_of(document: Mapping[str, Any]) -> list[Item]:
    """Items of one table, from the JSON of `nft -j list table` (libnftables-json(5))."""
    entries = [entry for entry in document.get("nftables", ()) if isinstance(entry, dict)]
    tables = [entry["table"] for entry in entries if "table" in entry]
    if not tables:
        return []
    family, name = tables[0]["family"], tables[0]["name"]
    rules: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if "rule" in entry:
            rules.setdefault(entry["rule"]["chain"], []).append(entry["rule"])
    items: list[Item] = []
    hooked, mark = 0, ""
    for chain in (entry["chain"] for entry in entries if "chain" in entry):
        found = rules.get(chain["name"], [])
        if chain["name"] == MARK:
            mark = str(found[0].get("comment", "")) if len(found) == 1 else ""
        elif "hook" in chain or not any(_MARK.match(str(rule.get("comment", ""))) for rule in found):
            hooked += len(found)
        else:
            items.append(NftChain(family, name, chain["name"], (), _digest(found[-1].get("comment"), len(found) - 1)))
    items.append(NftTable(family, name, "", _digest(mark, hooked)))
    sets = [entry["set"] for entry in entries if "set" in entry and entry["set"].get("comment") == _SET_MARK]
    items += [NftSet(family, name, one["name"], str(one["type"]), one.get("timeout", 0)) for one in sets]
    for kind in ("set", "map"):
        for entry in entries:
            if kind in entry and not {"timeout", "dynamic", "constant"} & set(entry[kind].get("flags", ())):
                items += _elements(family, name, entry[kind])
    return items


def chain_texts(listing: str) -> dict[str, tuple[str, ...]]:
    """Rules by chain from the text of `nft list table`, which nft reads as it writes it; our marks left out."""
    texts: dict[str, tuple[str, ...]] = {}
    name = ""
    rules: list[str] = []
    for line in map(str.strip, listing.splitlines()):
        if found := re.match(r"chain (\S+) \{\Z", line):
            name, rules = found[1], []
        elif line == "}" and name:
            texts[name] = tuple(rules)
            name = ""
        elif name and not line.startswith('return comment "evenet '):
            rules.append(line)
    return texts


def _digest(comment: str | None, rules: int) -> str:
    """The digest that a mark tells, if the number of rules is still the one it tells."""
    found = _MARK.match(comment or "")
    return found[1] if found and int(found[2]) == rules else "altered"


def _elements(family: str, table: str, one: Mapping[str, Any]) -> Iterable[NftElement]:
    for member in one.get("elem", ()):
        key, value = member if isinstance(member, list) else (member, "")
        yield NftElement(family, table, one["name"], element_text(key), element_text(value))


def element_text(value: Any) -> str:
    """Canonical text of a key or value in nft's JSON."""
    if isinstance(value, dict):
        match value:
            case {"elem": {"val": inner}}:
                return element_text(inner)
            case {"concat": parts}:
                return " . ".join(map(element_text, parts))
            case {"prefix": {"addr": address, "len": length}}:
                return f"{_address(address)}/{length}"
            case {"jump": {"target": target}}:
                return f"jump {target}"
            case {"accept": _}:
                return "accept"
            case {"drop": _}:
                return "drop"
    return _address(str(value))


def _address(text: str) -> str:
    """nft shows the end of some IPv6 addresses as an IPv4 address (inet_ntop(3)), Python does not."""
    if ":" not in text or "." not in text:
        return text
    try:
        return str(IPv6Address(text))
    except ValueError:
        return text
