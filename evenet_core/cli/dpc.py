"""`evenet dpc`: the candidates for the device's own connectivity, and what a local operator does about them."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from evenet_core.cli.client import Client
from evenet_core.cli.output import print_json, print_table, shown

__all__ = ["dpc"]

CHANGES = ("dhcp", "address", "gateway", "dns", "ntp", "domain", "mtu", "proxy")


def dpc(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        match options.action:
            case "test":
                agent.call("try_dpc", key=options.key)
            case "revert":
                return _reverted(agent.call("revert_ports")["reverted"])
            case "set":
                agent.call("set_port", label=options.port, settings={name: getattr(options, name) for name in CHANGES})
            case action:
                return _show(agent.call("dpcs"), options) if action == "show" else _list(agent.call("dpcs"), options)
    return 0


def _reverted(done: bool) -> int:
    if not done:
        print("evenet: no port has other settings than its DPC says", file=sys.stderr)
    return 0 if done else 1


def _list(found: list[dict[str, Any]], options: Namespace) -> int:
    if options.json:
        print_json(found)
        return 0
    columns = ("key", "state", "time_priority", "last_succeeded", "last_failed", "last_error", "ports")
    print_table(
        ("", "KEY", "STATE", "TIME PRIORITY", "LAST SUCCEEDED", "LAST FAILED", "LAST ERROR", "PORTS"),
        (["*" if entry["current"] else " ", *(entry[name] for name in columns)] for entry in found),
        empty="no DPC",
    )
    for entry in found:
        for line in entry["outlook"]:
            print(f"{shown(entry['key'])}: {shown(line)}")
    return 0


def _show(found: list[dict[str, Any]], options: Namespace) -> int:
    chosen = [e for e in found if (e["key"] == options.key if options.key else e["current"])]
    if not chosen:
        print(f"evenet: no DPC {options.key or 'is in use'}; see `evenet dpc list`", file=sys.stderr)
        return 1
    if options.json:
        print_json(chosen[0])
        return 0
    results, outlook = chosen[0].pop("results"), chosen[0].pop("outlook")
    for name, value in chosen[0].items():
        print(f"{name:<16}{shown(value)}")
    columns = ("label", "ifname", "usage", "origin", "last_succeeded", "last_failed", "error", "warning")
    print()
    print_table(
        ("PORT", "IFNAME", "USAGE", "FROM", "LAST SUCCEEDED", "LAST FAILED", "ERROR", "WARNING"),
        ([port[name] for name in columns] for port in results),
    )
    for line in outlook:
        print(shown(line))
    return 0
