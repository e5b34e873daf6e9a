"""`evenet lab up`: check, start the keeper, follow until the device has settled, tell what came up."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evenet_core import formats
from evenet_core.cli.client import Client
from evenet_core.cli.output import print_json, shown
from evenet_core.cli.status import print_status
from evenet_core.errors import EvenetError
from evenet_core.lab.feasible import limits, missing_kinds
from evenet_core.lab.host import ENVIRONMENT, unshare_pids
from evenet_core.lab.picture import picture
from evenet_core.lab.plan import DEVICE, SitePlan, plan_site, port_names
from evenet_core.lab.reading import read_model
from evenet_core.lab.registry import Lab, new_lab
from evenet_core.linux.address import addressed_links
from evenet_core.linux.links import all_links
from evenet_core.linux.procfs import start_time
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.model.ports import PortKind

__all__ = ["up"]

APP_PATIENCE = 15.0  # seconds that apps get for their addresses once the device has settled
PROGRESS = {"built": "the site stands", "serving": "its services answer", "agent": "the device's agent runs"}


def up(options: Namespace) -> int:
    """
    :raises ConfigError: of the model or a config; nothing was started.
    :raises EvenetError: it cannot be simulated here, or does not come up.
    """
    if os.geteuid() != 0:
        raise EvenetError("a lab is made of namespaces: run it as root")
    model = read_model(options.model)
    given = {"override": options.override, "config": options.device_config}
    documents = {option: path for option, path in given.items() if path is not None}
    names = port_names(model, _interfaces(documents))
    found = limits(model, asyncio.run(missing_kinds()))
    if found:
        raise EvenetError("this site cannot be simulated here:\n  " + "\n  ".join(found))
    name = options.name or options.model.resolve().parent.name
    lines = picture(model, names)
    if not options.json:
        print("\n".join(lines), flush=True)
    with new_lab(name) as lab:
        _write_order(lab, options.model, plan_site(model, names), documents, lines)
        progress = _start_keeper(lab)
    try:
        return _follow(lab, progress, bool(documents), json_only=options.json)
    except BaseException:
        lab.end()
        raise


def _interfaces(documents: dict[str, Path]) -> list[str]:
    """Names that the configs give to Ethernet ports."""
    names: list[str] = []
    for path in documents.values():
        document = formats.read_file(path)
        if document.config is not None:
            names += [port.interface for port in document.config.ports if port.kind is PortKind.ETHERNET]
        if document.dpc is not None:
            plain = [a for a in document.dpc.adapters if a.kind is PortKind.ETHERNET and not a.vlan and not a.bond]
            names += [adapter.ifname for adapter in plain]
    return [name for name in dict.fromkeys(names) if name]


def _write_order(lab: Lab, model: Path, plan: SitePlan, documents: dict[str, Path], lines: list[str]) -> None:
    """What the keeper is to do, in the lab's directory."""
    (lab.directory / "model.json").write_bytes(model.read_bytes())
    (lab.directory / "given").mkdir()
    for document in documents.values():
        (lab.directory / "given" / document.name).write_bytes(document.read_bytes())
    order = {"names": list(plan.ports), "documents": [(option, path.name) for option, path in documents.items()]}
    (lab.directory / "order.json").write_text(json.dumps(order))
    cables = {cable.peer_link: cable.link for cable in plan.cables if cable.peer_host == DEVICE}
    ports = {name: {"label": label, "link": cables[name]} for name, label in plan.ports.items()}
    site = {"ports": ports, "picture": lines}
    (lab.directory / "site.json").write_text(json.dumps(site))


def _start_keeper(lab: Lab) -> int:
    """The keeper runs, and its pid is noted down. A descriptor that tells its progress."""
    progress, tell = os.pipe()
    pids, pid_writer = os.pipe()
    between = os.fork()
    if not between:
        try:
            _become_keeper(lab, tell, pid_writer)
        finally:
            os._exit(1)
    os.close(tell)
    os.close(pid_writer)
    os.waitpid(between, 0)
    pid = int(os.read(pids, 32) or b"0")
    os.close(pids)
    (lab.directory / "keeper.json").write_text(json.dumps({"pid": pid, "started": start_time(pid)}))
    return progress


