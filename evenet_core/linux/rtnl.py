"""A conversation with rtnetlink: batches of changes, and dumps.

The kernel carries a request out while it is being sent, so answers wait in the socket when `send` returns: a
batch costs no event-loop round trip. Between chunks the loop gets its turn.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from evenet_core.errors import DriverError
from evenet_core.linux.layout import Layout
from evenet_core.linux.netlink import (
    ACK,
    DUMP,
    DUMP_INTERRUPTED,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    NetlinkError,
    Reply,
    encode,
    messages,
    refusal,
    replies,
)
from evenet_core.linux.netns import inside

__all__ = ["Rtnl", "open_socket"]

CHUNK = 100  # messages in one datagram, about: their answers fit any receive buffer
BUFFER = 8 << 20  # bytes
LARGEST = 1 << 18  # bytes of one datagram from the kernel
ANSWER = 1 << 12  # bytes of one acknowledgement: the request is not echoed (NETLINK_CAP_ACK), the hint is short
DUMP_TRIES = 10  # dumps that a change interrupted are repeated

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12
SO_RCVBUFFORCE = 33

T = TypeVar("T")


def open_socket(protocol: int, groups: Sequence[int] = (), namespace: int | str | None = None) -> socket.socket:
    """A non-blocking netlink socket with a large buffer, subscribed to multicast `groups`.

    :raises OSError: the kernel has no such protocol or group.
    """
    with inside(namespace):
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        opened.setblocking(False)
        try:
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # inside a user namespace
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            opened.setsockopt(SOL_NETLINK, option, 1)
        opened.bind((0, 0))
        for group in groups:
            opened.setsockopt(SOL_NETLINK, 1, group)  # NETLINK_ADD_MEMBERSHIP
    except OSError:
        opened.close()
        raise
    return opened


class Rtnl:
    """One rtnetlink socket. `writes` counts the change requests sent over it.

    Nothing is awaited between a request and its answers, so that any number of tasks may use it.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._sequence = 0
        self.writes = 0

    @classmethod
    def open(cls, namespace: int | str | None = None) -> Rtnl:
        """Talk to the kernel about a network namespace (default: the present one).

        :raises OSError: there is no such namespace.
        """
        opened = open_socket(socket.NETLINK_ROUTE, namespace=namespace)
        opened.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        return cls(opened)

    @property
    def port(self) -> int:
        """By which the kernel knows this socket; notifications of what it asked for carry it."""
        port: int = self._socket.getsockname()[0]
        return port

    def close(self) -> None:
        self._socket.close()

    async def send(self, messages: Sequence[Message]) -> list[DriverError | None]:
        """Carry out changes in order, each for itself; what became of each."""
        results: list[DriverError | None] = []
        while (start := len(results)) < len(messages):
            if start:
                await asyncio.sleep(0)
            end = start + CHUNK
            while end < len(messages) and messages[end].joined:
                end += 1
            results += self._send_chunk(messages[start:end])
        return results

    def _send_chunk(self, messages: Sequence[Message]) -> list[DriverError | None]:
        first = self._sequence + 1
        self._sequence += len(messages)
        self.writes += len(messages)
        requests = [encode(message, first + n) for n, message in enumerate(messages[:-1])]  # answered if refused
        requests.append(encode(messages[-1], self._sequence, ACK))
        try:
            self._socket.send(b"".join(requests))
        except OSError as error:
            return [_failed(error)] * len(messages)
        results: list[DriverError | None] = [None] * len(messages)
        complete, last = True, None
        while last != self._sequence:
            try:
                data = self._socket.recv(ANSWER)
            except BlockingIOError:
                complete = False
                break
            except OSError as error:  # ENOBUFS: some answers are lost; the next observation tells what holds
                if error.errno != errno.ENOBUFS:
                    raise
                complete = False
                continue
            for reply in replies(data):
                last, place = reply.sequence, reply.sequence - first
                if reply.type == NLMSG_ERROR and 0 <= place < len(messages):
                    results[place] = refusal(reply, messages[place].about)
        return results if complete else [error or DriverError("kernel: netlink: no answer") for error in results]

    async def dump(self, message: Message, layout: Layout, make: Callable[[tuple[Any, ...]], T | None]) -> list[T]:
        """Everything of one type that exists: what `make` makes of what the layout reads, and None is left out.

        :raises DriverError: the kernel refuses, or things change faster than they can be read.
        """
        read = layout.read
        return await self._dump(message, lambda data, start, end: make(read(data, start, end)))

    async def bodies(self, message: Message) -> list[memoryview]:
        """Everything of one type that exists, as the kernel tells it.

        :raises DriverError: as `dump`
        """
        return await self._dump(message, lambda data, start, end: memoryview(data)[start:end])

    async def _dump(self, message: Message, take: Callable[[bytes, int, int], T | None]) -> list[T]:
        for _ in range(DUMP_TRIES):
            found, interrupted = self._dump_once(message, take)
            if not interrupted:
                return found
            await asyncio.sleep(0)
        raise DriverError("kernel: netlink: the dump was interrupted by changes again and again")

    async def get(self, message: Message) -> Reply | None:
        """One object; None if there is none.

        :raises DriverError: the kernel refuses for another reason.
        """
        self._ask(message)
        while True:
            for reply in replies(self._receive()):
                if reply.sequence != self._sequence:
                    continue
                if reply.type != NLMSG_ERROR:
                    return reply
                error = refusal(reply, message.about)
                if error is not None and error.errno not in (errno.ENODEV, errno.ENOENT, errno.ESRCH):
                    raise error
                return None

    def _dump_once(self, message: Message, take: Callable[[bytes, int, int], T | None]) -> tuple[list[T], bool]:
        self._ask(message, DUMP)
        found: list[T] = []
        sequence, all_flags = self._sequence, 0
        while True:
            data = self._receive()
            for kind, flags, number, start, end in messages(data):
                if number != sequence:
                    continue
                all_flags |= flags
                if kind > NLMSG_DONE:
                    made = take(data, start, end)
                    if made is not None:
                        found.append(made)
                elif kind == NLMSG_DONE:
                    _check_done(data[start:end], message.about)
                    return found, bool(all_flags & DUMP_INTERRUPTED)
                elif kind == NLMSG_ERROR:
                    reply = Reply(kind, flags, number, memoryview(data)[start:end])
                    raise refusal(reply, message.about) or NetlinkError("an acknowledgement instead of a dump")

    def _ask(self, message: Message, flags: int = 0) -> None:
        self._sequence += 1
        try:
            self._socket.send(encode(message, self._sequence, flags))
        except OSError as error:
            raise _failed(error) from error

    def _receive(self) -> bytes:
        """The kernel has answered before `send` returns, or answers while we read: nothing to wait for."""
        try:
            return self._socket.recv(LARGEST)
        except OSError as error:
            raise _failed(error) from error


def _failed(error: OSError) -> DriverError:
    return DriverError(f"kernel: netlink: {error.strerror}", errno=error.errno or 0)


def _check_done(body: bytes, about: str) -> None:
    if len(body) >= 4 and (code := -struct.unpack_from("=i", body)[0]) > 0:
        raise DriverError(f"kernel: {about}: dump failed", errno=code)
