"""Sends what was deferred, one after the other, when its time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from math import inf

from evenet_core.device.deferral import Deferred, Item
from evenet_core.uplinks.connecting import UplinkError

__all__ = ["Later"]

log = logging.getLogger(__name__)


class Later:
    """The queue at work.

    :param post: URL, body and type of it; answers with the status
    """

    def __init__(self, post: Callable[[str, bytes, str], Awaitable[int]]) -> None:
        self._post = post
        self._queue = Deferred()
        self._task: asyncio.Task[None] | None = None
        self._more = asyncio.Event()

    def put(self, key: str, url: str, body: bytes, content_type: str, priority: int) -> None:
        """
        :raises ValueError: it is no http or https URL.
        """
        item = Item(key=key, url=url, body=body, content_type=content_type, priority=priority)
        self._queue = self._queue.put(item)
        self._more.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    def waiting(self) -> Sequence[str]:
        return self._queue.waiting()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._more.clear()
            item = self._queue.due(loop.time())
            if item is not None:
                await self._send(item)
                continue
            at = self._queue.wake_at
            try:
                async with asyncio.timeout_at(at if at < inf else None):
                    await self._more.wait()
            except TimeoutError:
                pass

    async def _send(self, item: Item) -> None:
        now = asyncio.get_running_loop().time
        try:
            status = await self._post(item.url, item.body, item.content_type)
        except UplinkError as error:
            log.info("%s waits: %s", item.key, error)
            self._queue = self._queue.unanswered(now())
        except Exception:
            log.exception("%s cannot be sent and is dropped", item.key)
            self._queue = self._queue.drop(item.key)
        else:
            if status >= 400:
                log.warning("%s was refused: HTTP status %d", item.key, status)
            self._queue = self._queue.connected().answered(item, status, now())
