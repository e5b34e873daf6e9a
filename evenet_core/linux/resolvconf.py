"""The node's resolver file, /etc/resolv.conf. Item and driver."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.linux.files import write_atomic
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["ResolvConf", "ResolvConfDriver"]

MARK = "# written by evenet; the file found before is given back at teardown\n"
ALONE = "# written by evenet; there was none before, at teardown it is removed\n"


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
    """Ours starts with a mark; what stood there before, a file or a link, is kept in the state directory.

    What others write instead of ours is theirs: it is kept in its turn, and nothing takes its place at the end. The
    mark says whether there was anything: where that is lost with the state directory, ours stays.
    """

    kinds: tuple[str, ...] = ("resolv-conf",)

    def __init__(self, path: Path, state_dir: Path) -> None:
        self._path = path
        self._original = state_dir / "resolv.conf.original"

    async def observe(self) -> Iterable[Item]:
        try:
            text = _read(self._path)[:65536]
        except OSError:
            return []
        if not _is_marked(text):
            return []
        words = [line.split() for line in text.splitlines()]
        servers = tuple(line[1] for line in words if len(line) == 2 and line[0] == "nameserver")
        search = tuple(domain for line in words if line and line[0] == "search" for domain in line[1:])
        found = ResolvConf(str(self._path), servers, search)
        return (
            [found] if found.text == text.replace(ALONE, MARK, 1) else [ResolvConf(str(self._path), (), ("altered",))]
        )

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, self._carry_out(change)) for change in changes]

    def _carry_out(self, change: Change) -> DriverError | None:
        item = change.item
        assert isinstance(item, ResolvConf)
        try:
            if change.op is Op.DELETE:
                self._give_back()
            else:
                alone = not self._keep_original()
                _write(self._path, item.text.replace(MARK, ALONE, 1) if alone else item.text)
        except DriverError as error:
            return error
        except OSError as error:
            return DriverError(f"{self._path}: {error.strerror}", errno=error.errno or 0)
        return None

    def _keep_original(self) -> bool:
        """Whether there was anything before ours."""
        if self._path.is_symlink():
            _link(self._original, os.readlink(self._path))
            return True
        try:
            text = _read(self._path)
        except FileNotFoundError:
            self._original.unlink(missing_ok=True)  # of a time that is past
            return False
        if not _is_marked(text):
            write_atomic(self._original, text.encode(errors="surrogateescape"), _mode(self._path))
        return not text.startswith(ALONE)

    def _give_back(self) -> None:
        """
        :raises DriverError: what was there before is lost.
        """
        if not self._is_ours():
            pass
        elif self._original.is_symlink():
            _link(self._path, os.readlink(self._original))
        elif self._original.exists():
            _write(self._path, _read(self._original), _mode(self._original))
        elif self._path.exists() and _read(self._path).startswith(MARK):
            text = f"the file found before is lost with {self._original}; this one stays, write it anew"
            raise DriverError(text, retryable=False)
        else:
            self._path.unlink(missing_ok=True)
        self._original.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Nothing there counts as ours: somebody has removed it."""
        if self._path.is_symlink():
            return False
        try:
            return _is_marked(_read(self._path))
        except FileNotFoundError:
            return True


def _is_marked(text: str) -> bool:
    return text.startswith((MARK, ALONE))


def _read(path: Path) -> str:
    """Content of a file; a link is not followed: what it leads to is somebody else's.

    :raises OSError: there is none, or it is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _link(path: Path, target: str) -> None:
    """Replace the file by a link, as a whole."""
    temporary = path.with_name(f".{path.name}.evenet")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace the file; in place where it is a mount point (containers), which cannot be renamed over."""
    data = text.encode(errors="surrogateescape")
    try:
        write_atomic(path, data, mode)
    except OSError as error:
        path.with_name(f".{path.name}.new").unlink(missing_ok=True)
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        with open(path, "r+b") as file:
            file.write(data)
            file.truncate()
            os.fsync(file.fileno())
