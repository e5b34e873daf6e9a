"""A policy's rules as nft rules, in one direction. Pure.

A rule works both ways: the remote side is the destination of what the app sends and the source of what it receives.
A long run of rules of one shape becomes one map that is looked up once, however long it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from evenet_core.errors import NotSupported
from evenet_core.model.instances import RateLimit
from evenet_core.model.policy import PolicyRule, Verdict, host_set_name
from evenet_core.model.values import IPNetwork

__all__ = ["FAMILY", "HOST_TIMEOUT", "INWARD", "OUTWARD", "Direction", "any_of", "host_sets", "plain", "rule_lines"]

HOST_TIMEOUT = 86400  # seconds that an address of a host name stays allowed after its last use
RUN = 8  # rules of one shape from which a map is quicker than a walk

# IANA protocol numbers; an unknown name must not become a rule that matches something else
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "ospf": 89,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
}
NAMES = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}  # protocols with ports
ICMP, ICMPV6 = 1, 58
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
FAMILY = {4: "ip", 6: "ip6"}
LATER_FRAGMENT = {4: "ip frag-off & 0x1fff > 1", 6: "frag frag-off > 1"}  # in units of 8 bytes


@dataclass(frozen=True, slots=True)
class Direction:
    """Where a packet of this direction has the remote address, the remote port and the app's own port."""

    address: str
    remote: str
    local: str


OUTWARD = Direction("daddr", "dport", "sport")
INWARD = Direction("saddr", "sport", "dport")


def any_of(values: Iterable[object]) -> str:
    """One value as it is, several as a set."""
    texts = list(dict.fromkeys(map(str, values)))
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def host_sets(rules: Sequence[PolicyRule]) -> tuple[str, ...]:
    """Sets that rules look into."""
    return tuple(dict.fromkeys(host_set_name(r.host, version) for r in rules if r.host for version in FAMILY))


def rule_lines(rules: Sequence[PolicyRule], direction: Direction) -> list[str]:
    """nft rules in the order of the policy's.

    :raises NotSupported: a rule says something that cannot be matched.
    """
    lines: list[str] = []
    for shape, group in groupby(rules, key=_shape):
        run = list(group)
        together = _lookup(run, shape, direction) if shape is not None and len(run) >= RUN else []
        lines += together or [line for rule in run for line in _single(rule, direction)]
    return lines


# -- one rule -----------------------------------------------------------------------------------------


def _single(rule: PolicyRule, direction: Direction) -> list[str]:
    lines: list[str] = []
    for version, address in _remotes(rule, direction):
        what = _join(address, _payload(rule, direction, version))
        lines += _verdict(what, rule, _refresh(rule, direction, version))
        if _has_ports(rule) and rule.verdict is Verdict.ACCEPT and rule.limit is None:
            lines += _fragments(address, _protocol(rule, version), (version,) if version else (4, 6))
    return lines


def _remotes(rule: PolicyRule, direction: Direction) -> list[tuple[int, str]]:
    """IP version (0 = both) and match of the remote address; none if nothing can match."""
    if rule.remote is not None:
        version = rule.remote.version
        if rule.remote.prefixlen == 0:
            return [(version, f"meta protocol {FAMILY[version]}")]
        return [(version, f"{FAMILY[version]} {direction.address} {plain(rule.remote)}")]
    if rule.host:
        sets = {version: host_set_name(rule.host, version) for version in FAMILY}
        return [(version, f"{FAMILY[version]} {direction.address} @{name}") for version, name in sets.items()]
    if rule.members is not None:
        members = {version: [a for a in rule.members if a.version == version] for version in FAMILY}
        return [(v, f"{FAMILY[v]} {direction.address} {any_of(some)}") for v, some in members.items() if some]
    return [(0, "")]


def _payload(rule: PolicyRule, direction: Direction, version: int) -> str:
    protocol = _protocol(rule, version)
    if not _has_ports(rule):
        return f"meta l4proto {protocol}" if protocol else ""
    header = _header(rule)
    start = "" if rule.protocol not in {"", "all", "0"} else f"meta l4proto {protocol}"
    remote = f"{header} {direction.remote} {_ports(rule.remote_ports)}" if rule.remote_ports else ""
    local = f"{header} {direction.local} {rule.local_port}" if rule.local_port is not None else ""
    return _join(start, remote, local)


def _verdict(what: str, rule: PolicyRule, refresh: str) -> list[str]:
    if rule.verdict is Verdict.DROP:
        return [_join(what, "counter drop")]
    if rule.limit is None:
        return [_join(what, refresh, "accept")]
    return [_join(what, _limit(rule.limit), refresh, "accept"), _join(what, "counter drop")]


