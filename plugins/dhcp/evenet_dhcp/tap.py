"""A socket that strangers can fill: it is read a little at a time, so that a flood costs almost nothing.

What is more than a handful at once is left to the kernel, which drops what its buffer does not hold.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

__all__ = ["Received", "Tap"]

BURST = 32  # packets that are read at one go
REST = 0.5  # seconds in which a flood is not listened to
LARGEST = 2048  # bytes; what is longer fits no Ethernet frame
Received: TypeAlias = tuple[bytes, list[tuple[int, int, bytes]], Any]  # packet, ancillary data, sender


class Tap:
    """Reads packets.

    :param grown: is called when there are some
    """

    def __init__(self, opened: socket.socket, grown: Callable[[], None]) -> None:
        opened.setblocking(False)
        self.socket = opened
        self._grown = grown
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened.fileno(), grown)
        self._resting: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self.socket.fileno())
        self.socket.close()

    def packets(self) -> Iterator[Received]:
        """What waits, as far as anybody would send in good faith."""
        if self._resting is not None:
            return
        for _ in range(BURST):
            try:
                data, ancillary, flags, sender = self.socket.recvmsg(LARGEST, 256)
            except BlockingIOError:
                return
            except OSError:  # of the link (ENETDOWN): it comes back, or the item goes
                return
            if not flags & socket.MSG_TRUNC:
                yield data, ancillary, sender
        self._loop.remove_reader(self.socket.fileno())
        self._resting = self._loop.call_later(REST, self._go_on)

    def _go_on(self) -> None:
        self._resting = None
        self._loop.add_reader(self.socket.fileno(), self._grown)

    def send(self, data: bytes, to: tuple[Any, ...]) -> bool:
        """Whether it went out; a link that is down takes nothing."""
        with suppress(OSError):
            self.socket.sendto(data, to)
            return True
        return False
