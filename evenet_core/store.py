"""Durable state: small JSON documents that survive a crash at any moment.

A document is written to a temporary file, synced and renamed; the generation before it is kept. Each
carries a checksum and a version: a damaged one is passed over for the generation before.
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
        body = json.dumps(value, separators=(",", ":"), sort_keys=True)
        document = json.dumps({"version": VERSION, "sha256": _digest(body), "body": body}).encode()
        path = self._path(name)
        before = path.read_bytes() if path.exists() else b""
        if before == document:
            return
        if _is_whole(before):  # a damaged one must not push out the good one before it
            write_atomic(self._path(name, ".previous"), before, sync=False)
        write_atomic(path, document)

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

    def _path(self, name: str, suffix: str = "") -> Path:
        return self.directory / f"{name}.json{suffix}"


def _is_whole(data: bytes) -> bool:
    try:
        _checked(data)
    except ValueError:
        return False
    return True


def _checked(data: bytes) -> Any:
    """The value in a document.

    :raises ValueError: the document is damaged.
    :raises EvenetError: a newer evenet wrote it.
    """
    try:
        match json.loads(data):
            case {"version": int(version)} if version > VERSION:
                raise EvenetError(f"the state was written by a newer evenet (format {version})")
            case {"version": int(), "sha256": str(digest), "body": str(body)} if _digest(body) == digest:
                return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    raise ValueError("checksum does not match")


def _digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()
