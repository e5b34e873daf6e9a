"""All facts in one place: monitors put them in, planning reads them, a burst is passed on as one change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from evenet_core.reconciler.facts import FULL_PICTURE, FactChange, Monitor
from evenet_core.runtime.since import Since

__all__ = ["FactHub"]

PATIENCE = 30.0  # seconds that a monitor has for its full picture; planning without it may take away what works
RESTART_FIRST, RESTART_LIMIT = 1.0, 60.0  # seconds before a monitor that failed is started again; doubles
log = logging.getLogger(__name__)


class FactHub:
    """Facts by name. `on_change` gets the names that changed, once a turn of the event loop."""

    def __init__(self, on_change: Callable[[set[str]], None]) -> None:
        self.values: dict[str, Any] = {}
        self.since = Since()
        self._on_change = on_change
        self._dirty: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._scheduled = False

    async def watch(self, monitors: Sequence[Monitor]) -> None:
        """Start the monitors; returns when each has told its full picture, or had its time to do so."""
        pictures = [(monitor, asyncio.Event()) for monitor in monitors]
        for monitor, picture in pictures:
            self._tasks.append(asyncio.create_task(self._follow(monitor, picture)))
        try:
            async with asyncio.timeout(PATIENCE):
                for _, picture in pictures:
                    await picture.wait()
        except TimeoutError:
            for name in [type(monitor).__name__ for monitor, picture in pictures if not picture.is_set()]:
                log.error("monitor %s has not told everything in %g s; going on without", name, PATIENCE)
        self.since.began = asyncio.get_running_loop().time()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def fresh(self) -> bool:
        """Whether there are facts that nobody was told of yet."""
        return bool(self._dirty)

    def put(self, name: str, value: Any) -> None:
        """A fact has this value now; None = it holds no longer."""
        before = self.values.get(name)
        if before == value:
            return
        loop = asyncio.get_running_loop()
        self.since.note(name, before, value, loop.time())
        if value is None:
            del self.values[name]
        else:
            self.values[name] = value
        self._dirty.add(name)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, set()
        self._on_change(dirty)

    async def _follow(self, monitor: Monitor, picture: asyncio.Event) -> None:
        """One monitor that fails must not blind the node: it is started again with a full picture."""
        told: set[str] = set()
        delay, known = RESTART_FIRST, ""
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                await self._listen(monitor, picture, told)
                error = "ended"
            except (Exception, SystemExit) as failure:
                error = f"failed: {type(failure).__name__}: {failure}"
                if error != known:
                    log.exception("monitor %s failed", type(monitor).__name__)
            picture.set()
            if now() - began > RESTART_LIMIT:
                delay = RESTART_FIRST
            log.error("monitor %s %s; it is started again in %g s", type(monitor).__name__, error, delay)
            known = error
            await asyncio.sleep(delay)
            delay = min(2 * delay, RESTART_LIMIT)

    async def _listen(self, monitor: Monitor, picture: asyncio.Event, told: set[str]) -> None:
        """`told`: names of facts that hold by this monitor's word. What it does not tell again holds no longer."""
        stale = set(told)
        async for change in monitor.facts():
            if change is FULL_PICTURE:
                for name in stale:
                    self.put(name, None)
                told -= stale
                stale.clear()
                picture.set()
            elif isinstance(change, FactChange):
                stale.discard(change.name)
                if change.value is None:
                    told.discard(change.name)
                else:
                    told.add(change.name)
                self.put(change.name, change.value)
