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
            if p["kind"] != "other" or p["error"]
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
        status = agent.call("status")
    found = [port for port in status["ports"] if port["usage"] == "management"]
    found.sort(key=lambda port: port["cost"])
    ways = {port["label"]: [_way(route, port["label"]) for route in status["uplinks"]] for port in found}
    if options.json:
        print_json([port | {"probes": [way for way in ways[port["label"]] if way]} for port in found])
        return 0
    first = ("label", "ifname", "cost")
    last = ("addresses", "gateways", "dns_servers", "table", "last_succeeded", "error")
    head = (
        "UPLINK",
        "IFNAME",
        "COST",
        "STATE",
        "USED",
        "ADDRESSES",
        "GATEWAY",
        "DNS",
        "TABLE",
        "LAST SUCCEEDED",
        "ERROR",
    )
    print_table(head, ([*(p[c] for c in first), *_standing(ways[p["label"]]), *(p[c] for c in last)] for p in found))
    for route in status["uplinks"]:
        if any(port["state"] != "no-path" for port in route["ports"]):
            _print_route(route)
    return 0


def _way(route: dict[str, Any], label: str) -> dict[str, Any] | None:
    """How one uplink stands for the node's own traffic of one IP version."""
    port = next((port for port in route["ports"] if port["label"] == label), None)
    if port is None:
        return None
    told = {name: port[name] for name in ("state", "evidence", "latency_ms")}
    return {"version": route["version"], "selected": route["selected"] == label, **told}


def _standing(ways: list[dict[str, Any] | None]) -> tuple[str | None, str | None]:
    """The best state over all IP versions, and for which of them it is used."""
    known = [way for way in ways if way is not None]
    alive = [way for way in known if way["state"] != "no-path"]
    used = [f"IPv{way['version']}" for way in alive if way["selected"]]
    return (alive or known or [{"state": None}])[0]["state"], " ".join(used) or None


def _print_route(route: dict[str, Any]) -> None:
    """Where the node's own traffic goes, and what speaks against the other ways."""
    print(f"IPv{route['version']}: {shown(route['selected'])} since {shown(route['since'])}: {shown(route['because'])}")
    for port in route["ports"]:
        if port["label"] != route["selected"]:
            print(f"  {shown(port['label'])}: {shown(port['state'])}: {shown(port['evidence'])}")


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
