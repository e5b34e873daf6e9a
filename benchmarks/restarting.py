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

__all__ = ["converged", "measure_restart", "resident", "start_agent", "written_site"]

SOCKET = "/run/evenet/evenet.sock"
AGENT = (sys.executable, "-m", "evenet_core.cli.main", "--state-dir", "/var/lib/evenet", "--socket", SOCKET, "run")
LISTENERS = (("ip", "monitor", "link", "address", "route", "rule"), ("nft", "monitor"))
QUIET = 3.0  # seconds without a word: the kernel has told all about a thousand links that are new
PATIENCE = 300.0


def measure_restart(instances: int, apps: int) -> dict[str, Any]:
    """Seconds from the start of the process until all is adopted; requests to the kernel; lines of who listens."""
    arguments = written_site(instances, apps)
    with start_agent(*arguments):
        items = converged(instances)["items"]["wanted"]
    with _listening() as said:
        before = _quiet(said)
        start = time.perf_counter()
        with start_agent(*arguments) as process:
            converged(instances, items)
            whole = time.perf_counter() - start
            time.sleep(1.0)  # whatever it does a moment later
            writes, memory = _ask()["agent"]["writes"], resident(process.pid)
        heard = said()[before:]
    return {"whole": whole, "items": items, "writes": writes, "heard": heard, "resident": memory}


def written_site(instances: int, apps: int) -> tuple[str, ...]:
    """A port, apps that run, and the files of a config; what an agent is started with."""
    for argv in (("link", "add", "eth0", "type", "veth", "peer", "name", "world"), ("link", "set", "world", "up")):
        subprocess.run(("ip", *argv), check=True)
    config, settings = Path("/run/config.json"), Path("/run/settings.yaml")
    config.write_text(json.dumps(device_config(instances, apps)))
    settings.write_text(json.dumps({"app_namespaces": f"{NAMESPACES}/{{app}}", "resolv_conf": ""}))
    make_app_namespaces(namespaces(device_config(instances, apps)))
    return "--settings", str(settings), "--config", str(config)


@contextmanager
def start_agent(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """An agent; at the end it stops and leaves the network as it is."""
    with subprocess.Popen((*AGENT, *arguments), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def converged(instances: int, items: int = 0) -> Any:
    """The status when all is in sync: so many items at least, some for each instance."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = _ask()
        counts = status["items"] if status is not None else {"wanted": 0}
        if counts["wanted"] >= max(items, 10 * instances) and counts["wanted"] == counts["in_sync"]:
            return status
        time.sleep(0.05)
    raise TimeoutError(f"not in sync after {PATIENCE} s")


@contextmanager
def _listening() -> Iterator[Callable[[], list[str]]]:
    """What is told of changes meanwhile."""
    with Path("/run/heard").open("ab") as file:
        listeners = [subprocess.Popen(("stdbuf", "-oL", *argv), stdout=file) for argv in LISTENERS]
        time.sleep(1.0)  # they listen by then
        yield lambda: Path(file.name).read_text(encoding="utf-8").splitlines()
        for listener in listeners:
            listener.kill()
            listener.wait()


def _quiet(said: Callable[[], list[str]]) -> int:
    """Lines that were said, when nothing more is said."""
    before = -1
    while before != (now := len(said())):
        before = now
        time.sleep(QUIET)
    return before


def _ask() -> Any:
    try:
        with Client(SOCKET) as client:
            return client.call("status")
    except (AgentError, OSError):
        return None


def resident(pid: int) -> float:
    """Megabytes of a process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
