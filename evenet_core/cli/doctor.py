"""`evenet doctor`: is this machine fit, and is anybody else in our way? Changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evenet_core.cli.output import colour, print_json, printable

__all__ = ["Finding", "doctor", "examine", "show"]

# program -> (Debian package, what it is needed for)
TOOLS = {
    "nft": ("nftables", "access rules, NAT and port forwards"),
    "dnsmasq": ("dnsmasq-base", "DHCP and DNS of network instances, names for the node"),
    "dhcpcd": ("dhcpcd-base", "addresses of adapters"),
}
MANAGERS = {
    "NetworkManager": "keep it off these ports: `unmanaged-devices` in NetworkManager.conf(5)",
    "systemd-networkd": "keep it off these ports: `Unmanaged=yes` in systemd.network(5)",
    "connmand": "keep it off these ports: `NetworkInterfaceBlacklist` in connman.conf(5)",
    "dhclient": "stop it on these ports: two DHCP clients on one port fight over its address",
}
FEATURES = {
    "bridge": ("CONFIG_BRIDGE", "adapters and network instances"),
    "veth": ("CONFIG_VETH", "apps that are network namespaces"),
    "vlan": ("CONFIG_VLAN_8021Q", "VLAN adapters"),
    "bond": ("CONFIG_BONDING", "link aggregation"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is empty when it is good."""

    what: str
    good: bool
    text: str
    remedy: str = ""


def doctor(options: Namespace) -> int:
    """Exit 1 if something needed is missing; what is only in the way is a warning."""
    return show(list(examine()), options.json)


def show(findings: Sequence[Finding], as_json: bool) -> int:
    """Print findings; returns the exit code."""
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = colour("good", "green") if finding.good else colour("LOOK", "yellow")
            words = f"{finding.what}: {finding.text}" + (f"; {finding.remedy}" if finding.remedy else "")
            print(f"{mark}  {printable(words)}")
    return 0 if all(f.good for f in findings if f.what.startswith("tool")) else 1


def examine(root: Path = Path("/"), path: str | None = None) -> Iterator[Finding]:
    """Every finding on this machine.

    :param root: where the machine's files are.
    :param path: where its programs are, as in `PATH`.
    """
    if path is None:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    path = ":".join(directory for directory in path.split(":") if directory)  # empty would be the working directory
    for name, (package, purpose) in TOOLS.items():
        where = shutil.which(name, path=path) if path else None
        yield Finding(
            f"tool {name}", where is not None, where or f"missing: {purpose}", "" if where else f"apt install {package}"
        )
    yield _privileges()
    yield from _kernel(root)
    yield from _managers(root)
    nft = shutil.which("nft", path=path) if path else None
    if nft is not None:
        yield from _firewalls(nft)


def _privileges() -> Finding:
    root = os.geteuid() == 0
    return Finding("privileges", root, "root" if root else "not root", "" if root else "run the agent as root")


def _kernel(root: Path) -> Iterator[Finding]:
    """A module counts as there when it is loaded, built in, or can be loaded."""
    release = os.uname().release
    known = ""
    for name in ("modules.builtin", "modules.dep"):
        file = root / "lib/modules" / release / name
        known += file.read_text(errors="replace") if file.exists() else ""
    modules = {"bridge": "bridge", "veth": "veth", "vlan": "8021q", "bond": "bonding"}
    for what, (option, purpose) in FEATURES.items():
        module = modules[what]
        there = (root / "sys/module" / module).exists() or f"/{module}.ko" in known
        if there or known:
            text = "there" if there else f"missing: {purpose}"
            yield Finding(f"kernel {what}", there, text, "" if there else f"use a kernel with {option}")


def _managers(root: Path) -> Iterator[Finding]:
    for process in (root / "proc").glob("[0-9]*/comm"):
        try:
            name = process.read_text().strip()
        except OSError:
            continue
        for manager, remedy in MANAGERS.items():
            if name == manager[:15]:  # comm holds 15 bytes
                yield Finding(f"manager {manager}", False, f"runs (pid {process.parent.name})", remedy)


def _firewalls(nft: str) -> Iterator[Finding]:
    """Tables of others that drop packets. What one table drops is gone, whatever ours say of it."""
    try:
        listed = subprocess.run((nft, "-j", "list", "ruleset"), capture_output=True, check=True, timeout=10)
        objects = json.loads(listed.stdout)["nftables"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return  # not root, or no nftables in the kernel
    chains = [o["chain"] for o in objects if "chain" in o and o["chain"]["table"] != "evenet"]
    refusing = {_table(o["rule"]) for o in objects if "rule" in o and _refuses(o["rule"])}
    hooks: dict[tuple[str, str], list[str]] = {}
    for chain in chains:
        if chain.get("type") == "filter" and (chain.get("policy") == "drop" or _table(chain) in refusing):
            hooks.setdefault(_table(chain), []).append(chain["hook"])
    for (family, table), found in hooks.items():
        where = ", ".join(dict.fromkeys(found))
        yield Finding(
            f"firewall {family} {table}",
            False,
            f"drops packets of its own accord ({where})",
            "let the packets of adapters and of bridges `bn*` pass there, or end the program that made it",
        )


def _table(found: dict[str, Any]) -> tuple[str, str]:
    return found["family"], found["table"]


def _refuses(rule: dict[str, Any]) -> bool:
    return any("drop" in part or "reject" in part for part in rule.get("expr", ()))
