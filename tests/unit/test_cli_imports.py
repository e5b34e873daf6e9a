"""What the command line loads: a status costs no event loop, no parser of configs and no plugins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cannedagent import agent

HEAVY = {"asyncio", "msgspec", "yaml", "pyroute2", "stevedore", "pluggy", "ssl", "dns", "h11", "dbus_next", "pyudev"}
PROGRAM = """
import json, sys
from evenet_core.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Modules that a process has loaded when the command is done."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What any process here has, whatever it runs."""
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


STATUS = {
    "state": "converged",
    "dpc": {"key": None, "state": "none", "fallback": False, "last_error": None},
    "items": {"wanted": 0, "in_sync": 0, "pending": 0, "failed": 0},
    "ports": [],
    "network_instances": [],
    "apps": [],
    "problems": [],
}


@pytest.mark.parametrize("options", [("status",), ("status", "--json")])
def test_a_status_loads_the_standard_library_and_little_of_that(
    bare: set[str], tmp_path: Path, options: tuple[str, ...]
) -> None:
    with agent(tmp_path / "a.sock") as running:
        running.answers["status"] = STATUS
        modules = loaded("--socket", str(tmp_path / "a.sock"), *options) - bare

    assert running.asked == [("status", {})]
    assert not HEAVY & modules
    ours = {name for name in modules if name.partition(".")[0] == "evenet_core"}
    assert ours == {
        "evenet_core",
        "evenet_core.cli",
        "evenet_core.cli.client",
        "evenet_core.cli.main",
        "evenet_core.cli.output",
        "evenet_core.cli.parser",
        "evenet_core.cli.status",
        "evenet_core.errors",
        "evenet_core.lab",
        "evenet_core.lab.cli",
        "evenet_core.lab.registry",
        "evenet_core.linux",
        "evenet_core.linux.procfs",
    }
    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {"evenet_core"}
    assert foreign == set()


@pytest.mark.parametrize("options", [("--help",), ("status", "--help"), ("--version",), ("no-such-command",), ()])
def test_asking_for_help_loads_nothing_heavy(bare: set[str], options: tuple[str, ...]) -> None:
    assert not HEAVY & (loaded(*options) - bare)


@pytest.mark.parametrize(
    "command",
    ["ports", "uplinks", "dpc list", "ni list", "app list", "leases", "events", "graph", "plugins", "explain x"],
)
def test_no_question_to_the_agent_loads_anything_heavy(bare: set[str], tmp_path: Path, command: str) -> None:
    modules = loaded("--socket", str(tmp_path / "none.sock"), *command.split())

    assert not HEAVY & (modules - bare)
