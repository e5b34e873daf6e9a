"""`evenet ni`, `app`, `leases`."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from evenet_core.cli.client import Client
from evenet_core.cli.output import print_json, print_table, shown

__all__ = ["app", "leases", "ni"]


def ni(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("status")["network_instances"]
    if options.action == "show":
        chosen = _named(found, options.name, "network instance")
        return _print(chosen, options.json, _print_instance) if chosen else 1
    if options.json:
        print_json(found)
        return 0
    columns = ("name", "type", "bridge", "subnet", "gateway", "ports", "table", "mtu", "error")
    print_table(
        ("NAME", "TYPE", "BRIDGE", "SUBNET", "GATEWAY", "PORTS", "TABLE", "MTU", "ERROR"),
        ([instance[name] for name in columns] for instance in found),
        empty="no network instances",
    )
    return 0


def _print_instance(instance: dict[str, Any]) -> None:
    for name, value in instance.items():
        if name != "routes":
            print(f"{name:<10}{shown(value)}")
    columns = ("dst", "via", "port", "selected_because")
    print()
    print_table(("ROUTE TO", "VIA", "PORT", "BECAUSE"), ([r[name] for name in columns] for r in instance["routes"]))


def app(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("status")["apps"]
    if options.action == "show":
        chosen = _named(found, options.name, "app")
        return _print(chosen, options.json, _print_app) if chosen else 1
    if options.json:
        print_json(found)
        return 0
    print_table(
        ("NAME", "STATE", "INTERFACES"),
        ((a["name"], a["state"], [i["name"] for i in a["interfaces"]]) for a in found),
        empty="no apps",
    )
    return 0


def _print_app(found: dict[str, Any]) -> None:
    print(f"{shown(found['name'])}: {shown(found['state'])}")
    columns = ("name", "network_instance", "vif", "mac", "addresses", "access_vlan", "error")
    print_table(
        ("INTERFACE", "NETWORK INSTANCE", "VIF", "MAC", "ADDRESSES", "VLAN", "ERROR"),
        ([interface[name] for name in columns] for interface in found["interfaces"]),
    )


def leases(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("leases")
    if options.json:
        print_json(found)
        return 0
    columns = ("ifname", "source", "addresses", "routers", "dns", "domain", "server")
    print_table(
        ("IFNAME", "SOURCE", "ADDRESSES", "ROUTERS", "DNS", "DOMAIN", "SERVER"),
        ([lease[name] for name in columns] for lease in found),
        empty="no leases",
    )
    return 0


def _named(found: list[dict[str, Any]], name: str | None, what: str) -> dict[str, Any] | None:
    chosen = [entry for entry in found if name in (entry["name"], entry["uuid"])]
    if not chosen:
        names = ", ".join(shown(entry["name"]) for entry in found) or "none"
        print(f"evenet: no {what} {name or ''}; there are: {names}", file=sys.stderr)
        return None
    return chosen[0]


def _print(value: dict[str, Any], json: bool, for_people: Any) -> int:
    print_json(value) if json else for_people(value)
    return 0
