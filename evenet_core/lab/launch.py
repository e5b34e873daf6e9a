"""Starts the keeper of a new lab, with its order in the lab's directory."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from evenet_core.lab.host import ENVIRONMENT, unshare_pids
from evenet_core.lab.plan import DEVICE, SitePlan
from evenet_core.lab.registry import Lab
from evenet_core.linux.procfs import start_time

__all__ = ["start_keeper", "write_order"]


def write_order(lab: Lab, model: Path, plan: SitePlan, documents: Sequence[tuple[str, Path]], lines: list[str]) -> None:
    """What the keeper is to do, in the lab's directory."""
    (lab.directory / "model.json").write_bytes(model.read_bytes())
    (lab.directory / "given").mkdir()
    for _, document in documents:
        (lab.directory / "given" / document.name).write_bytes(document.read_bytes())
    order = {"names": list(plan.ports), "documents": [(option, path.name) for option, path in documents]}
    (lab.directory / "order.json").write_text(json.dumps(order))
    cables = {cable.peer_link: cable.link for cable in plan.cables if cable.peer_host == DEVICE}
    ports = {name: {"label": label, "link": cables[name]} for name, label in plan.ports.items()}
    site = {"ports": ports, "picture": lines}
    (lab.directory / "site.json").write_text(json.dumps(site))


def start_keeper(lab: Lab) -> int:
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
