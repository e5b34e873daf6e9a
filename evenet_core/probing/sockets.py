"""Sockets that leave by one port only, and what the kernel says when they cannot."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from os import strerror

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Cause, Egress, ProbeError

__all__ = ["SocketAddress", "bound_socket", "connected_socket", "os_failures", "socket_address"]

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

_CAUSES = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.EPIPE: Cause.RESET,
    errno.ETIMEDOUT: Cause.TIMEOUT,
    errno.EADDRNOTAVAIL: Cause.SOURCE_GONE,
    errno.ENODEV: Cause.DEVICE,
    errno.ENETDOWN: Cause.DEVICE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.EACCES: Cause.UNREACHABLE,  # a firewall or a `prohibit` route
    errno.EPERM: Cause.UNREACHABLE,
}


@contextmanager
def os_failures(what: str) -> Iterator[None]:
    """Turn the kernel's errors and a deadline that ran out into `ProbeError`; `what` begins the text."""
    try:
        yield
    except TimeoutError as error:  # also ETIMEDOUT, the kernel's own
        raise ProbeError(Cause.TIMEOUT, f"{what}: no answer in time") from error
    except OSError as error:
        number = error.errno or 0
        words = strerror(number).lower() if number > 0 else str(error) or type(error).__name__
        otherwise = Cause.RESET if isinstance(error, ConnectionError) else Cause.OTHER  # asyncio's have no number
        raise ProbeError(_CAUSES.get(number, otherwise), f"{what}: {words}") from error


def socket_address(address: IPAddress, port: int, ifname: str) -> SocketAddress:
    """As the socket module wants it; a link-local address is one of `ifname`'s link. Raises OSError."""
    if address.version == 4:
        return (str(address), port)
    return (str(address), port, 0, socket.if_nametoindex(ifname) if address.is_link_local else 0)


def bound_socket(egress: Egress, source: IPAddress, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
    """A non-blocking socket that sends from `source` through `egress.ifname`, whatever the routes say.

    Raises OSError: ENODEV without the interface, EADDRNOTAVAIL without the address.
    """
    sock = socket.socket(FAMILY[source.version], kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, egress.ifname.encode() + b"\0")
        sock.bind(socket_address(source, 0, egress.ifname))
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def closing_on_error(sock: socket.socket) -> Iterator[socket.socket]:
    """Keep the socket if all goes well."""
    try:
        yield sock
    except BaseException:
        sock.close()
        raise


async def connected_socket(
    egress: Egress, source: IPAddress, target: IPAddress, port: int, kind: socket.SocketKind
) -> socket.socket:
    """A bound socket connected to `target`. Raises OSError; the caller sets the deadline and closes it."""
    with closing_on_error(bound_socket(egress, source, kind)) as sock:
        await asyncio.get_running_loop().sock_connect(sock, socket_address(target, port, egress.ifname))
        return sock
