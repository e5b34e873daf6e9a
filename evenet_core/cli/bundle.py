"""`evenet support-bundle`: everything needed to help, in one file. What is secret is in none of it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from evenet_core import __version__
from evenet_core.cli.client import Client
from evenet_core.errors import EvenetError

__all__ = ["support_bundle"]

LARGEST = 8 << 20  # bytes of one file in it; of what is longer the end is left out
TIMEOUT = 20.0  # seconds for one command
ASKED = ("status", "dpcs", "events", "last_tests", "plan", "graph", "plugins", "leases")
COMMANDS = {
    "addresses": "ip -details address",
    "links": "ip -details -statistics link",
    "rules": "ip rule",
    "rules6": "ip -6 rule",
    "routes": "ip route show table all",
    "routes6": "ip -6 route show table all",
    "neighbours": "ip neighbour",
    "firewall": "nft list ruleset",
    "sockets": "ss -tuanp",
    "time": "chronyc -n sources",
    "resolver": "cat /etc/resolv.conf",
    "processes": "ps -eo pid,ppid,etimes,rss,args",
    "kernel": "uname -a",
}


def support_bundle(options: Namespace) -> int:
    """Exit 1 if the agent could not be asked; what the kernel says is in it all the same."""
    name = options.file.name.removesuffix(".gz").removesuffix(".tar")
    failures: list[str] = []
    descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part, text in (*_asked(options.socket, failures), *_commands(), ("version", f"{__version__}\n")):
            _add(archive, f"{name}/{part}", text)
    for failure in failures:
        print(f"evenet: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _asked(path: Path, failures: list[str]) -> Iterator[tuple[str, str]]:
    try:
        with Client(str(path)) as agent:
            for method in ASKED:
                try:
                    yield f"{method}.json", json.dumps(agent.call(method), indent=1)
                except EvenetError as error:
                    failures.append(f"{method}: {error}")
    except (EvenetError, OSError) as error:
        failures.append(str(error))


def _commands() -> Iterator[tuple[str, str]]:
    for part, command in COMMANDS.items():
        try:
            done = subprocess.run(
                command.split(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield f"{part}.txt", f"$ {command}\n{error}\n"
        else:
            yield f"{part}.txt", f"$ {command}\n{done.stdout}{done.stderr}"


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()[:LARGEST]
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))
