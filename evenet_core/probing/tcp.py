"""TCP probe: a connection is made and closed at once."""

from __future__ import annotations

import socket
from time import monotonic

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Egress, ProbeRequest
from evenet_core.probing.sockets import connected_socket, os_failures
from evenet_core.probing.targets import first_answer

__all__ = ["connect", "probe_tcp"]


async def probe_tcp(request: ProbeRequest) -> float:
    """Seconds until the first of the hosts accepted a connection to `request.port`."""

    async def ask(source: IPAddress, target: IPAddress) -> float:
        started = monotonic()
        (await connect(request.egress, source, target, request.port)).close()
        return monotonic() - started

    return await first_answer(request, ask)


async def connect(egress: Egress, source: IPAddress, target: IPAddress, port: int) -> socket.socket:
    """A connected, non-blocking socket. Raises `ProbeError`; the caller sets the deadline."""
    where = f"[{target}]:{port}" if target.version == 6 else f"{target}:{port}"
    with os_failures(f"connect to {where} from {source} on {egress.ifname}"):
        return await connected_socket(egress, source, target, port, socket.SOCK_STREAM)
