"""Acceptance scenarios of the device: which config it uses, from which source, and what becomes of a broken one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.sites import adapter, dhcp, eve_config, port_config, site_model, static, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

S1, S2 = ("172.20.20.0/24",), ("172.20.20.0/24", "172.20.21.0/24")
DHCP, STATIC = dhcp(), static("172.20.20.0/24")
GOOD = eve_config([adapter("ethernet0", DHCP)], DHCP)


@pytest.fixture
def place(site: StartSite, tmp_path: Path) -> Any:
    """`place(subnets, *arguments)`: a site with these networks, and whatever further arguments `lab up` gets."""

    def up(subnets: tuple[str, ...], *arguments: str, dhcp_server: bool = True, check: bool = True) -> Site:
        write_json(tmp_path / "network-model.json", site_model(*subnets, dhcp_server=dhcp_server))
        return site(str(tmp_path), *arguments, check=check)

    return up


def keys(lab: Site) -> list[str]:
    return [candidate["key"] for candidate in lab.json("dpc", "list")]


def current(lab: Site) -> dict[str, Any]:
    found: dict[str, Any] = next(candidate for candidate in lab.json("dpc", "list") if candidate["current"])
    return found


def handed_over(lab: Site, tmp_path: Path, config: dict[str, Any], *, check: bool = True) -> str:
    """What `apply` says of it."""
    file = write_json(tmp_path / "config.json", config)
    done = lab.exec("device", "evenet", "apply", file, check=check, seconds=300.0)
    return done.stdout + done.stderr


def agent_log(lab: Site) -> str:
    return (Path("/run/evenet-lab") / lab.name / "agent.log").read_text(errors="replace")


# -- the first start ----------------------------------------------------------------------------------


def test_bootstrap_last_resort(place: Any, tmp_path: Path) -> None:
    """A node that nobody told anything reaches its controller, and forgets how when it is told."""
    lab = place(S2)
    assert (current(lab)["key"], current(lab)["state"]) == ("lastresort", "success")
    assert {port["label"] for port in lab.status()["ports"]} == {"eth0", "eth1"}
    assert {result["origin"] for result in current(lab)["results"]} == {"last-resort"}

    handed_over(lab, tmp_path, GOOD)

    eventually("the list to be pruned", lambda: keys(lab) == ["zedagent"])
    assert (lab.json("dpc", "list")[0]["index"], current(lab)["state"]) == (0, "success")


def test_a_controller_that_wants_the_last_resort_to_be_tried_keeps_it(place: Any, tmp_path: Path) -> None:
    lab = place(S1, "--device-config", write_json(tmp_path / "c.json", GOOD))
    assert keys(lab) == ["zedagent"]

    handed_over(lab, tmp_path, eve_config([adapter("ethernet0", DHCP)], DHCP, network_fallback_any_eth="enabled"))

    eventually("the last resort", lambda: keys(lab) == ["zedagent", "lastresort"])
    assert current(lab)["key"] == "zedagent"


OVERRIDE = port_config(
    {"IfName": "eth0", "IsMgmt": True, "Dhcp": 1, "Type": 5, "AddrSubnet": "172.20.20.10/24",
     "Gateway": "172.20.20.1", "DNSServers": ["10.16.16.25"]},
)  # fmt: skip
STATIC_CONFIG = eve_config([adapter("ethernet0", STATIC, addr="172.20.20.10")], STATIC)


@pytest.mark.parametrize("source", ["bootstrap", "override"])
def test_bootstrap_static(place: Any, tmp_path: Path, source: str) -> None:
    document = STATIC_CONFIG if source == "bootstrap" else OVERRIDE
    file = write_json(tmp_path / f"{source}.json", document)
    lab = place(S1, f"--{source}", file, dhcp_server=False)
    assert (keys(lab), current(lab)["state"]) == ([source], "success")
    [before] = lab.ip("link", "show", "eth0")

    handed_over(lab, tmp_path, STATIC_CONFIG)

    eventually("one entry", lambda: keys(lab) == ["zedagent"])
    [after] = lab.ip("link", "show", "eth0")
    assert after["ifindex"] == before["ifindex"], "the same settings under another key interrupted the port"


def labelled(label: str, key: str = "", at: str = "2030-01-01T00:00:00Z") -> dict[str, Any]:
    port = {"IfName": "eth0", "Logicallabel": label, "IsMgmt": True, "IsL3Port": True, "Dhcp": 4, "Type": 5}
    return port_config(port, key=key, at=at)


@pytest.mark.parametrize(
    ("name", "document", "key", "label"),
    [
        ("override.json", labelled("firstport-override", "override"), "override", "firstport-override"),
        ("usb.json", labelled("firstport-usb"), "usb", "firstport-usb"),
    ],
)
def test_legacy_json_ingested(  # noqa: PLR0917  a case
    place: Any, tmp_path: Path, name: str, document: Any, key: str, label: str
) -> None:
    lab = place(S1, "--override", write_json(tmp_path / name, document))

    assert keys(lab) == [key]
    assert [(one["label"], one["origin"]) for one in current(lab)["results"]] == [(label, "override")]


def test_several_overrides_are_candidates_by_their_dates(place: Any, tmp_path: Path) -> None:
    files = [
        write_json(tmp_path / "usb.json", labelled("a", at="2020-01-01T00:00:00Z")),
        write_json(tmp_path / "override.json", labelled("b", "override")),
    ]
    lab = place(S1, *(argument for file in files for argument in ("--override", file)))

    assert keys(lab) == ["override", "usb"]


def test_legacy_json_ignored_once_onboarded(place: Any, tmp_path: Path) -> None:
    override = write_json(tmp_path / "override.json", labelled("firstport-override", "override"))
    config = write_json(tmp_path / "onboarded.json", GOOD)
    lab = place(S1, "--override", override, "--device-config", config)
    eventually("the controller's", lambda: keys(lab) == ["zedagent"])
    pid = lab.status()["agent"]["pid"]

    lab.exec("device", "kill", "-KILL", str(pid))
    eventually("the next agent", lambda: lab.succeeds("device", "evenet", "status"))
    eventually("it to settle", lambda: lab.status()["state"] == "converged")

    assert keys(lab) == ["zedagent"]
    assert "firstport-override" not in str(lab.status())
    assert "override.json is not taken: a DPC counts until the first device config is stored" in agent_log(lab)


def test_bootstrap_beats_override(place: Any, tmp_path: Path) -> None:
    config = eve_config([adapter("bootstrap-firstport", DHCP, lowerLayerName="ethernet0")], DHCP)
    files = {
        "bootstrap": write_json(tmp_path / "bootstrap.json", config),
        "override": write_json(tmp_path / "override.json", labelled("override-firstport", "override")),
    }
    lab = place(S1, *(part for option, file in files.items() for part in (f"--{option}", file)))

    assert keys(lab) == ["bootstrap"]
    assert [one["label"] for one in current(lab)["results"]] == ["bootstrap-firstport"]
    assert "override-firstport" not in str(lab.json("dpc", "list"))
    assert "override.json is not taken: bootstrap config" in agent_log(lab)


# -- a broken one -------------------------------------------------------------------------------------


TIMERS = {"timer_port_testduration": 10, "timer_port_testbetterinterval": 60}
BOTH = eve_config([adapter("ethernet0", DHCP), adapter("ethernet1", DHCP)], DHCP, **TIMERS)
WRONG = static("10.99.99.0/24")
BROKEN = eve_config([adapter("ethernet0", WRONG, addr="10.99.99.5")], WRONG, **TIMERS)


def test_config_fallback_and_return(place: Any, tmp_path: Path) -> None:
    """Step 3 changes the site, and the operator does not wait for the five minutes in which a failed one rests."""
    lab = place(S2, "--device-config", write_json(tmp_path / "good.json", BOTH))
    [only] = lab.json("dpc", "list")
    assert (only["key"], only["index"], only["state"], only["last_error"]) == ("zedagent", 0, "success", None)

    said = handed_over(lab, tmp_path, BROKEN, check=False)

    first, second = lab.json("dpc", "list")
    assert (first["key"], second["key"]) == ("zedagent", "zedagent")
    assert (first["current"], second["current"], second["state"]) == (False, True, "fallback")
    assert first["last_error"]
    assert first["last_failed"]
    assert "ethernet0" in str([one for one in first["results"] if one["error"]])
    assert "the new config does not reach the controller" in said
    assert lab.json("test-connectivity")[0]["reason"] == "success", "the device is online all the same"

    screen = lab.device("dpc", "list")
    assert "zedagent: stands in for DPC zedagent, which failed at" in screen
    assert "zedagent: that one is tried again at" in screen

    lab.exec("router", "ip", "address", "add", "10.99.99.1/24", "dev", "br0")
    lab.device("dpc", "test")

    eventually("the return", lambda: current(lab)["index"] == 0 and current(lab)["state"] == "success", 60.0)
    first, second = lab.json("dpc", "list")
    assert (first["last_error"], second["key"]) == (None, "zedagent")


def test_while_a_broken_config_is_on_trial_it_is_told_what_is_wrong_and_what_comes_next(
    place: Any, tmp_path: Path
) -> None:
    lab = place(S2, "--device-config", write_json(tmp_path / "good.json", BOTH))
    patient = BROKEN | {"configItems": [{"key": "timer.port.testduration", "value": "60"}]}
    lab.exec("device", "sh", "-c", f"evenet apply {write_json(tmp_path / 'broken.json', patient)} >/dev/null 2>&1 &")

    eventually("a first test", lambda: current(lab)["results"][0]["error"])

    listed, shown, explained = (
        lab.device(*words) for words in (("dpc", "list"), ("dpc", "show"), ("explain", "ethernet0"))
    )
    assert current(lab)["state"] == "testing"
    for screen in (listed, shown, explained):
        assert "it does not reach the controller yet" in screen
        assert "port ethernet0: " in screen
        assert "DPC zedagent is used, which worked before" in screen


# -- the local operator -------------------------------------------------------------------------------


def test_the_local_operator_changes_one_port_and_takes_it_back(place: Any, tmp_path: Path) -> None:
    lab = place(S2, "--device-config", write_json(tmp_path / "good.json", BOTH))

    lab.device(
        "dpc", "set", "ethernet0", "--address", "172.20.20.77/24", "--gateway", "172.20.20.1", "--dns", "10.16.16.25"
    )

    eventually("the manual DPC", lambda: (current(lab)["key"], current(lab)["state"]) == ("manual", "success"))
    assert lab.port("ethernet0")["addresses"] == ["172.20.20.77/24"]
    assert {one["label"]: one["origin"] for one in current(lab)["results"]} == {
        "ethernet0": "console",
        "ethernet1": "controller",
    }
    handed_over(lab, tmp_path, eve_config([adapter("ethernet0", DHCP), adapter("ethernet1", DHCP, cost=7)], DHCP))
    assert (current(lab)["key"], lab.port("ethernet1")["cost"]) == ("manual", 7), "it follows the controller's config"

    lab.device("dpc", "revert")

    eventually("the controller's", lambda: (current(lab)["key"], current(lab)["state"]) == ("zedagent", "success"))
    assert lab.port("ethernet0")["addresses"] != ["172.20.20.77/24"]
    assert keys(lab) == ["zedagent"]


def test_what_a_local_operator_gets_wrong_is_told_and_changes_nothing(place: Any, tmp_path: Path) -> None:
    lab = place(S1, "--device-config", write_json(tmp_path / "good.json", GOOD))

    words = ("dpc", "set", "ethernet0", "--address", "172.20.20.0/24", "--gateway", "224.0.0.1", "--dns", "0.0.0.0")
    done = lab.exec("device", "evenet", *words, check=False)
    nobody = lab.exec("device", "evenet", "dpc", "set", "ethernet9", "--dhcp", check=False)

    assert done.returncode == 1
    assert "172.20.20.0 stands for the whole of its subnet" in done.stderr
    assert "224.0.0.1 is no host's address" in done.stderr
    assert "0.0.0.0 is no server's address" in done.stderr
    assert (nobody.returncode, nobody.stderr) == (1, 'evenet: there is no port "ethernet9"\n')
    assert keys(lab) == ["zedagent"]
