"""Abstract firewall policy: what may pass, in terms that no backend owns.

A policy belongs to one object of the config. The firewall plugin in use turns it into items; nothing
here knows whether nftables or iptables runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from evenet_core.model.instances import RateLimit
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = [
    "DevicePolicy",
    "FirewallPolicy",
    "Forward",
    "InstancePolicy",
    "PolicyRule",
    "Verdict",
    "VifPolicy",
    "host_set_name",
]


def host_set_name(name: str, version: int) -> str:
    """The set that holds the addresses of a host name, of IP version 4 or 6. Resolvers fill it, rules look into it.

    A name may be longer than any firewall allows and hold any character: its digest stands for it.
    """
    return f"host{version}-{sha256(name.lower().encode()).hexdigest()[:16]}"


class Verdict(StrEnum):
    """What happens to a packet."""

    ACCEPT = "accept"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One rule as seen from the app: `remote` is the other side, in both directions.

    Each rule works both ways: remote is the destination of what the app sends and the source of what
    it receives, and ports swap alike.
    """

    id: int
    remote: IPNetwork | None = None
    host: str = ""  # name whose resolved addresses are the remote side
    members: tuple[IPAddress, ...] | None = None  # one of these addresses is the remote side
    protocol: str = ""  # tcp, udp, icmp, all or empty = any, or a number
    local_port: int | None = None
    remote_ports: tuple[int, int] | None = None
    verdict: Verdict = Verdict.ACCEPT
    limit: RateLimit | None = None  # what exceeds it is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Traffic to `address`:`port` of the node goes to the app."""

    address: IPAddress
    protocol: str  # tcp or udp
    port: int
    to: IPAddress
    to_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VifPolicy:
    """What one app's interface may send and receive. First match decides, nothing matched = dropped."""

    vif: str  # link on the host
    bridge: str
    mac: str
    routed: bool  # True: local instance, DHCP and DNS only with the gateway; False: switch
    addresses: tuple[IPAddress, ...] = ()
    gateways: tuple[IPAddress, ...] = ()  # the instance's own addresses (DHCP, DNS, metadata)
    behind: tuple[IPNetwork, ...] = ()  # networks that other apps reach through it: it sends from their addresses too
    rules: tuple[PolicyRule, ...] = ()
    forwards: tuple[Forward, ...] = ()
    # The app's answers to strangers leave by its first interface. Who is forwarded to another one is no stranger
    # there if it comes as the gateway.
    first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePolicy:
    """NAT of a local instance, and what its apps may ask of the node itself."""

    bridge: str
    subnet: IPNetwork
    gateway: IPAddress
    masquerade_out: tuple[str, ...] = ()  # links of the ports; empty = air-gapped


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePolicy:
    """Of the node as a whole."""

    ports: tuple[tuple[str, int], ...] = ()  # (link, routing table) of every L3 adapter
    clamp_mss: bool = True
    host_sets: tuple[str, ...] = ()  # every name that any `host` rule uses


FirewallPolicy = VifPolicy | InstancePolicy | DevicePolicy
