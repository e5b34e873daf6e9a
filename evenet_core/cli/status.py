"""`evenet status`. Loads nothing but the standard library: it is run often, also by scripts."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

from evenet_core.cli.client import Client
from evenet_core.cli.output import colour, print_json, print_table, shown

__all__ = ["print_status", "status"]

_STATE_COLOURS = {"converged": "green", "converging": "yellow", "degraded": "yellow", "failed": "red"}


def status(options: Namespace) -> int:
    with Client(str(options.socket)) as agent, suppress(KeyboardInterrupt):
        while True:
            document = agent.call("status")
            if options.watch and not options.json and sys.stdout.isatty():
                print("\x1b[2J\x1b[H", end="")
            if options.json:
                print_json(document)
            else:
                print_status(document)
            if not options.watch:
                break
            time.sleep(1)
    return 0


def print_status(document: dict[str, Any]) -> None:
    """The status for people."""
    items, dpc = document["items"], document["dpc"]
    state = colour(shown(document["state"]), _STATE_COLOURS.get(document["state"], "red"))
    print(f"{state}: {items['in_sync']} of {items['wanted']} items in sync, {items['failed']} failed")
    if document.get("confirm_until"):
        by = shown(document["confirm_by"])
        print(colour(f"not confirmed: reverts at {shown(document['confirm_until'])} unless confirmed ({by})", "yellow"))
    error = f": {shown(dpc['last_error'])}" if dpc["last_error"] else ""
    print(f"DPC {shown(dpc['key'])}: {shown(dpc['state'])}{error}")
    print()
    print_table(
        ("PORT", "IFNAME", "USAGE", "LINK", "ADDRESSES", "GATEWAY", "COST", "ERROR"),
        (
            (p["label"], p["ifname"], p["usage"], _link(p), p["addresses"], p["gateways"], p["cost"], p["error"])
            for p in document["ports"]
        ),
        empty="no ports",
    )
    if document["network_instances"]:
        print()
        print_table(
            ("NETWORK INSTANCE", "TYPE", "BRIDGE", "SUBNET", "PORTS", "DEFAULT ROUTE", "ERROR"),
            (
                (n["name"], n["type"], n["bridge"], n["subnet"], n["ports"], _default(n), n["error"])
                for n in document["network_instances"]
            ),
        )
    if document["apps"]:
        print()
        print_table(
            ("APP", "STATE", "INTERFACE", "NETWORK INSTANCE", "VIF", "ADDRESSES", "ERROR"),
            (
                (app["name"], app["state"], i["name"], i["network_instance"], i["vif"], i["addresses"], i["error"])
                for app in document["apps"]
                for i in app["interfaces"]
            ),
        )
    _print_problems(document["problems"])


def _link(port: dict[str, Any]) -> str:
    if not port["present"]:
        return "missing"
    return "up" if port["carrier"] else "down"


def _default(instance: dict[str, Any]) -> str | None:
    for route in instance["routes"]:
        if route["dst"] in ("0.0.0.0/0", "::/0") and route["port"]:
            return f"{route['via'] or 'on link'} ({route['port']})"
    return None


def _print_problems(problems: list[dict[str, Any]]) -> None:
    for problem in problems:
        again = f"; next try {shown(problem['retry_at'])}" if problem["retry_at"] else ""
        print()
        print(colour(f"! {shown(problem['item'] or problem['object'])}", "red"))
        by = f" (plugin {shown(problem['plugin'])})" if problem["plugin"] else ""
        print(f"  {shown(problem['error'])}{by}{again}")
