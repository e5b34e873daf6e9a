"""What the local profile server asks of ports. Pure.

It is taken as a whole or not at all: one port that cannot be understood refuses all of them (EVE: B.7).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from evenet_core.formats.report import Report
from evenet_core.formats.rules.dpc import check_adapter
from evenet_core.formats.typed import typed
from evenet_core.model.adapters import Adapter
from evenet_core.model.networks import IpSettings
from evenet_core.model.patches import PortPatch

__all__ = ["port_patches"]

FAMILIES = {0: "dual", 1: "dual", 2: "ipv4", 3: "ipv6"}
PROXIES = {0: "http", 1: "https", 2: "socks", 3: "ftp", 255: "other"}
KEY_SCHEMES = {0: "none", 1: "wpa-psk", 2: "wpa-eap"}
CELLULAR_IP = {0: "", 1: "ipv4", 2: "ipv4v6", 3: "ipv6"}
CELLULAR_AUTH = {0: "none", 1: "pap", 2: "chap", 3: "pap-and-chap"}
PROBES = {0: "none", 1: "icmp", 2: "tcp"}
CELLULAR, WIFI = 1, 2  # of `wireless_device_type`
NO_ROUTE = {"ipv6": "::"}  # a gateway that says so


def port_patches(asked: Mapping[str, Any], labels: Collection[str]) -> tuple[PortPatch, ...]:
    """
    :param asked: a LocalNetworkConfig
    :param labels: of the ports that there are
    :raises ConfigError: with every problem.
    """
    report = Report("the local profile server's answer")
    patches: dict[str, PortPatch] = {}
    for number, port in enumerate(asked.get("ports", [])):
        label, part = port.get("logical_label", ""), Report(report.file)
        where = f"ports[{number}]"
        if not label or label not in labels:
            report.problem(f"{where}.logical_label", f"there is no port {label!r}", f"one of {', '.join(labels)}")
        elif label in patches:
            report.problem(f"{where}.logical_label", f"{label} is there twice", "write each port once")
        else:
            patches[label] = _patch(port, label, part)
            for problem in part.problems:
                report.problem(f"{where}.{problem.path}", problem.problem, problem.remedy)
    report.raise_problems()
    return tuple(patches.values())


def _patch(port: Mapping[str, Any], label: str, report: Report) -> PortPatch:
    document: dict[str, Any] = {"label": label, "ip": _ip(port, report), "addresses": port.get("ip_addresses", [])}
    if len(document["addresses"]) > 1:
        report.problem("ip_addresses", f"holds {len(document['addresses'])}", "write one static address")
    if port.get("mtu"):
        document["mtu"] = port["mtu"]
    if "proxy_config" in port:
        document["proxy"] = _proxy(port["proxy_config"], report)
    kind = port.get("wireless_device_type", 0)
    for number, name, read in ((CELLULAR, "cellular", _cellular), (WIFI, "wifi", _wifi)):
        if kind == number and f"{name}_config" not in port:
            report.problem(f"{name}_config", "is missing", f"a {name} port needs it")
        elif kind == number:
            document[name] = read(port[f"{name}_config"], report)
    patch = typed(document, PortPatch, report)
    ip = patch.ip or IpSettings()
    adapter = Adapter(label=label, ifname=label, ip=ip, addresses=patch.addresses, mtu=patch.mtu, proxy=patch.proxy)
    check_adapter(report, (), adapter)
    return patch


def _ip(port: Mapping[str, Any], report: Report) -> dict[str, Any]:
    gateways, family = port.get("gateways", []), _one_of(FAMILIES, port, "ip_version", report)
    if len(gateways) > 1:
        report.problem("gateways", f"holds {len(gateways)}", "write one")
    ignore = port.get("dhcp_options_ignore", {})
    found: dict[str, Any] = {
        "mode": "dhcp" if port.get("use_dhcp") else "static",
        "family": family,
        "dns": port.get("dns_servers", []),
        "domain": port.get("dns_domain", ""),
        "ntp": port.get("ntp_servers", []),
        "ignore": {
            "ntp": ignore.get("ntp_server_exclusively", False),
            "addresses": ignore.get("ip_addresses_exclusively", False),
            "dns": ignore.get("dns_config_exclusively", False),
            "gateways": ignore.get("gateways_exclusively", False),
        },
    }
    if port.get("without_default_route"):
        found["gateway"] = NO_ROUTE.get(family, "0.0.0.0")
    elif gateways:
        found["gateway"] = gateways[0]
    return found


def _proxy(proxy: Mapping[str, Any], report: Report) -> dict[str, Any]:
    return {
        "discover": proxy.get("networkProxyEnable", False),
        "url": proxy.get("networkProxyURL", ""),
        "pac": _text(proxy.get("pacfile", ""), "proxy_config.pacfile", report),
        "exceptions": [part.strip() for part in proxy.get("exceptions", "").split(",") if part.strip()],
        # bytes are base64 in a plain document, and so is what EVE puts into them
        "ca_pem": [_text(pem, "proxy_config.proxyCertPEM", report) for pem in proxy.get("proxyCertPEM", [])],
        "servers": [
            {
                "protocol": _one_of(PROXIES, server, "proto", report),
                "server": server.get("server", ""),
                "port": server.get("port") or 80,
            }
            for server in proxy.get("proxies", [])
        ],
    }


def _wifi(wifi: Mapping[str, Any], report: Report) -> dict[str, Any]:
    network = {name: wifi[name] for name in ("ssid", "identity", "password") if name in wifi}
    return {"networks": [network | {"key_scheme": _one_of(KEY_SCHEMES, wifi, "key_scheme", report)}]}


def _cellular(cellular: Mapping[str, Any], report: Report) -> dict[str, Any]:
    default, attach = cellular.get("default_bearer_auth", {}), cellular.get("attach_bearer_auth", {})
    probe = cellular.get("probe", {})
    point = {
        "apn": cellular.get("apn") or "internet",
        "ip_type": _one_of(CELLULAR_IP, cellular, "ip_type", report),
        "auth": _one_of(CELLULAR_AUTH, default, "auth_protocol", report),
        "username": default.get("username", ""),
        "password": default.get("password", ""),
        "forbid_roaming": cellular.get("forbid_roaming", False),
        "attach_apn": cellular.get("attach_apn", ""),
        "attach_ip_type": _one_of(CELLULAR_IP, cellular, "attach_ip_type", report),
        "attach_auth": _one_of(CELLULAR_AUTH, attach, "auth_protocol", report),
    }
    found = {
        "access_points": [point],
        "active_slot": cellular.get("activate_sim_slot", 0),
        "location_tracking": cellular.get("location_tracking", False),
        "probe_disabled": probe.get("disable", False),
    }
    if "custom_probe" in probe:
        custom = probe["custom_probe"]
        found["probe"] = {"method": _one_of(PROBES, custom, "probe_method", report)} | custom.get("probe_endpoint", {})
    return found


def _one_of(known: Mapping[int, str], values: Mapping[str, Any], name: str, report: Report) -> str:
    number = values.get(name, 0)
    if number not in known:
        report.problem(name, f"{number} is unknown", f"one of {', '.join(map(str, known))}")
    return known.get(number, known[0])


def _text(encoded: str, where: str, report: Report) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        report.problem(where, "is no base64 of a text", "encode it")
        return ""
