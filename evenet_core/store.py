"""Durable state: JSON documents that survive a crash at any moment, damage, and a disk that takes nothing more.

1. A document is written to a temporary file, synced and renamed; the generation before it is kept. Its first line
   carries format and checksum of the value that follows.
2. A copy of each lies where it lives as long as the kernel's own state does (/run): what the kernel holds stands in
   it, also when the disk takes nothing. A reboot empties both.
3. What is loaded is the document; or its copy, if the document is damaged or is still the one that the copy was to
   replace; or else the generation before. A document that somebody else wrote meanwhile (an older evenet, a backup)
   counts for more than its copy.
4. A document of an earlier format is led to the present one step by step. One of a later format is refused.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from evenet_core.errors import EvenetError
from evenet_core.linux.files import make_directory, write_atomic

__all__ = ["STEPS", "Flaw", "Step", "Store"]

Step: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""What became of documents from one format to the next, by name; those that it does not name stayed as they were."""

STEPS: tuple[Step, ...] = ()
"""The first step leads from format 1 to 2, and so on: whoever changes what a document looks like adds one here."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a document."""

    name: str
    text: str
    lost: bool  # what was stored last is not known any more
    since: float  # when that was noticed, in seconds since the epoch


class Store:
    """Documents by name in one directory that is ours alone.

    :param copies: directory of the copies; without one there are none.
    """

    def __init__(self, directory: Path, copies: Path | None = None, steps: Sequence[Step] = STEPS) -> None:
        self.directory = directory
        self.format = 1 + len(steps)
        self.flaws: dict[str, Flaw] = {}  # of documents by name, until they are written anew
        self.found: list[Flaw] = []  # all that there ever were
        self._copies = copies
        self._steps = steps
        self._better: dict[str, bytes] = {}  # values of copies, where the document itself is not so good

    def refuse_newer(self) -> None:
        """Look at every document before the first is read or written.

        :raises EvenetError: a newer evenet wrote one; all are left as they are.
        """
        for directory in (self.directory, self._copies):
            for path in _files(directory):
                if path.name.endswith((".json", ".json.previous")):
                    self._read(path)

    def save(self, name: str, value: Any, *, durable: bool = True) -> None:
        """Write a JSON value. The same value as the last one is not written again.

        :raises OSError: the disk is full, read-only or broken; what was stored before still is.
        :raises EvenetError: a newer evenet wrote what is there; it is left as it is.
        """
        self.write(name, _body(value), durable=durable)

    def write(self, name: str, body: bytes, *, durable: bool = True) -> None:
        """`save` for a value that is JSON already, always spelled alike.

        :param durable: not only its copy.
        """
        before = self._read(self._path(name))
        header: dict[str, Any] = {"version": self.format, "sha256": _digest(body)}
        document = _document(header, body)
        copy = _document(header | {"over": before.digest}, body)  # the disk may not take it
        try:
            if durable:
                self._write(name, before, document)
                copy = document
        finally:
            self._write_copy(name, copy)

    def load(self, name: str, *, older: bool = True) -> Any:
        """The value stored last, as well as that is known; None if there is none.

        :param older: the generation before is better than nothing.
        :raises EvenetError: a newer evenet wrote it; it is left as it is.
        """
        found = best = self._read(self._path(name))
        copy = self._copy(name)
        if copy.whole and (not found.whole or copy.over == found.digest):
            best = copy
        elif not found.whole and older:
            best = self._read(self._path(name, ".previous"))
        if not found.whole and (found.there or best.there):
            source = f"{best.path} is used instead" if best.whole else "there is nothing to use instead"
            self.note(name, f"{found.path} is {found.flaw}; {source}", lost=best is not copy)
        value = self._upgraded(name, best) if best.whole else None
        if best is copy:
            self._better[name] = _body(value)
        return value

    def note(self, name: str, text: str, *, lost: bool = True) -> None:
        """Something is wrong with a document, until it is written anew."""
        flaw = self.flaws[name] = Flaw(name, text, lost, time.time())
        self.found.append(flaw)
        log.error("%s", text)

    def mend(self) -> None:
        """Write anew what is known better by its copy than by the document.

        :raises OSError: as `save` does.
        """
        for name, body in list(self._better.items()):
            self.write(name, body)

    @property
    def mendable(self) -> bool:
        return bool(self._better)

    def drop_copies(self) -> None:
        """What the copies stand for is gone: none is kept from now on."""
        copies, self._copies = self._copies, None
        for path in _files(copies):
            path.unlink(missing_ok=True)
        if copies is not None:
            with suppress(OSError):  # it was not there
                copies.rmdir()

    def _upgraded(self, name: str, found: _Found) -> Any:
        value = json.loads(found.body)
        for step in self._steps[found.format - 1 :]:
            if name in step:
                value = step[name](value)
        return value

    def _copy(self, name: str) -> _Found:
        if self._copies is None:
            return _Found(self.directory, there=False, flaw="not kept")
        return self._read(self._copies / f"{name}.json")

    def _write_copy(self, name: str, document: bytes) -> None:
        if self._copies is None:
            return
        path = self._copies / f"{name}.json"
        if _content(path) == document:
            return
        try:
            make_directory(self._copies, 0o700)
            write_atomic(path, document, sync=False)
        except OSError:
            path.unlink(missing_ok=True)  # an old one might count for more than the document
            raise

    def _write(self, name: str, before: _Found, document: bytes) -> None:
        if before.document != document:
            make_directory(self.directory, 0o700)
            # a damaged one must not push out the good one before it
            keep = self._path(name, ".previous") if before.whole else None
            write_atomic(before.path, document, keep=keep)
        self.flaws.pop(name, None)
        self._better.pop(name, None)

    def _path(self, name: str, suffix: str = "") -> Path:
        return self.directory / f"{name}.json{suffix}"

    def _read(self, path: Path) -> _Found:
        """What there is of a document.

        :raises EvenetError: a newer evenet wrote it.
        """
        try:
            document = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return _Found(path, there=False, flaw="missing")
        except OSError as error:
            return _Found(path, flaw=f"unreadable ({error.strerror})")
        line, _, body = document.partition(b"\n")
        match header := _header(line):
            case {"version": int(version)} if version > self.format:
                raise EvenetError(
                    f"{path} was written by a newer evenet: it has format {version}, and this one understands formats "
                    f"up to {self.format}. Nothing was changed. Install the newer evenet again; or move {path.parent} "
                    "away, to start without what is stored there"
                )
            case {"version": int(version), "sha256": str(digest)} if version >= 1 and digest == _digest(body):
                return _Found(path, document, body, version, digest, str(header.get("over")))
        return _Found(path, flaw="damaged (its checksum does not match)")


@dataclass(frozen=True, slots=True)
class _Found:
    """A document as it was found; `flaw` says why it cannot be used."""

    path: Path
    document: bytes = b""
    body: bytes = b""
    format: int = 0
    digest: str = ""  # of its value
    over: str = ""  # digest of the value that a copy was to replace
    there: bool = True
    flaw: str = ""

    @property
    def whole(self) -> bool:
        return not self.flaw


def _files(directory: Path | None) -> list[Path]:
    try:
        return sorted(directory.iterdir()) if directory is not None else []
    except OSError:  # there is none, or it cannot be read; whoever reads a document will say so
        return []


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _header(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _document(header: Mapping[str, Any], body: bytes) -> bytes:
    return json.dumps(header).encode() + b"\n" + body


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()
