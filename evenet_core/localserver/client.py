"""Asks the local profile server in turns, and does what it may ask for.

Of both endpoints: 200 is an answer, 204 keeps what was asked for, 404 takes it back and makes the turns rarer. A server
that cannot be reached changes nothing: it is an app of this node, and starts after it.
"""

from __future__ import annotations

import asyncio
import hmac
import random
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from evenet_core.device.uplinks import Uplink
from evenet_core.errors import EvenetError
from evenet_core.localserver.asked import port_patches
from evenet_core.localserver.messages import decode, encode
from evenet_core.model.config import LocalServer
from evenet_core.model.patches import PortPatch
from evenet_core.model.timers import LOCAL_NETWORK, LOCAL_RADIO
from evenet_core.model.values import IPAddress
from evenet_core.probing.http import Url
from evenet_core.probing.request import Cause, ProbeError
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.targets import literal
from evenet_core.probing.ways import DIRECT
from evenet_core.uplinks.connecting import Connection
from evenet_core.uplinks.exchange import Exchange

__all__ = ["Asking", "Operated"]

NETWORK, RADIO = "/api/v1/network", "/api/v1/radio"
PORT = 8888
RARELY = {NETWORK: 3600.0, RADIO: 300.0}  # seconds to the next turn after a 404
LIMIT = 20.0  # seconds for a question and its answer
BODY_LIMIT = 1 << 20  # bytes
JITTER = 0.88, 1.1  # as EVE's
CONTENT = ("Content-Type", "application/x-proto-binary")
OK, CREATED, NO_CONTENT, NOT_FOUND = 200, 201, 204, 404


class Operated(Protocol):
    """What a local operator may change."""

    def network_info(self, error: str) -> dict[str, Any]:
        """A NetworkInfo, with what was wrong with the last answer."""

    def port_labels(self) -> Collection[str]:
        """Labels of the ports in use."""

    def lay_over(self, patches: Sequence[PortPatch]) -> None:
        """Settings of ports."""

    def be_silent(self, silent: bool) -> None:
        """Radio silence."""

    @property
    def is_silent(self) -> bool:
        """Whether there is radio silence."""

    def addresses_of_app(self, name: str) -> Sequence[IPAddress]:
        """Where an app of this name is; none if there is none."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class Asking:
    """Asks one server until `stop`."""

    def __init__(self, server: LocalServer, operated: Operated, settings: Mapping[str, str]) -> None:
        parts = urlsplit(f"//{server.server}")
        self._host, self._port = parts.hostname or "", parts.port or PORT
        self._token = server.token
        self._operated = operated
        self._refused = ""  # why the last answer was
        self.errors: dict[str, str] = {}  # by path: why there is no answer
        self._wakes = {NETWORK: asyncio.Event(), RADIO: asyncio.Event()}
        network, radio = (timer.seconds(settings.get(timer.name)) for timer in (LOCAL_NETWORK, LOCAL_RADIO))
        self._tasks = [
            asyncio.create_task(self._ask_in_turns(NETWORK, network, self._network)),
            asyncio.create_task(self._ask_in_turns(RADIO, radio, self._radio)),
        ]

    def ask_soon(self) -> None:
        """What the server is told has changed."""
        for wake in self._wakes.values():
            wake.set()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask_in_turns(self, path: str, interval: float, turn: Callable[[], Awaitable[int]]) -> None:
        wake = self._wakes[path]
        while True:
            wake.clear()
            delay = interval
            try:
                async with asyncio.timeout(LIMIT):
                    status = await turn()
            except (ProbeError, EvenetError) as error:
                self.errors[path] = str(error)
            except TimeoutError:
                self.errors[path] = f"no answer within {LIMIT:g} s"
            else:
                self.errors.pop(path, None)
                delay = RARELY[path] if status == NOT_FOUND else interval
            with suppress(TimeoutError):
                async with asyncio.timeout(delay * random.uniform(*JITTER)):
                    await wake.wait()
                    await asyncio.sleep(1.0)  # a burst of changes is one

    async def _network(self) -> int:
        answer = await self._post(NETWORK, encode("NetworkInfo", self._operated.network_info(self._refused)))
        if answer.status == NOT_FOUND:
            self._operated.lay_over(())
        elif answer.status in (OK, CREATED):
            before = self._refused
            try:
                self._operated.lay_over(self._patches(answer.body))
                self._refused = ""
            except EvenetError as error:
                self._refused = str(error)
            if self._refused != before:
                self._wakes[NETWORK].set()  # it is told why at once
        return answer.status

    def _patches(self, body: bytes) -> tuple[PortPatch, ...]:
        asked = decode("LocalNetworkConfig", body)
        self._check_token(asked)
        return port_patches(asked, self._operated.port_labels())

    async def _radio(self) -> int:
        status = {"radio_silence": self._operated.is_silent}
        answer = await self._post(RADIO, encode("RadioStatus", status))
        if answer.status == NOT_FOUND:
            self._operated.be_silent(False)
        elif answer.status in (OK, CREATED):
            asked = decode("RadioConfig", answer.body)
            self._check_token(asked)
            wanted = asked.get("radio_silence", False)
            if wanted != self._operated.is_silent:
                self._operated.be_silent(wanted)
                self._wakes[RADIO].set()
        return answer.status

    def _check_token(self, asked: Mapping[str, Any]) -> None:
        """
        :raises EvenetError: somebody else answers.
        """
        given = str(asked.get("server_token", ""))
        if not hmac.compare_digest(given.encode(), self._token.reveal().encode()):
            raise EvenetError("the answer has not the token of the local profile server")

    async def _post(self, path: str, body: bytes) -> _Answer:
        """
        :raises ProbeError: there is no answer.
        """
        url = Url(host=self._host, port=self._port, target=path, tls=False)
        failure = ProbeError(Cause.OTHER, f"{self._host} has no address")
        for address in self._operated.addresses_of_app(self._host) or await _looked_up(self._host):
            try:
                return await self._exchanged(url, address, body)
            except ProbeError as error:
                failure = error
        raise failure

    async def _exchanged(self, url: Url, address: IPAddress, body: bytes) -> _Answer:
        with os_failures(str(url)):
            reader, writer = await asyncio.open_connection(str(address), self._port, limit=BODY_LIMIT)
        here = Uplink(label="the node itself", ifname="")
        exchange = Exchange(url, Connection(reader, writer, here, address, DIRECT))
        try:
            head = await exchange.ask("POST", [CONTENT], body, None)
            found = bytearray()
            async for part in exchange.parts():
                found += part
                if len(found) > BODY_LIMIT:
                    raise ProbeError(Cause.PROTOCOL, f"{url} answers with more than {BODY_LIMIT} bytes")
            return _Answer(head.status_code, bytes(found))
        finally:
            exchange.close()


async def _looked_up(host: str) -> list[IPAddress]:
    """Addresses of a host as the node's own resolver knows them.

    :raises ProbeError: it knows none.
    """
    address = literal(host)
    if address is not None:
        return [address]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ProbeError(Cause.NAME_UNKNOWN, f"{host} is not known: {error}") from error
    return [ip_address(address[0]) for *_, address in found]
