"""The two chains of one app's interface, and the way to them. Pure.

`out-VIF` is what the app sends: first nothing that pretends to be somebody else, then what every app needs (addresses,
names, metadata, neighbours), then the policy's rules. `in-VIF` is what it receives. Neither tracks connections: rules
work both ways, as in EVE, so a rule that is taken away ends what it allowed at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, collapse_addresses, ip_network

from evenet_core.linux.nft import NftChain, NftElement
from evenet_core.model.policy import Forward, VifPolicy
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.item import Item
from evenet_firewall.rules import FAMILY, INWARD, OUTWARD, any_of, host_sets, plain, rule_lines
from evenet_firewall.tables import BRIDGE, METADATA, TABLE, element

__all__ = ["plan_vif"]

LINK_LOCAL = "fe80::/10"
ALL_DHCP_SERVERS = "ff02::1:2"  # RFC 8415, 7.1
# A tag within a tag hides from the rules what it carries.
NO_NESTED_TAGS = "meta protocol { 0x8100, 0x88a8 } counter drop"
NO_OTHERS = "meta protocol != { ip, ip6 } counter drop"
DENY = "counter drop"
# RFC 4861: neighbour discovery that crossed a router is forged.
ND = "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert"
ND_IN = "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
ND_ALL = f"{ND}, nd-router-advert, nd-redirect"
MLD_OUT = "mld-listener-report, mld-listener-done, mld2-listener-report"
ERRORS4 = "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept"
ERRORS6 = "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept"


def plan_vif(policy: VifPolicy) -> list[Item]:
    """Chains, the elements that lead to them, and forwards to the app.

    :raises NotSupported: a rule says something that cannot be matched; the interface stays closed.
    """
    sets = host_sets(policy.rules)
    items: list[Item] = []
    for name, entry, lines in (("out", "egress", _outward(policy)), ("in", "ingress", _inward(policy))):
        chain = f"{name}-{policy.vif}"
        items.append(NftChain(BRIDGE, TABLE, chain, tuple(lines), sets=sets))
        items.append(NftElement(BRIDGE, TABLE, entry, policy.vif, f"jump {chain}"))
    return items + [item for forward in policy.forwards for item in _forward(policy.bridge, forward)]


def _forward(bridge: str, forward: Forward) -> list[Item]:
    """From outside and the node itself; and from the apps of the same instance."""
    version = forward.address.version
    key = f"{forward.address} . {forward.protocol} . {forward.port}"
    value = f"{forward.to} . {forward.to_port}"
    return [
        element(f"forwards{version}", key, value),
        element(f"hairpin{version}", f"{bridge} . {key}", value),
    ]


# -- what the app sends -------------------------------------------------------------------------------


def _outward(policy: VifPolicy) -> list[str]:
    start = [f"ether saddr != {policy.mac} counter drop", NO_NESTED_TAGS]
    needs = _routed_out(policy) if policy.routed else _switched_out(policy)
    return [*start, *needs, *rule_lines(policy.rules, OUTWARD), DENY]


def _routed_out(policy: VifPolicy) -> list[str]:
    own, gateways = _by_version(policy.addresses), _by_version(policy.gateways)
    arp = f"{_arp(policy)} arp saddr ip {any_of([IPv4Address(0), *own[4]])} accept"
    return [arp, NO_OTHERS, *_ipv4_out(policy, own[4], gateways[4]), *_ipv6_out(policy, own[6], gateways[6])]


def _ipv4_out(policy: VifPolicy, own: list[IPAddress], gateways: list[IPAddress]) -> list[str]:
    if not gateways and not own:
        return ["meta protocol ip counter drop"]
    servers = any_of([IPv4Address("255.255.255.255"), *gateways])
    clients = any_of([IPv4Address(0), *own])
    lines = [
        *_not_from(4, [METADATA, *gateways]),
        f"ip saddr {clients} ip daddr {servers} udp sport 68 udp dport 67 accept",
        *_only_own(policy, 4, own),
        "ip protocol udp udp sport 67 udp dport 68 counter drop",  # addresses come from the instance alone
    ]
    if gateways:
        lines += _names(f"ip daddr {any_of(gateways)}", "dport")
        lines.append(f"ip daddr {METADATA} tcp dport 80 accept")
    return lines


def _ipv6_out(policy: VifPolicy, own: list[IPAddress], gateways: list[IPAddress]) -> list[str]:
    if not gateways and not own:
        return ["meta protocol ip6 counter drop"]
    local = _networks([LINK_LOCAL, *own])
    servers = _networks([ALL_DHCP_SERVERS, LINK_LOCAL, *gateways])
    lines = [
        *_not_from(6, gateways),
        # a neighbour advertisement tells whose address its target is (RFC 4861, 4.4)
        *(f"icmpv6 type nd-neighbor-advert {_target(gateway)} counter drop" for gateway in gateways),
        f"icmpv6 type nd-neighbor-advert {_target_outside(own)} counter drop",
        f"ip6 saddr {_networks(['::', LINK_LOCAL, *own])} icmpv6 type {{ {ND} }} ip6 hoplimit 255 accept",
        f"icmpv6 type {{ {ND_ALL} }} counter drop",
        f"ip6 saddr {_networks(['::', LINK_LOCAL])} icmpv6 type {{ {MLD_OUT} }} accept",
        f"ip6 saddr {local} ip6 daddr {servers} udp sport 546 udp dport 547 accept",
        *_only_own(policy, 6, own),
        "ip6 nexthdr udp udp sport 547 udp dport 546 counter drop",
    ]
    return lines + (_names(f"ip6 daddr {_networks([LINK_LOCAL, *gateways])}", "dport") if gateways else [])


def _not_from(version: int, gateways: list[IPAddress]) -> list[str]:
    return [f"{FAMILY[version]} saddr {any_of(gateways)} counter drop"] if gateways else []


def _only_own(policy: VifPolicy, version: int, own: list[IPAddress]) -> list[str]:
    """The app sends from its own addresses, and from those of networks that it is the gateway of."""
    behind = [network for network in policy.behind if network.version == version]
    if any(network.prefixlen == 0 for network in behind):
        return []
    sources = [*own, *behind, *([LINK_LOCAL] if version == 6 else [])]
    if not sources:
        return [f"meta protocol {FAMILY[version]} counter drop"]
    return [f"{FAMILY[version]} saddr != {_networks(sources)} counter drop"]


def _switched_out(policy: VifPolicy) -> list[str]:
    """Addresses and names come from whoever serves them on the wire; what is not IP has no rules, as in EVE."""
    return [
        f"{_arp(policy)} accept",
        "meta protocol arp counter drop",
        "meta protocol != { ip, ip6 } accept",
        "udp dport { 53, 67, 547 } accept",
        "tcp dport 53 accept",
        "meta l4proto ipv6-icmp accept",
    ]


def _arp(policy: VifPolicy) -> str:
    """ARP for IPv4 that names the app's own MAC as the sender's (RFC 826)."""
    return f"arp htype 1 arp ptype 0x0800 arp hlen 6 arp plen 4 arp saddr ether {policy.mac}"


def _target(address: IPAddress, relation: str = "==") -> str:
    """A neighbour advertisement's target, which stands 8 bytes into ICMPv6."""
    return f"@th,64,128 {relation} 0x{int(address):032x}"


