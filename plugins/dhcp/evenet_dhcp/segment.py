"""Listening on a link, as an item: its directory is there, and whoever sees it listens (`listener.py`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["HOSTS", "ROUTERS", "Segment", "SegmentDriver"]

HOSTS = "hosts"  # who else claims our addresses, and which gateway falls silent
ROUTERS = "routers"  # what they announce
_WORDS = {HOSTS: "what hosts do about our addresses and gateways", ROUTERS: "what routers announce"}


@dataclass(frozen=True, slots=True)
class Segment(Item):
    """evenet listens on `link` to `whom`: `HOSTS` or `ROUTERS`."""

    kind: ClassVar[str] = "segment"
    link: str
    whom: str

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.whom, self.link))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "what is heard comes from this link"),)

    @property
    def description(self) -> str:
        return f"listening on {self.link} to {_WORDS[self.whom]}"


class SegmentDriver:
    """Makes and removes the directories. What was heard stays in them, over a restart of the agent.

    :param root: of the directories
    """

    kinds: tuple[str, ...] = ("segment",)

    def __init__(self, root: Path) -> None:
        self._root = root

    async def observe(self) -> Iterable[Item]:
        names = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        parted = (name.partition("-") for name in names)
        return [Segment(link, whom) for whom, _, link in parted if whom in _WORDS]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, self._carry_out(change)) for change in changes]

    def _carry_out(self, change: Change) -> DriverError | None:
        item = change.item
        assert isinstance(item, Segment)
        directory = self._root / f"{item.whom}-{item.link}"
        try:
            if change.op is Op.DELETE:
                shutil.rmtree(directory, ignore_errors=True)
            else:
                directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        except OSError as error:
            return DriverError(f"{item.description}: {error.strerror}: {error.filename}", errno=error.errno or 0)
        return None
