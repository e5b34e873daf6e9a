"""Real sockets whose datagrams a test may look at, spoil or cut off."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evenet_core.linux.netlink import replies
from evenet_core.linux.rtnl import Rtnl, open_socket

__all__ = ["Killed", "RecordedSocket", "recorded_rtnl", "recorder"]


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, and all that stays is what the kernel was told."""


class RecordedSocket(socket.socket):
    """Keeps what is sent; dies before datagram number `last`; lets `spoil` change what is received."""

    sent: list[bytes]
    last: int | None = None
    spoil: Callable[[bytes], bytes] | None = None

    def send(self, data: Any, flags: int = 0) -> int:
        if self.last is not None and len(self.sent) >= self.last:
            raise Killed
        self.sent.append(bytes(data))
        return super().send(data, flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        return self.spoil(data) if self.spoil is not None else data


@contextmanager
def recorded_rtnl(last: int | None = None) -> Iterator[tuple[Rtnl, RecordedSocket]]:
    """An Rtnl in the present namespace and its socket."""
    opened = open_socket(socket.NETLINK_ROUTE)
    recorded = RecordedSocket(fileno=opened.detach())
    recorded.sent = []
    recorded.last = last
    rtnl = Rtnl(recorded)
    try:
        yield rtnl, recorded
    finally:
        rtnl.close()


@contextmanager
def recorder() -> Iterator[Callable[[], list[int]]]:
    """Types of the messages (RTM_*) by which the kernel told of changes in the present namespace so far.

    A change that is undone shows here, and not in a comparison of before and after.
    """
    opened = open_socket(socket.NETLINK_ROUTE, (1, 3, 5, 7, 8, 9, 11, 19))
    seen: list[int] = []

    def changes() -> list[int]:
        while True:
            try:
                seen.extend(reply.type for reply in replies(opened.recv(1 << 18)))
            except BlockingIOError:
                return seen

    try:
        yield changes
    finally:
        opened.close()
