"""One GET over one port: real TLS with a real authority, and servers that do what servers must not."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest

from evenet_core.probing.http import BODY_LIMIT, Reply, get, parse_url, tls_context
from evenet_core.probing.request import Cause, ProbeError
from tests.support.authority import Authority
from tests.support.uplinks import CONTROLLER, NAME, OK, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

URL = f"https://{NAME}/ping"
PLAIN = f"http://{NAME}/ping"
TIMEOUT = 20.0  # nothing in these tests takes so long, unless they say so


@pytest.fixture
def wan(netns: None, tmp_path: Path) -> Iterator[Uplink]:
    with uplinks(tmp_path) as [made]:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> SSLContext:
    return authority.server(f"DNS:{NAME}", f"IP:{CONTROLLER[4]}", f"IP:{CONTROLLER[6]}")


async def fetch(
    wan: Uplink,
    url: str = URL,
    ca: str = "",
    *,
    version: int = 4,
    addresses: tuple[str, ...] = (),
    timeout: float = TIMEOUT,  # noqa: ASYNC109
) -> Reply:
    targets = [ip_address(one) for one in addresses or (CONTROLLER[version],)]
    context = tls_context(ca) if url.startswith("https") else None
    source = ip_address(wan.own[version])
    return await get(parse_url(url), wan.egress, source, targets, context=context, timeout=timeout)


def got(wan: Uplink, answer: bytes | Callable[[bytes], bytes] = OK, **how: Any) -> Reply:
    """The reply of a plain server that answers so."""

    async def main() -> Reply:
        await wan.serve(answer, port=80)
        return await fetch(wan, PLAIN, **how)

    return asyncio.run(main())


def failed(wan: Uplink, answer: bytes, **how: Any) -> ProbeError:
    with pytest.raises(ProbeError) as raised:
        got(wan, answer, **how)
    return raised.value


def secured(wan: Uplink, context: SSLContext, ca: str, url: str = URL, *, version: int = 4) -> Reply:
    async def main() -> Reply:
        await wan.serve(tls=context, version=version)
        return await fetch(wan, url, ca, version=version)

    return asyncio.run(main())


# -- good servers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [4, 6])
def test_a_server_that_an_authority_vouches_for_is_read(
    wan: Uplink, authority: Authority, good: SSLContext, version: int
) -> None:
    reply = secured(wan, good, authority.pem, version=version)

    assert (reply.status, reply.body, str(reply.address)) == (200, b"ok", CONTROLLER[version])
    assert min(reply.times.tcp, reply.times.tls, reply.times.http) > 0


@pytest.mark.parametrize(("version", "host"), [(4, CONTROLLER[4]), (6, f"[{CONTROLLER[6]}]")])
def test_a_certificate_may_be_for_an_address(
    wan: Uplink, authority: Authority, good: SSLContext, version: int, host: str
) -> None:
    assert secured(wan, good, authority.pem, f"https://{host}/", version=version).status == 200


def test_the_request_comes_from_the_ports_address_and_says_what_it_is(wan: Uplink) -> None:
    seen: list[Any] = []

    async def main() -> None:
        await wan.serve(port=8080, seen=seen)
        await fetch(wan, f"http://{NAME}:8080/a?b=c")

    asyncio.run(main())

    [(client, request)] = seen
    lines = request.split("\r\n")
    assert client == wan.own[4]
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert "Host: controller.test:8080" in lines
    assert "Connection: close" in lines
    assert not [line for line in lines if line.lower().startswith(("cookie", "authorization"))]


@pytest.mark.parametrize("status", [200, 204, 301, 302, 304, 404, 500, 503, 599])
def test_whatever_the_status_it_is_told(wan: Uplink, status: int) -> None:
    answer = f"HTTP/1.1 {status} Whatever\r\nLocation: http://elsewhere.test/\r\nConnection: close\r\n\r\n"

    assert got(wan, answer.encode()).status == status


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000, b"x" * BODY_LIMIT),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_bodies_come_in_every_form_and_are_cut_off(wan: Uplink, answer: bytes, body: bytes) -> None:
    assert got(wan, answer).body == body


def test_the_next_address_is_tried_when_one_does_not_answer(wan: Uplink) -> None:
    wan.run("ip", "address", "add", "198.51.100.8", "dev", "lo")

    reply = got(wan, addresses=("198.51.100.8", CONTROLLER[4]))

    assert str(reply.address) == CONTROLLER[4]


def test_a_silent_address_leaves_time_for_the_others(wan: Uplink) -> None:
    reply = got(wan, addresses=("198.51.100.99", CONTROLLER[4]), timeout=2.0)

    assert str(reply.address) == CONTROLLER[4]


# -- certificates -------------------------------------------------------------------------------------


def refused(wan: Uplink, context: SSLContext, ca: str) -> ProbeError:
    with pytest.raises(ProbeError) as raised:
        secured(wan, context, ca)
    return raised.value


def test_a_stranger_is_not_believed(wan: Uplink, authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "stranger")

    error = refused(wan, other.server(f"DNS:{NAME}"), authority.pem)

    assert error.cause is Cause.CERTIFICATE
    where = "controller.test (198.51.100.7) port 443 from 10.9.0.2 on eth0"
    assert str(error) == f"{where}: certificate: unable to get local issuer certificate"


def test_a_certificate_for_another_name_is_not_believed(wan: Uplink, authority: Authority) -> None:
    error = refused(wan, authority.server("DNS:other.test"), authority.pem)

    assert error.cause is Cause.CERTIFICATE
    assert "certificate is not valid for 'controller.test'" in str(error)


def test_a_certificate_that_has_expired_is_told_from_a_wrong_one(wan: Uplink, authority: Authority) -> None:
    error = refused(wan, authority.server(f"DNS:{NAME}", days=-1), authority.pem)

    assert error.cause is Cause.CERTIFICATE_DATE
    assert str(error).endswith("certificate: certificate has expired")


def test_a_stranger_whose_certificate_has_expired_is_a_stranger(
    wan: Uplink, authority: Authority, tmp_path: Path
) -> None:
    """Otherwise whoever sits in between would look like a controller with a passing trouble."""
    other = Authority(tmp_path, "stranger")

    assert refused(wan, other.server(f"DNS:{NAME}", days=-1), authority.pem).cause is Cause.CERTIFICATE


def test_the_systems_authorities_do_not_know_ours(wan: Uplink, good: SSLContext) -> None:
    assert refused(wan, good, "").cause is Cause.CERTIFICATE


def test_a_server_that_wants_a_certificate_of_us_refuses_us(wan: Uplink, authority: Authority) -> None:
    context = authority.server(f"DNS:{NAME}")
    context.load_verify_locations(authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED

    assert refused(wan, context, authority.pem).cause in {Cause.PROTOCOL, Cause.RESET}


def test_a_server_that_speaks_no_tls_is_told_so(wan: Uplink, authority: Authority) -> None:
    async def main() -> None:
        await wan.serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await fetch(wan, URL, authority.pem)

    with pytest.raises(ProbeError) as raised:
        asyncio.run(main())

    assert raised.value.cause in {Cause.PROTOCOL, Cause.RESET}


# -- servers that do what they must not ---------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 99 Too low\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000,
    ],
)
def test_what_is_no_http_is_a_failure_of_the_protocol(wan: Uplink, answer: bytes) -> None:
    assert failed(wan, answer).cause in {Cause.PROTOCOL, Cause.RESET}


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"])
def test_a_server_that_never_ends_is_left_when_the_time_is_over(wan: Uplink, beginning: bytes) -> None:
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write(beginning)
                while await reader.read(1000):
                    pass  # until the client leaves
            except OSError:
                pass
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(talk, sock=wan.listener(CONTROLLER[4], 80)):
            await fetch(wan, PLAIN, timeout=0.5)

    with pytest.raises(ProbeError) as raised:
        asyncio.run(main())

    assert raised.value.cause is Cause.TIMEOUT


def test_a_server_that_talks_for_ever_is_left_when_the_time_is_over(wan: Uplink) -> None:
    """Each of these answers means that another one follows."""

    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
                    await writer.drain()
            except OSError:
                pass
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(talk, sock=wan.listener(CONTROLLER[4], 80)):
            await fetch(wan, PLAIN, timeout=0.5)

    with pytest.raises(ProbeError) as raised:
        asyncio.run(main())

    assert raised.value.cause is Cause.TIMEOUT


def test_a_connection_that_is_refused_says_so(wan: Uplink) -> None:
    with pytest.raises(ProbeError) as raised:
        asyncio.run(fetch(wan, PLAIN))

    assert raised.value.cause is Cause.REFUSED
    assert str(raised.value) == ("connect to 198.51.100.7:80 from 10.9.0.2 on eth0: connection refused")


def test_a_silent_host_is_left_when_the_time_is_over(wan: Uplink) -> None:
    wan.lose_controller()

    with pytest.raises(ProbeError) as raised:
        asyncio.run(fetch(wan, PLAIN, timeout=0.3))

    assert raised.value.cause is Cause.TIMEOUT


def test_a_fetch_leaves_nothing_behind(wan: Uplink, authority: Authority, good: SSLContext) -> None:
    async def main() -> int:
        await wan.serve(tls=good)
        await fetch(wan, URL, authority.pem)
        before = len(os.listdir("/proc/self/fd"))
        for url, ca in ((URL, authority.pem), (URL, ""), (PLAIN, "")):
            with suppress(ProbeError):
                await fetch(wan, url, ca)
        while len(asyncio.all_tasks()) > 1:  # the server's side of connections
            await asyncio.sleep(0)
        return len(os.listdir("/proc/self/fd")) - before

    assert asyncio.run(main()) <= 0
