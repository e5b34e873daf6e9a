"""Connectivity test of one port: does its network lead to the controller?

The verdict on a port is a function of that port alone: its link, its own addresses, its own DNS servers. What
other ports do or fail to do cannot be seen from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.targets import host_addresses, literal
from evenet_core.probing.verdict import Attempt, PortVerdict, Reason
from evenet_core.probing.ways import DIRECT, Proxied, Via

if TYPE_CHECKING:
    from ssl import SSLContext

    from evenet_core.probing.http import Url
    from evenet_core.probing.proxies import Proxies

__all__ = ["PortUnderTest", "check", "check_all", "reason_of"]

CONSOLE_TIMEOUT = 5.0  # seconds: it is near
TIMEOUT = 15.0  # seconds; EVE: `timer.port.timeout`
OVERALL = 3  # times the timeout: what all addresses of a port may take together
SERVER_ERRORS = range(500, 512)

_REMOTE = frozenset({Cause.REFUSED, Cause.CERTIFICATE_DATE, Cause.SERVER_ERROR})
_UNNAMED = frozenset({Cause.NAME_UNKNOWN, Cause.NAME_TEMPORARY})
_NOT_READY = frozenset({Cause.NO_SOURCE, Cause.SOURCE_GONE, Cause.NO_DNS, Cause.NAME_TEMPORARY})


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUnderTest:
    """A port as it is now."""

    label: str
    ifname: str
    present: bool = True  # the link exists
    carrier: bool = True
    addresses: tuple[IPAddress, ...] = ()
    dns_servers: tuple[IPAddress, ...] = ()
    proxied: Proxied | None = None  # what its network says of proxies
    error: str = ""  # why it cannot work as configured


@dataclass(frozen=True, slots=True)
class _Test:
    """What is asked over the port, of whom."""

    url: Url
    context: SSLContext | None
    egress: Egress
    pairs: Mapping[IPAddress, Sequence[IPAddress]]  # own address: addresses of the host that it can reach
    deadline: float
    via: Via
    name_ms: float | None  # that the lookup took


async def check_all(
    ports: Sequence[PortUnderTest], url: str = "", ca: str = "", proxies: Proxies | None = None, console: str = ""
) -> list[PortVerdict]:
    """Test all ports, side by side.

    The node's resolver asks the servers of all ports, one after the other: a port whose own servers do not know the
    controller, but lead to it, is good with a warning.

    :param console: URL of a local operator's console, which is asked first; a port that leads there is good
    """
    local = await asyncio.gather(*(_asks_console(port, console, ca) for port in ports)) if console else []
    found = {verdict.label: verdict for verdict in local if verdict.good or not url}
    others = await _check_all([port for port in ports if port.label not in found], url, ca, proxies)
    tested = found | {verdict.label: verdict for verdict in others}
    return [tested[port.label] for port in ports]


async def _asks_console(port: PortUnderTest, console: str, ca: str) -> PortVerdict:
    """Good if the console answers at all: that it does not know this node is no fault of the network."""
    failures: list[ProbeError] = []
    try:
        _look(port)
        test = await _prepared(port, console, ca, CONSOLE_TIMEOUT, (), DIRECT, monotonic() + OVERALL * CONSOLE_TIMEOUT)
        for source in test.pairs:
            attempt = await _ask(test, source, CONSOLE_TIMEOUT, good=range(200, 500))
            return PortVerdict(label=port.label, reason=Reason.SUCCESS, attempts=(attempt,))
    except ProbeError as error:
        failures.append(error)
    return PortVerdict(label=port.label, reason=reason_of(failures), error=_joined(failures))


async def _check_all(ports: Sequence[PortUnderTest], url: str, ca: str, proxies: Proxies | None) -> list[PortVerdict]:
    verdicts = await asyncio.gather(*(check(port, url, ca, proxies=proxies) for port in ports))
    known = next((verdict.addresses for verdict in verdicts if verdict.good and verdict.addresses), ())
    unnamed = [i for i, verdict in enumerate(verdicts) if verdict.unnamed] if known else []
    for i, again in zip(
        unnamed, await asyncio.gather(*(check(ports[i], url, ca, known=known) for i in unnamed)), strict=True
    ):
        if again.good:
            verdicts[i] = replace(again, warning="; ".join(filter(None, (verdicts[i].error, again.warning))))
    return verdicts


async def check(
    port: PortUnderTest,
    url: str = "",
    ca: str = "",
    timeout: float = TIMEOUT,  # noqa: ASYNC109
    *,
    known: Sequence[IPAddress] = (),
    proxies: Proxies | None = None,
) -> PortVerdict:
    """Test one port. Without a URL only what can be seen from here counts: link, address, name server.

    :param url: to GET; 200, 201, 204 and 304 are success.
    :param ca: PEM file with the authorities that may vouch for the server; empty = those of the system.
    :param timeout: seconds for one own address, and for the name.
    :param known: addresses of the server; without, the port's own name servers are asked.
    :param proxies: finds the ways of a port whose network has proxies.
    """
    try:
        _look(port)
        if not url:
            warning = "" if port.dns_servers else _no_dns(port)
            return PortVerdict(label=port.label, reason=Reason.SUCCESS, warning=warning)
        ways = await _ways(port, url, proxies)
    except ProbeError as error:
        return PortVerdict(label=port.label, reason=reason_of([error]), error=str(error))
    failures: list[ProbeError] = []
    attempts: list[Attempt] = []
    deadline = monotonic() + OVERALL * timeout
    for via in ways:
        try:
            test = await _prepared(port, url, ca, timeout, known, via, deadline)
        except ProbeError as error:
            failures.append(error)
            attempts.append(Attempt(via=_proxy(via), error=str(error)))
            continue
        for source in test.pairs:
            try:
                attempts.append(await _ask(test, source, timeout))
            except ProbeError as error:
                failures.append(error)
                failed = Attempt(via=_proxy(via), source=str(source), name_ms=test.name_ms, error=str(error))
                attempts.append(failed)
            else:
                told = (address for targets in test.pairs.values() for address in targets if via == DIRECT)
                return PortVerdict(
                    label=port.label,
                    reason=Reason.SUCCESS,
                    warning=_joined(failures),
                    addresses=tuple(dict.fromkeys(told)),
                    attempts=tuple(attempts),
                )
    unasked = len(failures) == 1 and not attempts[0].source
    text = _joined(failures) if unasked else f"all attempts to connect to {url} failed: {_joined(failures)}"
    return PortVerdict(
        label=port.label,
        reason=reason_of(failures),
        error=text,
        unnamed=unasked and failures[0].cause in _UNNAMED and ways[0] == DIRECT,
        attempts=tuple(attempts),
    )


def _proxy(via: Via) -> str:
    return str(via) if via != DIRECT else ""


async def _ways(port: PortUnderTest, url: str, proxies: Proxies | None) -> Sequence[Via]:
    """
    :raises ProbeError: nobody can tell.
    """
    if proxies is None or port.proxied is None or port.proxied.proxy is None:
        return [DIRECT]
    from evenet_core.probing.http import parse_url  # noqa: PLC0415

    try:
        wanted = parse_url(url)
    except ValueError as error:
        raise ProbeError(Cause.OTHER, str(error)) from error
    return await proxies.ways(port.proxied, wanted, Egress(port.ifname, port.addresses, port.dns_servers))


def reason_of(failures: Sequence[ProbeError]) -> Reason:
    """Class of a test in which nothing succeeded. One sign that the trouble is the controller's outweighs all."""
    causes = {failure.cause for failure in failures}
    if causes & _REMOTE:
        return Reason.REMOTE_TEMPORARY
    return Reason.NOT_READY if causes & _NOT_READY else Reason.FAILURE