def _become_keeper(lab: Lab, tell: int, pid_writer: int) -> None:
    os.setsid()
    unshare_pids()
    init = os.fork()
    if init:
        os.write(pid_writer, str(init).encode())
        os._exit(0)
    log = os.open(lab.directory / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for place, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(descriptor, place)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.set_inheritable(tell, True)
    argv = [sys.executable, "-m", "evenet_core.lab.keeper", str(lab.directory), str(tell)]
    os.execve(sys.executable, argv, ENVIRONMENT)


# -- following ----------------------------------------------------------------------------------------


def _follow(lab: Lab, progress: int, has_config: bool, *, json_only: bool) -> int:
    began = time.monotonic()

    def tell(text: str) -> None:
        if not json_only:
            print(f"  {time.monotonic() - began:6.2f} s  {text}", flush=True)

    for word in _until_agent(lab, progress):
        tell(PROGRESS.get(word, word))
    with Client(str(lab.socket())) as agent:
        last: dict[str, Any] = {"settled": True, "status": agent.call("status")}
        if has_config:
            for event in agent.stream("settle"):
                if "settled" in event:
                    last = event
                elif event["kind"] in ("dpc", "config") or event.get("error"):
                    tell(shown(event["text"]))
        missing = _wait_for_apps(lab, last["status"], APP_PATIENCE)
        status = agent.call("status")
    tell("settled" if last["settled"] else "not settled in time")
    if json_only:
        print_json({"name": lab.name, "settled": last["settled"], "status": status})
    elif has_config:
        print()
        print_status(status)
    for app in missing:
        print(f"evenet: app {app} has no address yet", file=sys.stderr)
    reached = last["settled"] and (status["state"] == "converged" or not has_config)
    return 0 if reached else _failed(status)


def _failed(status: dict[str, Any]) -> int:
    print(f"evenet: the device did not reach its goal: it is {status['state']}", file=sys.stderr)
    for problem in status["problems"]:
        print(f"evenet: {shown(problem['item'] or problem['object'])}: {shown(problem['error'])}", file=sys.stderr)
    if status["dpc"]["last_error"]:
        print(f"evenet: {shown(status['dpc']['last_error'])}", file=sys.stderr)
    return 1


def _until_agent(lab: Lab, progress: int) -> Iterator[str]:
    """What the keeper says, until the agent runs.

    :raises EvenetError: the keeper died.
    """
    with os.fdopen(progress, encoding="utf-8") as lines:
        for line in lines:
            yield line.strip()
            if line.strip() == "agent":
                return
    said = (lab.directory / "keeper.log").read_text(errors="replace").strip().splitlines()
    raise EvenetError("the lab did not come up: " + (said[-1] if said else "its keeper died without a word"))


def _wait_for_apps(lab: Lab, status: dict[str, Any], seconds: float) -> list[str]:
    """Apps that have not all their interfaces with an address when the time is up. They are machines of their own."""
    wanted = {app["name"]: len(app["interfaces"]) for app in status["apps"] if app["state"] == "connected"}
    deadline = time.monotonic() + seconds
    return [name for name, interfaces in wanted.items() if not _has_addresses(lab, name, interfaces, deadline)]


def _has_addresses(lab: Lab, app: str, interfaces: int, deadline: float) -> bool:
    try:
        namespace = lab.host(app)["net"]
    except EvenetError:
        return False
    news = open_socket(socket.NETLINK_ROUTE, (1, 5, 9), namespace)  # links and addresses of both families
    rtnl = Rtnl.open(namespace)
    try:
        while asyncio.run(_addressed(rtnl)) < interfaces:
            ready, _, _ = select.select([news], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            news.recv(1 << 18)
        return True
    finally:
        news.close()
        rtnl.close()


async def _addressed(rtnl: Rtnl) -> int:
    """How many Ethernet interfaces have an address that leads further than their link."""
    links, found = await all_links(rtnl), await addressed_links(rtnl)
    return sum(link.name.startswith("eth") and link.index in found for link in links.values())
