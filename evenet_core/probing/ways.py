"""By which ways a request may leave a network: directly, or through its proxies. Pure.

Exceptions are hosts that are never asked through an explicit proxy: subnets, addresses (with or without a port),
domains (`example.com`, `.example.com`, `*.example.com`: with all below), `*`. The machine itself never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.networks import Proxy, ProxyProtocol, ProxyServer
from evenet_core.probing.targets import literal

__all__ = ["DIRECT", "Proxied", "Via", "directives", "explicit", "is_exempt", "wpad_urls"]

MOST = 8  # directives of one answer
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Via:
    """Through this proxy; without a host, directly."""

    host: str = ""
    port: int = 0
    tls: bool = False  # it listens with TLS

    def __str__(self) -> str:
        return f"proxy {self.host}:{self.port}" if self.host else "directly"


DIRECT = Via()


@dataclass(frozen=True, slots=True)
class Proxied:
    """What a port's network says of proxies."""

    proxy: Proxy | None
    domain: str = ""  # DNS domain, for WPAD
    offered: str = ""  # URL of a PAC file that DHCP offers


def explicit(proxy: Proxy, host: str, port: int, *, tls: bool) -> Via:
    """What the operator wrote for requests of this kind."""
    protocol = ProxyProtocol.HTTPS if tls else ProxyProtocol.HTTP
    server = next((one for one in proxy.servers if one.protocol is protocol), None)
    if server is None or is_exempt(host, port, proxy.exceptions):
        return DIRECT
    return _via(server)


def _via(server: ProxyServer) -> Via:
    """The server is a host, or a URL that says how the proxy listens."""
    parts = urlsplit(server.server if "://" in server.server else f"//{server.server}")
    return Via(parts.hostname or "", server.port or parts.port or PORTS["http"], parts.scheme == "https")


def is_exempt(host: str, port: int, exceptions: Iterable[str]) -> bool:
    """Whether no explicit proxy is to be asked for this host."""
    address = literal(host)
    if host.lower() == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_means(exception.strip().lower(), host.lower().rstrip("."), port) for exception in exceptions)


def _means(exception: str, host: str, port: int) -> bool:
    if not exception or exception == "*":
        return exception == "*"
    address = literal(host)
    if address is not None:
        with suppress(ValueError):
            return address in ip_network(exception, strict=False)
        given, _, number = exception.rpartition(":")
        return literal(given.strip("[]")) == address and number == str(port)
    domain = exception.removeprefix("*").removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


def directives(answer: str) -> list[Via]:
    """What a PAC file answered: `PROXY a:8080; HTTPS b:443; DIRECT`, in its order. SOCKS is not spoken.

    :raises ValueError: it names no way that could be used.
    """
    found: list[Via] = []
    for directive in answer.split(";")[:MOST]:
        kind, _, where = directive.strip().partition(" ")
        if kind.upper() == "DIRECT" and not where:
            found.append(DIRECT)
        elif kind.upper() in {"PROXY", "HTTP", "HTTPS"} and (via := _server(where.strip(), kind.upper() == "HTTPS")):
            found.append(via)
    if not found:
        raise ValueError(f"{answer[:100]!r} names no way that could be used")
    return found


def _server(text: str, tls: bool) -> Via | None:
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        port = parts.port or PORTS["https" if tls else "http"]
        host = parts.hostname or ""
        if (is_dns_name(host) or literal(host) is not None) and text.isascii() and "@" not in text:
            return Via(host, port, tls)
    return None


def wpad_urls(domain: str, offered: str = "") -> Sequence[str]:
    """Where a PAC file may be, best first.

    :param offered: what DHCP says (option 252)
    """
    urls = [offered] if offered else []
    labels = domain.strip(".").split(".") if is_dns_name(domain.strip(".")) else []
    starts = range(max(1, len(labels) - 1) if labels else 0)
    return [*urls, *(f"http://wpad.{'.'.join(labels[start:])}/wpad.dat" for start in starts)][:MOST]
