"""Network namespaces: work inside another one for a moment, make one that nobody can name."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["inside", "make_namespace", "open_namespace"]

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(namespace: int | str | None) -> Iterator[None]:
    """Sockets opened in this block belong to `namespace` (a descriptor or path; None = where we are).

    The whole thread moves: nothing may be awaited inside.

    :raises OSError: it is not a network namespace, or we may not enter it.
    """
    if namespace is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = open_namespace(namespace) if isinstance(namespace, str) else namespace
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)
        if isinstance(namespace, str):
            os.close(there)


def open_namespace(path: str) -> int:
    """A descriptor of the namespace behind a path. Whatever the path leads to, it does not block.

    :raises OSError: there is no such file.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def make_namespace() -> int:
    """A new network namespace that lives as long as somebody holds the descriptor."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(CLONE_NEWNET) != 0:
            _fail("unshare")
        try:
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        _fail("setns")


def _fail(what: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, f"{what}: {os.strerror(code)}")
