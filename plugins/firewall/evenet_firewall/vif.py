"""What the firewall holds of one app's interface: who it is, and the chains of its rules. Pure.

`out-DIGEST` is what apps with these rules send, `in-DIGEST` what they receive (`out-VIF` where rules count packets):
first what is common to all apps (tables.py), then the policy's rules, and the rest is dropped. Neither tracks
connections: rules work both ways, as in EVE, so a rule that is taken away ends what it allowed at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from evenet_core.linux.nft import NftChain, NftElement, text_digest
from evenet_core.model.policy import Forward, PolicyRule, VifPolicy
from evenet_core.model.values import IPAddress, IPNetwork
from evenet_core.reconciler.item import Item
from evenet_firewall.rules import INWARD, OUTWARD, host_sets, plain, rule_lines
from evenet_firewall.tables import BRIDGE, TABLE, element

__all__ = ["plan_vif"]

DENY = "counter drop"


def plan_vif(policy: VifPolicy) -> list[Item]:
    """Elements that say who the app is, forwards to it, and its chains with the elements that lead to them.

    :raises NotSupported: a rule says something that cannot be matched; the app is not connected.
    """
    kind = "routed" if policy.routed else "switched"
    out, inside = _lines(policy.rules)
    outward = [*_neighbours(policy), f"jump {kind}_out", *out, DENY]
    inward = [f"jump {kind}_in", *inside, DENY]
    items: list[Item] = [*_identity(policy)]
    items += [item for forward in policy.forwards for item in _forward(policy.bridge, forward)]
    if policy.forwards and not policy.first:
        items += [element(f"masked{a.version}", f"{a} . {policy.bridge}") for a in policy.addresses]
    for name, entry, lines in (("in", "ingress", inward), ("out", "egress", outward)):
        chain = f"{name}-{policy.vif if _counts(policy) else text_digest(lines)}"
        items.append(NftChain(BRIDGE, TABLE, chain, tuple(lines), sets=host_sets(policy.rules)))
        items.append(element(entry, policy.vif, f"jump {chain}", family=BRIDGE))
    return items


@lru_cache(maxsize=128)
def _lines(rules: tuple[PolicyRule, ...]) -> tuple[list[str], list[str]]:
    """Many apps have the same rules. Not many more are remembered: those of the past would stay in memory."""
    return rule_lines(rules, OUTWARD), rule_lines(rules, INWARD)


def _counts(policy: VifPolicy) -> bool:
    """A limit counts the packets of one app: its chain cannot be shared."""
    return any(rule.limit is not None for rule in policy.rules)


def _identity(policy: VifPolicy) -> Iterable[NftElement]:
    """MAC and addresses of the app, those of its instance, and networks that it is the gateway of."""
    yield element("macs", f"{policy.vif} . {policy.mac}", family=BRIDGE)
    if not policy.routed:
        return
    for name, addresses in (("own", policy.addresses), ("gateways", policy.gateways)):
        for address in addresses:
            yield element(f"{name}{address.version}", f"{policy.vif} . {address}", family=BRIDGE)
    for network in _disjoint(policy.behind):
        yield element(f"behind{network.version}", f"{policy.vif} . {plain(network)}", family=BRIDGE)


def _disjoint(networks: Iterable[IPNetwork]) -> Iterable[IPNetwork]:
    """An interval set takes no element that overlaps another, and shows everything as something else than "all"."""
    four = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    disjoint: list[IPNetwork] = [*four, *six]
    for network in disjoint:
        yield from network.subnets() if network.prefixlen == 0 else (network,)


def _forward(bridge: str, forward: Forward) -> list[Item]:
    """From outside and the node itself; and from the apps of the same instance."""
    version = forward.address.version
    key = f"{forward.address} . {forward.protocol} . {forward.port}"
    value = f"{forward.to} . {forward.to_port}"
    return [
        element(f"forwards{version}", key, value),
        element(f"hairpin{version}", f"{bridge} . {key}", value),
    ]


def _neighbours(policy: VifPolicy) -> Iterable[str]:
    """A neighbour advertisement tells whose address its target is (RFC 4861, 4.4): the app's own or link-local.

    nft has no word for the target, which stands 8 bytes into ICMPv6, so it cannot be looked up in a set.
    """
    own = [address for address in policy.addresses if address.version == 6]
    if not policy.routed or not own:
        return
    advertised = "icmpv6 type nd-neighbor-advert"
    for gateway in policy.gateways:
        if gateway.version == 6:
            yield f"{advertised} {_target(gateway)} counter drop"
    others = "".join(f" {_target(address, '!=')}" for address in own)
    yield f"{advertised} @th,64,10 != 0x3fa{others} counter drop"


def _target(address: IPAddress, relation: str = "==") -> str:
    return f"@th,64,128 {relation} 0x{int(address):032x}"
