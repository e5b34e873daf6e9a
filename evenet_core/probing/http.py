"""HTTP(S) over one port: one GET from one own address, directly or through a proxy (RFC 9110, RFC 9112).

No redirect is followed, no cookie and no session is kept: two tests share nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

import h11

from evenet_core import __version__
from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.tcp import connect
from evenet_core.probing.ways import DIRECT, Via

__all__ = ["Reply", "Times", "Url", "get", "parse_url", "proxied", "tls_context", "tls_failures"]

BODY_LIMIT = 65536  # bytes; more is not read
HEAD_LIMIT = 16384
SUCCESS = frozenset({200, 201, 204, 304})  # EVE: spec of device connectivity, D.1

# openssl/x509_vfy.h: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_DATE_ERRORS = frozenset({9, 10})


@dataclass(frozen=True, slots=True)
class Url:
    """What to get. `host` is a name or an address without brackets."""

    host: str
    port: int
    target: str
    tls: bool

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that each step took."""

    tcp: float
    tls: float
    http: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; `body` holds at most `BODY_LIMIT` bytes of it."""

    status: int
    body: bytes
    address: IPAddress  # that answered
    times: Times


def parse_url(text: str) -> Url:
    """An absolute http or https URL.

    :raises ValueError: it is none, or carries a user's name.
    """
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError(f"{text!r} is not a URL: it holds white space or other strange characters")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{text!r} is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user's name in it is not accepted")
    if parts.port == 0:
        raise ValueError(f"{text!r} is not a URL: there is no port 0")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.hostname, parts.port or (443 if tls else 80), target, tls)


def tls_context(ca: str = "", more: Sequence[str] = ()) -> ssl.SSLContext:
    """Verifies servers by the authorities in the PEM file `ca`; empty = those of the system.

    :param more: further authorities in PEM: those of a network's proxies, for requests over that network alone
    :raises ProbeError: the file cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate that names the host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca:
            context.load_verify_locations(cafile=ca)
        else:
            context.load_default_certs()
        for pem in more:
            context.load_verify_locations(cadata=pem)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError(Cause.CERTIFICATE, f"authorities in {ca}: {error.strerror or error}") from error
    return context


async def get(
    url: Url,
    egress: Egress,
    source: IPAddress,
    addresses: Sequence[IPAddress],
    *,
    context: ssl.SSLContext | None,
    timeout: float,  # noqa: ASYNC109  shared among the addresses
    via: Via = DIRECT,
) -> Reply:
    """GET `url` from `source` at the first of `addresses` that accepts a connection.

    :param addresses: of the proxy, if there is one
    :param context: for TLS; not needed for http.
    :raises ProbeError: no answer, or none that is TLS and HTTP.
    """
    deadline = monotonic() + timeout
    error: ProbeError | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        started = monotonic()
        where = f"{url.host} ({address}) port {url.port} from {source} on {egress.ifname}"
        if via.host:
            where = f"{url.host} through {via} ({address}) from {source} on {egress.ifname}"
        try:
            with os_failures(f"connect to {where}"):
                async with asyncio.timeout((deadline - started) / left):
                    sock = await connect(egress, source, address, via.port or url.port)
        except ProbeError as failed:
            error = failed
            continue
        connected = monotonic()
        with os_failures(where):
            async with asyncio.timeout(deadline - connected):
                status, body, secured = await _exchange(url, sock, context, where, via)
        times = Times(connected - started, secured - connected, monotonic() - secured)
        return Reply(status, body, address, times)
    raise error or ProbeError(Cause.NO_SOURCE, f"{url.host}: no address for {source} on {egress.ifname} to ask")


async def proxied(  # noqa: PLR0917
    url: Url,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    via: Via,
    context: ssl.SSLContext | None,
    where: str,
) -> None:
    """What a proxy wants before the request: TLS of its own, and for https a tunnel (RFC 9110, 9.3.6).

    :raises ProbeError: it refuses.
    """
    if via.tls:
        await writer.start_tls(context or tls_context(), server_hostname=via.host)
    if not url.tls:
        return
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    host = f"[{url.host}]" if ":" in url.host else url.host
    target = f"{host}:{url.port}"
    headers = [("Host", target), ("User-Agent", f"evenet/{__version__}")]
    try:
        asked = connection.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b""
        writer.write(asked + (connection.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := connection.next_event(), h11.Response):
            if event is not h11.NEED_DATA:
                raise ProbeError(Cause.PROTOCOL, f"{where}: the proxy hangs up")
            connection.receive_data(await reader.read(16384))
    except h11.ProtocolError as error:
        raise ProbeError(Cause.PROTOCOL, f"{where}: no answer of an HTTP proxy: {error}") from error
    if not 200 <= event.status_code < 300:
        wants = ": it wants a user's name and password" if event.status_code == 407 else ""
        raise ProbeError(Cause.PROXY, f"{where}: the proxy answers with HTTP status {event.status_code}{wants}")


async def _exchange(
    url: Url, sock: socket.socket, context: ssl.SSLContext | None, where: str, via: Via
) -> tuple[int, bytes, float]:
    """TLS and HTTP on a connected socket: status, body, and when the connection was secured."""
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        with tls_failures(where):  # TLS 1.3 may refuse after the handshake
            if via.host:
                await proxied(url, reader, writer, via, context, where)
            if url.tls and context is not None:
                await writer.start_tls(context, server_hostname=url.host)
            secured = monotonic()
            status, body = await _converse(url, reader, writer, where, via)
        return status, body, secured
    finally:
        writer.transport.abort()  # nobody waits for goodbyes


async def _converse(
    url: Url, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, via: Via
) -> tuple[int, bytes]:
    """One request and its answer: status and the beginning of the body."""
    target = str(url) if via.host and not url.tls else url.target  # a proxy wants to know where to
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    headers = [("Host", url.authority), ("User-Agent", f"evenet/{__version__}"), ("Connection", "close")]
    request = h11.Request(method="GET", target=target, headers=headers)
    status, body = 0, b""
    try:
        writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            match connection.next_event():
                case h11.NEED_DATA:
                    connection.receive_data(await reader.read(16384))
                case h11.Response(status_code=code):
                    status = code
                case h11.Data(data=data):
                    body += bytes(data)[: BODY_LIMIT - len(body)]
                    if len(body) == BODY_LIMIT:
                        return status, body
                case h11.EndOfMessage():
                    return status, body
                case _:  # 1xx, or closed: `next_event` raises if it was too early
                    pass
    except h11.ProtocolError as error:
        raise ProbeError(Cause.PROTOCOL, f"{where}: no HTTP answer: {error}") from error


@contextmanager
def tls_failures(where: str) -> Iterator[None]:
    """Turn what TLS says into `ProbeError`: an SSLError is an OSError whose number is not the kernel's."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        cause = Cause.CERTIFICATE_DATE if error.verify_code in _DATE_ERRORS else Cause.CERTIFICATE
        raise ProbeError(cause, f"{where}: certificate: {error.verify_message.rstrip('.')}") from error
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ProbeError(Cause.PROTOCOL, f"{where}: TLS: {reason}") from error
