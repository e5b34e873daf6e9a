"""Explicit HTTP proxies of a site: they forward, refuse, or look inside of TLS with an authority of their own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import dns.exception
import dns.message
import dns.rcode
import h11

from evenet_core.lab.certificates import make_certificate
from evenet_core.lab.model import Endpoint
from evenet_core.lab.web import listen
from evenet_core.linux.files import write_atomic
from evenet_core.linux.netns import inside
from evenet_core.model.values import IPAddress
from evenet_core.probing.resolve import addresses_of
from evenet_core.probing.targets import literal

__all__ = ["ExplicitProxy", "resolver"]

HEAD_LIMIT = 65536
PATIENCE = 30.0  # seconds
ANSWER = 2.0  # seconds for one name server
Lookup: TypeAlias = Callable[[str], Awaitable[list[IPAddress]]]


class ExplicitProxy:
    """One endpoint of the model.

    :param directory: for certificates; the authority's is `ca.pem` there
    :param lookup: addresses of a name, as the proxy's own resolver knows them
    """

    def __init__(self, endpoint: Endpoint, namespace: int, directory: Path, lookup: Lookup, trusted: Path) -> None:
        self._endpoint = endpoint
        self._namespace = namespace
        self._directory = directory
        self._lookup = lookup
        self._outside = ssl.create_default_context(cafile=str(trusted))
        self._inside: dict[str, ssl.SSLContext] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        if endpoint.ca:
            write_atomic(directory / "ca.pem", endpoint.ca.encode(), sync=False)
            write_atomic(directory / "ca.key", endpoint.ca_key.encode(), sync=False)

    async def start(self) -> None:
        """Serve from now on."""
        for number, tls, secure in (
            (self._endpoint.http_port, self._endpoint.http_tls, False),
            (self._endpoint.https_port, self._endpoint.https_tls, True),
        ):
            if number:
                context = self._certified(self._endpoint.fqdn) if tls else None

                accepted = partial(self._accepted, secure)
                for listener in listen(self._namespace, number):
                    server = await asyncio.start_server(accepted, sock=listener, ssl=context, limit=HEAD_LIMIT)
                    self._servers.append(server)

    async def stop(self) -> None:
        """Connections end at once."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, secure: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer, secure=secure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _certified(self, host: str) -> ssl.SSLContext:
        """TLS as a server that claims to be this host."""
        if host not in self._inside:
            address = literal(host)
            names, addresses = ([], [address]) if address is not None else ([host], [])
            file = hashlib.sha256(host.encode()).hexdigest()[:16]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(make_certificate(self._directory, file, names, addresses))
            self._inside[host] = context
        return self._inside[host]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                raw = await reader.readuntil(b"\r\n\r\n")
            http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
            http.receive_data(raw)
            request = http.next_event()
            assert isinstance(request, h11.Request)
            await self._answer(request, raw, reader, writer, secure=secure)
        except (OSError, EOFError, TimeoutError, AssertionError, h11.ProtocolError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(
        self,
        request: h11.Request,
        raw: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        secure: bool,
    ) -> None:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
        if not self._may(headers.get("proxy-authorization", "")):
            await _say(writer, 407, 'Proxy-Authenticate: Basic realm="lab"\r\n')
            return
        host, port = _target(request, headers)
        action = self._action(host)
        tunnel = request.method == b"CONNECT"
        if action == "reject" or secure == (port == 80) or (secure and not tunnel):
            await _say(writer, 403)
            return
        try:
            [address, *_] = [found] if (found := literal(host)) is not None else await self._lookup(host)
            context = self._outside if action == "mitm" and tunnel else None
            far_reader, far_writer = await self._connect(str(address), port, host, context)
        except (OSError, ValueError, LookupError):
            await _say(writer, 502)
            return
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                if context is not None:
                    await writer.start_tls(self._certified(host))
            else:
                far_writer.write(_plain(request, raw))
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            far_writer.transport.abort()

    async def _connect(
        self, address: str, port: int, host: str, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        with inside(self._namespace):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            async with asyncio.timeout(PATIENCE):
                await loop.sock_connect(sock, (address, port))
                return await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname=host if context is not None else None
                )
        except BaseException:
            sock.close()
            raise

    def _action(self, host: str) -> str:
        rules = dict(self._endpoint.rules)
        return rules.get(host.lower(), rules.get("", "forward"))

    def _may(self, given: str) -> bool:
        if not self._endpoint.users:
            return True
        wanted = [base64.b64encode(f"{name}:{word}".encode()).decode() for name, word in self._endpoint.users]
        return any(hmac.compare_digest(given, f"Basic {one}") for one in wanted)


def resolver(namespace: int, servers: Sequence[str]) -> Lookup:
    """Asks these servers, one after the other, from a host of the lab."""

    async def lookup(name: str) -> list[IPAddress]:
        query = dns.message.make_query(name, "A")
        for server in servers:
            with inside(namespace):
                sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(ANSWER):
                    await loop.sock_connect(sock, (server, 53))
                    await loop.sock_sendall(sock, query.to_wire())
                    answer = dns.message.from_wire(await loop.sock_recv(sock, 65535))
            except (OSError, TimeoutError, dns.exception.DNSException):
                continue
            finally:
                sock.close()
            found = addresses_of(answer, name) if answer.rcode() == dns.rcode.NOERROR else []
            if found:
                return found
        return []

    return lookup


def _target(request: h11.Request, headers: dict[str, str]) -> tuple[str, int]:
    """Host and port that are asked for."""
    text = request.target.decode("ascii", "replace")
    asked = text.partition("://")[2].partition("/")[0] or headers.get("host", "")
    where = text if request.method == b"CONNECT" else asked
    host, colon, port = where.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdecimal() else (where, 80)


def _plain(request: h11.Request, raw: bytes) -> bytes:
    """The request as the server wants it: with a path in place of the URL."""
    line, _, rest = raw.partition(b"\r\n")
    method, target, version = line.split(b" ", 2)
    path = b"/" + target.partition(b"://")[2].partition(b"/")[2] if b"://" in target else target
    return b" ".join((method, path, version)) + b"\r\n" + rest


async def _say(writer: asyncio.StreamWriter, status: int, more: str = "") -> None:
    writer.write(f"HTTP/1.1 {status} no\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.write_eof() if writer.can_write_eof() else None
    await asyncio.sleep(0.05)  # the client reads it before the connection is aborted


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
    with suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
