"""Our two nftables tables, and what the device and its network instances put into them. Pure.

`table bridge evenet` filters each app's interface by itself: a verdict map leads from the interface to its own
chain, so that a packet walks only the rules of its own app. `table inet evenet` translates addresses and keeps apps
away from the node and from each other's networks. Links that are not ours match nothing here.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from evenet_core.linux.nft import NftElement, NftSet, NftTable
from evenet_core.model.policy import DevicePolicy, InstancePolicy, host_set_name
from evenet_core.reconciler.item import Item
from evenet_firewall.rules import HOST_TIMEOUT, plain

__all__ = ["BRIDGE", "INET", "METADATA", "TABLE", "plan_device", "plan_instance"]

TABLE = "evenet"
BRIDGE, INET = "bridge", "inet"
METADATA = IPv4Address("169.254.169.254")
VIFS = "nbu*"  # names of apps' interfaces

# An interface of an app that has no chain (yet) is closed.
BRIDGE_BODY = f"""\
map egress {{ type ifname : verdict; }}
map ingress {{ type ifname : verdict; }}
chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
    iifname vmap @egress
    iifname "{VIFS}" counter drop
}}
chain postrouting {{
    type filter hook postrouting priority 300; policy accept;
    oifname vmap @ingress
    oifname "{VIFS}" counter drop
}}"""

# ports: adapters with an address; tables: their routing tables, as marks (ip rule `fwmark TABLE lookup TABLE`);
# instances: bridges of local instances; gateways: their own addresses; inside: their subnets;
# own: each port and each such bridge with itself (a host-wide bridge-nf-call-iptables sends bridged frames here too);
# translated: pairs of such a bridge and a port, where what leaves takes the port's address.
# forwards*: what arrives at a port, or comes from the node; hairpin*: the same from an app of the same instance.
INET_SETS = """\
set ports { type ifname; }
map tables { type ifname : mark; }
set instances { type ifname; }
set own { type ifname . ifname; }
set inside4 { type ipv4_addr . ifname; flags interval; }
set inside6 { type ipv6_addr . ifname; flags interval; }
set gateways4 { type ifname . ipv4_addr; }
set gateways6 { type ifname . ipv6_addr; }
set translated { type ifname . ifname; }
map metadata { type ifname : ipv4_addr; }
map forwards4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
map forwards6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
map hairpin4 { type ifname . ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
map hairpin6 { type ifname . ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
"""

# Answers of a forwarded connection leave by the port that the question came in by.
INET_MARKS = """\
chain answers {
    type filter hook prerouting priority -150; policy accept;
    iifname @instances ct direction reply ct status dnat ct mark != 0 meta mark set ct mark
}
chain questions {
    type filter hook forward priority -150; policy accept;
    oifname @instances ct direction original ct status dnat ct mark set iifname map @tables
}
"""

# Clients from outside keep their address; a client on the app's own bridge would get its answer past the node.
INET_NAT = f"""\
chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    ip daddr {METADATA} tcp dport 80 dnat ip to iifname map @metadata
    iifname @ports dnat ip to ip daddr . meta l4proto . th dport map @forwards4
    iifname @ports dnat ip6 to ip6 daddr . meta l4proto . th dport map @forwards6
    dnat ip to iifname . ip daddr . meta l4proto . th dport map @hairpin4
    dnat ip6 to iifname . ip6 daddr . meta l4proto . th dport map @hairpin6
}}
chain output {{
    type nat hook output priority -100; policy accept;
    dnat ip to ip daddr . meta l4proto . th dport map @forwards4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @forwards6
}}
chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    iifname . oifname @translated masquerade
    ip saddr . oifname @inside4 ct status dnat masquerade
    ip6 saddr . oifname @inside6 ct status dnat masquerade
}}
"""

# What an app may ask of the node: addresses, names, metadata, whether its gateway lives. Nothing else.
INET_INPUT = """\
chain input {
    type filter hook input priority 0; policy accept;
    iifname @instances jump services
}
chain services {
    ct state established,related accept
    udp sport 68 udp dport 67 accept
    udp sport 546 udp dport 547 accept
    iifname . ip daddr @gateways4 meta l4proto { tcp, udp } th dport 53 accept
    iifname . ip daddr @gateways4 tcp dport 80 accept
    iifname . ip daddr @gateways4 icmp type echo-request accept
    iifname . ip6 daddr @gateways6 meta l4proto { tcp, udp } th dport 53 accept
    iifname . ip6 daddr @gateways6 icmpv6 type echo-request accept
    ip6 daddr fe80::/10 meta l4proto { tcp, udp } th dport 53 accept
    ip6 daddr fe80::/10 icmpv6 type echo-request accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
    icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
    ip protocol igmp accept
    counter drop
}
"""

# The node is no router between its ports, nor between its instances; an instance uses its own ports only.
INET_FORWARD = """\
chain forward {
    type filter hook forward priority 0; policy accept;
    iifname @ports oifname @ports iifname . oifname != @own counter drop
    iifname @instances oifname @instances iifname . oifname != @own counter drop
    iifname @instances oifname @ports iifname . oifname != @translated counter drop
}
"""

INET_CLAMP = """\
chain clamp {
    type filter hook forward priority -150; policy accept;
    iifname @instances tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname @instances tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
}
"""


def plan_device(policy: DevicePolicy) -> list[Item]:
    """The tables, the node's ports, and the sets that resolvers fill."""
    clamp = INET_CLAMP if policy.clamp_mss else ""
    inet = INET_SETS + INET_MARKS + INET_NAT + INET_INPUT + INET_FORWARD + clamp
    items: list[Item] = [NftTable(BRIDGE, TABLE, BRIDGE_BODY), NftTable(INET, TABLE, inet.rstrip())]
    for link, table in policy.ports:
        items += [element("ports", link), element("own", f"{link} . {link}"), element("tables", link, str(table))]
    for name in sorted({name.lower() for name in policy.host_sets}):
        for version in (4, 6):
            kind = f"ipv{version}_addr"
            items.append(NftSet(BRIDGE, TABLE, host_set_name(name, version), kind, HOST_TIMEOUT))
    return items


def plan_instance(policy: InstancePolicy) -> list[Item]:
    """Elements of one local network instance."""
    bridge, gateway = policy.bridge, policy.gateway
    items: list[Item] = [
        element("instances", bridge),
        element("own", f"{bridge} . {bridge}"),
        element(f"gateways{gateway.version}", f"{bridge} . {gateway}"),
        element(f"inside{gateway.version}", f"{plain(policy.subnet)} . {bridge}"),
    ]
    items += [element("translated", f"{bridge} . {port}") for port in policy.masquerade_out]
    if policy.metadata and gateway.version == 4:
        items.append(element("metadata", bridge, str(gateway)))
    return items


def element(set_name: str, key: str, value: str = "") -> NftElement:
    """An element of the inet table, in the words that nft shows it in."""
    return NftElement(INET, TABLE, set_name, key, value)
