"""Teardown: the machine is as it was before, told by complete dumps of other tools, whatever had been done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.agent import Agent
from tests.support.kernel import run
from tests.support.kerneldump import Dump, differences, dump, run_here
from tests.support.machine import HABITS, make_machine, no_tentative
from tests.support.site import eventually

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns"), pytest.mark.timeout(180)]

END = 60.0  # seconds; only a test that fails waits so long


def adapters(*labels: str) -> dict[str, Any]:
    """An uplink with addresses on each port, static and in a subnet of its own."""
    networks = [
        {
            "name": label,
            "ip": {"mode": "static", "subnet": f"10.{n}.0.0/24", "gateway": f"10.{n}.0.1", "dns": [f"10.{n}.0.1"]},
        }
        for n, label in enumerate(labels, 1)
    ]
    return {
        "networks": networks,
        "adapters": [
            {"label": label, "network": label, "address": f"10.{n}.0.2", "uplink": True}
            for n, label in enumerate(labels, 1)
        ],
    }


def config(*parts: dict[str, Any], ports: Sequence[str]) -> dict[str, Any]:
    return {"evenet": 1, "ports": [{"label": port, "interface": port} for port in ports]} | more({}, *parts)


def more(whole: dict[str, Any], *parts: dict[str, Any]) -> dict[str, Any]:
    """The lists of these parts, each behind that of the whole."""
    names = {name: None for part in parts for name in part}
    return {name: [*whole.get(name, []), *(value for part in parts for value in part.get(name, []))] for name in names}


LOCAL = {"network_instances": [{"name": "shop", "subnet": "10.50.0.0/24", "port": "uplink"}]}
LOCAL6 = {"network_instances": [{"name": "shop6", "subnet": "fd50::/64", "family": "ipv6", "port": "uplink"}]}


def switch(name: str, *ports: str) -> dict[str, Any]:
    return {
        "adapters": [{"label": port} for port in ports],
        "network_instances": [{"name": name, "type": "switch", "port": port} for port in ports[:1]],
    }


def app(instance: str) -> dict[str, Any]:
    interface = {"name": "lan", "network_instance": instance, "rules": [{"id": 1, "remote": "0.0.0.0/0"}]}
    return {"apps": [{"name": f"app-{instance}", "interfaces": [interface]}]}


class Machine:
    """The present namespace, an agent in it, and how it was before."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.resolver = home / "resolv.conf"
        self.resolver.write_text("nameserver 192.0.2.53\n")
        self.resolver.chmod(0o640)
        (home / "run").mkdir()
        (home / "settings.yaml").write_text(f"resolv_conf: {self.resolver}\n")
        self.settings = ("--settings", str(home / "settings.yaml"))
        self.agent = Agent(home, dict(os.environ), sys.executable)
        self.before: Dump = self.look()
        self._processes: list[subprocess.Popen[bytes]] = []

    def look(self) -> Dump:
        eventually("the kernel to try its addresses out", no_tentative)
        found = dump(run_here, str(self.home / "run"))
        return found | {"resolver": [self.resolver.read_text(), self.resolver.stat().st_mode]}

    def write(self, document: dict[str, Any]) -> str:
        path = self.home / "node.yaml"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    def start(self, document: dict[str, Any] | None, *arguments: str) -> subprocess.Popen[bytes]:
        """An agent with this config, settled."""
        given = ("--config", self.write(document)) if document is not None else ()
        with (self.home / "stderr").open("wb") as stderr:
            process = self.agent.start(*given, *self.settings, *arguments, stderr=stderr)
        self._processes.append(process)
        status = self.agent.settle()
        assert not status["problems"], status["problems"]
        return process

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """An agent that is not waited for."""
        process = self.agent.begin(*arguments)
        self._processes.append(process)
        return process

    def ends(self, process: subprocess.Popen[bytes]) -> str:
        """What it says at its end, on SIGTERM."""
        process.send_signal(signal.SIGTERM)
        self.status = process.wait(END)
        return (self.home / "stderr").read_text()

    def is_as_before(self, *, but: str = "") -> None:
        assert [line for line in differences(self.before, self.look()) if not but or not line.startswith(but)] == []

    def close(self) -> None:
        """No agent and no daemon outlives a test that failed."""
        for process in self._processes:
            process.kill()
            process.wait()
        if any(process.returncode < 0 for process in self._processes):
            self.agent.tries("teardown", *self.settings)


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evenet-test-") as directory:
        Path(directory).chmod(0o755)  # dnsmasq becomes somebody else
        yield Path(directory)


@pytest.fixture
def machine(netns: None, home: Path) -> Iterator[Machine]:
    """Two ports as an operator left them, for adapters with IP; and one for a switch."""
    with make_machine(("eth0", "own"), ("eth1", "named"), ("eth2", "down")), closing(Machine(home)) as machine:
        yield machine


EVERYTHING = config(
    adapters("eth0", "eth1"),
    LOCAL,
    LOCAL6,
    switch("wire", "eth2"),
    app("shop"),
    app("wire"),
    ports=["eth0", "eth1", "eth2"],
)


def test_every_habit_of_an_operator_survives_on_ports_of_both_uses(netns: None, home: Path) -> None:
    routed, switched = ([(f"{kind}{n}", habit) for n, habit in enumerate(HABITS)] for kind in ("r", "s"))
    with make_machine(*routed, *switched), closing(Machine(home)) as machine:
        names = [name for name, _ in (*routed, *switched)]
        wires = [switch(f"w{name}", name) for name, _ in switched]
        process = machine.start(
            config(adapters(*(n for n, _ in routed)), LOCAL, LOCAL6, *wires, ports=names), "--teardown"
        )
        assert differences(machine.before, machine.look()) != []

        machine.ends(process)

        assert machine.status == 0
        machine.is_as_before()


