"""`evenet doctor`: is this machine fit, and is anybody else in our way? Changes nothing."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from evenet_core.cli.output import colour, print_json

__all__ = ["Finding", "doctor", "examine"]

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
    findings = list(examine())
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = colour("good", "green") if finding.good else colour("LOOK", "yellow")
            print(f"{mark}  {finding.what}: {finding.text}" + (f"; {finding.remedy}" if finding.remedy else ""))
    return 0 if all(f.good for f in findings if f.what.startswith("tool")) else 1


def examine() -> Iterator[Finding]:
    """Every finding on this machine."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name, (package, purpose) in TOOLS.items():
        where = shutil.which(name, path=path)
        yield Finding(
            f"tool {name}", where is not None, where or f"missing: {purpose}", "" if where else f"apt install {package}"
        )
    yield _privileges()
    yield from _kernel()
    yield from _managers()


def _privileges() -> Finding:
    root = os.geteuid() == 0
    return Finding("privileges", root, "root" if root else "not root", "" if root else "run the agent as root")


def _kernel() -> Iterator[Finding]:
    """A module counts as there when it is loaded, built in, or can be loaded."""
    release = os.uname().release
    known = ""
    for name in ("modules.builtin", "modules.dep"):
        file = Path("/lib/modules") / release / name
        known += file.read_text(errors="replace") if file.exists() else ""
    modules = {"bridge": "bridge", "veth": "veth", "vlan": "8021q", "bond": "bonding"}
    for what, (option, purpose) in FEATURES.items():
        module = modules[what]
        there = Path("/sys/module", module).exists() or f"/{module}.ko" in known
        if there or known:
            text = "there" if there else f"missing: {purpose}"
            yield Finding(f"kernel {what}", there, text, "" if there else f"use a kernel with {option}")


def _managers() -> Iterator[Finding]:
    for process in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = process.read_text().strip()
        except OSError:
            continue
        for manager, remedy in MANAGERS.items():
            if name == manager[:15]:  # comm holds 15 bytes
                yield Finding(f"manager {manager}", False, f"runs (pid {process.parent.name})", remedy)
