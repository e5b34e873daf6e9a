"""What an operator sees of the hardware behind ports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import Agent, running
from tests.support.kernel import run
from tests.support.sysfs import own_sysfs

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

IP = {"mode": "static", "subnet": "192.0.2.0/24", "gateway": "192.0.2.1", "dns": ["192.0.2.1"]}
CONFIG = {
    "evenet": 1,
    "ports": [
        {"label": "uplink0", "interface": "eth0"},
        {"label": "radio", "interface": "eth1", "kind": "wifi", "pci": "0000:05:00.0"},
        {"label": "modem", "kind": "cellular", "usb": "1:2.1"},
    ],
    "networks": [{"name": "site", "ip": IP}],
    "adapters": [
        {"label": "uplink0", "network": "site", "address": "192.0.2.7", "uplink": True},
        {"label": "modem"},
    ],
}


@pytest.fixture
def node(netns: None, tmp_path: Path) -> Iterator[Agent]:
    for name in ("eth0", "eth1"):
        run("ip", "link", "add", name, "type", "veth", "peer", "name", f"cable-{name}")
        for end in (name, f"cable-{name}"):
            run("ip", "link", "set", end, "up")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "settings.yaml").write_text('resolv_conf: ""\n')
    files = ("--config", str(tmp_path / "config.json"), "--settings", str(tmp_path / "settings.yaml"))
    with own_sysfs(), running(tmp_path, *files) as found:
        found.settle()
        yield found


def test_hardware_that_is_not_what_the_config_says_is_a_warning(node: Agent) -> None:
    warning = "eth1 is ethernet hardware (driver veth), and wifi in the config"

    radio = node.port("radio")
    assert (radio["kind"], radio["warning"]) == ("wifi", warning)
    assert (radio["pci"], radio["usb"], radio["driver"]) == ("0000:05:00.0", None, "veth")
    assert f"radio: {warning}\n" in node.says("ports")

    uplink = node.port("uplink0")
    assert (uplink["kind"], uplink["driver"], uplink["warning"], uplink["quirks"]) == ("ethernet", "veth", None, [])


def test_a_modem_that_is_not_plugged_in_has_no_name(node: Agent) -> None:
    modem = node.port("modem")

    assert (modem["ifname"], modem["present"], modem["usb"], modem["driver"]) == (None, False, "1:2.1", None)
