"""`evenet lab up`: check, start the keeper, follow until the device has settled, tell what came up."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evenet_core import formats
from evenet_core.cli.output import print_json, shown
from evenet_core.cli.status import print_status
from evenet_core.errors import EvenetError
from evenet_core.lab.feasible import limits, missing_kinds
from evenet_core.lab.follow import Outcome, follow
from evenet_core.lab.launch import start_keeper, write_order
from evenet_core.lab.picture import picture
from evenet_core.lab.plan import plan_site, port_names
from evenet_core.lab.reading import read_model
from evenet_core.lab.registry import new_lab
from evenet_core.model.ports import PortKind

__all__ = ["up"]


def up(options: Namespace) -> int:
    """
    :raises ConfigError: of the model or a config; nothing was started.
    :raises EvenetError: it cannot be simulated here, or does not come up.
    """
    if os.geteuid() != 0:
        raise EvenetError("a lab is made of namespaces: run it as root")
    model = read_model(options.model)
    given = [("bootstrap", options.bootstrap), *(("override", path) for path in options.override)]
    documents = [(option, path) for option, path in (*given, ("config", options.device_config)) if path is not None]
    names = port_names(model, _interfaces(documents))
    found = limits(model, asyncio.run(missing_kinds()))
    if found:
        raise EvenetError("this site cannot be simulated here:\n  " + "\n  ".join(found))
    name = options.name or options.model.resolve().parent.name
    lines = picture(model, names)
    if not options.json:
        print("\n".join(lines), flush=True)
    with new_lab(name) as lab:
        write_order(lab, options.model, plan_site(model, names), documents, lines)
        progress = start_keeper(lab)
    began = time.monotonic()

    def tell(text: str) -> None:
        if not options.json:
            print(f"  {time.monotonic() - began:6.2f} s  {shown(text)}", flush=True)

    try:
        outcome = follow(lab, progress, tell, configured=bool(documents))
    except BaseException:
        lab.end()
        raise
    tell("settled" if outcome.settled else "not settled in time")
    if options.json:
        print_json({"name": lab.name, "settled": outcome.settled, "status": outcome.status})
    elif documents:
        print()
        print_status(outcome.status)
    return _complaints(outcome, configured=bool(documents))


def _complaints(outcome: Outcome, *, configured: bool) -> int:
    """What is not as it was asked for; 1 if the device did not reach its goal."""
    for app in outcome.apps_without_address:
        print(f"evenet: app {app} has no address yet", file=sys.stderr)
    if outcome.settled and (outcome.status["state"] == "converged" or not configured):
        return 0
    return _failed(outcome.status)


def _failed(status: dict[str, Any]) -> int:
    print(f"evenet: the device did not reach its goal: it is {status['state']}", file=sys.stderr)
    for problem in status["problems"]:
        print(f"evenet: {shown(problem['item'] or problem['object'])}: {shown(problem['error'])}", file=sys.stderr)
    if status["dpc"]["last_error"]:
        print(f"evenet: {shown(status['dpc']['last_error'])}", file=sys.stderr)
    return 1


def _interfaces(documents: Sequence[tuple[str, Path]]) -> list[str]:
    """Names that the configs give to Ethernet ports."""
    names: list[str] = []
    for _, path in documents:
        document = formats.read_file(path)
        if document.config is not None:
            names += [port.interface for port in document.config.ports if port.kind is PortKind.ETHERNET]
        if document.dpc is not None:
            plain = [a for a in document.dpc.adapters if a.kind is PortKind.ETHERNET and not a.vlan and not a.bond]
            names += [adapter.ifname for adapter in plain]
    return [name for name in dict.fromkeys(names) if name]
