"""The control socket: newline-delimited JSON over a Unix socket that only root may open.

A request is `{"method": NAME, "params": {...}}`. Answers are lines `{"event": VALUE}` (streams only), ended
by `{"result": VALUE}` or `{"error": {"text": ..., "problems": [...]}}`. A connection carries any number of
requests, answered one after the other; hanging up ends the request that runs.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
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
        self._inode = 0

    async def start(self) -> None:
        """Listen. A socket left behind by an agent that died is replaced.

        :raises EvenetError: another agent listens there, or what is there is no socket.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        listener = _listener(self._path)
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with suppress(FileNotFoundError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= MAX_CLIENTS:
            writer.write(_line(_error(f"{MAX_CLIENTS} clients are connected already")))
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the client hung up, or the agent stops
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        early: bytes | None = b""  # what the client said before it was answered
        while early is not None:
            try:
                line = early if early == b"\n" else early + await reader.readline()
            except ValueError:
                writer.write(_line(_error(f"a request may have {MAX_REQUEST} bytes")))
                return
            if not line.endswith(b"\n"):
                return  # half a request is none
            early = await self._answer(line, reader, writer)

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """Answer one request. Returns the first byte of the next one if that came meanwhile; None = hung up."""
        answers = asyncio.create_task(self._send_all(line, writer))
        listening = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answers, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done() and listening.exception() is None and listening.result():
                await answers
        finally:
            answers.cancel()
            listening.cancel()
            await asyncio.gather(answers, listening, return_exceptions=True)
        if answers.cancelled() or answers.exception() is not None:
            return None
        if listening.cancelled():
            return b""
        return listening.result() or None

    async def _send_all(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        async with aclosing(self._answers(line)) as answers:
            async for answer in answers:
                writer.write(_line(answer))
                await writer.drain()

    async def _answers(self, line: bytes) -> AsyncGenerator[dict[str, Any], None]:
        try:
            outcome = self._asked(line)()
            if isinstance(outcome, AsyncIterator):
                async for event in outcome:
                    yield {"event": event}
                yield {"result": None}
            else:
                yield {"result": await outcome}
        except ConfigError as error:
            yield _error("the config has problems", [str(problem) for problem in error.problems])
        except (EvenetError, ValueError) as error:
            yield _error(str(error))
        except Exception as error:  # a bug of ours must reach the operator and must not end the agent
            log.exception("a request failed")
            yield _error(f"internal error: {type(error).__name__}: {error}")

    def _asked(self, line: bytes) -> Callable[[], Any]:
        """The call that a request asks for.

        :raises EvenetError: it asks for none.
        """
        try:
            request: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EvenetError(f"bad request: {error}") from error
        params: Any = request.get("params") or {} if isinstance(request, dict) else None
        if not isinstance(params, dict) or "method" not in request:
            raise EvenetError('bad request: expected {"method": NAME, "params": {...}}')
        method = self._methods.named(request["method"])
        try:
            inspect.signature(method).bind(**params)
        except TypeError as error:
            raise EvenetError(f"bad request: {request['method']}: {error}") from error
        return lambda: method(**params)


def _listener(path: Path) -> socket.socket:
    """A socket with a name that only root may open, not even for a moment others.

    :raises EvenetError: another agent listens there, or what is there is no socket.
    """
    if path.is_symlink() or path.exists():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise EvenetError(f"{path} is no socket; choose another path for the control socket or remove it")
        if _is_alive(path):
            raise EvenetError(f"another agent listens at {path}")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _is_alive(path: Path) -> bool:
    """Whether somebody listens; a socket whose program died refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as client:
        try:
            client.connect(str(path))
        except BlockingIOError:
            return True  # so many want to speak to it that they queue
        except OSError:
            return False
        return True


def _error(text: str, problems: list[str] | None = None) -> dict[str, Any]:
    return {"error": {"text": text, "problems": problems or []}}


def _line(answer: dict[str, Any]) -> bytes:
    """An answer on the wire; what has no form there is a mistake of ours, and the client must not wait for ever."""
    try:
        text = json.dumps(answer, separators=(",", ":"), default=str)
    except (TypeError, ValueError) as error:
        log.exception("an answer cannot be written")
        text = json.dumps(_error(f"internal error: the answer cannot be written: {error}"), separators=(",", ":"))
    return text.encode() + b"\n"
