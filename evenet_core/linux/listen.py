"""What waits in a multicast netlink socket: read a burst of it, or throw it away."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from evenet_core.linux.rtnl import LARGEST

__all__ = ["discard", "waiting"]

BURST = 1000  # datagrams that are read at one go
DISCARD = 100_000  # more than the socket's buffer holds


def waiting(opened: socket.socket) -> Iterator[bytes]:
    """Datagrams that are there; what a flood leaves over wakes us again."""
    for _ in range(BURST):
        try:
            yield opened.recv(LARGEST)
        except BlockingIOError:
            return


def discard(opened: socket.socket) -> None:
    """Throw away what waits in a socket that has overflowed."""
    for _ in range(DISCARD):
        try:
            opened.recv(1)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
