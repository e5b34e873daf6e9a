"""A local HTTP CONNECT proxy (RFC 9110, 9.3.6): programs in any language get failover between uplinks.

It listens on a loopback address only. It sees what goes through as bytes: TLS stays between the program and its server.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import h11

from evenet_core.uplinks.client import Uplinks
from evenet_core.uplinks.connecting import Connection, UplinkError

__all__ = ["ConnectProxy"]

CONNECTIONS = 256  # at the same time
HEAD_LIMIT = 16384  # bytes
PATIENCE = 30.0  # seconds for the head of a request
PART = 65536
log = logging.getLogger(__name__)


class ConnectProxy:
    """Serves one port of 127.0.0.1."""

    def __init__(self, uplinks: Uplinks, port: int) -> None:
        self._uplinks = uplinks
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port that it listens on.

        :raises OSError: somebody else does.
        """
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self._port, limit=HEAD_LIMIT)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def stop(self) -> None:
        """Connections end at once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                target = await _target(reader)
            if target is None:
                await _answer(writer, 405, "this proxy takes CONNECT HOST:PORT only")
                return
            try:
                connection = await self._uplinks.connect(*target)
            except UplinkError as error:
                await _answer(writer, 502, str(error))
                return
            await _relay(reader, writer, connection)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, h11.ProtocolError):
            pass  # the program's own trouble
        except Exception:
            log.exception("a connection of the proxy failed")
        finally:
            writer.transport.abort()


async def _target(reader: asyncio.StreamReader) -> tuple[str, int] | None:
    """Host and port of the request; None = it asks for something else.

    :raises h11.ProtocolError: it is none.
    """
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.readuntil(b"\n"))  # not a byte of what comes behind the head
    if not isinstance(event, h11.Request) or event.method != b"CONNECT":
        return None
    host, _, port = event.target.decode("ascii", "replace").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return host.strip("[]"), int(port)


async def _answer(writer: asyncio.StreamWriter, status: int, words: str) -> None:
    body = f"{words}\n".encode()
    head = f"HTTP/1.1 {status} {'Bad Gateway' if status == 502 else 'Method Not Allowed'}\r\n"
    head += f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.write_eof()
    await asyncio.sleep(0)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection) -> None:
    """Bytes both ways, until both ends have nothing more to say."""
    try:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, connection.writer))
            group.create_task(_pump(connection.reader, writer))
    except* OSError:
        pass
    finally:
        connection.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(PART):
        writer.write(part)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
