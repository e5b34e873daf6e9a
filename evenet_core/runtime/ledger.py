"""What is to be written down: a moment later, so that the network does not wait for the disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from evenet_core.errors import EvenetError

__all__ = ["Ledger", "Trouble"]

MOMENT = 0.05  # seconds: one more app works by then
FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # seconds until it is tried again; doubles from the first to the last
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """The disk does not take what is entered: why, since when, and when it is tried again (since the epoch)."""

    error: Exception
    since: float
    retry_at: float


@dataclass(frozen=True, slots=True)
class _Entry:
    write: Callable[[], None]
    after: Collection[str]
    meanwhile: Callable[[], None]


class Ledger:
    """Entries by name; of each the last one counts. They are written in their order.

    What cannot be written stays entered and is tried again by itself.

    :param told: called with the first error when trouble begins, with None when all is written again.
    :param now: seconds since the epoch.
    """

    def __init__(self, told: Callable[[Exception | None], None], now: Callable[[], float] = time.time) -> None:
        self.trouble: Trouble | None = None
        self._told = told
        self._now = now
        self._entries: dict[str, _Entry] = {}
        self._due: asyncio.Handle | None = None
        self._delay = FIRST_RETRY

    def enter(
        self,
        name: str,
        write: Callable[[], None],
        *,
        after: Collection[str] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """`write` is called in a moment, unless another entry of this name comes before.

        :param after: not as long as an earlier entry of one of these names cannot be written;
        :param meanwhile: then this is called.
        """
        self._entries.pop(name, None)
        self._entries[name] = _Entry(write, after, meanwhile)
        if self._due is None:
            self._write_in(MOMENT)

    async def settled(self) -> None:
        """Returns when all that was entered is on disk.

        :raises OSError: something cannot be written; what does not have to come after it is.
        :raises EvenetError: a newer evenet wrote what is there.
        """
        self._cancel()
        try:
            await asyncio.sleep(MOMENT)
        except asyncio.CancelledError:
            self._write()  # who waited has gone
            raise
        errors = self._write()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Write what is left."""
        while self._entries and not self._write():
            pass
        self._cancel()

    def _write(self) -> list[Exception]:
        self._cancel()
        entries, self._entries = self._entries, {}
        errors, kept = list[Exception](), dict[str, _Entry]()
        for name, entry in entries.items():
            waits = not kept.keys().isdisjoint(entry.after)
            try:
                (entry.meanwhile if waits else entry.write)()
            except (OSError, EvenetError) as error:
                errors.append(error)
                waits = True
            if waits:
                kept[name] = entry
        self._entries = {**kept, **self._entries}
        self._judge(errors)
        return errors

    def _judge(self, errors: list[Exception]) -> None:
        before, now = self.trouble, self._now()
        if errors:
            self.trouble = Trouble(errors[0], before.since if before else now, now + self._delay)
            self._write_in(self._delay)
            self._delay = min(LAST_RETRY, 2 * self._delay)
        else:
            self.trouble, self._delay = None, FIRST_RETRY
            if self._entries:
                self._write_in(MOMENT)
        if (before is None) == bool(errors):  # it began, or it is over
            self._told(errors[0] if errors else None)

    def _write_in(self, seconds: float) -> None:
        self._due = asyncio.get_running_loop().call_later(seconds, self._write)

    def _cancel(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
