"""NetworkConfig with its ipspec, proxies and wireless settings."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from evenet_core.formats.convert import base64_text, each, hostname, network, nonzero, uuid
from evenet_core.formats.eve.enums import DHCP_TYPE, NETWORK_TYPE, PROXY_PROTOCOL
from evenet_core.formats.eve.wireless import CELLULAR, WIFI, keep_the_radio
from evenet_core.formats.mapping import Field, Place, Table, first, inside, lookup, many, one
from evenet_core.formats.report import Path

__all__ = ["DHCP_RANGE", "HOST", "NETWORK", "PROXY", "ask_the_gateway", "comma_list", "join_ntp"]


def join_ntp(made: dict[str, Any], ip: Any, place: Place, *, inner: tuple[str, ...] = ()) -> None:
    """`ntp` and `moreNtp` are one list here."""
    more = made.get("ntp")
    old = lookup(ip, "ntp")
    if old in (None, "") or not isinstance(more, (list, type(None))):
        return
    made["ntp"] = [hostname(old, place), *(more or ())]
    for i in range(len(made["ntp"])):
        source = ("ntp",) if i == 0 else ("moreNtp", i - 1)
        place.report.origins.note((*place.native, "ntp", i), (*place.source, *inner, *source))


def _finish_ip(made: dict[str, Any], ip: dict[str, Any], place: Place) -> None:
    join_ntp(made, ip, place)
    ask_the_gateway(made, place.native, place.at(ip, "gateway").source, place)


def ask_the_gateway(made: dict[str, Any], native: Path, source: Path, place: Place) -> None:
    """A static network without name servers asks its gateway."""
    gateway = made.get("gateway")
    if made.get("mode") == "static" and not made.get("dns") and _is_host(gateway):
        made["dns"] = [gateway]
        place.report.origins.note((*native, "dns", 0), source)


def _is_host(text: Any) -> bool:
    try:
        return isinstance(text, str) and not ip_address(text).is_unspecified
    except ValueError:
        return False


DHCP_RANGE = Table(Field("start", "start"), Field("end", "end"))
IGNORE = Table(
    Field("ntpServerExclusively", "ntp"),
    Field("ipAddressesExclusively", "addresses"),
    Field("dnsConfigExclusively", "dns"),
    Field("gatewaysExclusively", "gateways"),
)
IP = Table(
    Field("dhcp", "mode", DHCP_TYPE, default="none"),
    Field("subnet", "subnet", network),
    Field("gateway", "gateway"),
    Field("domain", "domain", hostname),
    Field("moreNtp", "ntp", each(hostname)),
    Field("ntp"),
    Field("dns", "dns"),
    one("dhcpRange", "dhcp_range", DHCP_RANGE),
    one("dhcpOptionsIgnore", "ignore", IGNORE),
    finish=_finish_ip,
)


def comma_list(value: Any, _: Place) -> Any:
    """Text with commas in it as a list."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


PROXY_SERVER = Table(
    Field("proto", "protocol", PROXY_PROTOCOL, default="http"),
    Field("server", "server"),
    Field("port", "port", nonzero, default=80),
)
PROXY = Table(
    Field("networkProxyEnable", "discover"),
    Field("networkProxyURL", "url"),
    Field("pacfile", "pac", base64_text),
    many("proxies", "servers", PROXY_SERVER),
    Field("exceptions", "exceptions", comma_list),
    Field("proxyCertPEM", "ca_pem", each(base64_text)),
)
HOST = Table(Field("HostName", "name", hostname), Field("Address", "addresses", default=[]))
NETWORK = Table(
    Field("id", "name", uuid),
    one("ip", "ip", IP),
    Field("type", "ip.family", NETWORK_TYPE, default="dual"),
    many("dns", "hosts", HOST),
    one("entProxy", "proxy", PROXY),
    inside(
        "wireless",
        Field("type"),
        many("wifiCfg", "wifi.networks", WIFI),
        first("cellularCfg", "cellular", CELLULAR),
    ),
    Field("mtu", "mtu", nonzero),
    finish=keep_the_radio,
)
