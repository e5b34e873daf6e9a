"""One HTTP request and its answer over one connection (RFC 9110, RFC 9112). No redirect is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from ssl import SSLContext

import h11

from evenet_core import __version__
from evenet_core.probing.http import HEAD_LIMIT, Url, tls_failures
from evenet_core.probing.request import Cause, ProbeError
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.ways import DIRECT
from evenet_core.uplinks.connecting import Connection

__all__ = ["Exchange"]

PART = 65536  # bytes read at once
HTTP_LIMIT = 60.0  # seconds of silence


class Exchange:
    """Asks over a connection, which it closes in the end. `where` begins the text of every failure."""

    def __init__(self, url: Url, connection: Connection) -> None:
        self._url = url
        self._connection = connection
        self.where = f"{url.host} ({connection.address}) through {connection.uplink.label}"
        self.uplink = connection.uplink.label
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self.sent = False  # the server may have seen the request

    async def ask(
        self, method: str, headers: Sequence[tuple[str, str]], body: bytes, context: SSLContext | None
    ) -> h11.Response:
        """The head of the answer.

        :raises ProbeError: there is none.
        """
        with os_failures(self.where), tls_failures(self.where):
            async with asyncio.timeout(HTTP_LIMIT):
                writer = self._connection.writer
                if context is not None:
                    await writer.start_tls(context, server_hostname=self._url.host)
                self.sent = True
                events = self._request(method, headers, body)
                writer.write(b"".join(self._http.send(event) or b"" for event in events))
                await writer.drain()
            while isinstance(head := await self._next(), h11.InformationalResponse):
                pass
        if not isinstance(head, h11.Response):
            raise ProbeError(Cause.PROTOCOL, f"{self.where}: no HTTP answer")
        return head

    def _request(self, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> list[h11.Event]:
        given = {name.lower() for name, _ in headers}
        own = [("Host", self._url.authority), ("User-Agent", f"evenet/{__version__}"), ("Connection", "close")]
        if body or method in {"POST", "PUT", "PATCH"}:
            own.append(("Content-Length", str(len(body))))
        own = [(name, value) for name, value in own if name.lower() not in given]
        whole = self._connection.via != DIRECT and not self._url.tls  # a proxy wants to know where to
        target = str(self._url) if whole else self._url.target
        head = h11.Request(method=method, target=target, headers=[*own, *headers])
        return [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        :raises ProbeError: it breaks off.
        """
        with os_failures(self.where), tls_failures(self.where):
            while isinstance(event := await self._next(), h11.Data):
                yield bytes(event.data)

    async def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(HTTP_LIMIT):
                    self._http.receive_data(await self._connection.reader.read(PART))
        except h11.ProtocolError as error:
            raise ProbeError(Cause.PROTOCOL, f"{self.where}: no HTTP as it should be: {error}") from error
        return event

    def close(self) -> None:
        self._connection.close()
