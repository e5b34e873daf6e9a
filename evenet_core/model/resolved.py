"""Network instances as decided: numbers, names, addresses and routes filled in. Planners get these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evenet_core.model.instances import AclRule, NetworkInstance
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["Instance", "InstancePort", "InstanceRoute", "RouteKind", "Vif"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePort:
    """One port that an instance uses, with what it has at the moment."""

    label: str
    labels: frozenset[str] = frozenset()  # shared labels, built-in ones included
    ifname: str  # the adapter's link: a bridge with the port's name for an L3 Ethernet adapter
    table: int  # the adapter's own routing table
    cost: int = 0
    management: bool = False
    l3: bool = True
    carrier: bool = True
    mtu: int = 1500
    addresses: tuple[IPInterface, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    dns: tuple[IPAddress, ...] = ()
    ntp: tuple[str, ...] = ()

    def answers_to(self, label: str) -> bool:
        """Whether `label` means this port, by its own or by a shared label."""
        return label == self.label or label in self.labels


class RouteKind(StrEnum):
    """Why a route is in an instance's table."""

    DEFAULT = "default"
    STATIC = "static"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRoute:
    """One route of an instance's table. `port` empty = no output port (unreachable, or the bridge)."""

    destination: IPNetwork
    via: IPAddress | None = None
    port: str = ""
    ifname: str = ""
    kind: RouteKind = RouteKind.STATIC
    metric: int = 0
    because: str = ""  # for people: why this port was selected


@dataclass(frozen=True, slots=True, kw_only=True)
class Vif:
    """One app's interface in one network instance, everything decided."""

    app: str  # display name
    app_key: str  # UUID
    name: str  # the interface's name in the app's config
    instance: str  # key of the network instance
    bridge: str
    ifname: str  # host side: nbu<interface number>x<app number>
    guest_ifname: str  # inside the app: eth0, eth1 ... by order
    first: bool = True  # of the app's interfaces
    mac: str
    addresses: tuple[IPAddress, ...] = ()  # of local instances; a switch learns them
    passed_on: int = 0  # how often its address went from one MAC to another: who remembers leases must forget then
    mtu: int = 1500
    access_vlan: int = 0
    namespace: str = ""  # path of the app's network namespace; empty = a hypervisor brings the link
    rules: tuple[AclRule, ...] = ()
    allow_discovery: bool = False
    error: str = ""  # why it cannot be realised; nothing is planned for it then


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A network instance, everything decided."""

    config: NetworkInstance
    number: int
    bridge: str  # bn<number>, or the adapter's bridge for a switch on an L3 port
    own_bridge: bool  # False: the bridge belongs to the adapter
    table: int  # 800 + number; 0 for a switch
    mac: str
    mtu: int = 1500
    subnet: IPNetwork | None = None
    gateway: IPInterface | None = None  # the bridge's address, with the subnet's prefix length
    ports: tuple[InstancePort, ...] = ()
    routes: tuple[InstanceRoute, ...] = ()  # what the instance's table must hold
    app_routes: tuple[InstanceRoute, ...] = ()  # what apps are told by DHCP; `via` None = on the link
    announce_default: bool = False  # the bridge is announced as default router
    dns_servers: tuple[tuple[IPAddress, str], ...] = ()  # upstream servers and the link they are asked through
    app_dns: tuple[IPAddress, ...] = ()  # resolvers handed out; empty = the instance's own
    app_ntp: tuple[IPAddress, ...] = ()
    host_routes_only: bool = True  # leases are /32 with a link-local route (else the subnet's prefix)
    vifs: tuple[Vif, ...] = ()
    host_sets: tuple[str, ...] = ()  # names of `host` rules: the resolver adds their answers to firewall sets
    error: str = ""
    blocked: bool = False  # the error forbids building it; without, the rest works in spite of the error
