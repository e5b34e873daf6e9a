"""Whoever is asked last for a name: says that it cannot tell.

dnsmasq asks its servers in order (`strict-order`); when the last one refuses, it says nothing at all, and whoever asked
waits until its own patience is over. With an answer that is neither of the two that dnsmasq goes on after (REFUSED,
SERVFAIL) nor one that is remembered (NXDOMAIN), it is told at once, and asks again whenever it likes.
"""

from __future__ import annotations

import asyncio
import logging
import socket

__all__ = ["ADDRESS", "LastWord"]

ADDRESS = "127.0.0.153"  # nobody else's: services of distributions are at .53 and .54
PORT = 53
HEADER, LONGEST = 12, 512  # bytes, RFC 1035, 4
NOT_IMPLEMENTED = 4  # RFC 1035, 4.1.1; resolvers take it as a failure that may pass
BURST = 64  # questions that are answered at one go
log = logging.getLogger(__name__)


class LastWord:
    """Answers at `ADDRESS`, for as long as the agent runs. Without it names are looked up all the same."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._sock.bind((ADDRESS, PORT))
        except OSError as error:
            log.warning("names that no server knows are waited for: %s port %d: %s", ADDRESS, PORT, error.strerror)
        asyncio.get_running_loop().add_reader(self._sock, self._answer)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def _answer(self) -> None:
        for _ in range(BURST):
            try:
                question, client = self._sock.recvfrom(LONGEST)
                if len(question) >= HEADER and not question[2] & 0x80:
                    self._sock.sendto(_failure(question), client)
            except OSError:  # no more for now, or nobody wants to hear it
                return


def _failure(question: bytes) -> bytes:
    flags = bytes((question[2] | 0x80, 0x80 | NOT_IMPLEMENTED))
    return question[:2] + flags + question[4:]
