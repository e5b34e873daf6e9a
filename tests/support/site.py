"""One simulated site with a device that runs evenet, driven by the command line only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["CASES", "Site", "eventually"]

CASES = Path(__file__).parent.parent / "cases"
EVENET = (sys.executable, "-m", "evenet_core.cli.main")  # of this environment
T = TypeVar("T")


def eventually(what: str, ask: Callable[[], T | None], seconds: float = 30.0) -> T:
    """The first answer of `ask` that is true; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.1)


class Site:
    """A lab by its name. `exec` runs a program on one of its hosts.

    :param command: which evenet is used, outside and on the device.
    """

    def __init__(self, name: str, case: str, command: Sequence[str] = EVENET) -> None:
        self.name = name
        self.command = command
        self.case = CASES / case

    @property
    def device_config(self) -> str:
        return str(self.case / "device-config.json")

    def up(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.evenet(
            "lab", "up", str(self.case / "network-model.json"), "--name", self.name, *arguments, check=check
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin to bring it up."""
        command = ("lab", "up", str(self.case / "network-model.json"), "--name", self.name, *arguments)
        return subprocess.Popen([*self.command, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def down(self) -> None:
        self.evenet("lab", "down", self.name, check=False)

    def link(self, port: str, state: str) -> None:
        self.evenet("lab", "link", self.name, port, state)

    def exec(
        self, host: str, *command: str, check: bool = True, seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        return self.evenet("lab", "exec", self.name, host, "--", *command, check=check, seconds=seconds)

    def succeeds(self, host: str, *command: str) -> bool:
        return self.exec(host, *command, check=False).returncode == 0

    def device(self, *arguments: str) -> str:
        """What an evenet command prints on the device."""
        return self.exec("device", "evenet", *arguments).stdout

    def json(self, *arguments: str) -> Any:
        """What an evenet command on the device prints with --json."""
        return json.loads(self.device(*arguments, "--json"))

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = self.json("status")
        return document

    def port(self, label: str) -> dict[str, Any]:
        return next(port for port in self.status()["ports"] if port["label"] == label)

    def ip(self, *arguments: str, host: str = "device") -> Any:
        """What iproute2 sees on a host."""
        return json.loads(self.exec(host, "ip", "-j", *arguments).stdout or "[]")

    def evenet(self, *arguments: str, check: bool = True, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"evenet {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done
