"""Names that reach resolvers, hosts files and argument lists: DNS names and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from evenet_core.formats.report import Path, Report, shown
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.networks import StaticHost

__all__ = ["check_host", "check_hosts", "check_name", "check_servers", "check_url", "is_address", "shown_url"]

NAME = "write a DNS name: letters, digits and hyphens in parts of at most 63, joined by dots"


def check_name(report: Report, path: Path, name: str) -> None:
    """A domain or host name, where one is given."""
    if name and not is_dns_name(name):
        report.at(path, f"{shown(name)} is no DNS name", NAME)


def check_host(report: Report, path: Path, host: str) -> None:
    """An address or a name, where one is given. What looks like an address must be one."""
    if host and not is_address(host) and (not is_dns_name(host) or host.replace(".", "").isdecimal()):
        report.at(path, f"{shown(host)} is neither an address nor a DNS name", NAME)


def check_servers(report: Report, path: Path, servers: Iterable[str]) -> None:
    for n, server in enumerate(servers):
        if not server:
            report.at((*path, n), "is empty", "write an address or a name, or leave it out")
        check_host(report, (*path, n), server)


def check_hosts(report: Report, path: Path, hosts: Iterable[StaticHost]) -> None:
    """Static DNS entries."""
    for n, host in enumerate(hosts):
        check_name(report, (*path, n, "name"), host.name)
        if host.name and is_address(host.name):
            report.at((*path, n, "name"), f"{shown(host.name)} is an address", "write a name")
        if not host.addresses:
            report.at((*path, n, "addresses"), "is empty", "write the addresses of that name")


def check_url(report: Report, path: Path, url: str) -> None:
    """An address of the Web, where one is given."""
    if url and not _is_url(url):
        report.at(path, f"{shown_url(url)} is no URL", "write http:// or https://, a host, and no spaces")


def shown_url(text: str) -> str:
    """What stands before an @ may be a password."""
    return "a text with an @" if "@" in text else shown(text)


def _is_url(url: str) -> bool:
    if not url.isascii() or any(character in url for character in " \"'<>\\^`{|}"):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    return is_address(text) or is_dns_name(text)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
