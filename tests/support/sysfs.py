"""A /sys of one's own: it shows the devices of the network namespace where it was mounted."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.kernel import run

__all__ = ["own_sysfs"]

CLONE_FS, CLONE_NEWNS = 0x200, 0x20000


@contextmanager
def own_sysfs() -> Iterator[None]:
    """/sys shows the devices of the present network namespace, to this thread and the programs that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    where = Path.cwd()
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_FS | CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "sysfs", "sysfs", "/sys")
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.close(home)
        os.chdir(where)
