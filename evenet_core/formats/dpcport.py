"""One port of a DevicePortConfig: NetworkPortConfig."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import Enumeration, base64_text, each, hostname, network, nonzero, whole
from evenet_core.formats.eve.enums import BOND_MODE, DHCP_TYPE, LACP_RATE, RADIO_TECHNOLOGY, WIFI_SCHEME
from evenet_core.formats.eve.networks import ask_the_gateway, comma_list
from evenet_core.formats.mapping import Field, Place, Table, inside, lookup, many, one

__all__ = ["PORT"]

DEAD = "ignored: this name means nothing any more"
NO_PNAC = "802.1X is not yet supported"

# Internal numbers, other than the API's.
NETWORK_TYPE = Enumeration(
    "NetworkType",
    {
        0: ("Noop", "dual"),
        4: ("IPv4", "dual"),
        5: ("IPv4Only", "ipv4"),
        6: ("IPv6", "dual-prefer-ipv6"),
        7: ("IPv6Only", "ipv6"),
        8: ("DualStack", "dual"),
    },
)
WIRELESS_TYPE = Enumeration("WirelessType", {0: ("None", "ethernet"), 1: ("Cellular", "cellular"), 2: ("Wifi", "wifi")})
PROXY_TYPE = Enumeration(
    "NetworkProxyType",
    {
        0: ("HTTP", "http"),
        1: ("HTTPS", "https"),
        2: ("SOCKS", "socks"),
        3: ("FTP", "ftp"),
        4: ("NOPROXY", "other"),
        255: ("LAST", "other"),
    },
)
L2_TYPE = Enumeration("L2LinkType", {0: ("None", None), 1: ("VLAN", "vlan"), 2: ("Bond", "bond")})
IP_TYPE = Enumeration("", {0: ("unspecified", None), 1: ("ipv4", "ipv4"), 2: ("ipv4v6", "ipv4v6"), 3: ("ipv6", "ipv6")})
AUTH = Enumeration(
    "", {0: ("none", "none"), 1: ("pap", "pap"), 2: ("chap", "chap"), 3: ("pap-and-chap", "pap-and-chap")}
)


def _address(value: Any, place: Place) -> Any:
    """One address with its prefix length, as a list."""
    place.report.origins.note((*place.native, 0), place.source)
    return [value]


def _finish_port(made: dict[str, Any], port: dict[str, Any], place: Place) -> None:
    _label(made, place, port)
    _stack(made, port, place)
    _network(made, port, place)
    if not any((made.get("proxy") or {}).values()):
        made.pop("proxy", None)
    for radio in ("wifi", "cellular"):
        if made.get("kind") != radio:
            made.pop(radio, None)


def _label(made: dict[str, Any], place: Place, port: dict[str, Any]) -> None:
    """A port without labels is called as its interface, or as the slot that it is in."""
    if made.get("ifname") and "printed_label" not in made:
        made["printed_label"] = made["ifname"]
        place.report.origins.note((*place.native, "printed_label"), place.at(port, "IfName").source)
    for name, source in (("ifname", "IfName"), ("pci", "PCIAddr"), ("usb", "USBAddr")):
        if "label" not in made and made.get(name):
            made["label"] = made[name]
            place.report.origins.note((*place.native, "label"), place.at(port, source).source)


def _stack(made: dict[str, Any], port: dict[str, Any], place: Place) -> None:
    """A VLAN or bond, if the port says that it is one; it has the port's names."""
    kind = L2_TYPE(lookup(port, "L2Type") or 0, place.at(port, "L2Type"))
    for stacked in ("vlan", "bond"):
        if stacked != kind:
            made.pop(stacked, None)
    if kind is None:
        return
    layer = made.setdefault(kind, {})
    if isinstance(layer, dict):
        layer["label"], layer["interface"] = made.get("label"), made.get("ifname", "")
        for name in ("label", "interface"):
            source = place.report.origins.of((*place.native, "ifname" if name == "interface" else name))
            place.report.origins.note((*place.native, kind, name), source)
        for monitor in ("mii", "arp"):
            if not (layer.get(monitor) or {}).pop("enabled", False):
                layer.pop(monitor, None)


def _network(made: dict[str, Any], port: dict[str, Any], place: Place) -> None:
    ip = made.setdefault("ip", {})
    if not isinstance(ip, dict):
        return
    address = lookup(port, "AddrSubnet")
    if address:
        ip["subnet"] = network(address, place)
        place.report.origins.note((*place.native, "ip", "subnet"), place.at(port, "AddrSubnet").source)
    ask_the_gateway(ip, (*place.native, "ip"), place.at(port, "Gateway").source, place)


ACCESS_POINT = Table(
    Field("SIMSlot", "slot", whole),
    Field("Activated"),
    Field("APN", "apn"),
    Field("IPType", "ip_type", IP_TYPE),
    Field("AuthProtocol", "auth", AUTH),
    Field("EncryptedCredentials", "cipher_data"),
    Field("PreferredPLMNs", "preferred_plmns"),
    Field("PreferredRATs", "preferred_rats", each(RADIO_TECHNOLOGY)),
    Field("ForbidRoaming", "forbid_roaming"),
    Field("AttachAPN", "attach_apn"),
    Field("AttachIPType", "attach_ip_type", IP_TYPE),
    Field("AttachAuthProtocol", "attach_auth", AUTH),
)


