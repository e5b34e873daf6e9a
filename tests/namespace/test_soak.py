"""A life of many changes: after each the node is as it is asked to be; at the end it holds no more than at first."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evenet_core.cli.client import Client
from evenet_core.linux.l3 import PRIORITY_CHOSEN
from evenet_core.linux.nftdriver import PROGRAM
from tests.support.agent import Agent, running
from tests.support.kernel import ip, own_network, run
from tests.support.nsstate import State, differences, namespace_state
from tests.support.randomconfig import APPS, PORTS, RandomConfig
from tests.support.site import eventually
from tests.support.surroundings import Surroundings, members, surroundings

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("netns"),
    pytest.mark.long,
]

SEED = int(os.environ.get("EVENET_SOAK_SEED", "20261125"))
CHANGES, EARLY = 2000, 200
GROWTH = 1.05
LOOK, COMPARE = 100, 500
DEADLINE = 60.0  # seconds; only a test that fails waits so long


class Node:
    """A running agent, its config, and what it holds."""

    def __init__(self, home: Path, agent: Agent) -> None:
        self._home = home
        self._client = Client(str(home / "run" / "evenet.sock"))
        self._client._socket.settimeout(DEADLINE)
        self.agent = agent
        self.pid = self._client.call("status")["agent"]["pid"]

    def close(self) -> None:
        self._client.__exit__(None, None, None)

    def apply(self, text: str) -> dict[str, Any]:
        """The status when it has settled."""
        seq = self._client.call("apply", name="random.json", text=text)["seq"]
        *_, last = self._client.stream("settle", since=seq, seconds=DEADLINE)
        if not last["settled"]:
            raise AssertionError(
                json.dumps(
                    {"status": last["status"], "plan": self.plan(), "events": self._client.call("events")[-60:]},
                    indent=1,
                )
            )
        status: dict[str, Any] = last["status"]
        return status

    def plan(self) -> list[str]:
        lines: list[str] = self._client.call("plan")["lines"]
        return lines

    def holds(self) -> dict[str, int]:
        """Everything of it that could become more and more, but its memory."""
        return {
            "descriptors": len(list(Path(f"/proc/{self.pid}/fd").iterdir())),
            "threads": len(list(Path(f"/proc/{self.pid}/task").iterdir())),
            "children": len(children(self.pid)),
            "processes": len(members()),
            "links": len(ip("link")),
            "lines of nft": len(run("nft", "list", "ruleset").splitlines()),
            "items": len(self._client.call("graph")["items"]),
            "files": sum(1 for part in ("state", "run") for path in (self._home / part).rglob("*") if _counts(path)),
            "mounts": len(Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()),
        }

    def is_prepared(self) -> bool:
        return any(PROGRAM in Path(f"/proc/{child}/cmdline").read_text() for child in children(self.pid))

    def is_at_rest(self) -> bool:
        """No uplink that failed on the way is still held down."""
        return f"\n{PRIORITY_CHOSEN}:" not in run("ip", "rule") + run("ip", "-6", "rule")

    def memory(self) -> int:
        """KiB that are resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def _counts(path: Path) -> bool:
    """Of events there are two files at most, the second one once the first was full."""
    return path.name != "events.jsonl.previous"


def children(pid: int) -> list[str]:
    """Zombies count."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.fixture
def around(netns: None, open_path: Path) -> Iterator[Surroundings]:
    with surroundings(open_path, PORTS, APPS) as found:
        yield found


def started_anew(around: Surroundings, text: str) -> State:
    """What a machine that never was another has with this config, and the numbers that were given by then."""
    home = around.home / "anew"
    home.mkdir(mode=0o755)
    try:
        with own_network(), surroundings(home, PORTS, APPS):
            (home / "state").mkdir(mode=0o700)
            shutil.copy(around.home / "state" / "numbers.json", home / "state")
            (home / "config.json").write_text(text)
            files = ("--config", str(home / "config.json"), "--settings", str(home / "settings.yaml"))
            with running(home, *files) as agent:
                agent.settle()
                return namespace_state(home)
    finally:
        shutil.rmtree(home)


def is_as(home: Path, wanted: State) -> bool:
    return not differences(namespace_state(home), wanted)


def test_after_two_thousand_changes_a_node_is_as_one_that_just_began(around: Surroundings) -> None:
    configs = RandomConfig(SEED)
    reference = RandomConfig(SEED + 1)
    for _ in range(40):
        reference.step()
    held: dict[int, dict[str, int]] = {}
    memory: dict[int, int] = {}
    settings = str(around.home / "settings.yaml")
    with running(around.home, "--settings", settings) as agent, ExitStack() as ended:
        node = Node(around.home, agent)
        ended.callback(node.close)
        for number in range(1, CHANGES + 1):
            kind = configs.step()
            status = node.apply(configs.text)
            assert status["state"] == "converged", f"change {number}, {kind}: {status}"
            if number % LOOK == 0:
                assert node.plan() == [], f"after change {number}"
            if number % COMPARE == 0:
                wanted = started_anew(around, configs.text)
                # an uplink that failed on the way is returned to when it has worked for a while
                with suppress(AssertionError):
                    eventually("", partial(is_as, around.home, wanted))
                assert differences(namespace_state(around.home), wanted) == [], f"after change {number}"
            if number in (EARLY, CHANGES):
                node.apply(reference.text)
                eventually("an nft that waits for the next change", node.is_prepared)
                eventually("the node's own traffic on its first uplink", node.is_at_rest)
                held[number], memory[number] = node.holds(), node.memory()

    sys.stdout.write(f"KiB resident: {memory}\n")
    assert memory[CHANGES] <= memory[EARLY] * GROWTH, memory
    # a helper of dhcpcd may have been on its way out when it was looked at first
    assert {what: n for what, n in held[CHANGES].items() if n > held[EARLY][what]} == {}