def test_two_signals_are_one(machine: Machine) -> None:
    process = machine.start(EVERYTHING, "--teardown")
    process.send_signal(signal.SIGTERM)

    machine.ends(process)

    assert machine.status == 0
    machine.is_as_before()


def test_an_agent_without_a_config_leaves_nothing(machine: Machine) -> None:
    process = machine.start(None, "--teardown")

    machine.ends(process)

    assert machine.status == 0
    machine.is_as_before()


def test_the_command_tears_down_by_the_agent_which_ends_with_0(machine: Machine) -> None:
    process = machine.start(EVERYTHING)

    done = machine.agent.tries("teardown")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert process.wait(END) == 0
    machine.is_as_before()


def test_the_config_stays_for_another_start(machine: Machine) -> None:
    machine.start(EVERYTHING)
    machine.agent.tries("teardown", *machine.settings)

    process = machine.start(None, "--teardown")

    assert machine.agent.json("status")["items"]["wanted"] > 20
    machine.ends(process)
    machine.is_as_before()


def test_the_command_tears_down_what_an_agent_left(machine: Machine) -> None:
    machine.ends(machine.start(EVERYTHING))
    assert differences(machine.before, machine.look()) != []

    done = machine.agent.tries("teardown", *machine.settings)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    machine.is_as_before()
    assert machine.agent.tries("teardown", *machine.settings).returncode == 0, "there is nothing left to do"


@pytest.mark.parametrize("moment", [0.4, 0.6, 0.8, 1.0, 1.2])
def test_an_agent_killed_at_any_moment_of_coming_up(machine: Machine, moment: float) -> None:
    """The delay, in seconds from the start, is the test's input, not a wait for something."""
    process = machine.begin("--config", machine.write(EVERYTHING), *machine.settings)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.wait()

    done = machine.agent.tries("teardown", *machine.settings)

    assert (done.returncode, done.stderr) == (0, "")
    machine.is_as_before()


@pytest.mark.parametrize("moment", [0.005, 0.02, 0.05, 0.1])
def test_an_agent_killed_at_any_moment_of_its_teardown(machine: Machine, moment: float) -> None:
    process = machine.start(EVERYTHING, "--teardown")
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.wait()

    machine.ends(machine.start(None, "--teardown"))

    assert machine.status == 0
    machine.is_as_before()


@pytest.mark.parametrize("way", ["signal", "command", "command without an agent"])
def test_a_lost_state_directory_costs_the_resolver_file_alone_and_that_is_said(machine: Machine, way: str) -> None:
    process = machine.start(EVERYTHING, *(["--teardown"] if way == "signal" else []))
    written = machine.resolver.read_text()
    (machine.home / "state").rename(machine.home / "lost")

    if way == "signal":
        said = machine.ends(process)
        status = machine.status
    else:
        if "without" in way:
            machine.ends(process)
        done = machine.agent.tries("teardown", *machine.settings)
        said, status = done.stderr, done.returncode

    assert status == 1
    lost = f"the file found before is lost with {machine.home}/state/resolv.conf.original"
    assert [line for line in said.splitlines() if line.startswith("evenet: ")] == [
        f"evenet: not removed: resolver 127.0.0.1 in {machine.resolver}: {lost}; this one stays, write it anew"
    ]
    assert machine.resolver.read_text() == written
    machine.is_as_before(but="resolver: ")


def test_the_command_is_refused_while_an_agent_runs_that_does_not_answer(machine: Machine) -> None:
    process = machine.start(EVERYTHING, "--teardown")
    (machine.home / "run" / "evenet.sock").unlink()

    done = machine.agent.tries("teardown", *machine.settings)

    assert done.returncode == 1
    assert done.stderr == f"evenet: another agent runs with the directory of the control socket {machine.home}/run\n"
    machine.ends(process)
    machine.is_as_before()


BASE = config(adapters("eth0"), LOCAL, switch("wire", "eth2"), ports=["eth0", "eth1", "eth2"])
OBJECTS: dict[str, list[dict[str, Any]]] = {
    "an adapter with IP": [
        {"networks": adapters("eth0", "eth1")["networks"][1:], "adapters": adapters("eth0", "eth1")["adapters"][1:]}
    ],
    "an adapter without IP": [{"adapters": [{"label": "eth1"}]}],
    "a local network instance": [
        {"network_instances": [{"name": "other", "subnet": "10.60.0.0/24", "port": "uplink"}]}
    ],
    "a local network instance of IPv6": [LOCAL6],
    "a switch": [switch("wire1", "eth1")],
    "a switch on a port with IP and an app in it": [
        {"network_instances": [{"name": "beside", "type": "switch", "port": "eth0"}]},
        app("beside"),
    ],
    "an app on a local network instance": [app("shop")],
    "an app on a switch": [app("wire")],
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_comes_and_goes_leaves_nothing(machine: Machine, name: str) -> None:
    process = machine.start(BASE)
    if "app" in name:
        run("ip", "link", "add", "nbu1x1", "mtu", "1300", "type", "veth", "peer", "name", "guest")
        run("ip", "link", "set", "nbu1x1", "alias", "of the hypervisor")
    machine.before = machine.look()

    machine.agent.says("apply", machine.write(BASE | more(BASE, *OBJECTS[name])))
    assert differences(machine.before, machine.look()) != []
    machine.agent.says("apply", machine.write(BASE))

    machine.is_as_before()
    machine.agent.tries("teardown")
    process.wait(END)