def _finish_cellular(made: dict[str, Any], cellular: dict[str, Any], _: Place) -> None:
    """The SIM slot of the access point that is activated."""
    points = lookup(cellular, "AccessPoints")
    for point in points if isinstance(points, list) else ():
        if lookup(point, "Activated") is True and isinstance(lookup(point, "SIMSlot"), int):
            made["active_slot"] = lookup(point, "SIMSlot")


CELLULAR = Table(
    many("AccessPoints", "access_points", ACCESS_POINT),
    inside("Probe", Field("Disable", "probe_disabled")),
    Field("LocationTracking", "location_tracking"),
    finish=_finish_cellular,
)
WIFI = Table(
    Field("SSID", "ssid"),
    Field("KeyScheme", "key_scheme", WIFI_SCHEME),
    Field("Identity", "identity"),
    Field("Password", "password"),
    Field("Priority", "priority", whole),
    Field("EncryptedCredentials", "cipher_data"),
)
PROXY_SERVER = Table(
    Field("Type", "protocol", PROXY_TYPE, default="http"),
    Field("Server", "server"),
    Field("Port", "port", nonzero, default=80),
)
VLAN = Table(Field("ParentPort", "lower"), Field("ID", "id", whole))
BOND = Table(
    Field("AggregatedPorts", "lower"),
    Field("Mode", "mode", BOND_MODE, default="balance-rr"),
    Field("LacpRate", "lacp_rate", LACP_RATE, default="slow"),
    one(
        "MIIMonitor",
        "mii",
        Table(
            Field("Enabled", "enabled"),
            Field("Interval", "interval", whole, default=0),
            Field("UpDelay", "up_delay", whole),
            Field("DownDelay", "down_delay", whole),
        ),
    ),
    one(
        "ARPMonitor",
        "arp",
        Table(Field("Enabled", "enabled"), Field("Interval", "interval", whole), Field("IPTargets", "targets")),
    ),
)
PORT = Table(
    Field("Logicallabel", "label"),
    Field("IfName", "ifname", default=""),  # the name of a modem may be unknown
    Field("PCIAddr", "pci"),
    Field("USBAddr", "usb"),
    Field("Phylabel", "printed_label"),
    Field("SharedLabels", "labels"),
    Field("Alias", "alias"),
    Field("IsMgmt", "management"),
    Field("IsL3Port", "l3", default=False),
    Field("Cost", "cost", whole),
    Field("MTU", "mtu", nonzero),
    Field("NetworkUUID", "network"),
    Field("AllowLocalModifications", "allow_local_changes"),
    Field("Dhcp", "ip.mode", DHCP_TYPE, default="none"),
    Field("Type", "ip.family", NETWORK_TYPE, default="dual"),
    Field("AddrSubnet", "addresses", _address),
    Field("Gateway", "ip.gateway"),
    Field("DomainName", "ip.domain", hostname),
    Field("DNSServers", "ip.dns"),
    Field("NTPServers", "ip.ntp", each(hostname)),
    Field("IgnoreDhcpNtpServers", "ip.ignore.ntp"),
    Field("IgnoreDhcpIPAddresses", "ip.ignore.addresses"),
    Field("IgnoreDhcpDNSConfig", "ip.ignore.dns"),
    Field("IgnoreDhcpGateways", "ip.ignore.gateways"),
    many("Proxies", "proxy.servers", PROXY_SERVER),
    Field("Exceptions", "proxy.exceptions", comma_list),
    Field("Pacfile", "proxy.pac", base64_text),
    Field("NetworkProxyEnable", "proxy.discover"),
    Field("NetworkProxyURL", "proxy.url"),
    Field("pubsub-large-ProxyCertPEM", "proxy.ca_pem", each(base64_text)),
    Field("ProxyCertPEM", notice="ignored: the decoder knows pubsub-large-ProxyCertPEM only"),
    Field("WpadURL", notice="ignored: a result, no setting"),
    Field("L2Type"),
    one("VLAN", "vlan", VLAN),
    one("Bond", "bond", BOND),
    inside(
        "WirelessCfg",
        Field("WType", "kind", WIRELESS_TYPE, default="ethernet"),
        one("CellularV2", "cellular", CELLULAR),
        many("Wifi", "wifi.networks", WIFI),
    ),
    inside(
        "PNAC",
        Field("Enabled", notice=NO_PNAC),
        Field("EAPMethod"),
        Field("EAPIdentity"),
        Field("CertEnrollmentProfileName"),
        Field("CACertPEM"),
    ),
    Field("Free", notice=DEAD),
    Field("Name", notice=DEAD),
    Field("NtpServer", notice=DEAD),
    quiet=("InvalidConfig", "ConfigSource", "LastFailed", "LastSucceeded", "LastError", "LastWarning", "TestResults"),
    finish=_finish_port,
)
