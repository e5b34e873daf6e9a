"""The ways of a port: directly, through its explicit proxies, or as a PAC file of its network says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from evenet_core.probing.http import BODY_LIMIT, Url, get, parse_url, tls_context
from evenet_core.probing.pac import evaluate
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.targets import host_addresses
from evenet_core.probing.ways import DIRECT, Proxied, Via, explicit, wpad_urls

__all__ = ["Proxies"]

LIFETIME = 600.0  # seconds that a PAC file from the network is used
TIMEOUT = 15.0  # seconds for one that is fetched; EVE: spec of device connectivity, D.4
SIZE = 64  # PAC files that are kept
OK = 200


@dataclass(frozen=True, slots=True)
class _File:
    url: str
    text: str
    at: float


class Proxies:
    """Finds PAC files, and keeps them for a while."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._files: dict[tuple[Egress, Proxied], _File] = {}

    async def ways(self, given: Proxied, url: Url, egress: Egress) -> Sequence[Via]:
        """In the order in which they are to be tried.

        :raises ProbeError: there is a PAC file that cannot be got, or fails.
        """
        proxy = given.proxy
        if proxy is None:
            return [DIRECT]
        if proxy.pac:
            return await evaluate(proxy.pac, str(url), url.host, egress)
        if proxy.url or proxy.discover:
            file = await self._file(given, egress)
            return await evaluate(file.text, str(url), url.host, egress)
        return [explicit(proxy, url.host, url.port, tls=url.tls)]

    def found(self) -> dict[str, str]:
        """URLs of the PAC files that were found, by interface."""
        return {egress.ifname: file.url for (egress, _), file in self._files.items()}

    async def _file(self, given: Proxied, egress: Egress) -> _File:
        """
        :raises ProbeError: it is nowhere; the text says where it was looked for.
        """
        known = self._files.get((egress, given))
        if known is not None and self._now() < known.at + LIFETIME:
            return known
        assert given.proxy is not None
        urls = [given.proxy.url] if given.proxy.url else wpad_urls(given.domain, given.offered)
        failures = []
        for url in urls:
            try:
                text = await _fetched(url, egress)
            except ProbeError as error:
                failures.append(str(error))
            else:
                for old in [key for key in self._files if key[0].ifname == egress.ifname]:
                    del self._files[old]
                file = self._files[egress, given] = _File(url, text, self._now())
                while len(self._files) > SIZE:
                    del self._files[next(iter(self._files))]
                return file
        if known is not None:
            return known
        where = "; ".join(failures) or "the network has no domain to look in"
        raise ProbeError(Cause.OTHER, f"interface {egress.ifname}: no PAC file: {where}")


async def _fetched(text: str, egress: Egress) -> str:
    """
    :raises ProbeError: it cannot be had from there.
    """
    about = f"PAC file {text[:200]!r} on {egress.ifname}"
    try:
        url = parse_url(text)
    except ValueError as error:
        raise ProbeError(Cause.OTHER, f"{about}: {error}") from error
    addresses = await host_addresses(url.host, egress, sorted({source.version for source in egress.sources}))
    pairs = [(source, address) for address in addresses if (source := egress.source_for(address)) is not None]
    if not pairs:
        raise ProbeError(Cause.NO_SOURCE, f"{about}: no address could reach it")
    context = tls_context() if url.tls else None
    reply = await get(url, egress, pairs[0][0], [pairs[0][1]], context=context, timeout=TIMEOUT)
    if reply.status != OK:
        raise ProbeError(Cause.OTHER, f"{about}: HTTP status {reply.status}")
    if len(reply.body) >= BODY_LIMIT:
        raise ProbeError(Cause.OTHER, f"{about}: it is longer than {BODY_LIMIT} bytes")
    return reply.body.decode("utf-8", "replace")
