"""All that outlives the agent, documents and events; and what is wrong with it, for people."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from evenet_core.errors import EvenetError
from evenet_core.runtime.eventfile import EventFile
from evenet_core.runtime.journal import Journal
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import Memory
from evenet_core.status import timestamp
from evenet_core.store import Flaw

__all__ = ["Keeping"]

STATE = "the state cannot be stored, and a reboot would lose what changes from now on"
EVENTS = "events cannot be stored, and a restart would lose them"

_REMEDIES = {
    errno.ENOSPC: "make room on its file system",
    errno.EDQUOT: "make room on its file system",
    errno.EROFS: "mount its file system writable",
    errno.EIO: "check the disk",
}
_LOST = {  # what a document that cannot be used costs, by its name
    "config": "hand the config over again: `evenet apply FILE`",
    "unconfirmed": "whether the config waits for a confirmation is not known: it stays",
}
log = logging.getLogger(__name__)


class Keeping:
    """A disk that takes nothing, or gives back something else, is a problem that is told; nothing stops for it.

    :raises EvenetError: a newer evenet wrote the state.
    """

    def __init__(self, state_dir: Path, run_dir: Path) -> None:
        self.memory = Memory(state_dir, run_dir)
        self.ledger = Ledger(partial(self._told, STATE))
        self._diary = Ledger(partial(self._told, EVENTS))  # events hold nothing else up
        self.journal = Journal(file=EventFile(state_dir), ledger=self._diary)
        self._object = f"the state in {state_dir}"

    def begin(self) -> None:
        """All documents were read: tell what was damaged, write anew what is known better."""
        for flaw in self.memory.found:
            text = _flaw_text(flaw)
            self.journal.add("state", text, error=text)
        if self.memory.mendable:
            self.ledger.enter("mend", self.memory.mend)

    async def stored(self, otherwise: str) -> None:
        """
        :param otherwise: what it means if not.
        :raises EvenetError: something cannot be stored.
        """
        try:
            await self.ledger.settled()
        except (OSError, EvenetError) as error:
            raise EvenetError(_text(otherwise, error)) from error

    def close(self) -> None:
        """Write what is left."""
        self.ledger.close()
        self._diary.close()

    def problems(self) -> Iterator[dict[str, Any]]:
        """What is wrong, as the status tells it."""
        about: dict[str, Any] = {"item": None, "object": self._object, "plugin": None, "blocks": []}
        for what, ledger in ((STATE, self.ledger), (EVENTS, self._diary)):
            if (trouble := ledger.trouble) is not None:
                times = {"since": timestamp(trouble.since), "retry_at": timestamp(trouble.retry_at)}
                yield about | {"error": _text(what, trouble.error), **times}
        for flaw in self.memory.flaws.values():
            yield about | {"error": _flaw_text(flaw), "since": timestamp(flaw.since), "retry_at": None}

    def _told(self, what: str, error: Exception | None) -> None:
        """The disk takes nothing, or takes all again."""
        if error is not None:
            text = _text(what, error)
            log.error("%s", text)
            self.journal.add("state", text, error=text)
        else:
            self.journal.add("state", f"this is over: {what}")


def _text(what: str, error: Exception) -> str:
    """What the disk does not take, why, and what helps."""
    if not isinstance(error, OSError):
        return f"{what}: {error}"
    remedy = _REMEDIES.get(error.errno or 0, "see that its directory is one that root may write to")
    where = f" ({error.filename})" if error.filename else ""
    return f"{what}: {error.strerror or error}{where}; {remedy}"


def _flaw_text(flaw: Flaw) -> str:
    """What is wrong with a document, and what helps."""
    if not flaw.lost:
        return f"{flaw.text}, and nothing is lost"
    return f"{flaw.text}; {_LOST.get(flaw.name, 'nothing is to be done: it is written anew when its content changes')}"
