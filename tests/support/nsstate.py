"""What the present network namespace holds, all that evenet could touch, in a form that can be compared."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from evenet_core.linux.linkmark import found_port
from evenet_core.linux.nftdriver import PROGRAM
from tests.support.kernel import ip, run
from tests.support.surroundings import members

__all__ = ["State", "differences", "namespace_state"]

State: TypeAlias = dict[str, list[str]]

_SETTINGS = (
    *("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/send_redirects"),
    *("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/all/arp_ignore", "net/ipv6/conf/all/disable_ipv6"),
)
_OF_LINKS = {
    "ipv4": ("send_redirects", "rp_filter", "arp_ignore", "arp_announce", "accept_redirects", "forwarding"),
    "ipv6": ("disable_ipv6", "accept_ra", "accept_redirects", "autoconf", "ignore_routes_with_linkdown"),
}
_LINK = ("ifname", "mtu", "master", "ifalias", "inet6_addr_gen_mode")
_BRIDGE = ("stp_state", "group_fwd_mask", "forward_delay")


def namespace_state(home: Path) -> State:
    """Links, addresses, routes, rules, nftables, settings, processes; lines of text.

    :param home: directory of the node: it is called HOME in what is told.
    """
    links = ip("link")
    switched = {link["ifname"] for link in links if _is_switched(link)}
    state = {
        "links": [_link(link) for link in links],
        "addresses": [_address(link, a, switched) for link in ip("address") for a in link.get("addr_info", ())],
        "routes": [_route(f, r, switched) for f in ("-4", "-6") for r in ip(f, "route", "show", "table", "all")],
        "rules": [str(sorted(rule.items())) for family in ("-4", "-6") for rule in ip(family, "rule")],
        "neighbours": [str(n) for n in ip("neighbour", "show", "nud", "permanent")],
        "firewall": run("nft", "-s", "list", "ruleset").splitlines(),
        "settings": list(_settings([link["ifname"] for link in links])),
        "processes": [line for pid in members() if (line := _process(pid))],
        "resolver": (home / "resolv.conf").read_text().splitlines(),
    }
    return {name: sorted(_plain(line, home) for line in lines if line) for name, lines in state.items()}


def differences(found: Mapping[str, Iterable[str]], wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """Lines that are too many, and lines that are missing."""
    told = []
    for part in wanted:
        have, want = list(found[part]), list(wanted[part])
        told += [f"{part}: too much: {line}" for line in _without(have, want)]
        told += [f"{part}: missing: {line}" for line in _without(want, have)]
    return told


def _without(lines: list[str], others: list[str]) -> list[str]:
    """What is left of `lines` when each of `others` takes one away."""
    left = list(others)
    found = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            found.append(line)
    return found


def _link(link: dict[str, Any]) -> str:
    """The near end of an app's interface gets any MAC of the kernel."""
    mac = "any" if link["ifname"].startswith("nbu") else link.get("address")
    kind = link.get("linkinfo", {})
    data = kind.get("info_data", {})
    told = [link.get(field) for field in _LINK] + [data.get(field) for field in _BRIDGE]
    return f"{told} {mac} {kind.get('info_kind')} {'up' if 'UP' in link['flags'] else 'down'}"


def _is_switched(link: dict[str, Any]) -> bool:
    """Whether a port is only switched. Of its own the kernel has an address there if it had one as it was found."""
    mark = found_port(link.get("ifalias", ""))
    return mark is not None and mark.role == "port"


def _address(link: dict[str, Any], address: dict[str, Any], switched: set[str]) -> str:
    if address.get("scope") == "link" and link["ifname"] in switched:
        return ""
    told = [address.get(field) for field in ("local", "prefixlen", "scope", "protocol", "noprefixroute")]
    return f"{link['ifname']} {told}"


def _route(family: str, route: dict[str, Any], switched: set[str]) -> str:
    if route.get("table") == "local" or (route.get("dst") == "fe80::/64" and route.get("dev") in switched):
        return ""
    fields = ("table", "type", "dst", "gateway", "dev", "metric", "protocol", "prefsrc", "scope")
    return f"{family} {[route.get(field) for field in fields]}"


def _settings(links: Iterable[str]) -> Iterable[str]:
    names = list(_SETTINGS)
    for link in links:
        names += [f"net/{ip}/conf/{link}/{name}" for ip, settings in _OF_LINKS.items() for name in settings]
    for name in names:
        with suppress(FileNotFoundError):
            yield f"{name} = {Path('/proc/sys', name).read_text().strip()}"


def _process(pid: int) -> str:
    """Its command line, unless it is an agent, or the nft that waits for one. What dhcpcd asks with comes and goes."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if words == Path("/proc/self/cmdline").read_bytes():
            return ""  # an agent that was forked off a test
        text = os.fsdecode(words.replace(b"\0", b" ")).strip()
        return "" if text.startswith("dhcpcd: [BPF") or "evenet_core.cli.main" in text or PROGRAM in text else text
    return ""


def _plain(line: str, home: Path) -> str:
    """Without what is another in every namespace: the node's directory, and inodes of namespaces."""
    return re.sub(r"(evenet veth \S+ \S+ \S+) \d+", r"\1 INODE", line.replace(str(home), "HOME"))
