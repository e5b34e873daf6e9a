"""A machine in the present network namespace whose agent is started, killed and rebooted: what its disk does to it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.agent import DEADLINE, Agent, end_daemons
from tests.support.kernel import ip, run
from tests.support.kernelstate import HERE, KernelState, kernel_state

__all__ = ["Device", "addresses", "bridges", "config"]


def config(*instances: str, address: str = "10.0.0.2") -> str:
    """A node with a static address, and these instances with an app in each."""
    return json.dumps(
        {
            "evenet": 1,
            "ports": [{"label": "lan", "interface": "eth0"}],
            "networks": [{"name": "lan", "ip": {"mode": "static", "subnet": "10.0.0.0/24", "dns": ["10.0.0.1"]}}],
            "adapters": [{"label": "lan", "network": "lan", "address": address, "uplink": True}],
            "network_instances": [{"name": name, "subnet": f"10.{50 + ord(name)}.0.0/24"} for name in instances],
            "apps": [
                {"name": f"app{name}", "interfaces": [{"name": "lan", "network_instance": name}]} for name in instances
            ],
        }
    )


class Device:
    """A machine with an agent that is started, killed and rebooted."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "state"
        self.agent = Agent(home, {}, sys.executable)
        self._process: subprocess.Popen[bytes] | None = None
        (home / "settings.yaml").write_text('{resolv_conf: ""}')

    def start(self, *arguments: str) -> None:
        self._process = self.agent.start("--settings", str(self.home / "settings.yaml"), *arguments)

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(DEADLINE)
            self._process = None

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def reboot(self) -> None:
        """Without an orderly end: what the kernel and `/run` held is gone."""
        self.kill()
        asyncio.run(end_daemons(self.home / "run"))
        shutil.rmtree(self.home / "run")
        for link in ip("link"):
            if link["ifname"].startswith(("bn", "nbu", "eth")):
                run("ip", "link", "del", link["ifname"])
            elif link["ifname"] == "keth0":
                run("ip", "link", "del", "keth0")
        for version in ("-4", "-6"):
            for rule in ip(version, "rule"):
                if rule.get("protocol") not in ("kernel", None):
                    run("ip", version, "rule", "del", "pref", str(rule["priority"]), "table", str(rule["table"]))
        run("nft", "flush", "ruleset")
        run("ip", "link", "add", "eth0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "world")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "link", "set", "world", "up")

    def file(self, text: str, name: str = "node.yaml") -> str:
        path = self.home / name
        path.write_text(text)
        return str(path)

    def apply(self, text: str, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Apps without a hypervisor stay pending, which is not what these tests are about."""
        done = self.agent.runs("apply", self.file(text), *more)
        assert "in sync" in done.stdout or not check, done.stderr
        return done

    def idles(self, seconds: float) -> bool:
        """Whether the agent uses no more processor time for so long than a timer or two of its own."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat")
        ticks = [sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))]
        time.sleep(seconds)  # what is tested is that nothing happens meanwhile
        ticks.append(sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])))
        return ticks[1] - ticks[0] <= 3

    def kernel(self) -> KernelState:
        self.agent.settle()
        return kernel_state(HERE)

    def problems(self) -> list[dict[str, Any]]:
        return [found for found in self.agent.json("status")["problems"] if found["object"].startswith("the state in")]

    def told(self, text: str) -> list[dict[str, Any]]:
        return [event for event in self.agent.json("events") if text in event["text"]]

    def damage(self, how: Callable[[bytes], bytes], *names: str) -> None:
        for name in names:
            path = self.state / name
            if path.exists():
                path.write_bytes(how(path.read_bytes()))


def addresses(link: str = "eth0") -> list[str]:
    return [address["local"] for found in ip("-4", "address", "show", "dev", link) for address in found["addr_info"]]


def bridges() -> dict[str, str]:
    """Address by bridge of an instance."""
    names = [link["ifname"] for link in ip("link") if link["ifname"].startswith("bn")]
    return {name: address for name in names for address in addresses(name)}
