"""Everything that a network namespace holds, told by other tools than ours, so that two moments can be compared.

What is left out of the comparison stands in this file, each with its reason.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

__all__ = ["Dump", "differences", "dump", "run_here"]

Dump: TypeAlias = dict[str, Any]  # section -> what it says
Run: TypeAlias = Callable[[str], str]  # runs a shell script in the namespace; its output

JSON = {
    "links": "ip -d -j link",
    "addresses": "ip -d -j addr",
    "netconf": "ip -j netconf",
    "routes4": "ip -4 -d -j route show table all",
    "routes6": "ip -6 -d -j route show table all",
    "rules4": "ip -4 -d -j rule",
    "rules6": "ip -6 -d -j rule",
    "neighbours": "ip -j neigh show nud permanent",
    "proxies": "ip -j neigh show proxy",
    "bridge links": "bridge -d -j link",
    "bridge fdb": "bridge -d -j fdb",
    "bridge mdb": "bridge -d -j mdb",
    "qdiscs": "tc -j qdisc",
    "multicast": "ip -j maddr",
    "firewall": "nft -s -j list ruleset",
}
LINKS = "ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\\1/' | sort"
TEXT = {
    "bridge vlans": "bridge -d vlan 2>&1",  # not in JSON: a kernel without VLAN filtering ends it in the middle
    "filters": f"for l in $({LINKS}); do tc filter show dev $l; tc filter show dev $l ingress; done 2>&1",
    "processes": "me=$(readlink /proc/self/ns/net); for p in /proc/[0-9]*; do"
    ' if [ "$(readlink $p/ns/net)" = "$me" ]; then tr "\\0\\n\\036" "   " <$p/cmdline; echo; fi; done 2>/dev/null',
    "sockets": "ss -H -l -n -t -u -w -0 -x",
    "sysctl": "cd /proc/sys && grep -rsH '' net",
    "ethtool": f"for l in $({LINKS}); do"
    " for what in -k -a -g -l -c -i; do echo $l $what; ethtool $what $l 2>&1; done; done",
}
SEPARATOR = "\x1e"

# Names of fields of JSON documents that are not compared.
CLOCKS = {
    "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer",  # of a bridge: they run
    "message_age_timer", "forward_delay_timer", "hold_timer", "updated", "used",
}  # fmt: skip
# They count down: compared to the nearest thousand seconds.
COUNT_DOWN = {"valid_life_time", "preferred_life_time", "expires"}
FOREVER = 4294967295
# Settings that the kernel changes by itself.
OWN_LIFE = (
    "net/netfilter/nf_conntrack_count:",  # how many connections there are
    "net/ipv4/tcp_fastopen_key:",  # made up when the first TCP socket of the namespace listens
)


def run_here(script: str) -> str:
    """In the present namespace."""
    return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout


def dump(run: Run = run_here, *directories: str) -> Dump:
    """What the namespace holds, and which files are in these directories."""
    sections = {**JSON, **TEXT}
    if directories:
        # documents of the state stay: numbers and choices are kept on purpose
        sections["files"] = f"find {' '.join(directories)} -not -path '*/state/*.json' | sort"
    script = "\n".join(f"printf '{SEPARATOR}{name}\\n'; {command}" for name, command in sections.items())
    parts = run(script + "\ntrue").split(SEPARATOR)[1:]
    found: Dump = {}
    for part in parts:
        name, _, text = part.partition("\n")
        found[name] = _values(text) if name in JSON else _lines(name, text)
    _forget_what_first_use_brings(found)
    return found


def _forget_what_first_use_brings(found: Dump) -> None:
    """Of links that are down.

    A link gets its queue when it is set up for the first time and keeps it when it is set down; the hardware addresses
    of its multicast groups are listed from its making until it is set down for the first time. No way leads back.
    """
    down = {link["ifname"] for link in found["links"] if "UP" not in link["flags"]}
    for link in (*found["links"], *found["addresses"]):
        if link["ifname"] in down:
            del link["qdisc"]
    found["qdiscs"] = [qdisc for qdisc in found["qdiscs"] if qdisc["dev"] not in down]
    found["bridge fdb"] = [entry for entry in found["bridge fdb"] if entry["ifname"] not in down]
    for link in found["multicast"]:
        if link["ifname"] in down:
            link["maddr"] = [group for group in link["maddr"] if "link" not in group]


def _values(text: str) -> list[Any]:
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    while (at := len(text) - len(text[at:].lstrip())) < len(text):
        value, at = decoder.raw_decode(text, at)
        value = value.get("nftables", value) if isinstance(value, dict) else value
        values += _plain(value) if isinstance(value, list) else [_plain(value)]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _field(name, inner) for name, inner in _without_limits(value).items() if name not in CLOCKS}
    if isinstance(value, list):
        kept = [inner for inner in value if not _is_learnt(inner)]
        return sorted(map(_plain, kept), key=str)  # the kernel lists in the order of its hash tables
    return value


def _is_learnt(value: Any) -> bool:
    """Stations and groups that a bridge heard of and forgets again: traffic, not state."""
    return isinstance(value, Mapping) and ("mac" in value or "grp" in value) and value.get("state") in ("", "temp")


def _without_limits(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A bridge keeps the limits of the ports that it had (br_set_gso_limits)."""
    if value.get("linkinfo", {}).get("info_kind") != "bridge":
        return value
    return {name: inner for name, inner in value.items() if name not in ("tso_max_size", "tso_max_segs")}


def _field(name: str, value: Any) -> Any:
    if name in COUNT_DOWN and isinstance(value, int) and value != FOREVER:
        return round(value, -3)
    if name == "label":  # a rename numbers the addresses of a link that had no label of their own; nothing undoes it
        return re.sub(r":\d+$", "", str(value))
    return _plain(value)


def _lines(name: str, text: str) -> list[str]:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if name == "sysctl":
        lines = [line for line in lines if not line.startswith(OWN_LIFE)]
    if name == "ethtool":
        return lines
    if name == "processes":  # one that has just begun bears the name of who began it
        lines = list({line for line in lines if "proc/self/ns/net" not in line})
    return sorted(lines)


def differences(before: Dump, after: Dump) -> list[str]:
    """What is not the same, a line each; - is before, + is after."""
    return [
        f"{section}: {line}"
        for section in before.keys() | after.keys()
        for line in sorted(_differing(before.get(section), after.get(section), ""))
    ]


def _differing(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in before.keys() | after.keys():
            yield from _differing(before.get(name), after.get(name), f"{path}.{name}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _differing_lists(before, after, path)
    else:
        yield f"{path}: - {before}"
        yield f"{path}: + {after}"


def _differing_lists(before: list[Any], after: list[Any], path: str) -> Iterator[str]:
    left = [value for value in before if value not in after]
    new = [value for value in after if value not in before]
    pairs = {_name(value): value for value in left if _name(value)}
    for value in new:
        name = _name(value)
        if name in pairs:
            other = pairs.pop(name)
            left.remove(other)
            yield from _differing(other, value, f"{path}[{name}]")
        else:
            yield f"{path}: + {value}"
    yield from (f"{path}: - {value}" for value in left)
    if not left and not new:
        yield f"{path}: as often as before: {len(before)}, {len(after)}"


def _name(value: Any) -> str:
    return str(value.get("ifname") or value.get("handle") or "") if isinstance(value, Mapping) else ""
