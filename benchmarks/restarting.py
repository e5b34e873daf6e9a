"""An agent that starts again on a node that is as it shall be: how long, and what it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.arena import NAMESPACES, make_app_namespaces
from benchmarks.sites import device_config, namespaces
from evenet_core.cli.client import AgentError, Client

__all__ = ["measure_restart"]

SOCKET = "/run/evenet/evenet.sock"
AGENT = (sys.executable, "-m", "evenet_core.cli.main", "--state-dir", "/var/lib/evenet", "--socket", SOCKET, "run")
LISTENERS = (("ip", "monitor", "link", "address", "route", "rule"), ("nft", "monitor"))
QUIET = 3.0  # seconds without a word: the kernel has told all about a thousand links that are new
PATIENCE = 300.0


def measure_restart(instances: int, apps: int) -> dict[str, Any]:
    """Seconds from the start of the process until all is adopted; requests to the kernel; lines of who listens."""
    for argv in (("link", "add", "eth0", "type", "veth", "peer", "name", "world"), ("link", "set", "world", "up")):
        subprocess.run(("ip", *argv), check=True)
    config, settings = Path("/run/config.json"), Path("/run/settings.yaml")
    config.write_text(json.dumps(device_config(instances, apps)))
    settings.write_text(json.dumps({"app_namespaces": f"{NAMESPACES}/{{app}}", "resolv_conf": ""}))
    make_app_namespaces(namespaces(device_config(instances, apps)))
    with _agent("--settings", str(settings), "--config", str(config)):
        status = _when(lambda found: found["items"]["wanted"] > 10 * instances and _done(found))
    with _listening() as said:
        before = _quiet(said)
        with _agent("--settings", str(settings)) as process:
            start = time.perf_counter()
            again = _when(lambda found: found["items"]["wanted"] >= status["items"]["wanted"] and _done(found))
            whole = time.perf_counter() - start
            time.sleep(1.0)  # whatever it does a moment later
            again, memory = _ask(), _resident(process.pid)
        heard = said()[before:]
    return {
        "whole": whole,
        "items": again["items"]["wanted"],
        "writes": again["agent"]["writes"],
        "heard": heard,
        "resident": memory,
    }


@contextmanager
def _agent(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen((*AGENT, *arguments), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def _listening() -> Iterator[Callable[[], list[str]]]:
    """What is told of changes meanwhile."""
    files = [open(f"/run/heard{n}", "w+", encoding="utf-8") for n in range(len(LISTENERS))]
    listeners = [
        subprocess.Popen(("stdbuf", "-oL", *argv), stdout=file) for argv, file in zip(LISTENERS, files, strict=True)
    ]
    time.sleep(1.0)  # they listen by then
    yield lambda: [line for n in range(len(LISTENERS)) for line in Path(f"/run/heard{n}").read_text().splitlines()]
    for listener in listeners:
        listener.kill()
        listener.wait()
    for file in files:
        file.close()


def _quiet(said: Callable[[], list[str]]) -> int:
    """Lines that were said, when nothing more is said."""
    before = -1
    while before != (now := len(said())):
        before = now
        time.sleep(QUIET)
    return before


def _when(holds: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = _ask()
        if found is not None and holds(found):
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not in {PATIENCE} s: {found}")


def _ask() -> Any:
    try:
        with Client(SOCKET) as client:
            return client.call("status")
    except (AgentError, OSError):
        return None


def _resident(pid: int) -> float:
    """Megabytes of a process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _done(status: Any) -> bool:
    items = status["items"]
    return bool(items["wanted"] == items["in_sync"] and not items["pending"])