def _look(port: PortUnderTest) -> None:
    """What keeps every request from leaving, in EVE's words and order.

    :raises ProbeError: something does.
    """
    if port.error:
        raise ProbeError(Cause.OTHER, port.error)
    if not port.present or not port.ifname:
        raise ProbeError(Cause.DEVICE, f"link not found for interface {port.ifname or port.label}")
    if not port.carrier:
        raise ProbeError(Cause.DEVICE, f"link not up for interface {port.ifname}")
    if not _sources(port):
        raise ProbeError(Cause.NO_SOURCE, f"interface {port.ifname}: no suitable IP address available")


def _sources(port: PortUnderTest) -> list[IPAddress]:
    return [address for address in port.addresses if not address.is_link_local]


def _no_dns(port: PortUnderTest) -> str:
    return f"interface {port.ifname}: no DNS server available"


async def _prepared(  # noqa: PLR0917
    port: PortUnderTest, url: str, ca: str, limit: float, known: Sequence[IPAddress], via: Via, deadline: float
) -> _Test:
    """Everything that is the same for all own addresses.

    :raises ProbeError: the URL, the authorities or the name is no good.
    """
    # TLS, HTTP and DNS are 12 MB that a node without a controller never loads.
    from evenet_core.probing.http import parse_url, tls_context  # noqa: PLC0415

    try:
        wanted = parse_url(url)
    except ValueError as error:
        raise ProbeError(Cause.OTHER, str(error)) from error
    more = port.proxied.proxy.ca_pem if port.proxied is not None and port.proxied.proxy is not None else ()
    context = tls_context(ca, more) if wanted.tls or via.tls else None
    egress = Egress(port.ifname, port.addresses, port.dns_servers)
    host = via.host or wanted.host
    began = monotonic()
    with os_failures(f"name {host} on {port.ifname}"):
        async with asyncio.timeout(limit):
            versions = sorted({source.version for source in _sources(port)})
            addresses = list(known) or await host_addresses(host, egress, versions)
    pairs = {source: [a for a in addresses if a.version == source.version] for source in _sources(port)}
    pairs = {source: targets for source, targets in pairs.items() if targets}
    if not pairs:
        raise ProbeError(Cause.NO_SOURCE, f"interface {port.ifname}: no IP address that could reach {host}")
    asked = not known and literal(host) is None
    return _Test(wanted, context, egress, pairs, deadline, via, _ms(monotonic() - began) if asked else None)


