"""The metadata service of a network instance: an HTTP server at the instance's own address. Item and driver.

Apps ask 169.254.169.254; the firewall sends that here. The server lives in this process and ends with it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from evenet_core.errors import DriverError
from evenet_core.linux.address import address_key
from evenet_core.model.metadata import MetadataRequest, MetadataResponse
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

if TYPE_CHECKING:
    from evenet_core.linux.httpd import HttpServer

__all__ = ["MetadataDriver", "MetadataService", "Respond"]

Respond: TypeAlias = Callable[[MetadataRequest], MetadataResponse]


@dataclass(frozen=True, slots=True)
class MetadataService(Item):
    """The metadata service at `address` of `bridge`, for apps of that network instance only."""

    kind: ClassVar[str] = "metadata"
    instance: str  # key of the network instance
    bridge: str
    address: str
    port: int = 80

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.instance))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(address_key(self.bridge, self.address), "the service listens at this address"),)

    @property
    def description(self) -> str:
        return f"metadata service at {self.address} port {self.port} on {self.bridge}"


class MetadataDriver:
    """Opens and closes listening sockets. A socket whose bridge is gone serves nobody and does not count.

    :param respond: answers a request.
    """

    kinds: tuple[str, ...] = ("metadata",)

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._open: dict[ItemKey, tuple[MetadataService, socket.socket, HttpServer]] = {}

    async def observe(self) -> Iterable[Item]:
        for key, (item, listener, _) in list(self._open.items()):
            if not _still_bound(listener, item.bridge):
                await self._stop(key)
        return [item for item, _, _ in self._open.values()]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        for change in changes:
            if change.op is not Op.CREATE:
                await self._stop(change.key)
        return [await self._apply(change) for change in changes]

    async def close(self) -> None:
        """Stop serving."""
        for key in list(self._open):
            await self._stop(key)

    async def _apply(self, change: Change) -> Outcome:
        item = change.after
        if isinstance(item, MetadataService) and self._opened(item.key) != item:
            try:
                await self._stop(item.key)
                await self._start(item)
            except OSError as error:
                return Outcome(change, _refusal(item, error))
        return Outcome(change)

    def _opened(self, key: ItemKey) -> MetadataService | None:
        return self._open[key][0] if key in self._open else None

    async def _start(self, item: MetadataService) -> None:
        # The HTTP server is loaded by the first network instance that needs it.
        from evenet_core.linux.httpd import HttpServer, Request, Response  # noqa: PLC0415

        async def handler(request: Request) -> Response:
            asked = MetadataRequest(request.method, request.path, request.source, item.instance)
            answer = self._respond(asked)
            return Response(answer.status, answer.content_type, answer.body)

        listener = _listener(item)
        server = HttpServer(listener, handler)
        await server.start()
        self._open[item.key] = (item, listener, server)

    async def _stop(self, key: ItemKey) -> None:
        if key in self._open:
            _, _, server = self._open.pop(key)
            await server.close()


def _listener(item: MetadataService) -> socket.socket:
    """A socket that hears only what comes in by the bridge: other networks cannot reach it by routing here."""
    family = socket.AF_INET6 if ip_address(item.address).version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, item.bridge.encode() + b"\0")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((item.address, item.port))
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def _still_bound(listener: socket.socket, bridge: str) -> bool:
    """Whether the socket is bound to the bridge that exists now, not to one of the past with that name."""
    try:
        return listener.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode() == bridge
    except OSError:  # ENODEV
        return False


def _refusal(item: MetadataService, error: OSError) -> DriverError:
    number = error.errno or 0
    words = os.strerror(number)
    if number == errno.EADDRINUSE:
        words = f"another program listens at port {item.port} of every address"
    return DriverError(f"{item.description}: {words}", errno=number)