def _target_outside(own: list[IPAddress]) -> str:
    """The target is neither link-local nor among these."""
    others = "".join(f" {_target(address, '!=')}" for address in own)
    return f"@th,64,10 != 0x3fa{others}"


# -- what the app receives ----------------------------------------------------------------------------


def _inward(policy: VifPolicy) -> list[str]:
    needs = _routed_in(policy) if policy.routed else _switched_in()
    return [NO_NESTED_TAGS, *needs, *rule_lines(policy.rules, INWARD), DENY]


def _routed_in(policy: VifPolicy) -> list[str]:
    gateways = _by_version(policy.gateways)
    lines = ["meta protocol arp accept", NO_OTHERS]
    if gateways[4]:
        servers = f"ip saddr {any_of(gateways[4])}"
        lines += [f"{servers} udp sport 67 udp dport 68 accept", *_names(servers, "sport")]
        lines += [f"ip saddr {METADATA} tcp sport 80 accept", ERRORS4]
    if gateways[6]:
        servers = f"ip6 saddr {_networks([LINK_LOCAL, *gateways[6]])}"
        lines += [f"{servers} udp sport 547 udp dport 546 accept", *_names(servers, "sport")]
        lines += [f"icmpv6 type {{ {ND_IN} }} ip6 hoplimit 255 accept", "icmpv6 type mld-listener-query accept"]
        lines.append(ERRORS6)
    return lines


def _switched_in() -> list[str]:
    return [
        "meta protocol != { ip, ip6 } accept",
        "udp sport { 53, 67, 547 } accept",
        "tcp sport 53 accept",
        "meta l4proto ipv6-icmp accept",
    ]


# -- words --------------------------------------------------------------------------------------------


def _names(where: str, port: str) -> list[str]:
    return [f"{where} udp {port} 53 accept", f"{where} tcp {port} 53 accept"]


def _by_version(addresses: Iterable[IPAddress]) -> dict[int, list[IPAddress]]:
    ordered: dict[int, list[IPAddress]] = {4: [], 6: []}
    for address in addresses:
        ordered[address.version].append(address)
    return ordered


def _networks(members: Iterable[object]) -> str:
    """A set of addresses and networks; nft refuses one that lies in another."""
    whole = collapse_addresses([ip_network(str(member)) for member in members])  # type: ignore[type-var]
    return any_of(map(plain, whole))
