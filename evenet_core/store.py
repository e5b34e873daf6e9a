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
        """
        body = json.dumps(value, separators=(",", ":"), sort_keys=True)
        document = json.dumps({"version": VERSION, "sha256": _digest(body), "body": body}).encode()
        path = self._path(name)
        if path.exists():
            if path.read_bytes() == document:
                return
            backup = self._path(name, ".previous")
            write_atomic(backup, path.read_bytes(), sync=False)
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
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("state file %s is damaged (%s); the generation before it is used", path, error)
        return None

    def _path(self, name: str, suffix: str = "") -> Path:
        return self.directory / f"{name}.json{suffix}"


def _checked(data: bytes) -> Any:
    document = json.loads(data)
    if document["version"] > VERSION:
        raise EvenetError(f"the state was written by a newer evenet (format {document['version']})")
    if _digest(document["body"]) != document["sha256"]:
        raise ValueError("checksum does not match")
    return json.loads(document["body"])


def _digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()
