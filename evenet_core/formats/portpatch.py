"""Settings of one port, from a local operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from evenet_core.formats.report import Report
from evenet_core.formats.rules.dpc import check_adapter
from evenet_core.formats.typed import typed
from evenet_core.model.adapters import Adapter
from evenet_core.model.networks import IpSettings
from evenet_core.model.patches import PortPatch

__all__ = ["checked_patch", "port_patch"]

HTTP_PORT, HTTPS_PORT = 80, 443


def port_patch(label: str, settings: Mapping[str, Any]) -> PortPatch:
    """
    :param settings: `address` (static, else DHCP), `gateway`, `dns`, `ntp`, `domain`, `mtu`, `proxy` (a URL)
    :raises ConfigError: with every problem.
    """
    report = Report(f"port {label}")
    address, proxy = settings.get("address"), settings.get("proxy")
    document: dict[str, Any] = {
        "label": label,
        "ip": {"mode": "static" if address else "dhcp"}
        | {name: settings[name] for name in ("gateway", "dns", "ntp", "domain") if settings.get(name)},
        "addresses": [address] if address else [],
    }
    document |= {"mtu": settings["mtu"]} if settings.get("mtu") is not None else {}
    document |= {"proxy": {"servers": _servers(proxy, report)}} if proxy else {}
    patch = checked_patch(label, document, report)
    report.raise_problems()
    return patch


def checked_patch(label: str, document: Any, report: Report) -> PortPatch:
    """What a plain document means; what is wrong with it, as a port by itself, is in the report."""
    patch = typed(document, PortPatch, report)
    ip = patch.ip or IpSettings()
    adapter = Adapter(label=label, ifname=label, ip=ip, addresses=patch.addresses, mtu=patch.mtu, proxy=patch.proxy)
    check_adapter(report, (), adapter)
    return patch


def _servers(url: Any, report: Report) -> list[dict[str, Any]]:
    """One proxy for both protocols."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or (HTTPS_PORT if parts.scheme == "https" else HTTP_PORT)
    except (TypeError, ValueError):
        host, port = None, 0
    if not host:
        report.problem("proxy", "is no proxy", "write http://HOST:PORT")
        return []
    return [{"protocol": protocol, "server": host, "port": port} for protocol in ("http", "https")]
