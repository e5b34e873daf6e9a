"""Directories and files watched without polling (inotify(7))."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType

__all__ = ["Watcher"]

_MODIFY, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x8, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLYDIR = 0x01000000
_EVENT = struct.Struct("=iIII")  # watch, mask, cookie, length of the name
_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """Tells which entries of watched directories were written, came or went, and which watched files were written."""

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._watched: dict[int, Path] = {}
        self._numbers: dict[Path, int] = {}
        self._grown = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._descriptor, self._grown.set)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def add(self, directory: Path) -> None:
        """Watch a directory until it goes.

        :raises OSError: it does not exist or is no directory, or the kernel's limit is reached.
        """
        self._add(directory, _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR)

    def add_file(self, path: Path) -> None:
        """Watch what is called so now, until `remove`.

        :raises OSError: it does not exist, or the kernel's limit is reached.
        """
        self._add(path, _MODIFY)

    def remove(self, path: Path) -> None:
        """Watch it no longer."""
        number = self._numbers.pop(path, None)
        if number is not None:
            del self._watched[number]
            _libc.inotify_rm_watch(self._descriptor, number)

    def _add(self, path: Path, mask: int) -> None:
        number = _libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)
        if number < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
        if self._numbers.get(path) != number:  # else the very same is watched already
            self.remove(path)
            self._watched[number], self._numbers[path] = path, number

    async def changes(self) -> set[Path] | None:
        """What changed since the last call; waits for something. None = some of it was missed."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            found = self._read()
            if found is None or found:
                return found

    def _read(self) -> set[Path] | None:
        found: set[Path] = set()
        while True:
            try:
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:
                return found
            place = 0
            while place < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, place)
                name = os.fsdecode(data[place + _EVENT.size : place + _EVENT.size + length].rstrip(b"\0"))
                place += _EVENT.size + length
                if mask & _OVERFLOW:
                    return None
                if mask & _IGNORED:
                    if (gone := self._watched.pop(watch, None)) is not None:
                        del self._numbers[gone]
                elif watch in self._watched:
                    found.add(self._watched[watch] / name)
