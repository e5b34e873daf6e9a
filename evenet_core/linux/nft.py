"""Objects of our nftables tables. Items and driver: one batch is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["NftChain", "NftElement", "NftTable"]


@dataclass(frozen=True, slots=True)
class NftTable(Item):
    """A table of ours: its sets, maps and the chains that hang on hooks, as nft text.

    What comes and goes with objects of the config (`NftChain`, `NftElement`) is not part of it.
    """

    kind: ClassVar[str] = "nft"
    family: str
    name: str
    body: str  # what stands between the braces of `table FAMILY NAME { }`

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.name))


@dataclass(frozen=True, slots=True)
class NftChain(Item):
    """A chain without hook: its rules in order, each in nft's own words."""

    kind: ClassVar[str] = "nft"
    family: str
    table: str
    name: str
    rules: tuple[str, ...]

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.table, "chain", self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(ItemKey((self.kind, self.family, self.table)), "the chain is in this table"),)


@dataclass(frozen=True, slots=True)
class NftElement(Item):
    """One element of a set or map of the table's body."""

    kind: ClassVar[str] = "nft"
    family: str
    table: str
    set: str
    element: str  # canonical text: "nbu1x1", "172.22.10.5 . tcp . 2223"
    value: str = ""  # of a map: "jump out-nbu1x1", "10.50.0.2 . 22"
    chain: str = ""  # chain that the value jumps to

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.family, self.table, "element", self.set, self.element))

    @property
    def requires(self) -> tuple[Requires, ...]:
        needs = [Requires(ItemKey((self.kind, self.family, self.table)), "the set is in this table")]
        if self.chain:
            needs.append(
                Requires(
                    ItemKey((self.kind, self.family, self.table, "chain", self.chain)),
                    "the element jumps to this chain",
                )
            )
        return tuple(needs)
