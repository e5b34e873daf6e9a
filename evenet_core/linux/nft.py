"""Objects of our nftables tables as items. Driver: nftdriver.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar

from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["NftChain", "NftElement", "NftSet", "NftTable", "text_digest"]


def text_digest(lines: Sequence[str]) -> str:
    """What tells one text from another. nft shows text in its own words, so texts themselves cannot be compared."""
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class NftTable(Item):
    """A table of ours: its sets, maps and the chains that hang on hooks, as nft text, one rule a line.

    What comes and goes with objects of the config (`NftChain`, `NftElement`) is not part of it.
    """

    kind: ClassVar[str] = "nft"
    family: str
    name: str
    body: str = field(compare=False)  # what stands between the braces of `table FAMILY NAME { }`
    digest: str = ""  # of the body

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", text_digest([self.body]))

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.name))

    @property
    def description(self) -> str:
        return f"nft table {self.family} {self.name}"


@dataclass(frozen=True, slots=True)
class NftSet(Item):
    """A set that comes and goes with the config. Somebody else fills it (a resolver); what is in it expires."""

    kind: ClassVar[str] = "nft"
    family: str
    table: str
    name: str
    type: str  # of its elements: ipv4_addr
    timeout: int  # seconds

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.table, "set", self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(ItemKey((self.kind, self.family, self.table)), "the set is in this table"),)

    @property
    def description(self) -> str:
        return f"nft set {self.family} {self.table} {self.name}"

    def replaces(self, other: Item) -> bool:
        """nft cannot change the type of a set."""
        return True


@dataclass(frozen=True, slots=True)
class NftChain(Item):
    """A chain without hook: its rules in order, each in nft's own words. `sets` are those it looks into."""

    kind: ClassVar[str] = "nft"
    family: str
    table: str
    name: str
    rules: tuple[str, ...] = field(compare=False)
    digest: str = ""  # of the rules
    sets: tuple[str, ...] = field(default=(), compare=False)  # NftSets of the same table

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", text_digest(self.rules))

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.table, "chain", self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        table = (self.kind, self.family, self.table)
        sets = (Requires(ItemKey((*table, "set", name)), "its rules look into this set") for name in self.sets)
        return (Requires(ItemKey(table), "the chain is in this table"), *sets)

    @property
    def description(self) -> str:
        return f"nft chain {self.family} {self.table} {self.name} ({len(self.rules)} rules)"


@dataclass(frozen=True, slots=True)
class NftElement(Item):
    """One element of a set or map of the table's body."""

    kind: ClassVar[str] = "nft"
    family: str
    table: str
    set: str
    element: str  # canonical text: nbu1x1, 172.22.10.5 . tcp . 2223
    value: str = ""  # of a map: jump out-nbu1x1, 10.50.0.2 . 22

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.table, "element", self.set, self.element))

    @property
    def requires(self) -> tuple[Requires, ...]:
        table = (self.kind, self.family, self.table)
        needs = (Requires(ItemKey(table), "the set is in this table"),)
        if not self.value.startswith("jump "):
            return needs
        return (*needs, Requires(ItemKey((*table, "chain", self.value[5:])), "it leads to this chain"))

    @property
    def description(self) -> str:
        value = f" : {self.value}" if self.value else ""
        return f"nft element {self.family} {self.table} {self.set} {{ {self.element}{value} }}"
