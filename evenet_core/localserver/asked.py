"""What the local profile server asks of ports. Pure.

It is taken as a whole or not at all: one port that cannot be understood refuses all of them (EVE: B.7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from evenet_core.formats.convert import Enumeration, nonzero
from evenet_core.formats.eve.enums import CELLULAR_AUTH, CELLULAR_IP, WIFI_SCHEME
from evenet_core.formats.eve.networks import IGNORE, PROXY
from evenet_core.formats.eve.wireless import PROBE
from evenet_core.formats.mapping import Field, Place, Table, inside, one
from evenet_core.formats.portpatch import checked_patch
from evenet_core.formats.report import Path, Report
from evenet_core.model.patches import PortPatch

__all__ = ["CELLULAR", "IP_VERSION", "WIFI", "port_patches"]

CELLULAR, WIFI = 1, 2  # of `wireless_device_type`
IP_VERSION = Enumeration(
    "IP_VERSION_",
    {1: ("DUAL_STACK", "dual"), 0: ("UNSPECIFIED", "dual"), 2: ("IPV4_ONLY", "ipv4"), 3: ("IPV6_ONLY", "ipv6")},
)


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
            part.origins.search = partial(_search, port=port)
            patches[label] = checked_patch(label, PORT.read(port, Place(part)), part)
            for problem in part.problems:
                report.problem(f"{where}.{problem.path}", problem.problem, problem.remedy)
    report.raise_problems()
    return tuple(patches.values())


def _search(native: Path, port: dict[str, Any]) -> Path:
    return PORT.locate(native, port)


def _mode(use_dhcp: Any, _: Place) -> str:
    return "dhcp" if use_dhcp else "static"


def _finish_port(made: dict[str, Any], port: dict[str, Any], place: Place) -> None:
    """What only one of is possible; and of the radios the one that this port is said to be."""
    for name in ("ip_addresses", "gateways"):
        if (count := len(port.get(name, ()))) > 1:
            place.at(port, name).broken(f"holds {count}", "write one")
    if port.get("without_default_route"):
        made["ip"]["gateway"] = "::" if made["ip"]["family"] == "ipv6" else "0.0.0.0"
    elif port.get("gateways"):
        made["ip"]["gateway"] = port["gateways"][0]
    for number, radio in ((CELLULAR, "cellular"), (WIFI, "wifi")):
        if port.get("wireless_device_type", 0) != number:
            made.pop(radio, None)
        elif radio not in made:
            place.at(port, f"{radio}_config").broken("is missing", f"a {radio} port needs it")


def _finish_wifi(made: dict[str, Any], _: dict[str, Any], __: Place) -> None:
    made["networks"] = [made.pop("network", {})]


def _finish_cellular(made: dict[str, Any], _: dict[str, Any], __: Place) -> None:
    made["access_points"] = [made.pop("point", {})]


WIFI_CONFIG = Table(
    Field("ssid", "network.ssid"),
    Field("key_scheme", "network.key_scheme", WIFI_SCHEME),
    Field("identity", "network.identity"),
    Field("password", "network.password"),
    finish=_finish_wifi,
)
CELLULAR_CONFIG = Table(
    Field("apn", "point.apn"),
    Field("attach_apn", "point.attach_apn"),
    Field("ip_type", "point.ip_type", CELLULAR_IP),
    Field("attach_ip_type", "point.attach_ip_type", CELLULAR_IP),
    Field("forbid_roaming", "point.forbid_roaming"),
    inside(
        "default_bearer_auth",
        Field("auth_protocol", "point.auth", CELLULAR_AUTH),
        Field("username", "point.username"),
        Field("password", "point.password"),
    ),
    inside("attach_bearer_auth", Field("auth_protocol", "point.attach_auth", CELLULAR_AUTH)),
    Field("activate_sim_slot", "active_slot"),
    Field("location_tracking", "location_tracking"),
    inside("probe", Field("disable", "probe_disabled"), one("custom_probe", "probe", PROBE)),
    finish=_finish_cellular,
)
PORT = Table(
    Field("logical_label", "label"),
    Field("use_dhcp", "ip.mode", _mode, default="static"),
    Field("ip_version", "ip.family", IP_VERSION, default="dual"),
    one("dhcp_options_ignore", "ip.ignore", IGNORE),
    Field("ip_addresses", "addresses"),
    Field("dns_servers", "ip.dns"),
    Field("dns_domain", "ip.domain"),
    Field("ntp_servers", "ip.ntp"),
    Field("mtu", "mtu", nonzero),
    one("proxy_config", "proxy", PROXY),
    one("wifi_config", "wifi", WIFI_CONFIG),
    one("cellular_config", "cellular", CELLULAR_CONFIG),
    unknown=None,
    finish=_finish_port,
)