def _limit(limit: RateLimit) -> str:
    """The kernel counts a burst in nanoseconds, 64 bits of them (nft_limit.c): one beyond 584 years is cut to that."""
    nanoseconds = SECONDS[limit.unit] * 10**9 // limit.rate
    burst = min(limit.burst, (2**64 - 1) // max(nanoseconds, 1))
    return f"limit rate {limit.rate}/{limit.unit}" + (f" burst {burst} packets" if burst else "")


def _refresh(rule: PolicyRule, direction: Direction, version: int) -> str:
    """An address that the app keeps talking to stays, although nobody asks for its name again."""
    if not rule.host or direction is not OUTWARD or rule.verdict is Verdict.DROP:
        return ""
    name = host_set_name(rule.host, version)
    return f"update @{name} {{ {FAMILY[version]} daddr timeout {HOST_TIMEOUT}s }}"


def _fragments(address: str, protocol: str, versions: Iterable[int]) -> list[str]:
    """Only a packet's first fragment has ports; the others are of no use without it.

    One that would overwrite the first one's ports is not let through (RFC 3128).
    """
    return [_join(address, f"meta l4proto {protocol}", LATER_FRAGMENT[version], "accept") for version in versions]


# -- many rules of one shape --------------------------------------------------------------------------


def _shape(rule: PolicyRule) -> tuple[str, int] | None:
    """What kind of key a rule is, if a map can hold it. Rules of one shape share a map."""
    if rule.host or rule.members is not None or rule.limit or rule.local_port is not None or rule.remote is None:
        return None
    version = rule.remote.version
    exact = rule.remote.prefixlen == rule.remote.max_prefixlen
    protocol = rule.protocol in {"", "all", "0"}
    if protocol and rule.remote_ports is None:
        return ("network", version)
    if exact and not protocol and rule.remote_ports is None:
        return ("protocol", version)
    one_port = rule.remote_ports is not None and rule.remote_ports[0] == rule.remote_ports[1]
    return ("port", version) if exact and not protocol and one_port else None


def _lookup(run: Sequence[PolicyRule], shape: tuple[str, int], direction: Direction) -> list[str]:
    """One lookup for all of them; nothing if they overlap, so that their order matters."""
    kind, version = shape
    first: dict[str, str] = {}  # the first rule that matches decides
    halves: dict[str, None] = {}
    for rule in run:
        assert rule.remote is not None
        address = str(plain(rule.remote))
        half = f"{address} . {_protocol(rule, version)}"
        port = f" . {rule.remote_ports[0]}" if rule.remote_ports else ""
        key = address if kind == "network" else half + port
        if port:
            _header(rule)
        if key not in first and port and rule.verdict is Verdict.ACCEPT:
            halves[half] = None
        first.setdefault(key, "accept" if rule.verdict is Verdict.ACCEPT else "drop")
    if kind == "network" and _overlap([rule.remote for rule in run if rule.remote is not None]):
        return []
    fields = f"{FAMILY[version]} {direction.address}"
    members = ", ".join(f"{key} : {verdict}" for key, verdict in first.items())
    if kind == "network":
        return [f"{fields} vmap {{ {members} }}"]
    fields += " . meta l4proto"
    if kind == "protocol":
        return [f"{fields} vmap {{ {members} }}"]
    lines = [f"{fields} . th {direction.remote} vmap {{ {members} }}"]
    return [*lines, f"{fields} {{ {', '.join(halves)} }} {LATER_FRAGMENT[version]} accept"] if halves else lines


def _overlap(networks: Sequence[IPNetwork]) -> bool:
    ordered = sorted(set(networks), key=lambda network: (int(network.network_address), network.prefixlen))
    return any(int(a.broadcast_address) >= int(b.network_address) for a, b in pairwise(ordered))


# -- words --------------------------------------------------------------------------------------------


def _protocol(rule: PolicyRule, version: int) -> str:
    """Match of `meta l4proto`; empty = any. `icmp` means that of the packet's own family."""
    if rule.protocol in {"", "all", "0"}:
        return "@streams" if _has_ports(rule) else ""
    number = _number(rule)
    if rule.protocol == "icmp":
        return {4: "icmp", 6: "ipv6-icmp"}.get(version, "@icmps")
    return NAMES.get(number, str(number))


def _number(rule: PolicyRule) -> int:
    if rule.protocol in PROTOCOLS:
        return PROTOCOLS[rule.protocol]
    if rule.protocol.isascii() and rule.protocol.isdecimal() and int(rule.protocol) <= 255:
        return int(rule.protocol)
    raise NotSupported(f"rule {rule.id}: protocol {rule.protocol!r} is not known; a number works for any protocol")


def _has_ports(rule: PolicyRule) -> bool:
    return rule.remote_ports is not None or rule.local_port is not None


def _header(rule: PolicyRule) -> str:
    """Where ports are found."""
    if rule.protocol in {"", "all", "0"}:
        return "th"
    name = NAMES.get(_number(rule))
    if name is None:
        raise NotSupported(f"rule {rule.id}: protocol {rule.protocol} has no ports")
    return name


def plain(network: IPNetwork) -> object:
    """An address without prefix length where there is only one."""
    return network.network_address if network.prefixlen == network.max_prefixlen else network


def _ports(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
