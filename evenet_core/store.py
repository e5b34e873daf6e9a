"""Durable state: JSON documents that survive a crash at any moment.

A document is written to a temporary file, synced and renamed; the generation before it is kept. Its first line
carries version and checksum of the value that follows: a damaged one is passed over for the generation before.
"""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from pathlib import Path
from typing import Any

from evenet_core.errors import EvenetError
from evenet_core.linux.files import write_atomic

__all__ = ["Store"]

VERSION = 1
log = logging.getLogger(__name__)


class Store:
    """Documents by name in one directory that is ours alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def save(self, name: str, value: Any) -> None:
        """Write a JSON value. The same value as the last one is not written again.

        :raises OSError: the disk is full, read-only or broken; what was stored before still is.
        :raises EvenetError: a newer evenet wrote what is there; it is left as it is.
        """
        self.write(name, json.dumps(value, separators=(",", ":"), sort_keys=True).encode())

    def write(self, name: str, body: bytes) -> None:
        """`save` for a value that is JSON already, always spelled alike."""
        header = {"version": VERSION, "sha256": _digest(body)}
        path = self._path(name)
        before = path.read_bytes() if path.exists() else b""
        known, kept = _parts(before)
        if known == header and kept == body:
            return
        if _is_whole(known, kept):  # a damaged one must not push out the good one before it
            self._keep(path, self._path(name, ".previous"))
        write_atomic(path, json.dumps(header).encode() + b"\n" + body)

    def load(self, name: str) -> Any:
        """The value stored last, the one before it if that is damaged, None if there is neither.

        :raises EvenetError: a newer evenet wrote it; it is left as it is.
        """
        for path in (self._path(name), self._path(name, ".previous")):
            if not path.exists():
                continue
            try:
                return _checked(path.read_bytes())
            except (OSError, ValueError) as error:
                log.error("state file %s is damaged (%s); the generation before it is used", path, error)
        return None

    @staticmethod
    def _keep(path: Path, previous: Path) -> None:
        """The file under a second name, which stays with it when `path` becomes another file."""
        link = previous.with_name(f".{previous.name}.new")
        link.unlink(missing_ok=True)
        link.hardlink_to(path)
        link.replace(previous)

    def _path(self, name: str, suffix: str = "") -> Path:
        return self.directory / f"{name}.json{suffix}"


def _checked(data: bytes) -> Any:
    """The value in a document.

    :raises ValueError: the document is damaged.
    :raises EvenetError: a newer evenet wrote it.
    """
    header, body = _parts(data)
    if not _is_whole(header, body):
        raise ValueError("checksum does not match")
    return json.loads(body)


def _parts(data: bytes) -> tuple[Any, bytes]:
    """Header and value of a document; the header is None if it cannot be read."""
    line, _, body = data.partition(b"\n")
    try:
        return json.loads(line), body
    except (ValueError, RecursionError):
        return None, body


def _is_whole(header: Any, body: bytes) -> bool:
    """Whether a value is what its header says.

    :raises EvenetError: a newer evenet wrote it.
    """
    match header:
        case {"version": int(version)} if version > VERSION:
            raise EvenetError(f"the state was written by a newer evenet (format {version})")
        case {"version": int(), "sha256": digest}:
            return bool(digest == _digest(body))
    return False


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()
