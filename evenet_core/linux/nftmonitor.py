"""Notices when somebody else changes nftables: each transaction announces its process (NFT_MSG_NEWGEN).

By its name: its pid is that of the machine's own pid namespace, which a process elsewhere does not know.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable

from evenet_core.linux.netlink import attributes, replies, string
from evenet_core.linux.rtnl import LARGEST, open_socket
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange

__all__ = ["NftMonitor"]

NETLINK_NETFILTER = 12
GROUP_NFTABLES = 7  # NFNLGRP_NFTABLES
NEWGEN = 10 << 8 | 15  # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN
GEN_PROC_NAME = 3  # NFTA_GEN_PROC_NAME
NFGENMSG = 4  # bytes of struct nfgenmsg


class NftMonitor:
    """Calls `foreign` with the name of a process, not called `ours`, that has changed the ruleset. Yields no facts."""

    def __init__(self, ours: str, foreign: Callable[[str], None]) -> None:
        self._ours = ours
        self._foreign = foreign
        self._ran = False  # an earlier run ended: what happened since is not known

    async def facts(self) -> AsyncIterator[FactChange]:
        opened = open_socket(NETLINK_NETFILTER, [GROUP_NFTABLES])
        grown = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(opened.fileno(), grown.set)
        try:
            if self._ran:
                self._foreign("")
            self._ran = True
            yield FULL_PICTURE
            while True:
                await grown.wait()
                grown.clear()
                if (name := self._somebody_else(opened)) is not None:
                    self._foreign(name)
        finally:
            loop.remove_reader(opened.fileno())
            opened.close()

    def _somebody_else(self, opened: socket.socket) -> str | None:
        """Who else changed something, if anybody; empty if that is not known."""
        found: str | None = None
        while True:
            try:
                data = opened.recv(LARGEST)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = found or ""
                continue
            for reply in replies(data):
                if reply.type == NEWGEN:
                    name = string(attributes(reply.body[NFGENMSG:]).get(GEN_PROC_NAME))
                    found = name if name != self._ours else found
