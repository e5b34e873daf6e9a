"""The small HTTP server, and clients that nobody should trust: slow, huge, many, and not HTTP at all."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenet_core.linux.httpd import BODY_LIMIT, CONNECTIONS, HEAD_LIMIT, PER_CLIENT, HttpServer, Request, Response
from tests.support.authority import Authority

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE = 30.0  # only a test that fails waits so long


class Site:
    """A server at 127.0.0.1 that keeps every request and answers what the test says."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]] | None, timeout: float) -> None:
        self.requests: list[Request] = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self.timeout = timeout

    def server(self, tls: ssl.SSLContext | None = None) -> HttpServer:
        return HttpServer(self._listener, self._handle, timeout=self.timeout, tls=tls)

    async def _handle(self, request: Request) -> Response:
        self.requests.append(request)
        if self._answer is not None:
            return await self._answer(request)
        return Response(200, "text/plain", b"hello\n")

    async def connect(self, client: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(client, 0))

    async def send(self, data: bytes, client: str = "127.0.0.1") -> bytes:
        """All that the server says to this; empty when it hangs up without a word."""
        reader, writer = await self.connect(client)
        try:
            with suppress(OSError):
                writer.write(data)
                await writer.drain()
            return await everything(reader)
        finally:
            writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            found += data
    return found


@asynccontextmanager
async def serving(
    answer: Callable[[Request], Awaitable[Response]] | None = None,
    timeout: float = PATIENCE,  # noqa: ASYNC109
) -> AsyncIterator[Site]:
    site = Site(answer, timeout)
    server = site.server()
    await server.start()
    try:
        yield site
    finally:
        await server.close()


def live(
    story: Callable[[Site], Coroutine[Any, Any, None]],
    answer: Callable[[Request], Awaitable[Response]] | None = None,
    timeout: float = PATIENCE,
) -> None:
    async def main() -> None:
        async with serving(answer, timeout) as site, asyncio.timeout(PATIENCE):
            await story(site)

    asyncio.run(main())


def said(data: bytes, answer: Callable[[Request], Awaitable[Response]] | None = None) -> tuple[int, bytes]:
    """Status and body that these bytes bring; 0 = no answer."""
    found: list[bytes] = []

    async def story(site: Site) -> None:
        found.append(await site.send(data))

    live(story, answer)
    head, _, body = found[0].partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (0, b"")


def asked(data: bytes) -> Request:
    """The request that the handler got."""
    requests: list[Request] = []

    async def story(site: Site) -> None:
        await site.send(data)
        requests.extend(site.requests)

    live(story)
    [request] = requests
    return request


# -- good clients -------------------------------------------------------------------------------------


def test_a_request_is_answered_and_the_connection_closed() -> None:
    async def story(site: Site) -> None:
        answer = await site.send(GET)

        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == b"hello\n"
        lines = head.decode().split("\r\n")
        assert lines[0].startswith("HTTP/1.1 200")
        assert {line.lower() for line in lines[1:]} == {
            "connection: close",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-type: text/plain",
            "content-length: 6",
        }

    live(story)


