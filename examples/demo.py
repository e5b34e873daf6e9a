#!/usr/bin/env python3
"""The main job in two minutes: an edge node comes up on a simulated site, survives a pulled cable and a killed agent.

Everything goes through the command line, as an operator would. The site lives in network namespaces of this machine;
nothing of it touches the machine's own network, and nothing is left behind.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "tests/cases/local-ni-multiple-ports"
EVENET = [str(Path(sys.executable).with_name("evenet"))]
SITE = f"demo-{os.getpid()}"
PACE = 0.0 if "--fast" in sys.argv else 1.2  # seconds to read a headline
PING_INTERVAL = 0.02  # seconds


def main() -> int:
    if os.geteuid() != 0:
        print("the demo makes network namespaces: run it as root", file=sys.stderr)
        return 1
    try:
        return _demo()
    except subprocess.CalledProcessError as error:
        print(f"demo: evenet {' '.join(map(str, error.cmd[len(EVENET) :]))} failed", file=sys.stderr)
        return 1
    finally:
        headline("Take everything down")
        subprocess.run([*EVENET, "lab", "down", SITE], check=False)
        left = json.loads(run("lab", "list", "--json"))
        print(f"labs left: {', '.join(lab['name'] for lab in left if lab['name'] == SITE) or 'none'}")


def _demo() -> int:
    headline("A site with four uplinks: two reach the Internet, two only some servers")
    show("lab", "up", str(CASE / "network-model.json"), "--name", SITE)

    headline("An unmodified EVE device config: what would it change on the node?")
    plan = device("plan", str(CASE / "device-config.json")).splitlines()
    print("\n".join([*plan[:16], f"  ... {max(0, len(plan) - 24)} lines more ...", *plan[-8:]]))

    headline("Apply it, and watch the node test its connectivity and build the apps' network")
    began = time.monotonic()
    show("lab", "exec", SITE, "device", "--", "evenet", "apply", str(CASE / "device-config.json"))
    print(f"settled {time.monotonic() - began:.1f} s after the command")
    show("lab", "exec", SITE, "device", "--", "evenet", "status")

    headline("An app fetches a page through the network instance")
    wait_for_app()
    show("lab", "exec", SITE, "eclient", "--", "curl", "-sS", "--max-time", "10", "httpserver0.sdn/helloworld")

    headline("Pull the cable of eth0 while the app pings the Internet")
    ping = Ping()
    run("lab", "link", SITE, "eth0", "down")
    gap = ping.stop_after(answers=100)
    print(f"the app's traffic moved to another port: {gap * 1000:.0f} ms without an answer")
    print(chosen_routes())

    headline("Plug it in again: traffic returns once the port has proved itself")
    run("lab", "link", SITE, "eth0", "up")
    wait_until(lambda: "(eth0)" in chosen_routes(), "the default route to return to eth0")
    print(chosen_routes())

    headline("Kill the agent while the app pings")
    ping = Ping()
    before = status()["agent"]["pid"]
    run("lab", "exec", SITE, "device", "--", "kill", "-9", str(before))
    wait_until(lambda: agent_pid() not in (None, before), "the agent to be started again")
    lost = ping.lost_after(answers=100)
    print(f"agent {before} was killed, agent {agent_pid()} took over: {lost} answers lost")
    return 0


def headline(text: str) -> None:
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}\n", flush=True)
    time.sleep(PACE)


def run(*arguments: str, quiet: bool = False) -> str:
    """Output of one evenet command that must succeed."""
    errors = subprocess.DEVNULL if quiet else None
    return subprocess.run([*EVENET, *arguments], check=True, stdout=subprocess.PIPE, stderr=errors, text=True).stdout


def show(*arguments: str) -> None:
    print(f"$ evenet {' '.join(arguments)}", flush=True)
    subprocess.run([*EVENET, *arguments], check=True)


def device(*arguments: str, quiet: bool = False) -> str:
    """Output of an evenet command inside the device."""
    return run("lab", "exec", SITE, "device", "--", "evenet", *arguments, quiet=quiet)


def status() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(device("status", "--json"))
    return document


def agent_pid() -> int | None:
    """Pid of the agent that answers now, None while none does."""
    try:
        return int(json.loads(device("status", "--json", quiet=True))["agent"]["pid"])
    except subprocess.CalledProcessError:
        return None


def chosen_routes() -> str:
    """The routes of the app's network instance that leave through a port with a gateway."""
    routes = status()["network_instances"][0]["routes"]
    return "\n".join(f"  {r['dst']:<18} via {r['via']} ({r['port']})" for r in routes if r["via"])


def wait_for_app() -> None:
    """The app is a machine of its own: its DHCP client asks when it is up."""
    probe = [*EVENET, "lab", "exec", SITE, "eclient", "--", "ping", "-c1", "-W1", "8.8.8.8"]
    wait_until(lambda: subprocess.run(probe, stdout=subprocess.DEVNULL, check=False).returncode == 0, "the app")


def wait_until(reached: Any, what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.2)


class Ping:
    """A ping of the Internet that runs inside the app."""

    def __init__(self) -> None:
        command = ["lab", "exec", SITE, "eclient", "--", "ping", "-D", "-i", str(PING_INTERVAL), "8.8.8.8"]
        self._process = subprocess.Popen(
            [*EVENET, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answers: list[tuple[int, float]] = []  # sequence number, time
        self._read(10)

    def stop_after(self, answers: int) -> float:
        """The longest time between two answers, in seconds."""
        self._finish(answers)
        times = [when for _, when in self._answers]
        return max(after - before for before, after in pairwise(times))

    def lost_after(self, answers: int) -> int:
        """How many sequence numbers between the first and the last answer are missing."""
        self._finish(answers)
        numbers = [number for number, _ in self._answers]
        return numbers[-1] - numbers[0] + 1 - len(set(numbers))

    def _finish(self, answers: int) -> None:
        self._read(answers)
        self._process.send_signal(signal.SIGINT)
        self._process.communicate()

    def _read(self, answers: int) -> None:
        assert self._process.stdout is not None
        wanted = len(self._answers) + answers
        for line in self._process.stdout:
            if found := re.match(r"\[([\d.]+)\] .*icmp_seq=(\d+) .*time=", line):
                self._answers.append((int(found[2]), float(found[1])))
            if len(self._answers) >= wanted:
                return
        raise SystemExit("demo: the ping inside the app ended early")


if __name__ == "__main__":
    sys.exit(main())
