"""Networks: IP, proxies and wireless settings that adapters refer to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.rules.addresses import check_servers_of, check_subnet
from evenet_core.formats.rules.hosts import check_host, check_hosts, check_url, is_address, shown_url
from evenet_core.formats.rules.view import View
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.networks import AccessPoint, Cellular, Probe, ProbeMethod, Proxy, Wifi, WifiKeyScheme

__all__ = ["check_networks", "check_probe", "check_proxy", "check_radio"]

SSID_BYTES = 32  # IEEE 802.11-2020, 9.4.2.2
SCHEMES = ("http", "https", "socks", "socks4", "socks5", "ftp", "")
_EXCEPTION = re.compile(r"[A-Za-z0-9_.:*/\[\]-]{1,253}")
_APN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")  # 3GPP TS 23.003, 9.1
_PLMN = re.compile(r"[0-9]{3}-?[0-9]{2,3}")
_PSK = re.compile(r"[0-9A-Fa-f]{64}|[ -~]{8,63}")  # IEEE 802.11-2020, J.4.1


def check_networks(view: View) -> None:
    for n, network in enumerate(view.config.networks):
        path: Path = ("networks", n)
        check_subnet(view.report, (*path, "ip"), network.ip)
        check_servers_of(view.report, (*path, "ip"), network.ip)
        check_hosts(view.report, (*path, "hosts"), network.hosts)
        check_proxy(view.report, (*path, "proxy"), network.proxy)
        check_radio(view.report, path, network.wifi, network.cellular)


# -- proxies ------------------------------------------------------------------------------------------


def check_proxy(report: Report, path: Path, proxy: Proxy | None) -> None:
    if proxy is None:
        return
    check_url(report, (*path, "url"), proxy.url)
    for n, server in enumerate(proxy.servers):
        here: Path = (*path, "servers", n)
        if not _is_proxy(server.server):
            remedy = "write a host, or http://HOST"
            report.at((*here, "server"), f"{shown_url(server.server)} is no proxy", remedy)
        if not 1 <= server.port <= 65535:
            report.at((*here, "port"), f"{server.port} is out of range", "write a port from 1 to 65535")
    for n, exception in enumerate(proxy.exceptions):
        if not _EXCEPTION.fullmatch(exception):
            report.at((*path, "exceptions", n), f"{shown(exception)} is no host", "write hosts, domains and subnets")


def _is_proxy(text: str) -> bool:
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host = parts.hostname or ""
    except ValueError:
        return False
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    return plain and parts.scheme in SCHEMES and (is_address(host) or is_dns_name(host)) and text.isascii()


# -- wireless -----------------------------------------------------------------------------------------


def check_radio(report: Report, path: Path, wifi: Wifi | None, cellular: Cellular | None) -> None:
    if wifi is not None:
        _check_wifi(report, (*path, "wifi", "networks"), wifi)
    if cellular is not None:
        _check_cellular(report, (*path, "cellular"), cellular)


def _check_wifi(report: Report, path: Path, wifi: Wifi) -> None:
    for n, network in enumerate(wifi.networks):
        if len(network.ssid.encode()) > SSID_BYTES:
            report.at((*path, n, "ssid"), "is too long", f"an SSID has at most {SSID_BYTES} bytes of UTF-8")
        password = network.password.reveal()
        if network.key_scheme is WifiKeyScheme.WPA_PSK and password and not _PSK.fullmatch(password):
            report.at((*path, n, "password"), "is no WPA key", "write 8 to 63 ASCII characters, or 64 hex digits")


def _check_cellular(report: Report, path: Path, cellular: Cellular) -> None:
    if not 0 <= cellular.active_slot <= 16:
        report.at((*path, "active_slot"), f"{cellular.active_slot} is no SIM slot", "write 0 (any) to 16")
    for n, point in enumerate(cellular.access_points):
        _check_access_point(report, (*path, "access_points", n), point)
    check_probe(report, (*path, "probe"), cellular.probe)


def _check_access_point(report: Report, path: Path, point: AccessPoint) -> None:
    for name, apn in (("apn", point.apn), ("attach_apn", point.attach_apn)):
        if apn and not _APN.fullmatch(apn):
            report.at((*path, name), f"{shown(apn)} is no access point name", "letters, digits, hyphens and dots")
    for name, value, known in (
        ("auth", point.auth, ("", "none", "pap", "chap", "pap-and-chap")),
        ("attach_auth", point.attach_auth, ("", "none", "pap", "chap", "pap-and-chap")),
        ("ip_type", point.ip_type, ("", "ipv4", "ipv4v6", "ipv6")),
        ("attach_ip_type", point.attach_ip_type, ("", "ipv4", "ipv4v6", "ipv6")),
    ):
        if value not in known:
            report.at((*path, name), f"{shown(value)} is not known", f"one of {', '.join(filter(None, known))}")
    for n, plmn in enumerate(point.preferred_plmns):
        if not _PLMN.fullmatch(plmn):
            report.at((*path, "preferred_plmns", n), f"{shown(plmn)} is no PLMN", "write MCC-MNC such as 262-01")
    if not 0 <= point.slot <= 16:
        report.at((*path, "slot"), f"{point.slot} is no SIM slot", "write 0 (any) to 16")


# -- probes -------------------------------------------------------------------------------------------


def check_probe(report: Report, path: Path, probe: Probe | None) -> None:
    """An operator's probe: TCP needs to know whom and where to ask, ICMP asks an address."""
    if probe is None or probe.method is ProbeMethod.NONE:
        return
    if probe.method is ProbeMethod.ICMP and probe.host and not is_address(probe.host):
        report.at((*path, "host"), f"{shown(probe.host)} is no address", "an ICMP probe asks an IP address")
    if probe.method is ProbeMethod.TCP:
        check_host(report, (*path, "host"), probe.host)
        for name, value in (("host", probe.host), ("port", probe.port)):
            if not value:
                report.at((*path, name), "is missing", f"a TCP probe needs a {name}")