async def _ask(test: _Test, source: IPAddress, limit: float, good: Container[int] | None = None) -> Attempt:
    """:raises ProbeError: no answer from here that is a success."""
    from evenet_core.probing.http import SUCCESS, get  # noqa: PLC0415

    timeout = min(limit, test.deadline - monotonic())
    at = test.pairs[source]
    try:
        reply = await get(test.url, test.egress, source, at, context=test.context, timeout=timeout, via=test.via)
    except ProbeError as error:
        if test.via != DIRECT and error.cause is Cause.REFUSED:  # by the proxy, not by the controller
            raise ProbeError(Cause.PROXY, str(error)) from error
        raise
    if reply.status not in (SUCCESS if good is None else good):
        cause = Cause.SERVER_ERROR if reply.status in SERVER_ERRORS else Cause.STATUS
        where = f"{test.url.host} ({reply.address}) from {source} on {test.egress.ifname}"
        raise ProbeError(cause, f"{where}: HTTP status {reply.status}")
    return Attempt(
        via=_proxy(test.via),
        source=str(source),
        address=str(reply.address),
        name_ms=test.name_ms,
        tcp_ms=_ms(reply.times.tcp),
        tls_ms=_ms(reply.times.tls) if test.url.tls else None,
        http_ms=_ms(reply.times.http),
        status=reply.status,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _joined(failures: Sequence[ProbeError]) -> str:
    return "; ".join(map(str, failures))
