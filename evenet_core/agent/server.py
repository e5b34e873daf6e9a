"""The control socket: newline-delimited JSON over a Unix socket that only root may open.

A request is `{"method": NAME, "params": {...}}`. Answers are lines `{"event": VALUE}` (streams only), ended
by `{"result": VALUE}` or `{"error": {"text": ..., "problems": [...]}}`. A connection carries any number of
requests, one after the other; hanging up ends the request that runs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from evenet_core.agent.methods import Methods
from evenet_core.errors import ConfigError, EvenetError

__all__ = ["ControlServer"]

MAX_REQUEST = 16 << 20  # bytes of one line; a config has at most 8 MiB
MAX_CLIENTS = 64
log = logging.getLogger(__name__)


class ControlServer:
    """Answers requests with the methods of `Methods`."""

    def __init__(self, methods: Methods, path: Path) -> None:
        self._methods = methods
        self._path = path
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket left behind by an agent that died is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)  # never open to others, not even for a moment
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_REQUEST)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            while line := await _request(reader):
                await self._answer(line, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the client hung up, or the agent stops
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = asyncio.create_task(self._send_all(line, writer))
        hung_up = asyncio.create_task(_hang_up(reader))
        await asyncio.wait({answers, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        hung_up.cancel()
        if not answers.done():
            answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)

    async def _send_all(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        async for answer in self._answers(line):
            writer.write(json.dumps(answer, separators=(",", ":"), default=str).encode() + b"\n")
            await writer.drain()

    async def _answers(self, line: bytes) -> AsyncIterator[dict[str, Any]]:
        try:
            request = json.loads(line)
            method = self._methods.named(request["method"])
            params = request.get("params") or {}
            outcome = method(**params)
            if isinstance(outcome, AsyncIterator):
                async for event in outcome:
                    yield {"event": event}
                yield {"result": None}
            else:
                yield {"result": await outcome}
        except ConfigError as error:
            yield {"error": {"text": "the config has problems", "problems": [str(p) for p in error.problems]}}
        except EvenetError as error:
            yield {"error": {"text": str(error), "problems": []}}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            yield {"error": {"text": f"bad request: {error}", "problems": []}}
        except Exception as error:  # a bug of ours must reach the operator and must not end the agent
            log.exception("a request failed")
            yield {"error": {"text": f"internal error: {type(error).__name__}: {error}", "problems": []}}


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The next line; empty when there is none or it is too long."""
    try:
        return await reader.readline()
    except ValueError:
        return b""


async def _hang_up(reader: asyncio.StreamReader) -> None:
    """Returns when the client hangs up, or talks before it was answered, which none of ours does."""
    await reader.read(1)
