"""The node's resolver file, /etc/resolv.conf. Item and driver."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["ResolvConf", "ResolvConfDriver"]

MARK = "# written by evenet; the file found before is given back at teardown\n"


@dataclass(frozen=True, slots=True)
class ResolvConf(Item):
    """`path` names these servers and search domains (resolv.conf(5))."""

    kind: ClassVar[str] = "resolv-conf"
    path: str
    servers: tuple[str, ...]
    search: tuple[str, ...] = ()
    needs: tuple[Requires, ...] = field(default=(), compare=False)

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.path))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return self.needs

    @property
    def description(self) -> str:
        return f"resolver {', '.join(self.servers)} in {self.path}"

    @property
    def text(self) -> str:
        lines = [f"nameserver {server}\n" for server in self.servers]
        if self.search:
            lines.append(f"search {' '.join(self.search)}\n")
        return MARK + "".join(lines)


class ResolvConfDriver:
    """Ours starts with a mark; what stood there before is kept in the state directory."""

    kinds: tuple[str, ...] = ("resolv-conf",)

    def __init__(self, path: Path, state_dir: Path) -> None:
        self._path = path
        self._original = state_dir / "resolv.conf.original"

    async def observe(self) -> Iterable[Item]:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")[:65536]
        except OSError:
            return []
        if not text.startswith(MARK):
            return []
        words = [line.split() for line in text.splitlines()]
        servers = tuple(line[1] for line in words if len(line) == 2 and line[0] == "nameserver")
        search = tuple(domain for line in words if line and line[0] == "search" for domain in line[1:])
        found = ResolvConf(str(self._path), servers, search)
        return [found] if found.text == text else [ResolvConf(str(self._path), (), ("altered",))]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, self._carry_out(change)) for change in changes]

    def _carry_out(self, change: Change) -> DriverError | None:
        item = change.item
        assert isinstance(item, ResolvConf)
        try:
            if change.op is Op.DELETE:
                self._give_back()
            else:
                self._keep_original()
                _write(self._path, item.text)
        except OSError as error:
            return DriverError(f"{self._path}: {error.strerror}", errno=error.errno or 0)
        return None

    def _keep_original(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return
        if not text.startswith(MARK):
            self._original.write_text(text, encoding="utf-8", errors="surrogateescape")

    def _give_back(self) -> None:
        if self._original.exists():
            _write(self._path, self._original.read_text(encoding="utf-8", errors="surrogateescape"))
            self._original.unlink()
        else:
            self._path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Replace the file; in place where it is a mount point (containers), which cannot be renamed over."""
    temporary = path.with_name(f".{path.name}.evenet")
    temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    temporary.chmod(0o644)
    try:
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        with open(path, "r+", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.truncate()
            os.fsync(file.fileno())
