"""Files that a crash cannot leave half written."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

__all__ = ["make_directory", "write_atomic"]


def write_atomic(path: Path, data: bytes, mode: int = 0o600, *, sync: bool = True, keep: Path | None = None) -> None:
    """Replace `path` by a file with this content; a crash leaves the old or the new one, never half of it.

    :param keep: the name under which the file that was there stays.
    :raises OSError: nothing has changed, and nothing of it is left behind.
    """
    temporary = _beside(path)
    try:
        _write(temporary, data, mode, sync)
        if keep is not None:
            _link(path, keep)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):  # half a file must not take the room of a disk that is full
            temporary.unlink()
        raise
    if sync:
        _sync_directory(path.parent)


def make_directory(path: Path, mode: int) -> None:
    """A directory that a crash does not take away again."""
    if not path.is_dir():
        make_directory(path.parent, 0o755)
        path.mkdir(mode, exist_ok=True)
        _sync_directory(path.parent)


@lru_cache(maxsize=512)
def _beside(path: Path) -> Path:
    """The name that it has first. Kept, because Python keeps room for every part of a path that it ever saw."""
    return path.with_name(f".{path.name}.new")


def _write(path: Path, data: bytes, mode: int, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _link(path: Path, other: Path) -> None:
    """The file under a second name, which stays with it when `path` becomes another file."""
    link = _beside(other)
    link.unlink(missing_ok=True)
    link.hardlink_to(path)
    link.replace(other)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
