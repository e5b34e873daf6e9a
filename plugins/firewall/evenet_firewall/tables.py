"""Our two nftables tables, and what the device and its network instances put into them. Pure.

`table bridge evenet` filters each app's interface by itself: a verdict map leads from the interface to the chain of
its rules, so that a packet walks only those. Apps with the same rules share a chain; who an app is (MAC, addresses)
stands in sets. `table inet evenet` translates addresses and keeps apps
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

# egress, ingress: from an app's interface to the chain of its rules. An interface that has none (yet) is closed.
# macs, own: who the app is; behind: networks that it is the gateway of; gateways: its instance's own addresses.
# What does not change has a set of its own too: the kernel names each unnamed set by looking at all others.
BRIDGE_SETS = """\
map egress { type ifname : verdict; }
map ingress { type ifname : verdict; }
set macs { type ifname . ether_addr; }
set own4 { type ifname . ipv4_addr; }
set own6 { type ifname . ipv6_addr; }
set behind4 { type ifname . ipv4_addr; flags interval; }
set behind6 { type ifname . ipv6_addr; flags interval; }
set gateways4 { type ifname . ipv4_addr; }
set gateways6 { type ifname . ipv6_addr; }
set tags { type ether_type; flags constant; elements = { 0x8100, 0x88a8 }; }
set streams { type inet_proto; flags constant; elements = { tcp, udp }; }
set icmps { type inet_proto; flags constant; elements = { icmp, ipv6-icmp }; }
set errors4 { type icmp_type; flags constant; elements = { ERRORS4 }; }
set errors6 { type icmpv6_type; flags constant; elements = { ERRORS6 }; }
set nd_out { type icmpv6_type; flags constant; elements = { ND_OUT }; }
set nd_in { type icmpv6_type; flags constant; elements = { ND_IN }; }
set mld_out { type icmpv6_type; flags constant; elements = { MLD_OUT }; }
"""
CONSTANTS = {
    "ERRORS4": "destination-unreachable, time-exceeded, parameter-problem",
    "ERRORS6": "destination-unreachable, packet-too-big, time-exceeded, parameter-problem",
    "ND_OUT": "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert",
    "ND_IN": "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert",
    "MLD_OUT": "mld-listener-report, mld-listener-done, mld2-listener-report",
}

BRIDGE_HOOKS = f"""\
chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
    iifname vmap @egress
    iifname "{VIFS}" counter drop
}}
chain postrouting {{
    type filter hook postrouting priority 300; policy accept;
    oifname vmap @ingress
    oifname "{VIFS}" counter drop
}}
"""

# ARP for IPv4 that names the app's own MAC as the sender's (RFC 826)
ARP = "arp htype 1 arp ptype 0x0800 arp hlen 6 arp plen 4 iifname . arp saddr ether @macs"

# What an app of a local instance sends: nothing that pretends to be somebody else; what every app needs passes
# (addresses, names, metadata, neighbours); what returns from here is for the app's own rules.
# Neighbour discovery that crossed a router is forged (RFC 4861); ff02::1:2 is all DHCP servers (RFC 8415, 7.1).
ROUTED_OUT = f"""\
chain routed_out {{
    iifname . ether saddr != @macs counter drop
    meta protocol ip goto routed_out4
    meta protocol ip6 goto routed_out6
    {ARP} goto arp_out
    counter drop
}}
chain arp_out {{
    arp saddr ip 0.0.0.0 accept
    iifname . arp saddr ip @own4 accept
    counter drop
}}
chain routed_out4 {{
    ip saddr {METADATA} counter drop
    iifname . ip saddr @gateways4 counter drop
    udp sport 68 udp dport 67 ip saddr 0.0.0.0 goto dhcp_out4
    udp sport 68 udp dport 67 iifname . ip saddr @own4 goto dhcp_out4
    iifname . ip saddr != @own4 iifname . ip saddr != @behind4 counter drop
    udp sport 67 udp dport 68 counter drop
    iifname . ip daddr @gateways4 goto names_out
    ip daddr {METADATA} tcp dport 80 accept
}}
chain dhcp_out4 {{
    ip daddr 255.255.255.255 accept
    iifname . ip daddr @gateways4 accept
    ip saddr 0.0.0.0 counter drop
}}
chain routed_out6 {{
    iifname . ip6 saddr @gateways6 counter drop
    icmpv6 type @nd_out goto nd_out
    icmpv6 type nd-router-advert counter drop
    icmpv6 type nd-redirect counter drop
    icmpv6 type @mld_out ip6 saddr :: accept
    icmpv6 type @mld_out ip6 saddr fe80::/10 accept
    udp sport 546 udp dport 547 ip6 saddr fe80::/10 jump dhcp_out6
    udp sport 546 udp dport 547 iifname . ip6 saddr @own6 jump dhcp_out6
    ip6 saddr != fe80::/10 iifname . ip6 saddr != @own6 iifname . ip6 saddr != @behind6 counter drop
    udp sport 547 udp dport 546 counter drop
    iifname . ip6 daddr @gateways6 goto names_out
    ip6 daddr fe80::/10 goto names_out
}}
chain nd_out {{
    ip6 hoplimit != 255 counter drop
    ip6 saddr :: accept
    ip6 saddr fe80::/10 accept
    iifname . ip6 saddr @own6 accept
    counter drop
}}
chain dhcp_out6 {{
    ip6 daddr ff02::1:2 accept
    ip6 daddr fe80::/10 accept
    iifname . ip6 daddr @gateways6 accept
}}
chain names_out {{
    udp dport 53 accept
    tcp dport 53 accept
}}
"""

ROUTED_IN = f"""\
chain routed_in {{
    meta protocol ip goto routed_in4
    meta protocol ip6 goto routed_in6
    meta protocol arp accept
    counter drop
}}
chain routed_in4 {{
    oifname . ip saddr @gateways4 jump services_in
    ip saddr {METADATA} tcp sport 80 accept
    icmp type @errors4 accept
}}
chain routed_in6 {{
    oifname . ip6 saddr @gateways6 jump services_in
    ip6 saddr fe80::/10 jump services_in
    icmpv6 type @nd_in ip6 hoplimit 255 accept
    icmpv6 type mld-listener-query accept
    icmpv6 type @errors6 accept
}}
chain services_in {{
    udp sport 67 udp dport 68 accept
    udp sport 547 udp dport 546 accept
    udp sport 53 accept
    tcp sport 53 accept
}}
"""

# On a switch, addresses and names come from whoever serves them on the wire; what is not IP has no rules, as in EVE.
# A tag within a tag hides from the rules what it carries.
SWITCHED = f"""\
chain switched_out {{
    iifname . ether saddr != @macs counter drop
    meta protocol @tags counter drop
    meta protocol ip goto switched_ip_out
    meta protocol ip6 goto switched_ip_out
    {ARP} accept
    meta protocol arp counter drop
    accept
}}
chain switched_ip_out {{
    udp dport 53 accept
    udp dport 67 accept
    udp dport 547 accept
    tcp dport 53 accept
    meta l4proto ipv6-icmp accept
}}
chain switched_in {{
    meta protocol @tags counter drop
    meta protocol ip goto switched_ip_in
    meta protocol ip6 goto switched_ip_in
    accept
}}
chain switched_ip_in {{
    udp sport 53 accept
    udp sport 67 accept
    udp sport 547 accept
    tcp sport 53 accept
    meta l4proto ipv6-icmp accept
}}"""


def _bridge_body() -> str:
    sets = BRIDGE_SETS
    for name, members in CONSTANTS.items():
        sets = sets.replace(name, members)
    return sets + BRIDGE_HOOKS + ROUTED_OUT + ROUTED_IN + SWITCHED


# ports: adapters with an address; tables: their routing tables, as marks (ip rule `fwmark TABLE lookup TABLE`);
# instances: bridges of local instances; gateways: their own addresses; inside: their subnets;
# masked: apps whose callers come as the gateway, and their bridges;
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
set masked4 { type ipv4_addr . ifname; }
set masked6 { type ipv6_addr . ifname; }
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

# Clients from outside keep their address, unless the app would answer them by another interface; a client on the
# app's own bridge would get its answer past the node.
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
    ip daddr . oifname @masked4 ct status dnat masquerade
    ip6 daddr . oifname @masked6 ct status dnat masquerade
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
    items: list[Item] = [NftTable(BRIDGE, TABLE, _bridge_body()), NftTable(INET, TABLE, inet.rstrip())]
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
    if gateway.version == 4:
        items.append(element("metadata", bridge, str(gateway)))
    return items


def element(set_name: str, key: str, value: str = "", *, family: str = INET) -> NftElement:
    """An element of one of our tables, in the words that nft shows it in."""
    return NftElement(family, TABLE, set_name, key, value)
