"""A machine that can lose its power: its disk stays, what the kernel and /run hold is lost.

    node  eth0 -- world0  10.0.0.1: answers ping, and HTTP on port 80

The node is the network namespace in which the test runs; the world is one without a name.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evenet_core.linux.netns import inside, make_namespace
from tests.support.agent import DEADLINE, Agent, end_daemons
from tests.support.kernel import ip, run
from tests.support.site import eventually

__all__ = ["Machine", "machine"]

CLONE_NEWNET = 0x40000000
WORLD = "10.0.0.1"
SETTINGS = f"""\
controller: {{url: "http://{WORLD}/"}}
resolv_conf: ""
last_resort: false
"""
CONFIG = """\
evenet: 1
ports: [{{label: lan, interface: eth0}}]
networks: [{{name: lan, ip: {{mode: static, subnet: {subnet}, gateway: {gateway}, dns: [{gateway}]}}}}]
adapters: [{{label: lan, network: lan, address: {address}, uplink: true}}]
settings: {{timer.port.testduration: "{patience}"}}
"""


class Machine:
    """Everything of it that is not the kernel's stands below `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._agent = Agent(home, dict(os.environ), sys.executable)
        self._process: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        (home / "settings.yaml").write_text(SETTINGS)
        (home / "served").mkdir()

    def config(self, address: str, patience: int = 30) -> str:
        """A file with a config that gives the port this address, and the network of it.

        :param patience: seconds in which the controller must be reached.
        """
        network = address.rpartition(".")[0]
        file = self.home / f"{address}.yaml"
        subnet, gateway = f"{network}.0/24", f"{network}.1"
        file.write_text(CONFIG.format(address=address, subnet=subnet, gateway=gateway, patience=patience))
        return str(file)

    # -- power ----------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """A kernel that knows nothing yet, and the world at the other end of the cable."""
        assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        run("ip", "link", "set", "lo", "up")
        world = make_namespace()
        try:
            place = f"/proc/{os.getpid()}/fd/{world}"
            run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world0", "netns", place)
            run("ip", "link", "set", "eth0", "up")
            with inside(world):
                run("ip", "link", "set", "world0", "up")
                run("ip", "address", "add", f"{WORLD}/24", "dev", "world0")
                command = (sys.executable, "-m", "http.server", "--bind", WORLD, "80")
                self._server = subprocess.Popen(
                    command, cwd=self.home / "served", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                eventually("the server to listen", lambda: WORLD in run("ss", "-Hltn", "sport", "=", ":80"))
        finally:
            os.close(world)

    def lose_power(self) -> None:
        self.kill()
        asyncio.run(end_daemons(self.home / "run"))
        shutil.rmtree(self.home / "run")
        self._end_world()

    # -- the agent ------------------------------------------------------------------------------------

    def start(self) -> None:
        self._process = self._agent.start("--settings", str(self.home / "settings.yaml"))

    def kill(self) -> None:
        """As whoever runs out of memory ends."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def evenet(self, *arguments: str, status: int = 0) -> str:
        """What a command prints, on both ways."""
        done = self._agent.runs(*arguments)
        assert done.returncode == status, f"evenet {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def begins(self, *arguments: str) -> subprocess.Popen[str]:
        return self._agent.begins(*arguments)

    def hand_over(self, file: str, seconds: float, by: str) -> None:
        """`apply`, without waiting for what comes of it."""
        self._agent.asks("apply", name=file, text=Path(file).read_text(), confirm=seconds, confirm_by=by)

    def json(self, *arguments: str) -> Any:
        return self._agent.json(*arguments)

    def events(self, kind: str = "config") -> list[dict[str, Any]]:
        """Those of the agent that runs now."""
        began = self.json("status")["agent"]["started"]
        return [event for event in self.json("events") if event["kind"] == kind and event["time"] >= began]

    def addresses(self) -> list[str]:
        """IPv4 addresses that the kernel has on the port."""
        links = [
            link for link in ip("-4", "address", "show") if link.get("ifname") == "eth0"
        ]  # it may get another name
        return [address["local"] for link in links for address in link.get("addr_info", ())]

    def tries_out(self, address: str, seconds: float) -> None:
        """Returns when the config is in the kernel; whether the controller is reached does not matter."""
        self.hand_over(self.config(address), seconds, "operator")
        self.waits_for_address(address)
        eventually("all items", lambda: (items := self.json("status")["items"])["in_sync"] == items["wanted"])

    def waits_for_address(self, address: str) -> None:
        eventually(f"address {address}", lambda: self.addresses() == [address])

    # -- the end --------------------------------------------------------------------------------------

    def _end_world(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(DEADLINE)
        asyncio.run(end_daemons(self.home / "run"))
        self._end_world()


@contextmanager
def machine(home: Path) -> Iterator[Machine]:
    """Switched on, without a config. To be used inside a network namespace of the test's own."""
    made = Machine(home)
    try:
        made.power_on()
        made.start()
        yield made
    finally:
        made.close()
