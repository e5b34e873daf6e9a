"""No packet is lost by what becomes of the agent: by its death, its upgrade, its work for others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from evenet_core.lab.registry import find_lab
from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.streams import Stream, Streams, streams
from tests.support.wheels import VERSION, build_wheels, install, make_environment

pytestmark = [pytest.mark.root, pytest.mark.timeout(600), pytest.mark.long]

CASE = "local-ni-multiple-ports"
SERVER = "198.51.100.80"  # at home in the lab's Internet
NEXT = "0.1.1"
MOMENT = 1.0  # seconds of a stream that are counted
CONFIG: dict[str, Any] = {
    "evenet": 1,
    "ports": [{"label": "wan", "interface": "eth0"}, {"label": "office", "interface": "eth1"}],
    "networks": [
        {"name": "by-dhcp", "ip": {"mode": "dhcp", "family": "ipv4"}},
        {"name": "office", "ip": {"mode": "static", "family": "ipv4", "subnet": "172.28.20.0/24"}},
    ],
    "adapters": [
        {"label": "wan", "network": "by-dhcp", "uplink": True},
        {"label": "office", "network": "office", "address": "172.28.20.10"},
    ],
    "network_instances": [{"name": "shop", "subnet": "10.50.0.0/24", "port": "wan"}],
    "apps": [
        {
            "name": "web",
            "interfaces": [
                {
                    "name": "lan",
                    "network_instance": "shop",
                    "rules": [
                        {"id": 1, "remote": "0.0.0.0/0"},
                        {"id": 2, "protocol": "tcp", "local_port": 8080, "forward": {"app_port": 80}},
                        {"id": 3, "protocol": "udp", "local_port": 8081, "forward": {"app_port": 81}},
                    ],
                }
            ],
        }
    ],
}


def with_another_app(port: str = "office", rules: int = 1, routes: int = 0) -> dict[str, Any]:
    """The config, and an app in a network instance of its own that is nobody else's business."""
    config = deepcopy(CONFIG)
    ways = [{"destination": f"10.{77 + n}.0.0/16", "port": port} for n in range(routes)]
    config["network_instances"].append({"name": "yard", "subnet": "10.51.0.0/24", "port": port, "routes": ways})
    acl = [{"id": n + 1, "remote": f"10.{n}.0.0/16"} for n in range(rules)]
    acl.append({"id": 99, "protocol": "tcp", "local_port": 9090, "forward": {"app_port": 80}})
    config["apps"].append({"name": "gate", "interfaces": [{"name": "side", "network_instance": "yard", "rules": acl}]})
    return config


def everywhere(lab: Site) -> list[Stream]:
    """From an app through its instance, from outside through a port forward, from the device itself."""
    net = {host: find_lab(lab.name).host(host)["net"] for host in ("web", "device", "outside")}
    [address] = [a.split("/")[0] for a in lab.port("wan")["addresses"]]
    return [
        Stream("from the app", net["web"], net["outside"], (SERVER, 5001), 5001, (SERVER, 6001), 6001),
        Stream("to the app", net["outside"], net["web"], (address, 8081), 81, (address, 8080)),
        Stream("from the device", net["device"], net["outside"], (SERVER, 5003), 5003, (SERVER, 6003), 6003),
    ]


def apply(lab: Site, directory: Path, config: dict[str, Any]) -> None:
    (directory / "config.json").write_text(json.dumps(config))
    lab.device("apply", str(directory / "config.json"))


def assert_nothing_is_lost(running: Streams, what: str) -> None:
    """Also in the moment after it."""
    sleep(MOMENT)
    for name, count in running.count().items():
        assert (count.lost, count.broken) == (0, ""), f"{what}: {name}: {count}"


def agent(lab: Site) -> dict[str, Any]:
    """The agent that runs, when it has done all that it has to do."""

    def settled() -> dict[str, Any] | None:
        answer = lab.exec("device", "evenet", "status", "--json", check=False).stdout
        status = json.loads(answer) if answer.startswith("{") else {}
        return status["agent"] if status.get("state") == "converged" else None

    return eventually("an agent at rest", settled, 60)


def killed(lab: Site) -> None:
    """The agent dies, and the one that the service manager starts in its place is at rest."""
    before = agent(lab)["pid"]
    lab.exec("device", "kill", "-9", str(before))
    eventually("another agent", lambda: agent(lab)["pid"] != before, 60)


@contextmanager
def restarted(lab: Site) -> Iterator[dict[str, Any]]:
    """As by `systemctl restart`: the agent that runs inside, at rest."""
    lab.exec(
        "device", "sh", "-c", f"kill {agent(lab)['pid']}; while test -S /run/evenet/evenet.sock; do sleep 0.02; done"
    )
    command = [*lab.command, "lab", "exec", lab.name, "device", "--", "evenet", "run"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield agent(lab)
    finally:
        process.terminate()
        process.wait()


def test_no_packet_is_lost_while_the_agent_dies_is_upgraded_or_works_for_others(
    site: StartSite, tmp_path: Path
) -> None:
    python = make_environment(tmp_path / "environment")
    wheels = {version: build_wheels(tmp_path, version) for version in (VERSION, NEXT)}
    install(python, wheels[VERSION])
    (tmp_path / "given.json").write_text(json.dumps(CONFIG))
    given = ("--device-config", str(tmp_path / "given.json"))
    lab = site(CASE, *given, command=(str(python), "-P", "-m", "evenet_core.cli.main"))
    assert agent(lab)["version"] == VERSION
    eventually("the app to have a lease", lambda: lab.succeeds("web", "ping", "-c1", "-W1", SERVER))

    with streams(*everywhere(lab)) as running:
        assert_nothing_is_lost(running, "nothing happened")
        lab.link("eth0", "down")
        sleep(MOMENT)  # a shorter cut a queue on the way may bridge
        lab.link("eth0", "up")
        for name, count in running.count().items():
            assert count.lost > 0, f"a cut was not noticed: {name}: {count}"
    eventually("the way to be there again", lambda: lab.succeeds("web", "ping", "-c1", "-W1", SERVER))
    agent(lab)

    with streams(*everywhere(lab)) as running:
        assert_nothing_is_lost(running, "nothing happened")

        killed(lab)
        assert_nothing_is_lost(running, "the agent was killed")

        install(python, wheels[VERSION])
        with ExitStack() as stack:
            same = stack.enter_context(restarted(lab))
            assert same["version"] == VERSION
            assert_nothing_is_lost(running, "evenet was installed again")
            install(python, wheels[NEXT])
            upgraded = stack.enter_context(restarted(lab))
            assert upgraded["version"] == NEXT
            assert_nothing_is_lost(running, "evenet was upgraded")

            changes = {
                "another app came": with_another_app(),
                "its rules changed": with_another_app(rules=3),
                "its instance got a route": with_another_app(rules=3, routes=1),
                "its instance lost the route": with_another_app(rules=3),
                "another app went": CONFIG,
            }
            for what, config in changes.items():
                apply(lab, tmp_path, config)
                assert_nothing_is_lost(running, what)
