"""Events on disk, a line of JSON each: what was written up to a moment before survives restarts and crashes.

Two files: when the first is full it takes the place of the second, and what that held is gone. Nothing is synced: it
is the kernel that survives an agent, and flash wears out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from evenet_core.linux.files import make_directory

__all__ = ["EventFile"]

FILE_SIZE = 2 << 20  # bytes of one file; 5000 events and more
LINE_SIZE = 64 << 10  # bytes of one event
SHORTENED = 1000  # characters of a text in an event that is too long
MAX_SEQ = 1 << 53  # what every reader of JSON can count to
_encode = msgspec.json.Encoder(enc_hook=str).encode


class EventFile:
    """The two files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "events.jsonl"
        self._older = directory / "events.jsonl.previous"

    def append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write events, all or none.

        :raises OSError: the disk is full, read-only or broken.
        """
        data = b"".join(_line(event) for event in events)
        make_directory(self._path.parent, 0o700)
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                data = b"\n" + data  # half a line that a crash left
            _write(file, data, size)
        finally:
            os.close(file)
        if size + len(data) >= FILE_SIZE:
            self._path.replace(self._older)

    def read(self) -> Iterator[dict[str, Any]]:
        """Events, oldest first. What is no event, half a line for one, is passed over."""
        for path in (self._older, self._path):
            for line in _lines(path):
                if (event := _event(line)) is not None:
                    yield event

    def last(self) -> int:
        """Number of the event written last; 0 = none."""
        for path in (self._path, self._older):
            for line in reversed(_lines(path)):
                if (event := _event(line)) is not None:
                    return int(event["seq"])
        return 0


def _write(file: int, data: bytes, size: int) -> None:
    """
    :raises OSError: not all of it can be written; then nothing is.
    """
    try:
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(file, size)
        raise


def _line(event: Mapping[str, Any]) -> bytes:
    try:
        line = _encode(event)
        if len(line) < LINE_SIZE:
            return line + b"\n"
    except ValueError:  # half a character, from a name of somebody else's
        pass
    return _encode({key: _short(value) for key, value in event.items()}) + b"\n"


def _short(value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    return str(value)[:SHORTENED].encode(errors="replace").decode()


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2 * FILE_SIZE))
            return file.read().split(b"\n")
    except OSError:
        return []


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event: Any = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    match event:
        case {"seq": int(seq), "time": str(), "kind": str(), "text": str()} if type(seq) is int and 0 < seq < MAX_SEQ:
            return dict(event)
    return None
