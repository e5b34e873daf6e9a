"""What is installed decides what the node can do: a plugin that goes by `pip uninstall`, and comes back."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import Agent, running
from tests.support.kernel import run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
IP = {"mode": "static", "subnet": "192.0.2.0/24", "gateway": "192.0.2.1", "dns": ["192.0.2.1"]}
CONFIG = {
    "evenet": 1,
    "ports": [{"label": "eth0", "interface": "eth0"}],
    "networks": [{"name": "site", "ip": IP}],
    "adapters": [{"label": "eth0", "network": "site", "address": "192.0.2.7", "uplink": True}],
    "network_instances": [{"name": "ni0", "subnet": "10.50.0.0/24", "port": "eth0"}],
    "apps": [{"name": "web", "interfaces": [{"name": "card", "network_instance": "ni0"}]}],
}
OURS = ("evenet", "__editable__", "pip", "distutils-precedence")


class Environment:
    """A Python environment of its own, with evenet and its plugins installed as a user does it."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory / "venv")
        self.python = str(directory / "venv" / "bin" / "python")
        self._source = directory / "source"  # a build leaves files behind
        for name in ("pyproject.toml", "README.md", "LICENSE", "evenet_core", "plugins"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self._source / name)
        self._borrow(directory / "borrowed")

    def _borrow(self, directory: Path) -> None:
        """What evenet depends on is here already; nothing is downloaded."""
        directory.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(OURS):
                (directory / entry.name).symlink_to(entry)
        [site_packages] = (Path(self.python).parents[1] / "lib").glob("python*/site-packages")
        (site_packages / "borrowed.pth").write_text(f"{directory}\n")

    def install(self, *distributions: str) -> None:
        self._pip("install", "--no-index", "--no-deps", "--no-build-isolation", *distributions)

    def uninstall(self, name: str) -> None:
        self._pip("uninstall", "--yes", name)

    def plugin(self, name: str) -> str:
        return str(self._source / "plugins" / name)

    def everything(self) -> list[str]:
        return [str(self._source), *(str(path.parent) for path in self._source.glob("plugins/*/pyproject.toml"))]

    def _pip(self, *arguments: str) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, "-q", "--disable-pip-version-check", *arguments)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    pytest.importorskip("setuptools", "70.1", reason="pip cannot build plugins here without it: pip install '.[test]'")
    (tmp_path / "source").mkdir()
    made = Environment(tmp_path)
    made.install(*made.everything())
    return made


@pytest.fixture
def node(netns: None, open_path: Path) -> Path:
    """Home of a node with one port."""
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world")
    run("ip", "link", "set", "world", "up")
    (open_path / "config.json").write_text(json.dumps(CONFIG))
    (open_path / "settings.yaml").write_text('resolv_conf: ""\n')
    return open_path


@contextmanager
def agent(node: Path, environment: Environment, *, settled: bool = True) -> Iterator[Agent]:
    files = ("--config", str(node / "config.json"), "--settings", str(node / "settings.yaml"))
    with running(node, *files, python=environment.python) as found:
        if settled:
            found.settle()
        yield found


def plugins(agent: Agent) -> set[str]:
    return {plugin["name"] for plugin in agent.json("plugins")}


def problems(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(problem["object"], problem["error"]) for problem in document["problems"]}


def test_a_firewall_that_is_uninstalled_is_missed_by_name_and_nothing_is_left_open(
    node: Path, environment: Environment
) -> None:
    with agent(node, environment) as before:
        assert "firewall" in plugins(before)
        assert problems(before.json("status")) == set()
        assert problems(before.json("plan", str(node / "config.json"))) == set()
        assert "table inet evenet" in run("nft", "list", "tables")
        assert "link nbu1x1 in bridge bn1: pending" in before.says("explain", "web"), "the app does not run yet"

    environment.uninstall("evenet-firewall")

    with agent(node, environment) as without:
        assert "firewall" not in plugins(without)
        missing = {
            ("device", "no installed plugin realises the firewall"),
            ("network instance ni0", "no installed plugin realises the firewall of network instance ni0"),
            ("interface web/card", "no installed plugin realises the access rules of app web"),
        }
        status = without.json("status")
        assert (status["state"], problems(status)) == ("degraded", missing)
        assert problems(without.json("plan", str(node / "config.json"))) == missing
        assert "  ! no installed plugin realises the access rules of app web" in without.says("plan")
        told = without.says("explain", "web")
        assert told.startswith("app web's interface card: no installed plugin realises the access rules of app web (")
        assert "installed: bridge, cellular, dhcp, ethernet, wifi; see `evenet plugins`" in told
        assert "evenet" not in run("nft", "list", "tables")
        assert "nbu1x1" not in str(without.json("graph")), "an app without its rules is not connected"
        assert without.port("eth0")["addresses"] == ["192.0.2.7/24"], "what does not need it works on"

    environment.install(environment.plugin("firewall"))

    with agent(node, environment) as again:
        assert "firewall" in plugins(again)
        assert problems(again.json("status")) == set()
        assert "table inet evenet" in run("nft", "list", "tables")


def test_without_its_medium_an_adapter_says_what_is_missing(node: Path, environment: Environment) -> None:
    environment.uninstall("evenet-ethernet")

    with agent(node, environment, settled=False) as without:  # its only DPC waits for an address
        assert "ethernet" not in plugins(without)
        assert ("adapter eth0", "no installed plugin brings up ethernet adapter eth0") in problems(without.json("plan"))
        assert without.port("eth0")["error"] == "no installed plugin brings up ethernet adapter eth0"
