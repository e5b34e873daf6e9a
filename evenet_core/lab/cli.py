"""`evenet lab ...`: options and commands. What brings a lab up stands in up.py."""

from __future__ import annotations

import json
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from evenet_core.cli.client import AgentError, Client
from evenet_core.cli.output import print_json, print_table
from evenet_core.errors import EvenetError
from evenet_core.lab.registry import Lab, all_labs, find_lab

__all__ = ["add_arguments"]


def add_arguments(commands: Any) -> None:
    """The command `lab` and its own commands."""
    lab = commands.add_parser("lab", help="simulated sites with a device that runs evenet").add_subparsers(
        required=True, metavar="COMMAND", title="commands"
    )
    up = _add(lab, "up", "evenet_core.lab.up:up", "simulated site plus a device that runs evenet")
    up.add_argument("model", type=Path, metavar="MODEL", help="network-model.json")
    up.add_argument("--device-config", type=Path, metavar="FILE")
    up.add_argument("--bootstrap", type=Path, metavar="FILE")
    up.add_argument("--override", type=Path, metavar="FILE", action="append", default=[], help="may be given again")
    up.add_argument("--name", metavar="N", help="default: the name of the model's directory")
    run = _add(lab, "exec", "evenet_core.lab.cli:execute", "run a program on a host of the lab", json=False)
    run.add_argument("name", metavar="N")
    run.add_argument("host", metavar="HOST", help="device, an app's name, an endpoint's label, router, outside")
    run.add_argument("argv", nargs=REMAINDER, metavar="-- CMD...")
    link = _add(lab, "link", "evenet_core.lab.cli:link", "pull a cable of the device, or plug it in", json=False)
    link.add_argument("name", metavar="N")
    link.add_argument("port", metavar="PORT", help="the device's interface, or the port's label in the model")
    link.add_argument("state", choices=("up", "down"))
    _add(lab, "status", "evenet_core.lab.cli:status", "the site and its device").add_argument("name", metavar="N")
    _add(lab, "list", "evenet_core.lab.cli:list_labs", "labs of this machine")
    down = _add(lab, "down", "evenet_core.lab.cli:down", "remove a lab with all that is in it", json=False)
    down.add_argument("name", metavar="N")


def _add(commands: Any, name: str, function: str, text: str, *, json: bool = True) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    if json:
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return command


def execute(options: Namespace) -> int:
    from evenet_core.lab.enter import run_on  # noqa: PLC0415

    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        print("evenet: lab exec: what is to be run? evenet lab exec N HOST -- CMD...", file=sys.stderr)
        return 2
    return run_on(find_lab(options.name).host(options.host), argv)


def link(options: Namespace) -> int:
    import asyncio  # noqa: PLC0415  not needed by `exec`

    from evenet_core.linux.links import ask, link_message  # noqa: PLC0415
    from evenet_core.linux.rtnl import Rtnl  # noqa: PLC0415

    lab = find_lab(options.name)
    ports = lab.read("site").get("ports", {})
    found = [port["link"] for name, port in ports.items() if options.port in (name, port["label"])]
    if not found:
        raise EvenetError(f"lab {lab.name} has no port {options.port}; ports: {', '.join(ports)}")
    rtnl = Rtnl.open(lab.host("router")["net"])
    try:
        asyncio.run(ask(rtnl, link_message(options.port, name=found[0], up=options.state == "up")))
    finally:
        rtnl.close()
    return 0


def status(options: Namespace) -> int:
    lab = find_lab(options.name)
    document = _described(lab)
    if options.json:
        print_json(document)
        return 0
    for line in document["site"].get("picture", []):
        print(line)
    print(f"\nhosts: {', '.join(document['hosts'])}")
    print(f"device: {document['device'] or 'no agent answers'}")
    return 0


def list_labs(options: Namespace) -> int:
    found = [_described(lab) for lab in all_labs()]
    if options.json:
        print_json([{name: lab[name] for name in ("name", "up", "device", "hosts")} for lab in found])
        return 0
    print_table(
        ("LAB", "UP", "DEVICE", "HOSTS"),
        ([lab[name] for name in ("name", "up", "device", "hosts")] for lab in found),
        empty="no labs",
    )
    return 0


def _described(lab: Lab) -> dict[str, Any]:
    up = lab.keeper is not None
    try:
        with Client(str(lab.socket())) as agent:
            device = agent.call("status")["state"]
    except (AgentError, json.JSONDecodeError):
        device = None
    return {
        "name": lab.name,
        "up": up,
        "device": device,
        "hosts": sorted(lab.read("hosts")),
        "site": lab.read("site"),
    }


def down(options: Namespace) -> int:
    find_lab(options.name).end()
    return 0
