"""A vendor's plugin, from `pip install` to the kernel: with it a feature of its cards is off, without it nothing is."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import Agent, running
from tests.support.kernel import run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

PLUGIN = Path(__file__).parent.parent.parent / "examples" / "vendor-plugin"
ACME, OTHER = "02:ac:3e:00:00:01", "02:16:3e:00:00:01"
TSO, UDP = "tx-tcp-segmentation", "tx-udp-segmentation"
IP = {"mode": "static", "subnet": "192.0.2.0/24", "gateway": "192.0.2.1", "dns": ["192.0.2.1"]}
CONFIG = {
    "evenet": 1,
    "ports": [{"label": "uplink0", "interface": "eth0"}, {"label": "uplink1", "interface": "eth1"}],
    "networks": [{"name": "site", "ip": IP}],
    "adapters": [{"label": "uplink0", "network": "site", "address": "192.0.2.7", "uplink": True}, {"label": "uplink1"}],
}


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory into which the plugin is installed, as a vendor's customer would do it."""
    pytest.importorskip("setuptools", "70.1", reason="pip cannot build plugins here without it: pip install '.[test]'")
    source, target = tmp_path_factory.mktemp("source") / "vendor-plugin", tmp_path_factory.mktemp("site-packages")
    shutil.copytree(PLUGIN, source)  # a build leaves files behind
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--target", str(target), str(source))
    return str(target)


@pytest.fixture
def site(netns: None, tmp_path: Path) -> Path:
    """A card of Acme's and another one, both with cables; and a config that uses them."""
    plug("eth0", ACME)
    plug("eth1", OTHER)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "settings.yaml").write_text('resolv_conf: ""\n')
    return tmp_path


def plug(name: str, mac: str) -> None:
    run("ip", "link", "add", name, "address", mac, "type", "veth", "peer", "name", f"cable-{name}")
    run("ip", "link", "set", f"cable-{name}", "up")  # the port itself is the agent's to set up


@contextmanager
def agent(site: Path, plugins: str = "", *arguments: str, settled: bool = True) -> Iterator[Agent]:
    """An agent on this site; `plugins` is a directory of distributions besides the environment's."""
    files = ("--config", str(site / "config.json"), "--settings", str(site / "settings.yaml"))
    with running(site, *files, *arguments, PYTHONPATH=plugins) as found:
        if settled:
            found.settle()
        yield found


def on(device: str) -> set[str]:
    """Features that are on, as ethtool(8) says."""
    lines = run("ethtool", "-k", device).splitlines()[1:]
    return {name.strip() for name, _, state in (line.partition(":") for line in lines) if state.startswith(" on")}


def names(agent: Agent) -> dict[str, Any]:
    return {plugin["name"]: plugin for plugin in agent.json("plugins")}


def test_with_the_plugin_its_card_is_known_and_the_feature_is_off(site: Path, installed: str) -> None:
    with agent(site, installed) as node:
        plugin = names(node)["acme-nic"]
        assert (plugin["distribution"], plugin["error"]) == ("evenet-acme-nic 1.0.0", None)
        assert "evenet_port_quirks" in plugin["hooks"]

        [quirk] = node.port("uplink0")["quirks"]
        assert quirk["plugin"] == "acme-nic"
        assert "erratum 17" in quirk["reason"]
        assert quirk["not_acted_on"] == ["settle_seconds", "max_virtual_functions"]
        assert "erratum 17" in node.says("ports")
        assert node.port("uplink0")["driver"] == "veth"
        assert node.port("uplink1")["quirks"] == []

        assert not {TSO, UDP} & on("keth0")
        assert {TSO, UDP} <= on("eth1")

        items = {item["key"]: item for item in node.json("graph")["items"]}
        assert items["offload:eth0:tso"]["plugin"] == "acme-nic"
        assert items["offload:eth0:tso"]["state"] == "in-sync"
        assert "offload:eth1:tso" not in items


def test_without_the_plugin_there_is_nothing_of_it(site: Path) -> None:
    with agent(site) as node:
        assert "acme-nic" not in names(node)
        assert node.port("uplink0")["quirks"] == []
        assert {TSO, UDP} <= on("keth0")
        assert not [item for item in node.json("graph")["items"] if item["key"].startswith("offload")]


def test_a_feature_that_somebody_switches_on_is_off_again_at_once(site: Path, installed: str) -> None:
    with agent(site, installed) as node:
        with node.event(lambda text: text.startswith("create offload tso off on eth0")):
            run("ethtool", "-K", "keth0", "tso", "on")

        assert TSO not in on("keth0")


def test_a_card_that_is_plugged_in_later_is_known_too(site: Path, installed: str) -> None:
    run("ip", "link", "del", "eth0")
    with agent(site, installed, settled=False) as node:  # without it, the node waits for it
        assert node.port("uplink0")["quirks"] == []

        with node.event(lambda text: text.startswith("create offload tx-udp-segmentation off on eth0")):
            plug("eth0", ACME)
        node.settle()

        assert [quirk["plugin"] for quirk in node.port("uplink0")["quirks"]] == ["acme-nic"]
        assert not {TSO, UDP} & on("keth0")


def test_without_the_plugin_the_next_agent_gives_the_feature_back(site: Path, installed: str) -> None:
    with agent(site, installed):
        assert TSO not in on("keth0")
    assert TSO not in on("keth0")  # the agent is gone, the network stays as it is

    with agent(site):
        assert {TSO, UDP} <= on("keth0")


def test_a_plugin_that_is_switched_off_is_shown_and_not_asked(site: Path, installed: str) -> None:
    (site / "settings.yaml").write_text('resolv_conf: ""\nplugins: {acme-nic: false}\n')

    with agent(site, installed) as node:
        assert names(node)["acme-nic"]["error"] == "switched off in the settings"
        assert {TSO, UDP} <= on("keth0")


def test_teardown_leaves_the_card_as_it_was_found(site: Path, installed: str) -> None:
    run("ethtool", "-K", "eth0", UDP, "off")
    before = on("eth0")

    with agent(site, installed, "--teardown"):
        assert TSO not in on("keth0")

    assert on("eth0") == before


def test_it_imports_what_a_plugin_may_import() -> None:
    allowed = ("evenet_core.hookspecs", "evenet_core.model", "evenet_core.reconciler", "evenet_core.linux")
    for file in PLUGIN.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [module for module in modules if module.startswith("evenet")]
            assert all(module.startswith(allowed) for module in ours), f"{file}: {ours}"


def test_nobody_gets_it_by_installing_evenet() -> None:
    """A node must not have quirks of cards that do not exist."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "evenet-acme-nic" not in {one["name"] for one in json.loads(shown)}