def test_the_handler_gets_the_request_as_it_was_sent() -> None:
    request = asked(b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Thing: One\r\n\r\n")

    assert (request.method, request.path, request.body) == ("GET", "/a%20b?c=d", b"")
    assert str(request.source) == "127.0.0.1"
    assert ("x-thing", "One") in request.headers


def test_a_client_is_known_by_its_address_and_by_nothing_that_it_says() -> None:
    requests: list[Request] = []

    async def story(site: Site) -> None:
        forged = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n\r\n"
        await site.send(forged, "127.0.0.9")
        requests.extend(site.requests)

    live(story)

    assert [str(request.source) for request in requests] == ["127.0.0.9"]


def test_a_head_has_no_body() -> None:
    assert said(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") == (200, b"")


def test_a_large_answer_arrives_whole_though_the_client_says_more_than_was_asked() -> None:
    large = os.urandom(4 << 20)

    async def answer(_: Request) -> Response:
        return Response(200, "text/plain", large)

    status, body = said(GET + b"x" * 200_000, answer)

    assert (status, body == large) == (200, True)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_none(status: int) -> None:
    async def answer(_: Request) -> Response:
        return Response(status, "text/plain", b"nothing of this")

    assert said(GET, answer) == (status, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_a_body_comes_in_every_form(body: bytes) -> None:
    assert asked(b"POST /x HTTP/1.1\r\nHost: x\r\n" + body).body == b"hello"


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"hello")

        assert (await everything(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()

    live(story)


def test_a_body_of_the_largest_size_is_taken() -> None:
    request = asked(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY_LIMIT + b"x" * BODY_LIMIT)

    assert len(request.body) == BODY_LIMIT


def test_a_request_that_comes_byte_by_byte_is_one() -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        for byte in GET:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)

        assert (await everything(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()

    live(story)


def test_a_client_that_has_said_all_and_closes_its_side_is_answered() -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        writer.write_eof()

        assert (await everything(reader)).endswith(b"hello\n")
        writer.close()

    live(story)


# -- requests that are none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\nBad Header: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % 10**19, 413),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (2 * BODY_LIMIT)
            + b"x" * 2 * BODY_LIMIT,
            413,
        ),
        (b"GET /" + b"x" * 2 * HEAD_LIMIT, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2 * HEAD_LIMIT, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * HEAD_LIMIT, 431),
    ],
)
def test_what_is_no_request_for_us_is_refused_with_a_status(data: bytes, status: int) -> None:
    async def story(site: Site) -> None:
        answer = await site.send(data)

        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
        assert site.requests == [], "the handler was asked"

    live(story)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"]
)
def test_a_client_that_leaves_in_between_is_nothing_to_answer(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(data)
        writer.write_eof()

        await everything(reader)
        writer.close()
        assert site.requests == []
        assert (await site.send(GET)).startswith(b"HTTP/1.1 200 ")

    live(story)

    assert caplog.text == ""


def test_a_second_request_on_one_connection_is_not_answered() -> None:
    """Pipelining: what follows the first request is thrown away."""

    async def story(site: Site) -> None:
        answer = await site.send(GET * 3)

        assert answer.count(b"HTTP/1.1 200") == 1
        assert len(site.requests) == 1

    live(story)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80) | st.sampled_from([GET, b"\r\n\r\n", b"Content-Length: 3\r\n"]), max_size=5))
def test_no_bytes_whatsoever_end_the_server(parts: list[bytes]) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        with suppress(OSError):
            writer.write(b"".join(parts))
            writer.write_eof()
        await everything(reader)
        writer.transport.abort()

        assert (await site.send(GET)).startswith(b"HTTP/1.1 200 ")

    live(story)


# -- clients that hold on -----------------------------------------------------------------------------


def test_a_client_that_dribbles_is_cut_off() -> None:
    """Slow loris: a byte now and then keeps many servers busy for ever."""

    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        ended = asyncio.create_task(everything(reader))
        with suppress(OSError):
            while not ended.done():
                writer.write(b"X")
                await writer.drain()
                await asyncio.sleep(0.02)

        assert await ended == b""
        assert site.requests == []
        writer.transport.abort()

    live(story, timeout=0.3)


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"]
)
def test_a_client_that_says_nothing_more_is_cut_off(data: bytes) -> None:
    async def story(site: Site) -> None:
        assert await site.send(data) == b""

    live(story, timeout=0.2)


def test_a_client_that_never_closes_is_cut_off_after_its_answer() -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(GET)
        assert b"hello" in await reader.readuntil(b"hello\n")

        with suppress(ConnectionError):
            while True:  # until the server has gone
                writer.write(b"more")
                await writer.drain()
                await asyncio.sleep(0.02)

    live(story, timeout=0.3)


