"""Requests over uplinks, and those that are sent later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

import h11

from evenet_core.device.uplinks import Uplink
from evenet_core.probing.http import Url, parse_url, tls_context
from evenet_core.probing.request import ProbeError
from evenet_core.uplinks.connecting import Connection, Connector, Told, UplinkError
from evenet_core.uplinks.exchange import Exchange
from evenet_core.uplinks.later import Later

__all__ = ["MAX_COST", "Answer", "Response", "Uplinks"]

MAX_COST = "network.download.max.cost"  # device property
DEAREST = 255
TIMEOUT = 60.0  # seconds for connections, and for the head of the answer
BODY_LIMIT = 16 << 20  # bytes that `request` keeps


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; whatever its status is."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    uplink: str  # label of the port over which it came


class Response:
    """An answer whose body is still to come."""

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...], uplink: str, exchange: Exchange) -> None:
        self.status = status
        self.headers = headers
        self.uplink = uplink
        self._exchange = exchange

    async def parts(self) -> AsyncIterator[bytes]:
        """The body, piece by piece.

        :raises UplinkError: the connection broke.
        """
        try:
            async for part in self._exchange.parts():
                yield part
        except ProbeError as error:
            raise UplinkError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Asked:
    url: Url
    method: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    max_cost: int
    once: bool


class Uplinks:
    """The node's ways to its controller, for whoever has something to say to it.

    :param uplinks: the management ports as they are now
    :param told: hears how they do: what is really sent is as good as a probe
    :param ca: PEM file with the authorities that may vouch for servers; empty = those of the system
    """

    def __init__(self, uplinks: Callable[[], Sequence[Uplink]], told: Told, ca: str = "") -> None:
        self._connector = Connector(uplinks, told)
        self._ca = ca
        self.download_max_cost = 0  # what a download is worth; a request is worth any uplink
        self._later = Later(self._post)

    def adjust(self, settings: Mapping[str, str]) -> None:
        """Go by these device properties."""
        text = settings.get(MAX_COST, "")
        known = text.isascii() and text.isdecimal() and int(text) <= DEAREST
        self.download_max_cost = int(text) if known else 0

    async def connect(
        self,
        host: str,
        port: int,
        *,
        max_cost: int = DEAREST,
        timeout: float = TIMEOUT,  # noqa: ASYNC109
    ) -> Connection:
        """A TCP connection.

        :raises UplinkError: no uplink brings one in time.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._connector.connect(Url(host, port, "/", tls=True), max_cost=max_cost)
        except TimeoutError:
            raise UplinkError(f"{host} port {port}: no uplink brought a connection within {timeout:g} s") from None

    @asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        max_cost: int = DEAREST,
        once: bool = False,
        timeout: float = TIMEOUT,  # noqa: ASYNC109
    ) -> AsyncIterator[Response]:
        """Ask, and go on with the next uplink where one does not bring an answer.

        :param max_cost: dearer uplinks are not used
        :param once: not again when the server may have seen it already: an uplink may die before the answer is here
        :param timeout: seconds until the head of the answer is here, over whichever uplink
        :raises UplinkError: no uplink brought an answer.
        :raises ValueError: it is no http or https URL.
        """
        asked = _Asked(parse_url(url), method, headers, body, max_cost, once)
        try:
            async with asyncio.timeout(timeout):
                exchange, head = await self._answered(asked)
        except TimeoutError:
            raise UplinkError(f"{url}: no uplink brought an answer within {timeout:g} s") from None
        try:
            told = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
            yield Response(head.status_code, told, exchange.uplink, exchange)
        finally:
            exchange.close()

    async def _answered(self, asked: _Asked) -> tuple[Exchange, h11.Response]:
        """The first answer that an uplink brings.

        :raises UplinkError: none does.
        """
        without: set[str] = set()
        failures: list[str] = []
        while True:
            try:
                connection = await self._connector.connect(asked.url, max_cost=asked.max_cost, without=without)
            except UplinkError as error:
                raise UplinkError("; ".join(failures) or str(error)) from error
            exchange = Exchange(asked.url, connection)
            try:
                context = self._context(connection.uplink) if asked.url.tls else None
                return exchange, await exchange.ask(asked.method, asked.headers, asked.body, context)
            except ProbeError as error:
                exchange.close()
                failures.append(str(error))
                if asked.once and exchange.sent:
                    raise UplinkError("; ".join(failures)) from error
                without.add(connection.uplink.label)
            except BaseException:
                exchange.close()
                raise

    def _context(self, uplink: Uplink) -> SSLContext:
        """The authorities of an uplink's proxies count for that uplink alone."""
        proxy = uplink.proxied.proxy if uplink.proxied is not None else None
        return tls_context(self._ca, proxy.ca_pem if proxy is not None else ())

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        max_cost: int = DEAREST,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """Ask, and read the whole answer.

        :param limit: bytes that it may have
        :raises UplinkError: no uplink brought an answer, or it is longer.
        :raises ValueError: it is no http or https URL.
        """
        async with self.open(url, method=method, headers=headers, body=body, max_cost=max_cost) as response:
            found = bytearray()
            async for part in response.parts():
                found += part
                if len(found) > limit:
                    raise UplinkError(f"{url}: the answer is longer than {limit} bytes")
            return Answer(response.status, response.headers, bytes(found), response.uplink)

    def defer(
        self, key: str, url: str, body: bytes, *, content_type: str = "application/octet-stream", priority: int = 0
    ) -> None:
        """POST this as soon as the controller takes it, in place of what waits under the same key.

        It is kept in memory: what must survive a restart of the agent is deferred again by whoever made it.

        :param priority: the lower one goes first
        """
        self._later.put(key, url, body, content_type, priority)

    def deferred(self) -> Sequence[str]:
        """Keys of what still waits, in its order."""
        return self._later.waiting()

    async def stop(self) -> None:
        await self._later.stop()

    async def _post(self, url: str, body: bytes, content_type: str) -> int:
        answer = await self.request("POST", url, body=body, headers=[("Content-Type", content_type)])
        return answer.status
