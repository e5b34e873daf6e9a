"""Scenarios lps-local-changes and radio-silence: what a local operator asks for, by an app of the node."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, Site, eventually
from tests.support.sites import adapter, dhcp, eve_config, site_model, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

DHCP = dhcp()
INSTANCE, APP = "9ca83da9-94e8-48b4-9ae8-3f188c5c694a", "3599588a-17d3-4d02-aae1-bcefe3706cfd"
SERVER, TOKEN, SPARE = "10.11.12.2", "token-of-the-site", "10.16.18.25"
SOON = 30.0  # seconds


class Operator:
    """The app, and what it says and hears."""

    def __init__(self, lab: Site, home: Path) -> None:
        self._lab, self.home = lab, home
        home.mkdir()

    def start(self) -> None:
        serve = f"{sys.executable} -m tests.support.localserver {self.home}"
        program = f"cd {CASES.parents[1]} && setsid {serve} >/dev/null 2>&1 &"
        eventually("the app to have its address", lambda: f"{SERVER}/" in self._lab.exec("lps", "ip", "address").stdout)
        self._lab.exec("lps", "sh", "-c", program)

    def says(self, what: str, **fields: Any) -> None:
        write_json(self.home / f"{what}.json", {"server_token": TOKEN, **fields})

    def hears(self, what: str) -> dict[str, Any]:
        told = self.home / f"{what}.told"
        found: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}
        return found

    def port(self, config: str, label: str) -> dict[str, Any]:
        """One port of a config that the app was told of."""
        info = self.hears("network")
        ports = info.get("local_config", {}).get("ports", []) if config == "local" else info.get(f"{config}_config", [])
        return next((port for port in ports if port["logical_label"] == label), {})


def config(**may: bool) -> dict[str, Any]:
    ports = [
        adapter(label, DHCP, allowLocalModifications=may.get(label, False)) for label in ("ethernet0", "ethernet1")
    ]
    every = {"matches": [{"type": "ip", "value": "0.0.0.0/0"}], "id": 1}
    return eve_config(ports, DHCP, timer_lps_network_interval=3) | {
        "networkInstances": [
            {
                "uuidandversion": {"uuid": INSTANCE},
                "displayname": "ni0",
                "instType": 2,
                "activate": True,
                "port": {"type": 1, "name": "ethernet0"},
                "ipType": 1,
                "ip": {
                    "subnet": "10.11.12.0/24",
                    "gateway": "10.11.12.1",
                    "dhcpRange": {"start": SERVER, "end": "10.11.12.20"},
                },
            }
        ],
        "apps": [
            {
                "uuidandversion": {"uuid": APP},
                "displayname": "lps",
                "activate": True,
                "interfaces": [{"name": "vif0", "networkId": INSTANCE, "acls": [every]}],
            }
        ],
        "localProfileServer": SERVER,
        "profileServerToken": TOKEN,
    }


@pytest.fixture
def operated(site: StartSite, tmp_path: Path) -> tuple[Site, Operator]:
    write_json(tmp_path / "network-model.json", site_model("172.20.20.0/24", "172.20.21.0/24"))
    first = write_json(tmp_path / "config.json", config(ethernet1=True))
    lab = site(str(tmp_path), "--device-config", first)
    operator = Operator(lab, tmp_path / "operator")
    operator.start()
    eventually("the app to be told", lambda: operator.hears("network"), SOON)
    return lab, operator


def test_what_the_operator_may_change_is_changed_and_given_back(
    operated: tuple[Site, Operator], tmp_path: Path
) -> None:
    lab, operator = operated
    dns = {"logical_label": "ethernet0", "use_dhcp": True, "dns_servers": [SPARE]}
    operator.says("network", ports=[dns, {"logical_label": "ethernet1", "use_dhcp": True, "mtu": 9000}])

    eventually("the new MTU", lambda: lab.port("ethernet1")["mtu"] == 9000, SOON)
    assert lab.ip("link", "show", "eth1")[0]["mtu"] == 9000
    assert "not permitted" in lab.port("ethernet0")["local_error"]
    assert SPARE not in lab.port("ethernet0")["dns_servers"]
    eventually("it to be told so", lambda: operator.port("local", "ethernet1").get("config_applied"), SOON)
    assert "not permitted" in operator.port("local", "ethernet0")["error_message"]
    assert not operator.port("local", "ethernet0").get("config_applied")
    assert operator.port("latest", "ethernet0")["config_applied"]
    assert all(lab.port(label)["addresses"] for label in ("ethernet0", "ethernet1"))

    lab.device("apply", write_json(tmp_path / "both.json", config(ethernet0=True, ethernet1=True)))
    eventually("what was asked for then", lambda: SPARE in lab.port("ethernet0")["dns_servers"], SOON)
    assert f"server={SPARE}" in lab.exec("device", "sh", "-c", "cat /run/evenet/daemons/*/servers").stdout

    operator.says("network", ports=[])
    eventually("the MTU of before", lambda: lab.ip("link", "show", "eth1")[0]["mtu"] == 1500, SOON)
    eventually("the servers of before", lambda: SPARE not in lab.port("ethernet0")["dns_servers"], SOON)
    eventually("it to be told so", lambda: operator.port("latest", "ethernet0").get("config_applied"), SOON)
    assert operator.port("local", "ethernet0") == {}


def test_an_answer_that_cannot_be_taken_changes_nothing_and_the_operator_is_told_why(
    operated: tuple[Site, Operator],
) -> None:
    lab, operator = operated

    def refused() -> str:
        return str(operator.hears("network").get("local_config", {}).get("error_message", ""))

    good = {"logical_label": "ethernet1", "use_dhcp": True, "mtu": 9000}
    operator.says("network", ports=[good, {"logical_label": "ethernet7", "use_dhcp": True}])
    eventually("a reason", lambda: "there is no port 'ethernet7'" in refused(), SOON)
    operator.says("network", ports=[good], server_token="another")
    eventually("a reason", lambda: "token" in refused(), SOON)
    assert TOKEN not in lab.device("status", "--json") + lab.device("events", "--json")
    assert lab.ip("link", "show", "eth1")[0]["mtu"] == 1500

    operator.says("network", ports=[good])
    eventually("the new MTU", lambda: lab.ip("link", "show", "eth1")[0]["mtu"] == 9000, SOON)
    eventually("no reason any more", lambda: refused() == "", SOON)
    (operator.home / "network.json").write_text("")  # 404
    eventually("the MTU of before", lambda: lab.ip("link", "show", "eth1")[0]["mtu"] == 1500, SOON)


def test_radio_silence_is_exchanged_without_any_radio_and_outlives_the_agent(operated: tuple[Site, Operator]) -> None:
    lab, operator = operated
    assert lab.status()["radio_silence"] is False
    eventually("the app to be told", (operator.home / "radio.told").exists, SOON)
    assert not operator.hears("radio").get("radio_silence")

    operator.says("radio", radio_silence=True)
    eventually("silence", lambda: lab.status()["radio_silence"] and operator.hears("radio").get("radio_silence"), SOON)
    before = lab.status()["agent"]["pid"]
    lab.exec("device", "sh", "-c", "kill -9 $(cat /run/agent.pid)")
    eventually("an agent", lambda: lab.succeeds("device", "evenet", "status"))
    eventually("the next one", lambda: lab.status()["agent"]["pid"] != before)
    assert lab.status()["radio_silence"] is True

    operator.says("radio", radio_silence=False)
    eventually("none", lambda: not lab.status()["radio_silence"], SOON)
    eventually("the app to be told", lambda: not operator.hears("radio").get("radio_silence"), SOON)
