"""Names in probes, looked up once in a while: a probe asks its target, and not each time the name server, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Cause, Egress, ProbeError, ProbeRequest
from evenet_core.probing.targets import host_addresses, literal

__all__ = ["NameCache"]

LIFETIME = 300.0  # seconds; then it is looked up again
SIZE = 64  # names, each by each way


@dataclass(frozen=True, slots=True)
class _Found:
    addresses: Sequence[IPAddress]
    at: float


class NameCache:
    """Addresses by name and the way on which they were asked for.

    Where the servers on one way do not know a name, what they said on another serves: a way that leads there is good.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._found: dict[tuple[str, Egress, int], _Found] = {}

    async def addressed(self, request: ProbeRequest) -> ProbeRequest:
        """The request with addresses in place of names. What was known before serves while no server answers.

        :raises ProbeError: nothing is known of a name, and nobody tells it in time.
        """
        if all(literal(host) is not None for host in request.hosts):
            return request
        hosts: list[str] = []
        for host in request.hosts:
            hosts += map(str, await self._addresses(host, request))
        return replace(request, hosts=tuple(hosts))

    async def _addresses(self, host: str, request: ProbeRequest) -> Sequence[IPAddress]:
        key = host, request.egress, request.version
        known = self._found.get(key)
        if known is not None and self._now() < known.at + LIFETIME:
            return known.addresses
        versions = (request.version,) if request.version else (4, 6)
        try:
            async with asyncio.timeout(request.timeout):
                addresses = await host_addresses(host, request.egress, versions)
        except (ProbeError, TimeoutError) as error:
            before = known or next(
                (found for (name, _, v), found in self._found.items() if (name, v) == key[::2]), None
            )
            if before is None:
                raise _failure(error, host, request) from error
            addresses = list(before.addresses)
        self._found.pop(key, None)
        self._found[key] = _Found(addresses, self._now())
        while len(self._found) > SIZE:
            del self._found[next(iter(self._found))]
        return addresses


def _failure(error: ProbeError | TimeoutError, host: str, request: ProbeRequest) -> ProbeError:
    if isinstance(error, ProbeError):
        return error
    return ProbeError(Cause.NAME_TIMEOUT, f"name {host} on {request.egress.ifname}: no answer in time")
