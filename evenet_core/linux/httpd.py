"""A small, strict HTTP/1.1 server: one request a connection, everything bounded (RFC 9112).

Its clients are apps, which nobody trusts: none can hold much memory, many connections or one for long.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

import h11

from evenet_core.model.values import IPAddress

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Handler", "HttpServer", "Request", "Response"]

HEAD_LIMIT = 8192  # bytes of request line and headers
BODY_LIMIT = 32768
TIMEOUT = 5.0  # seconds for a connection, from its beginning to its end
CONNECTIONS = 64  # at a time
PER_CLIENT = 8  # of them, so that one app does not keep the others out

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A complete request. `path` is as sent, query included; names of headers are in lower case."""

    method: str
    path: str
    source: IPAddress
    source_port: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer. Status 204 and 304 have no body."""

    status: int
    content_type: str = ""
    body: bytes = b""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class _Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """The request is answered with this status and these words, without asking the handler."""

    def __init__(self, status: int, words: str) -> None:
        self.response = _text(status, words)
        super().__init__(words)


class HttpServer:
    """Serves one listening socket, which it owns.

    :param timeout: seconds a connection may last.
    :param tls: the server's side of TLS; without, it speaks plainly.
    """

    def __init__(
        self, listener: socket.socket, handler: Handler, *, timeout: float = TIMEOUT, tls: SSLContext | None = None
    ) -> None:
        self._listener = listener
        self._handler = handler
        self._timeout = timeout
        self._tls = tls
        self._clients: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Serve from now on."""
        self._server = await asyncio.start_server(self._accepted, sock=self._listener, limit=HEAD_LIMIT, ssl=self._tls)

    async def close(self) -> None:
        """Stop; connections end at once."""
        if self._server is not None:
            self._server.close()
            self._server = None  # which refers to us
        else:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None or self._clients.total() >= CONNECTIONS or self._clients[peer[0]] >= PER_CLIENT:
            writer.transport.abort()
            return
        client = str(peer[0])
        self._clients[client] += 1
        task = asyncio.create_task(self._serve(client, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, client))

    def _ended(self, task: asyncio.Task[None], client: str) -> None:
        self._tasks.discard(task)
        self._clients[client] -= 1
        self._clients += Counter()  # forget clients without connections
        if not task.cancelled() and task.exception() is not None:
            log.error("metadata connection of %s failed", client, exc_info=task.exception())

    async def _serve(self, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        try:
            async with asyncio.timeout(self._timeout):
                method, response = await self._answer(client, connection, reader, writer)
                writer.write(_encoded(connection, response, method))
                if writer.can_write_eof():  # TLS cannot be half closed
                    writer.write_eof()
                await _drained(reader, writer)
        except (TimeoutError, OSError):
            pass  # the client's own trouble
        finally:
            writer.transport.abort()

    async def _answer(
        self, client: str, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, Response]:
        """Method of the request as far as it is known, and the answer."""
        method = ""
        try:
            head = await _head(connection, reader)
            method = head.method.decode()
            body = await _body(connection, head, reader, writer)
            request = Request(
                method=method,
                path=_path(head),
                source=ip_address(client.partition("%")[0]),
                source_port=int(writer.get_extra_info("peername")[1]),
                headers=tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers),
                body=body,
            )
        except _Refused as refused:
            return method, refused.response
        except h11.RemoteProtocolError as error:
            return method, _text(error.error_status_hint, "this is not HTTP/1.1 as it should be")
        try:
            return method, await self._handler(request)
        except Exception:
            log.exception("answering %s %s of %s failed", request.method, request.path, client)
            return method, _text(500, "the answer could not be made")


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request:
    event = await _next(connection, reader)
    if not isinstance(event, h11.Request):
        raise ConnectionResetError("the client left without a request")
    return event


async def _body(
    connection: h11.Connection, head: h11.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    length = next((int(value) for name, value in head.headers if name == b"content-length"), 0)
    if length > BODY_LIMIT:
        raise _Refused(413, f"a body may have {BODY_LIMIT} bytes")
    if connection.they_are_waiting_for_100_continue:
        writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
    body = b""
    while isinstance(event := await _next(connection, reader), h11.Data):
        body += bytes(event.data)
        if len(body) > BODY_LIMIT:
            raise _Refused(413, f"a body may have {BODY_LIMIT} bytes")
    return body


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(HEAD_LIMIT))
    return event


def _path(head: h11.Request) -> str:
    """The path asked for. Proxies' forms of it (a whole URL, `*`) are nothing to us."""
    if not head.target.startswith(b"/"):
        raise _Refused(400, "a request has to name a path")
    return head.target.decode("ascii", "replace")


def _encoded(connection: h11.Connection, response: Response, method: str) -> bytes:
    """The answer on the wire."""
    body = b"" if response.status in {204, 304} else response.body
    headers = [("Connection", "close"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    if response.status not in {204, 304}:
        headers += [("Content-Type", response.content_type), ("Content-Length", str(len(body)))]
    if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:  # h11 gave up with the client's mistake
        connection = h11.Connection(h11.SERVER)
    events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers)]
    if body and method != "HEAD":
        events.append(h11.Data(data=body))
    return b"".join(connection.send(event) or b"" for event in (*events, h11.EndOfMessage()))


async def _drained(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the client has closed: a connection aborted with unread data takes the answer with it."""
    await writer.drain()
    left = BODY_LIMIT * 8
    while left > 0 and (data := await reader.read(HEAD_LIMIT)):
        left -= len(data)


def _text(status: int, words: str) -> Response:
    return Response(status, "text/plain; charset=utf-8", f"{words}\n".encode())
