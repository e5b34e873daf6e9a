"""What a host's kernel holds, in a form that two moments can be compared by."""

from __future__ import annotations

import subprocess
from typing import Any, Protocol, TypeAlias

from tests.support.kernel import ip

__all__ = ["HERE", "KernelState", "kernel_state"]

KernelState: TypeAlias = dict[str, list[Any]]


class Hosts(Protocol):
    """Where programs run on hosts: a site, or the namespace of the test."""

    def ip(self, *arguments: str, host: str) -> Any: ...

    def exec(self, host: str, *command: str) -> subprocess.CompletedProcess[str]: ...


class _Here:
    def ip(self, *arguments: str, host: str) -> Any:
        return ip(*arguments)

    def exec(self, host: str, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, check=True, capture_output=True, text=True)


HERE = _Here()
"""The present network namespace."""


def kernel_state(site: Hosts, host: str = "device") -> KernelState:
    """Links, addresses, routes, rules and firewall; without indexes, counters and lifetimes."""
    links = [(x["ifname"], _mac(x), x.get("mtu"), x.get("master"), x["operstate"]) for x in site.ip("link", host=host)]
    addresses = [
        (link["ifname"], a["local"], a["prefixlen"])
        for link in site.ip("addr", host=host)
        for a in link["addr_info"]
        if a.get("scope") != "link"
    ]
    routes = [
        (r.get("table", "main"), r.get("type", "unicast"), r["dst"], r.get("gateway"), r.get("dev"), r.get("metric"))
        for r in site.ip("-d", "route", "show", "table", "all", host=host)
        if r.get("table") != "local"
    ]
    rules = [
        (r["priority"], r["src"], r.get("dst"), r.get("oif"), r.get("fwmark"), r["table"])
        for r in site.ip("rule", host=host)
    ]
    firewall = site.exec(host, "nft", "-s", "list", "ruleset").stdout.splitlines()
    return {
        "links": sorted(links, key=str),
        "addresses": sorted(addresses, key=str),
        "routes": sorted(routes, key=str),
        "rules": sorted(rules, key=str),
        "firewall": sorted(firewall),
    }


def _mac(link: dict[str, Any]) -> Any:
    """The kernel chooses that of the near end of an app's interface."""
    return "any" if link["ifname"].startswith("nbu") else link.get("address")
