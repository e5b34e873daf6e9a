"""A local network instance: a bridge that the node routes for, with a table and services of its own. Pure.

Packets from the subnet and to it are routed by the instance's table and by no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from evenet_bridge.dnsmasq import plan_dnsmasq
from evenet_bridge.switch import FORWARD_LLDP
from evenet_core.linux.address import Address
from evenet_core.linux.link import Bridge
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.linux.sysctl import Sysctl
from evenet_core.model.resolved import Instance, InstanceRoute
from evenet_core.reconciler.item import Item

__all__ = ["plan_local"]

PRIORITY_FROM, PRIORITY_TO, PRIORITY_DEVICE = 10000, 11000, 15001
LINK_LOCAL = "fe80::/64"


def plan_local(instance: Instance) -> list[Item]:
    """Items of a local instance; its subnet and gateway are known."""
    assert instance.subnet is not None
    assert instance.gateway is not None
    name, gateway = instance.bridge, instance.gateway
    mask = FORWARD_LLDP if instance.config.forward_lldp else 0
    subnet, version = str(instance.subnet), instance.subnet.version
    return [
        Bridge(name, instance.mac, instance.mtu, group_fwd_mask=mask),
        *_settings(name, version),
        Address(name, str(gateway.ip), gateway.network.prefixlen, dad=False),
        *(_link_local(instance) if version == 6 else ()),
        Rule(version, PRIORITY_FROM, instance.table, source=subnet),
        Rule(version, PRIORITY_TO, instance.table, destination=subnet),
        *(_route(instance.table, route) for route in instance.routes),
        plan_dnsmasq(instance),
    ]


def _route(table: int, route: InstanceRoute) -> Route:
    via = str(route.via) if route.via is not None else ""
    return Route(table, str(route.destination), route.ifname, via=via, metric=route.metric)


def _settings(bridge: str, version: int) -> Iterable[Sysctl]:
    """Forwarding, and what the node may say and believe on the bridge."""
    ipv4, ipv6 = f"net/ipv4/conf/{bridge}", f"net/ipv6/conf/{bridge}"
    yield Sysctl("net/ipv4/ip_forward", "1") if version == 4 else Sysctl("net/ipv6/conf/all/forwarding", "1")
    # two apps reach each other through the node where a route says so, not past it; `all` counts as well
    yield Sysctl("net/ipv4/conf/all/send_redirects", "0")
    yield Sysctl(f"{ipv4}/send_redirects", "0", bridge)
    yield Sysctl(f"{ipv4}/rp_filter", "2", bridge)  # loose (RFC 3704): tables of ports know other ways back
    yield Sysctl(f"{ipv4}/arp_ignore", "1", bridge)  # apps learn nothing of addresses on other links
    yield Sysctl(f"{ipv6}/disable_ipv6", "0" if version == 6 else "1", bridge)
    if version == 6:
        yield Sysctl(f"{ipv6}/accept_ra", "0", bridge)  # no app is a router of the node's


def _link_local(instance: Instance) -> Iterable[Item]:
    """The address that routers announce themselves by (RFC 4861, 6.1.2), and the way to neighbours' own."""
    octets = bytearray.fromhex(instance.mac.replace(":", ""))
    octets[0] ^= 0x02  # RFC 4291, A
    interface = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    address = IPv6Address(b"\xfe\x80" + bytes(6) + interface)
    yield Address(instance.bridge, str(address), 64, dad=False)
    yield Route(instance.table, LINK_LOCAL, instance.bridge)
    yield Rule(6, PRIORITY_DEVICE, instance.table, oif=instance.bridge)
