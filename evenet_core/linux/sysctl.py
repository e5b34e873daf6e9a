"""Kernel settings under /proc/sys. Item and driver."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from evenet_core.errors import DriverError
from evenet_core.linux.link import link_key
from evenet_core.linux.notes import Notes
from evenet_core.linux.sysctlbeside import beside, give_back
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["Sysctl", "SysctlDriver"]

ROOT = Path("/proc/sys")
SHORT, LONGEST = 1 << 10, 1 << 16  # bytes of a setting: most are short


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


class Found(NamedTuple):
    """What is given back."""

    value: str
    link: str  # the link it belongs to, if any
    beside: Mapping[str, str]  # other settings that the kernel changed along with it


NOTHING = Found("", "", {})


class Watch(Protocol):
    """Who notices when somebody else writes a setting."""

    def left(self, item: Sysctl) -> None:
        """This setting is ours, and is so now."""

    def given_back(self, name: str) -> None:
        """This setting is ours no longer."""


class SysctlDriver:
    """Writes settings. What was found is remembered before it is changed.

    :param run_dir: where: like the kernel's settings, it is gone after a reboot
    :param watch: is told which settings are ours
    """

    kinds: tuple[str, ...] = ("sysctl",)

    def __init__(self, run_dir: Path, root: Path = ROOT, watch: Watch | None = None) -> None:
        self._notes = Notes(run_dir / "sysctl.json")
        self._root = root
        self._base = f"{root}/"
        self._watch = watch

    async def observe(self) -> Iterable[Item]:
        """A setting that went with its link is forgotten: the next link of that name is another one."""
        items, known = [], self._found()
        gone: set[str] = set()
        for name, found in known.items():
            value = self._read(name)
            if value is not None:
                items.append(Sysctl(name, value, found.link))
            elif found.link:
                gone.add(name)
        if gone:
            self._save(known, {name: found for name, found in known.items() if name not in gone})
        self._tell(items, gone)
        return items

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """The values found are on disk before the first is changed: one write for the whole batch."""
        before = self._found()
        known, values = dict(before), dict[str, str | None]()
        for change in changes:
            item = change.item
            assert isinstance(item, Sysctl)
            value = values[item.name] = self._read(item.name)
            if change.op is not Op.DELETE and value is not None and item.name not in known:
                known[item.name] = Found(value, item.link, beside(item.name, self._root))
        self._save(before, known)
        outcomes = [Outcome(change, self._carry_out(change, known, values)) for change in changes]
        gone = {str(o.change.key[1]) for o in outcomes if o.error is None and o.change.op is Op.DELETE}
        self._save(known, {name: value for name, value in known.items() if name not in gone})
        self._tell([o.change.item for o in outcomes if o.error is None and o.change.op is not Op.DELETE], gone)
        return outcomes

    def _tell(self, left: Iterable[Item], given_back: Iterable[str]) -> None:
        if self._watch is None:
            return
        for item in left:
            assert isinstance(item, Sysctl)
            self._watch.left(item)
        for name in given_back:
            self._watch.given_back(name)

    def _carry_out(
        self, change: Change, known: Mapping[str, Found], values: Mapping[str, str | None]
    ) -> DriverError | None:
        """
        :param known: what is to be given back, by name
        :param values: what was there a moment ago
        """
        item = change.item
        assert isinstance(item, Sysctl)
        found = known.get(item.name, NOTHING)
        value = found.value if change.op is Op.DELETE else item.value
        if not _is_name(item.name):
            return DriverError(f"{item.name} is no name of a setting", retryable=False)
        if change.op is Op.DELETE and (not value or values[item.name] is None):
            return None  # the link went, and its settings with it
        try:
            if value != values[item.name]:
                self._write(item.name, value)
            if change.op is Op.DELETE:
                give_back(found.beside, self._root)
        except OSError as error:
            return DriverError(f"setting {item.name}: {error.strerror}", errno=error.errno or 0)
        return None

    def _read(self, name: str) -> str | None:
        """There may be thousands: a file object for each would double the time, as would room for the longest."""
        try:
            opened = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            text = os.read(opened, SHORT)
            if len(text) == SHORT:
                text += os.read(opened, LONGEST)
            return " ".join(text.decode().split())
        except (OSError, ValueError):
            return None
        finally:
            os.close(opened)

    def _write(self, name: str, value: str) -> None:
        opened = os.open(self._path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(opened, value.encode())
        finally:
            os.close(opened)

    def _path(self, name: str) -> str:
        """
        :raises FileNotFoundError: it is no name of a setting, and leads to no file outside of /proc/sys.
        """
        if not _is_name(name):
            raise FileNotFoundError(name)
        return self._base + name

    def _found(self) -> dict[str, Found]:
        """By name."""
        try:
            return {name: _found(*noted) for name, noted in self._notes.load().items()}
        except (ValueError, TypeError):
            return {}

    def _save(self, before: dict[str, Found], after: dict[str, Found]) -> None:
        if before != after:
            self._notes.save(dict(after))


def _found(value: str, link: str, beside: Mapping[str, str] | None = None) -> Found:
    """
    :raises ValueError: the note is damaged.
    """
    also = dict(beside or {})
    if not all(isinstance(text, str) for text in (value, link, *also.values())):
        raise ValueError("a setting has a text")
    return Found(value, link, also)


def _is_name(name: str) -> bool:
    """A name leads to no file outside of /proc/sys."""
    return not name.startswith("/") and (".." not in name or ".." not in name.split("/"))
