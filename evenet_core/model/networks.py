"""Networks: reusable IP, proxy and wireless settings of adapters."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from evenet_core.model.values import Cost, DhcpRange, IPAddress, IPNetwork, LongText, Mtu, Name

__all__ = [
    "AccessPoint",
    "Cellular",
    "IgnoreDhcp",
    "IpFamily",
    "IpMode",
    "IpSettings",
    "Network",
    "Probe",
    "ProbeMethod",
    "Proxy",
    "ProxyProtocol",
    "ProxyServer",
    "RouteProbe",
    "Secret",
    "StaticHost",
    "Wifi",
    "WifiKeyScheme",
    "WifiNetwork",
]


class Secret(str):
    """Text that never shows itself: repr and str are stars; `reveal()` gives the value."""

    __slots__ = ()

    def reveal(self) -> str:
        return str.__str__(self)

    def __str__(self) -> str:
        return "***" if len(self) else ""

    def __repr__(self) -> str:
        return "Secret('***')" if len(self) else "Secret('')"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class IpMode(StrEnum):
    """Where an adapter's addresses come from."""

    NONE = "none"  # no IP on the host: the port serves a switch instance or a stacked adapter
    STATIC = "static"
    DHCP = "dhcp"  # DHCPv4, DHCPv6 and SLAAC, as the family says


class IpFamily(StrEnum):
    """Which IP versions an adapter speaks, and which it prefers."""

    DUAL = "dual"  # IPv4 preferred
    DUAL_PREFER_IPV6 = "dual-prefer-ipv6"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreDhcp:
    """What of the DHCP server's answer is dropped, even if nothing static replaces it."""

    ntp: bool = False
    addresses: bool = False
    dns: bool = False
    gateways: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IpSettings:
    """IP settings of a network. With `dhcp`, static values are merged with the server's."""

    mode: IpMode = IpMode.NONE
    family: IpFamily = IpFamily.DUAL
    subnet: IPNetwork | None = None
    gateway: IPAddress | None = None  # 0.0.0.0 or :: = explicitly no default route
    domain: Annotated[str, Meta(max_length=253)] = ""
    dns: tuple[IPAddress, ...] = ()
    ntp: tuple[str, ...] = ()  # addresses or names
    dhcp_range: DhcpRange | None = None
    ignore: IgnoreDhcp = IgnoreDhcp()


class ProxyProtocol(StrEnum):
    """Requests that a proxy is used for."""

    HTTP = "http"
    HTTPS = "https"
    SOCKS = "socks"
    FTP = "ftp"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyServer:
    """One explicit proxy."""

    protocol: ProxyProtocol
    server: str
    port: int = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """How requests leave through proxies."""

    discover: bool = False  # WPAD
    url: str = ""  # explicit address of the PAC file
    pac: LongText = ""  # the PAC file itself
    servers: tuple[ProxyServer, ...] = ()
    exceptions: tuple[str, ...] = ()
    ca_pem: tuple[LongText, ...] = ()


class WifiKeyScheme(StrEnum):
    """How a WiFi network authenticates."""

    NONE = "none"
    WPA_PSK = "wpa-psk"
    WPA_EAP = "wpa-eap"


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiNetwork:
    """One network that a WiFi port may join; a higher priority is preferred."""

    ssid: Annotated[str, Meta(min_length=1, max_length=32)]
    key_scheme: WifiKeyScheme = WifiKeyScheme.NONE
    identity: str = ""
    password: Secret = field(default_factory=Secret)
    priority: int = 0
    cipher_data: dict[str, object] | None = None  # encrypted credentials, opaque


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """WiFi settings of a network."""

    networks: tuple[WifiNetwork, ...] = ()


class ProbeMethod(StrEnum):
    """How a connectivity probe asks."""

    NONE = "none"
    ICMP = "icmp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A connectivity probe of the operator's."""

    method: ProbeMethod = ProbeMethod.NONE
    host: Annotated[str, Meta(max_length=253)] = ""  # address or name
    port: Annotated[int, Meta(ge=0, le=65535)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteProbe:
    """How the ports of a route are compared."""

    gateway_ping: bool = False
    gateway_ping_max_cost: Cost = 0  # ports dearer than this are not pinged
    custom: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """Cellular subscription for one SIM slot; slot 0 is any."""

    slot: int = 0
    apn: str = "internet"
    ip_type: str = ""
    auth: str = "none"
    username: str = ""
    password: Secret = field(default_factory=Secret)
    cipher_data: dict[str, object] | None = None
    preferred_plmns: tuple[str, ...] = ()
    preferred_rats: tuple[str, ...] = ()
    forbid_roaming: bool = False
    attach_apn: str = ""
    attach_ip_type: str = ""
    attach_auth: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cellular:
    """Cellular settings of a network."""

    access_points: tuple[AccessPoint, ...] = ()
    active_slot: int = 0
    probe: Probe | None = None
    probe_disabled: bool = False
    location_tracking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticHost:
    """A name and its addresses."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Reusable configuration that adapters refer to by `name`."""

    name: Name
    ip: IpSettings = field(default_factory=IpSettings)
    mtu: Mtu | None = None
    hosts: tuple[StaticHost, ...] = ()
    proxy: Proxy | None = None
    wifi: Wifi | None = None
    cellular: Cellular | None = None
