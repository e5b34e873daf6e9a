"""Disks of a test's own: small ones, full ones, read-only ones. Mounts are seen by the test and its children only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.kernel import run

__all__ = ["Disk", "own_mounts"]

CLONE_NEWNS = 0x20000


@contextmanager
def own_mounts() -> Iterator[None]:
    """A mount namespace that vanishes with all that is mounted inside."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.getcwd()
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.close(home)
        os.chdir(here)


class Disk:
    """A small file system at `path`, in memory."""

    def __init__(self, path: Path, size: str = "1m") -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(path))

    def fill(self) -> None:
        """Not a byte is left."""
        descriptor = os.open(self.path / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(4096))
        os.close(descriptor)

    def make_room(self) -> None:
        (self.path / "filler").unlink()

    def read_only(self, yes: bool = True) -> None:
        run("mount", "-o", "remount,ro" if yes else "remount,rw", str(self.path))
