"""A program that is started before there is anything to do for it, and waits for its input.

Most of what a short run of nft takes is its start: 2 of 3 ms.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from evenet_core.errors import DriverError
from evenet_core.linux.process import Completed, Started, run

__all__ = ["Standby"]

PIPE = 65536  # bytes that a pipe takes at once, pipe(7)
BREATH = 0.02  # seconds after a run: whoever waited for it goes on first
log = logging.getLogger(__name__)


class Standby:
    """Runs one command again and again, each time with another input. The first time nobody waits yet.

    :param command: told before each start
    :param timeout: seconds that a run may take
    """

    def __init__(self, command: Callable[[], Sequence[str]], timeout: float) -> None:
        self._command = command
        self._timeout = timeout
        self._waiting: tuple[Started, int] | None = None  # and our end of its input
        self._closed = False

    async def run(self, given: bytes) -> Completed:
        """
        :raises DriverError: it is not installed, or not done in time (it is killed then).
        """
        waiting = self._taken() if len(given) <= PIPE else None
        try:
            if waiting is None:
                return await run(self._command(), given, self._timeout)
            started, pipe = waiting
            try:
                with suppress(BrokenPipeError):  # its status will tell
                    os.write(pipe, given)
            finally:
                os.close(pipe)
            return await started.completed(self._timeout)
        finally:
            asyncio.get_running_loop().call_later(BREATH, self._prepare)

    def close(self) -> None:
        """Nobody waits any more, nor will."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        taken = self._taken()
        if taken is not None:
            started, pipe = taken
            os.close(pipe)
            started.end()

    def _taken(self) -> tuple[Started, int] | None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            asyncio.get_running_loop().remove_reader(waiting[0].pidfd)
        return waiting

    def _prepare(self) -> None:
        if self._waiting is None and not self._closed:
            stdin, pipe = os.pipe2(os.O_CLOEXEC)
            try:
                self._waiting = Started(self._command(), stdin), pipe
                asyncio.get_running_loop().add_reader(self._waiting[0].pidfd, self._end)  # somebody killed it
            except DriverError as error:
                os.close(pipe)
                log.warning("%s", error)
            finally:
                os.close(stdin)
