"""A connection by whichever uplink brings it: tried in their order, overtaking those that are slow (RFC 8305)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from evenet_core.device.uplinks import LEAST_PATIENCE, Uplink, candidates
from evenet_core.errors import EvenetError
from evenet_core.model.values import IPAddress
from evenet_core.probing.http import Url, proxied, tls_context
from evenet_core.probing.proxies import Proxies
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.targets import host_addresses
from evenet_core.probing.tcp import connect
from evenet_core.probing.ways import DIRECT, Via

__all__ = ["Connection", "Connector", "Told", "UplinkError"]

NAME_LIMIT, CONNECT_LIMIT = 10.0, 15.0  # seconds by one uplink
MOST_ADDRESSES = 8  # of a host


class UplinkError(EvenetError):
    """No uplink leads there; the text says why, uplink by uplink."""


class Told(Protocol):
    """Who hears how uplinks do."""

    def answered(self, ifname: str, version: int, latency: float) -> None:
        """A connection was made within so many seconds."""

    def doubt(self, ifname: str) -> None:
        """It was not, where it should have been."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a host, or to the proxy that is to ask it. Whoever has it closes it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    uplink: Uplink
    address: IPAddress
    via: Via

    def close(self) -> None:
        self.writer.transport.abort()


class Connector:
    """Connects.

    :param uplinks: the management ports as they are now
    """

    def __init__(self, uplinks: Callable[[], Sequence[Uplink]], told: Told) -> None:
        self._uplinks = uplinks
        self._told = told
        self._proxies = Proxies()
        self._turn = 0

    async def connect(self, url: Url, *, max_cost: int, without: Collection[str] = ()) -> Connection:
        """
        :param url: what is to be asked: for https the connection leads to the host itself, through the proxy's tunnel
        :param without: labels of uplinks that are not to be used
        :raises UplinkError: by none.
        """
        self._turn += 1
        usable = [uplink for uplink in self._uplinks() if uplink.label not in without]
        ways = candidates(usable, max_cost=max_cost, turn=self._turn)
        if not ways:
            raise UplinkError(
                f"there is no uplink to reach {url.host} through: none has an address and costs {max_cost}"
            )
        tries = [(way.patience, lambda way=way: self._through(way, url)) for way in ways]
        try:
            connection, before = await staggered(tries)
        except ProbeError as error:
            for way in ways:
                self._told.doubt(way.ifname)
            raise UplinkError(str(error)) from error
        for way in ways[:before]:
            self._told.doubt(way.ifname)
        return connection

    async def _through(self, way: Uplink, url: Url) -> Connection:
        """By the first of the uplink's ways that leads there: directly, or through a proxy.

        :raises ProbeError: none does.
        """
        egress = Egress(way.ifname, way.addresses, way.dns)
        given = way.proxied
        ways = await self._proxies.ways(given, url, egress) if given is not None else [DIRECT]
        failures: list[ProbeError] = []
        for via in ways:
            try:
                return await self._by(via, way, url, egress)
            except ProbeError as error:
                failures.append(error)
        raise ProbeError(failures[0].cause, "; ".join(map(str, failures)))

    async def _by(self, via: Via, way: Uplink, url: Url, egress: Egress) -> Connection:
        """
        :raises ProbeError: it does not lead there.
        """
        host, port = via.host or url.host, via.port or url.port
        where = f"{url.host} through {way.label}{f', {via}' if via != DIRECT else ''}"
        with os_failures(where):
            async with asyncio.timeout(NAME_LIMIT):
                versions = sorted({address.version for address in way.addresses})
                found = await host_addresses(host, egress, versions)
        pairs = [(source, address) for address in found if (source := egress.source_for(address)) is not None]
        if not pairs:
            raise ProbeError(Cause.NO_SOURCE, f"{where}: no address of {way.ifname} could reach it")

        async def to(source: IPAddress, address: IPAddress) -> Connection:
            started = monotonic()
            with os_failures(where):
                async with asyncio.timeout(CONNECT_LIMIT):
                    sock = await connect(egress, source, address, port)
                    self._told.answered(way.ifname, address.version, monotonic() - started)
                    reader, writer = await asyncio.open_connection(sock=sock)
                    connection = Connection(reader, writer, way, address, via)
                    try:
                        if via != DIRECT:
                            context = tls_context() if via.tls else None
                            await proxied(url, reader, writer, via, context, where)
                    except BaseException:
                        connection.close()
                        raise
            return connection

        tries = [(LEAST_PATIENCE, lambda pair=pair: to(*pair)) for pair in pairs[:MOST_ADDRESSES]]
        connection, _ = await staggered(tries)
        return connection


async def staggered(tries: Sequence[tuple[float, Callable[[], Awaitable[Connection]]]]) -> tuple[Connection, int]:
    """Begin one after the other: the next when the one before fails, or after its patience; and which one it was.

    :raises ProbeError: none brings a connection; the text holds every reason.
    """
    left = list(enumerate(tries))
    running: dict[asyncio.Task[Connection], int] = {}
    failures: list[ProbeError] = []
    try:
        while left or running:
            patience = None
            if left:
                index, (patience, begin) = left.pop(0)
                running[asyncio.ensure_future(begin())] = index
            await asyncio.wait(running, timeout=patience if left else None, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task.done()]:
                index = running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result(), index
                if not isinstance(error, ProbeError):
                    raise error
                failures.append(error)
    finally:
        await _abandon(running)
    raise ProbeError(failures[0].cause, "; ".join(dict.fromkeys(map(str, failures))))


async def _abandon(running: Collection[asyncio.Task[Connection]]) -> None:
    """Those that were overtaken, also if they came in meanwhile."""
    for task in running:
        task.cancel()
    for late in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(late, Connection):
            late.close()
