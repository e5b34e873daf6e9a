"""Kernel settings under /proc/sys. Item and driver."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.linux.files import write_atomic
from evenet_core.linux.link import link_key
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["Sysctl", "SysctlDriver"]

ROOT = Path("/proc/sys")


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

    @property
    def description(self) -> str:
        return f"setting {self.name} = {self.value}"


class SysctlDriver:
    """Writes settings. What was found is remembered in the state directory before it is changed."""

    kinds: tuple[str, ...] = ("sysctl",)

    def __init__(self, state_dir: Path, root: Path = ROOT) -> None:
        self._file = state_dir / "sysctl.json"
        self._root = root

    async def observe(self) -> Iterable[Item]:
        items = []
        for name, (_, link) in self._found().items():
            value = self._read(name)
            if value is not None:
                items.append(Sysctl(name, value, link))
        return items

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """The values found are on disk before the first is changed: one write for the whole batch."""
        found = self._found()
        known = dict(found)
        for change in changes:
            item = change.item
            assert isinstance(item, Sysctl)
            value = self._read(item.name)
            if change.op is not Op.DELETE and value is not None:
                known.setdefault(item.name, (value, item.link))
        self._save(found, known)
        outcomes = [Outcome(change, self._carry_out(change, known)) for change in changes]
        gone = {str(o.change.key[1]) for o in outcomes if o.error is None and o.change.op is Op.DELETE}
        self._save(known, {name: value for name, value in known.items() if name not in gone})
        return outcomes

    def _carry_out(self, change: Change, known: dict[str, tuple[str, str]]) -> DriverError | None:
        item = change.item
        assert isinstance(item, Sysctl)
        value = known.get(item.name, ("", ""))[0] if change.op is Op.DELETE else item.value
        if not _is_name(item.name):
            return DriverError(f"{item.name} is no name of a setting", retryable=False)
        if change.op is Op.DELETE and (not value or self._read(item.name) is None):
            return None  # the link went, and its settings with it
        try:
            (self._root / item.name).write_text(value)
        except OSError as error:
            return DriverError(f"setting {item.name}: {error.strerror}", errno=error.errno or 0)
        return None

    def _read(self, name: str) -> str | None:
        if not _is_name(name):
            return None
        try:
            return " ".join((self._root / name).read_text().split())
        except OSError:
            return None

    def _found(self) -> dict[str, tuple[str, str]]:
        """Value found and link, by name."""
        try:
            stored = json.loads(self._file.read_bytes())
            return {str(name): (str(value), str(link)) for name, (value, link) in stored.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _save(self, before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]) -> None:
        if before != after:
            write_atomic(self._file, json.dumps(after).encode())


def _is_name(name: str) -> bool:
    """A name leads to no file outside of /proc/sys."""
    return not name.startswith("/") and ".." not in Path(name).parts