def test_a_client_that_does_not_read_is_cut_off() -> None:
    size = 64 << 20  # more than the kernel keeps for it

    async def flood(request: Request) -> Response:
        return Response(200, "text/plain", b"x" * (size if request.path == "/flood" else 1))

    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(12)
        assert (await site.send(GET, "127.0.0.2")).startswith(b"HTTP/1.1 200 ")
        while asyncio.all_tasks() - {asyncio.current_task()}:  # the server's side
            await asyncio.sleep(0.01)

        assert len(await everything(reader)) < size
        writer.transport.abort()

    live(story, flood, timeout=0.5)


def test_a_handler_that_never_answers_costs_its_own_client_only() -> None:
    async def slow(request: Request) -> Response:
        if request.path == "/slow":
            await asyncio.Event().wait()
        return Response(200, "text/plain", b"quick")

    async def story(site: Site) -> None:
        held = asyncio.create_task(site.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert b"quick" in await site.send(GET)

        assert await held == b""

    live(story, slow, timeout=0.5)


def test_a_handler_that_fails_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError("boom")

    assert said(GET, broken) == (500, b"the answer could not be made\n")
    assert "boom" in caplog.text
    assert "GET /a?b=c of 127.0.0.1" in caplog.text


# -- many clients -------------------------------------------------------------------------------------


def test_one_client_cannot_keep_the_others_out() -> None:
    async def story(site: Site) -> None:
        held = [await site.connect("127.0.0.5") for _ in range(PER_CLIENT)]
        for _, writer in held:  # each is being served
            writer.write(b"GET ")
            await writer.drain()

        assert await site.send(GET, "127.0.0.5") == b"", "one more than a client may have"
        assert (await site.send(GET, "127.0.0.6")).startswith(b"HTTP/1.1 200 ")
        held[0][1].close()
        await everything(held[0][0])
        await until_served(site, "127.0.0.5")
        for _, writer in held:
            writer.transport.abort()

    live(story)


async def until_served(site: Site, client: str) -> None:
    """A place that a client left is free as soon as the server has noticed."""
    while not (await site.send(GET, client)).startswith(b"HTTP/1.1 200 "):
        await asyncio.sleep(0.01)


def test_many_clients_cannot_hold_more_than_there_is() -> None:
    async def story(site: Site) -> None:
        held = [await site.connect(f"127.0.1.{number // PER_CLIENT + 1}") for number in range(CONNECTIONS)]
        for _, writer in held:
            writer.write(b"GET ")
            await writer.drain()

        assert await site.send(GET, "127.0.2.1") == b""
        for _, writer in held:
            writer.transport.abort()
        await until_served(site, "127.0.2.1")

    live(story)


def test_a_storm_of_connections_leaves_nothing_behind() -> None:
    async def story(site: Site) -> None:
        await site.send(GET)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await asyncio.gather(*(site.send(GET, f"127.0.3.{number}") for number in range(1, 40)))
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.01)

        assert len(site.requests) == 391

    live(story)


# -- the server itself --------------------------------------------------------------------------------


def test_a_server_that_closes_ends_what_runs_and_frees_its_port() -> None:
    async def main() -> None:
        async with serving() as site:
            reader, writer = await site.connect()
            writer.write(b"GET ")
            await writer.drain()

        assert await everything(reader) == b""
        writer.close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("0.0.0.0", site.port))

    asyncio.run(main())


def test_a_server_that_never_started_frees_its_port_too() -> None:
    async def main() -> int:
        site = Site(None, PATIENCE)
        await site.server().close()
        return site.port

    port = asyncio.run(main())
    with socket.socket() as again:
        again.bind(("0.0.0.0", port))


def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def main() -> bytes:
        site = Site(None, PATIENCE)
        server = site.server(authority.server("IP:127.0.0.1"))
        await server.start()
        try:
            context = ssl.create_default_context(cafile=authority.pem)
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
            writer.write(GET)
            found = await reader.readuntil(b"hello\n")
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            return found
        finally:
            await server.close()

    assert asyncio.run(main()).startswith(b"HTTP/1.1 200 ")
