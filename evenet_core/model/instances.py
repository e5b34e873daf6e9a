"""Network instances and the apps in them, as asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from msgspec import Meta

from evenet_core.model.networks import IpFamily, RouteProbe, StaticHost
from evenet_core.model.values import (
    DhcpRange,
    IPAddress,
    IPNetwork,
    Label,
    Mtu,
    Name,
    PortNumber,
    VlanId,
)

__all__ = [
    "AccessPort",
    "AclRule",
    "App",
    "AppInterface",
    "InstanceType",
    "NetworkInstance",
    "PassthroughAdapter",
    "PortForward",
    "RateLimit",
    "RuleAction",
    "StaticRoute",
]

_MAC = "a MAC address in lower case such as 02:16:3e:00:00:01"


@lru_cache(maxsize=1 << 14)
def _uuid_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


class InstanceType(StrEnum):
    """Routed with NAT, or bridged."""

    LOCAL = "local"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRoute:
    """A route of a local instance; its output port is chosen among those that `port` means."""

    destination: IPNetwork
    gateway: IPAddress | None = None
    port: str = ""  # own or shared label
    probe: RouteProbe = RouteProbe()
    prefer_lower_cost: bool = False
    prefer_stronger_signal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPort:
    """A physical port of a switch instance that carries one VLAN untagged."""

    vlan: VlanId
    port: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInstance:
    """A virtual network for applications."""

    name: Name
    uuid: str = ""
    type: InstanceType = InstanceType.LOCAL
    active: bool = True
    port: str = ""  # own or shared label; empty = air-gapped
    family: IpFamily = IpFamily.IPV4  # of a local instance: ipv4 or ipv6
    subnet: IPNetwork | None = None
    gateway: IPAddress | None = None
    dhcp_range: DhcpRange | None = None
    domain: Annotated[str, Meta(max_length=253)] = ""
    dns: tuple[IPAddress, ...] = ()
    ntp: tuple[str, ...] = ()
    hosts: tuple[StaticHost, ...] = ()
    propagate_connected_routes: bool = False
    routes: tuple[StaticRoute, ...] = ()
    mtu: Mtu | None = None
    flow_log: bool = False
    bpdu_guard_ports: str = ""  # own or shared label
    access_ports: tuple[AccessPort, ...] = ()
    forward_lldp: bool = False

    @property
    def key(self) -> str:
        """Identity that survives renaming where there is a UUID."""
        return self.uuid or _uuid_of(f"evenet:network-instance:{self.name}")


class RuleAction(StrEnum):
    """What happens to a packet that a rule matches."""

    ALLOW = "allow"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Packets beyond `rate` per `unit`, after a burst, are dropped."""

    rate: Annotated[int, Meta(ge=1, le=2**31)]
    unit: Annotated[str, Meta(pattern=r"^(second|minute|hour|day)\Z", description="second, minute, hour or day")] = (
        "second"
    )
    burst: Annotated[int, Meta(ge=0, le=2**31)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PortForward:
    """Connections to the rule's `local_port` on the node's ports go to `app_port` of the app."""

    app_port: PortNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class AclRule:
    """One access rule. Matches are AND-ed; without any it matches everything.

    The first rule that matches decides; nothing matched = dropped.
    """

    id: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    name: str = ""
    direction: Annotated[str, Meta(pattern=r"^(both|ingress|egress)\Z", description="both, ingress or egress")] = "both"
    remote: IPNetwork | None = None
    host: Annotated[str, Meta(max_length=253)] = ""  # also all its subdomains
    instance_members: bool = False  # all apps of the instance and its static DNS entries
    protocol: Annotated[
        str, Meta(pattern=r"^[a-z0-9.+-]{0,32}\Z", description="a protocol such as tcp, or a number")
    ] = ""
    local_port: PortNumber | None = None
    remote_port: PortNumber | None = None
    remote_port_end: PortNumber | None = None
    adapter: str = ""  # forwards only through the ports with this label
    action: RuleAction = RuleAction.ALLOW
    limit: RateLimit | None = None
    forward: PortForward | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInterface:
    """One interface of an app in one network instance."""

    name: Name
    network_instance: Name  # its UUID or name
    address: IPAddress | None = None
    mac: Annotated[str, Meta(pattern=r"^(([0-9a-f]{2}:){5}[0-9a-f]{2})?\Z", description=_MAC)] = ""
    rules: tuple[AclRule, ...] = ()
    access_vlan: Annotated[int, Meta(ge=0, le=4094)] = 0
    allow_discovery: bool = False
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PassthroughAdapter:
    """A device handed to an app as it is."""

    name: Name
    kind: int = 0
    order: int = 0
    virtual_function: dict[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application: evenet cares for its interfaces only."""

    name: Name
    uuid: str = ""
    active: bool = True
    interfaces: tuple[AppInterface, ...] = ()
    adapters: tuple[PassthroughAdapter, ...] = ()
    enforce_interface_order: bool = False
    metadata_type: int = 0
    stats_address: IPAddress | None = None
    restart_counter: int = 0
    purge_counter: int = 0
    other: dict[str, object] = field(default_factory=dict, repr=False)  # not networking: kept as it came

    @property
    def key(self) -> str:
        """Identity that survives renaming where there is a UUID."""
        return self.uuid or _uuid_of(f"evenet:app:{self.name}")
