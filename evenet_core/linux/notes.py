"""What a driver found before it changed it, in a file, to be given back whatever happens in between."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from evenet_core.linux.files import write_atomic

__all__ = ["Notes"]

log = logging.getLogger(__name__)


class Notes:
    """A JSON object in a file that goes with the machine, as what it tells of does.

    A disk that takes nothing does not keep a driver from its work: what it notes then is known until the agent ends,
    and written with the next note that the disk takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unsaved: dict[str, Any] | None = None
        self._told = False

    def load(self) -> dict[str, Any]:
        """What was noted; nothing if that cannot be read."""
        if self._unsaved is not None:
            return self._unsaved
        try:
            stored = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            stored = error
        if isinstance(stored, dict):
            return stored
        if not self._told:
            self._told = True
            log.error("%s cannot be read (%s): what was found is not given back", self._path, stored)
        return {}

    def save(self, notes: dict[str, Any]) -> None:
        """In the file when this returns, unless the disk takes nothing. Nothing noted is no file."""
        try:
            if notes:
                write_atomic(self._path, json.dumps(notes).encode(), sync=False)
            else:
                self._path.unlink(missing_ok=True)
            self._unsaved = None
        except OSError as error:
            self._unsaved = notes
            log.error("%s cannot be written (%s): what it holds is forgotten at the end", self._path, error.strerror)
