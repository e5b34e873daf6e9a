"""What is to be written down: a moment later, so that the network does not wait for the disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

__all__ = ["Ledger"]

MOMENT = 0.05  # seconds: one more app works by then
log = logging.getLogger(__name__)


class Ledger:
    """Entries by name; of each the last one counts. They are written in their order.

    :param failed: called with each error that nobody waits for.
    """

    def __init__(self, failed: Callable[[OSError], None]) -> None:
        self._failed = failed
        self._entries: dict[str, Callable[[], None]] = {}
        self._due: asyncio.Handle | None = None

    def enter(self, name: str, write: Callable[[], None]) -> None:
        """`write` is called in a moment, unless another entry of this name comes before."""
        self._entries.pop(name, None)
        self._entries[name] = write
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(MOMENT, self._write_unasked)

    async def settled(self) -> None:
        """Returns when all that was entered is on disk.

        :raises OSError: something cannot be written; the rest is.
        """
        self._cancel()  # errors are for whoever waits
        try:
            await asyncio.sleep(MOMENT)
        except asyncio.CancelledError:
            self._write_unasked()  # who waited has gone
            raise
        errors = self._write()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Write what is left."""
        self._write_unasked()

    def _write_unasked(self) -> None:
        for error in self._write():
            log.error("the state cannot be stored: %s", error)
            self._failed(error)

    def _write(self) -> list[OSError]:
        self._cancel()
        entries, self._entries = self._entries, {}
        errors = []
        for name, write in entries.items():
            try:
                write()
            except OSError as error:
                errors.append(error)
                self._entries.setdefault(name, write)  # tried again with the next entry
        return errors

    def _cancel(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
