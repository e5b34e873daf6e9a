"""From the hosts of a request to pairs of own address and target; the first pair that answers is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeAlias

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Cause, Egress, ProbeError, ProbeRequest

__all__ = ["MAX_PAIRS", "first_answer", "host_addresses", "literal"]

MAX_PAIRS = 8  # of own and target address tried by one probe

Ask: TypeAlias = Callable[[IPAddress, IPAddress], Awaitable[float]]


def literal(host: str) -> IPAddress | None:
    """The address that `host` spells; None if it is a name."""
    with suppress(ValueError):
        return ip_address(host)
    return None


async def host_addresses(host: str, egress: Egress, versions: Sequence[int]) -> list[IPAddress]:
    """Addresses of a host; if it is a name, those of these IP versions that the egress's own DNS servers tell.

    :raises ProbeError: they tell none.
    """
    address = literal(host)
    if address is not None:
        return [address]
    # A node whose probes name addresses only need not carry the resolver (5 MB).
    from evenet_core.probing.resolve import resolve  # noqa: PLC0415

    return await resolve(host, egress, versions)


async def first_answer(request: ProbeRequest, ask: Ask) -> float:
    """Ask all pairs at the same time; seconds of the first that answers.

    Raises `ProbeError` with the last failure if none does within `request.timeout`.
    """
    egress = request.egress
    failure: ProbeError | None = None
    tasks: list[asyncio.Task[float]] = []
    try:
        async with asyncio.timeout(request.timeout):
            pairs = await _pairs(request)
            tasks = [asyncio.ensure_future(ask(source, target)) for source, target in pairs]
            for done in asyncio.as_completed(tasks):
                try:
                    return await done
                except ProbeError as error:
                    failure = error
    except TimeoutError:
        text = f"{', '.join(request.hosts)} on {egress.ifname}: no answer within {request.timeout:g} s"
        raise ProbeError(Cause.TIMEOUT, text) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    try:
        raise failure or ProbeError(Cause.OTHER, f"nothing to ask on {egress.ifname}")
    finally:
        failure = None  # which refers to this frame: a circle for each probe that fails


async def _pairs(request: ProbeRequest) -> list[tuple[IPAddress, IPAddress]]:
    found = []
    own = sorted({source.version for source in request.egress.sources})
    for host in request.hosts:
        for target in await host_addresses(host, request.egress, [request.version] if request.version else own):
            source = request.egress.source_for(target)
            if source is not None and request.version in {0, target.version}:
                found.append((source, target))
    if request.hosts and not found:
        text = f"no address of {request.egress.ifname} fits {', '.join(request.hosts)}"
        raise ProbeError(Cause.NO_SOURCE, text)
    return found[:MAX_PAIRS]
