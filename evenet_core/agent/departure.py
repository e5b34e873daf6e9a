"""How an agent ends: when it was told to, by a signal or by `evenet teardown`, and with or without its network."""

from __future__ import annotations

import asyncio
import logging

from evenet_core.node import Node

__all__ = ["Departure"]

log = logging.getLogger(__name__)


class Departure:
    """
    :param due: set when the agent is to end.
    :param teardown: whether everything is removed then, whoever said so.
    """

    def __init__(self, node: Node, due: asyncio.Event, *, teardown: bool) -> None:
        self._node = node
        self._due = due
        self._teardown = teardown
        self._task: asyncio.Task[list[str]] | None = None

    def leave(self) -> None:
        """The agent is to end."""
        self._due.set()

    async def tear_down(self) -> list[str]:
        """Remove everything; what is left, a line each. It goes on if whoever asked has gone, and happens once."""
        if self._task is None:
            self._task = asyncio.create_task(self._node.teardown())
        return await asyncio.shield(self._task)

    async def finish(self) -> list[str]:
        """What the agent was started to remove and is left. Who asked for a teardown by the socket was told there."""
        if not self._teardown and self._task is None:
            return []
        left = await self.tear_down()
        for line in left:
            log.error("not removed: %s", line)
        return left if self._teardown else []
