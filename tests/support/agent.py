"""An agent in the present network namespace, driven by the command line, and listened to on its control socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from evenet_core.cli.client import Client
from evenet_core.linux.daemondriver import DaemonDriver
from tests.support.kernel import delete

__all__ = ["DEADLINE", "EVENET", "Agent", "end_daemons", "running"]

DEADLINE = 30.0  # seconds; only a test that fails waits so long
EVENET = ("-P", "-m", "evenet_core.cli.main")  # -P: what is installed, not what lies in the present directory


class Agent:
    """A running agent.

    :param environment: besides this process's own
    :param state: its state directory, if that is not below `home`
    """

    def __init__(self, home: Path, environment: dict[str, str], python: str, state: Path | None = None) -> None:
        self._evenet = (python, *EVENET)
        self._socket = home / "run" / "evenet.sock"
        self._where = ("--state-dir", str(state or home / "state"), "--socket", str(self._socket))
        self._environment = {**os.environ, **environment}

    def start(self, *arguments: str, stderr: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Returns when it says that it is ready (sd_notify(3))."""
        address = f"\0{os.getpid()}-{id(self)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(address)
            ready.settimeout(DEADLINE)
            environment = self._environment | {"NOTIFY_SOCKET": address.replace("\0", "@")}
            process = self.begin(*arguments, environment=environment, stderr=stderr)
            try:
                assert ready.recv(100) == b"READY=1"
            except BaseException:
                process.kill()
                process.wait()
                raise
        return process

    def begin(
        self, *arguments: str, environment: dict[str, str] | None = None, stderr: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Returns at once."""
        command = [*self._evenet, *self._where, "run", *arguments]
        return subprocess.Popen(command, env=environment or self._environment, stderr=stderr)

    def tries(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An evenet command that may fail."""
        command = [*self._evenet, *self._where, *arguments]
        return subprocess.run(command, env=self._environment, check=False, capture_output=True, text=True)

    def says(self, *arguments: str) -> str:
        """What an evenet command prints."""
        return self.runs(*arguments, check=True).stdout

    def runs(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """An evenet command that ends by itself, and may fail."""
        command = [*self._evenet, *self._where, *arguments]
        return subprocess.run(
            command, env=self._environment, check=check, capture_output=True, text=True, timeout=DEADLINE
        )

    def begins(self, *arguments: str) -> subprocess.Popen[str]:
        """An evenet command that runs while others do."""
        command = [*self._evenet, *self._where, *arguments]
        return subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def asks(self, method: str, **params: Any) -> Any:
        """What the agent answers on its control socket."""
        with self._client() as client:
            return client.call(method, **params)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.says(*arguments, "--json"))

    def port(self, label: str) -> dict[str, Any]:
        [found] = [port for port in self.json("ports") if port["label"] == label]
        assert isinstance(found, dict)
        return found

    def settle(self) -> dict[str, Any]:
        """The status, when all is done that can be done."""
        with self._client() as client:
            *_, last = client.stream("settle", seconds=DEADLINE)
        assert last["settled"]
        status: dict[str, Any] = last["status"]
        return status

    @contextmanager
    def event(self, wanted: Callable[[str], bool]) -> Iterator[None]:
        """What is done inside leads to an event with such a text."""
        with self._client() as client:
            seq = max((event["seq"] for event in client.call("events")), default=0)
            yield
            for event in client.stream("follow", since=seq):
                if wanted(event["text"]):
                    return

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with Client(str(self._socket)) as client:
            client._socket.settimeout(DEADLINE)
            yield client


@contextmanager
def running(home: Path, *arguments: str, python: str = sys.executable, **environment: str) -> Iterator[Agent]:
    """An agent with its state below `home`; it ends as by `systemctl stop`, and its daemons end too.

    :param arguments: of `evenet run`.
    :param python: of the environment in which evenet is installed.
    """
    agent = Agent(home, environment, python)
    process = agent.start(*arguments)
    try:
        yield agent
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
        asyncio.run(end_daemons(home / "run"))


async def end_daemons(run_dir: Path) -> None:
    driver = DaemonDriver(run_dir)
    await delete(driver, *await driver.observe())
