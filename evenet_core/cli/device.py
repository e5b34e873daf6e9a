"""`evenet ports`, `uplinks`, `test-connectivity`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from evenet_core.cli.client import Client
from evenet_core.cli.output import print_json, print_table, shown

__all__ = ["ports", "test_connectivity", "uplinks"]


def ports(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("status")["ports"]
    if options.json:
        print_json(found)
        return 0
    print_table(
        ("PORT", "IFNAME", "KIND", "USAGE", "PRESENT", "CARRIER", "MAC", "MTU", "COST", "LABELS", "ERROR"),
        (
            (
                *(p[name] for name in ("label", "ifname", "kind", "usage", "present", "carrier", "mac", "mtu", "cost")),
                p["shared_labels"],
                p["error"],
            )
            for p in found
        ),
    )
    for port in found:
        _print_notes(port)
    return 0


def _print_notes(port: dict[str, Any]) -> None:
    """What does not fit into a row: a warning, and what vendors know about the hardware."""
    if port["warning"]:
        print(f"{shown(port['label'])}: {shown(port['warning'])}")
    for quirk in port["quirks"]:
        off = f"; off: {shown(quirk['offloads_off'])}" if quirk["offloads_off"] else ""
        print(f"{shown(port['label'])}: {shown(quirk['reason'])} (plugin {shown(quirk['plugin'])}{off})")


def uplinks(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = [port for port in agent.call("status")["ports"] if port["usage"] == "management"]
    found.sort(key=lambda port: port["cost"])
    if options.json:
        print_json(found)
        return 0
    columns = ("label", "ifname", "cost", "addresses", "gateways", "dns_servers", "table", "last_succeeded", "error")
    print_table(
        ("UPLINK", "IFNAME", "COST", "ADDRESSES", "GATEWAY", "DNS", "TABLE", "LAST SUCCEEDED", "ERROR"),
        ([port[name] for name in columns] for port in found),
    )
    return 0


def test_connectivity(options: Namespace) -> int:
    """Exit 0 if one uplink reaches the controller."""
    with Client(str(options.socket)) as agent:
        verdicts = agent.call("test_connectivity")
    if options.json:
        print_json(verdicts)
    else:
        columns = ("label", "reason", "error", "warning")
        print_table(("UPLINK", "RESULT", "ERROR", "WARNING"), ([v[name] for name in columns] for v in verdicts))
    return 0 if any(verdict["reason"] in ("success", "remote-temporary-failure") for verdict in verdicts) else 1
