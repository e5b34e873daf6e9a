"""An agent for tests of the command line: the real control socket, with answers that the test decides."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evenet_core.agent.methods import Methods
from evenet_core.agent.server import ControlServer

__all__ = ["Agent", "agent"]


class Agent(Methods):
    """`answers` by method; a list under the name of a stream is its events, an exception is raised."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def named(self, name: str) -> Any:
        super().named(name)  # only what the real agent knows can be asked
        stream = name in {"settle", "follow", "teardown"}
        return self._stream(name) if stream else self._plain(name)

    def _plain(self, name: str) -> Any:
        async def answer(**params: Any) -> Any:
            self.asked.append((name, params))
            found = self.answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer

    def _stream(self, name: str) -> Any:
        async def answer(**params: Any) -> AsyncIterator[Any]:
            self.asked.append((name, params))
            for event in self.answers[name]:
                yield event

        return answer


@contextmanager
def agent(path: Path) -> Iterator[Agent]:
    """Serves at `path`, in a thread of its own: the command line blocks."""
    made = Agent()
    loop = asyncio.new_event_loop()
    server = ControlServer(made, path)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
