"""The network model: the world around a device, as Eden describes it. Values only; reader: reading.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = [
    "Bridge",
    "Dhcp",
    "Endpoint",
    "EndpointKind",
    "FirewallRule",
    "Name",
    "Network",
    "NetworkModel",
    "Page",
    "Port",
    "RouteTowardsDevice",
    "Router",
    "Segment",
    "TrafficControl",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficControl:
    """Impairments of a cable, toward the device only. Milliseconds, per cent, kilobytes."""

    delay: int = 0
    jitter: int = 0
    loss: int = 0
    corrupt: int = 0
    duplicate: int = 0
    reorder: int = 0
    rate: int = 0  # KB/s
    queue: int = 0
    burst: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A cable between the device and the world."""

    label: str
    mac: str = ""  # of the world's end
    up: bool = False  # of the world's end; down = the device sees no carrier
    device_mac: str = ""
    traffic: TrafficControl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """An L2 switch."""

    label: str
    ports: tuple[str, ...] = ()
    bonds: tuple[str, ...] = ()
    stp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhcp:
    """The DHCP service of a segment. `None` range = every host address (IPv6: addresses by SLAAC alone)."""

    enabled: bool = False
    start: IPAddress | None = None
    end: IPAddress | None = None
    leases: tuple[tuple[str, IPAddress], ...] = ()  # MAC, address
    default_route: bool = True
    domain: str = ""
    public_dns: tuple[IPAddress, ...] = ()
    private_dns: tuple[str, ...] = ()  # labels of endpoints
    public_ntp: str = ""  # address or name
    private_ntp: str = ""  # label of an endpoint
    wpad: str = ""
    netboot: str = ""  # label of an endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One IP version of a network."""

    subnet: IPNetwork
    gateway: IPAddress
    dhcp: Dhcp = Dhcp()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTowardsDevice:
    """A subnet behind an app of the device."""

    destination: IPNetwork
    gateway: IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """What a network reaches; all else is unreachable."""

    outside: bool = False
    endpoints: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    routes: tuple[RouteTowardsDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An L3 segment on a bridge."""

    label: str
    bridge: str
    vlan: int = 0
    mtu: int = 1500
    segments: tuple[Segment, ...] = ()
    transparent_proxy: str = ""
    router: Router | None = None  # None = everything is reachable


class EndpointKind(StrEnum):
    """What an endpoint is there for; the value is its list in the file."""

    CLIENT = "clients"
    DNS = "dnsServers"
    NTP = "ntpServers"
    HTTP = "httpServers"
    EXPLICIT_PROXY = "explicitProxies"
    TRANSPARENT_PROXY = "transparentProxies"
    NETBOOT = "netbootServers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A DNS entry; both sides may refer to endpoints (`endpoint-fqdn.LABEL`, `endpoint-ip.LABEL`, `adam-ip`)."""

    fqdn: str
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a web server answers at one path."""

    content_type: str = "text/plain"
    content: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A remote machine."""

    label: str
    kind: EndpointKind
    fqdn: str = ""
    addresses: tuple[IPInterface, ...] = ()
    mtu: int = 1500
    bridge: str = ""  # plugged into this bridge, besides or instead of being routed
    vlan: int = 0
    names: tuple[Name, ...] = ()
    upstreams: tuple[str, ...] = ()
    http_port: int = 0
    https_port: int = 0
    certificate: str = ""  # PEM
    key: str = field(default="", repr=False)  # PEM
    pages: tuple[tuple[str, Page], ...] = ()
    # of proxies: whether the ports listen with TLS, who may ask, by requested host what is done, and by which authority
    http_tls: bool = False
    https_tls: bool = False
    users: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    rules: tuple[tuple[str, str], ...] = ()
    ca: str = ""  # PEM
    ca_key: str = field(default="", repr=False)  # PEM
    public_dns: tuple[IPAddress, ...] = ()
    private_dns: tuple[str, ...] = ()  # labels of endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRule:
    """One rule between networks, endpoints and outside; the first that matches decides."""

    source: IPNetwork | None = None
    destination: IPNetwork | None = None
    protocol: str = "any"  # any, icmp, tcp, udp
    ports: tuple[int, ...] = ()
    action: str = "allow"  # allow, reject, drop


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkModel:
    """The world."""

    ports: tuple[Port, ...] = ()
    bonds: tuple[str, ...] = ()  # labels: what this lab says of them is that it has none
    bridges: tuple[Bridge, ...] = ()
    networks: tuple[Network, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    firewall: tuple[FirewallRule, ...] = ()
    controller_addresses: tuple[IPAddress, ...] = ()
    controller_port: int = 0
