"""Case static-ips: one port with a static address, from an override and from the device config."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, Site, eventually

pytestmark = pytest.mark.root

CASE = CASES / "static-ips"


def assert_connected(site: Site) -> None:
    """What the case asks for, whoever the settings came from."""
    [address] = [a for link in site.ip("addr", "show", "eth0") for a in link["addr_info"] if a["family"] == "inet"]
    assert (address["local"], address["prefixlen"]) == ("172.22.12.10", 24)
    [bridge], [port] = site.ip("link", "show", "eth0"), site.ip("link", "show", "keth0")
    assert bridge["address"] == port["address"]
    assert site.ip("route", "show", "table", "main") == []
    table = str(site.port("eth0")["table"])
    [default] = [r for r in site.ip("route", "show", "table", table) if r["dst"] == "default"]
    assert (default["gateway"], default["dev"]) == ("172.22.12.1", "eth0")
    assert site.port("eth0")["dns_servers"] == ["10.16.16.25"]
    [candidate] = site.json("dpc", "list")
    assert (candidate["current"], candidate["state"]) == (True, "success")
    assert candidate["last_succeeded"]


def test_a_static_address_from_a_device_config_is_tested_and_committed(site: StartSite) -> None:
    lab = site("static-ips", "--device-config", str(CASE / "device-config.json"))

    assert_connected(lab)
    assert lab.status()["state"] == "converged"
    assert lab.json("dpc", "list")[0]["key"] == "zedagent"


def test_the_main_routing_table_stays_empty_and_names_are_asked_through_the_port(site: StartSite) -> None:
    lab = site("static-ips", "--device-config", str(CASE / "device-config.json"))

    answer = lab.exec(
        "device", "curl", "-sS", "--cacert", "/etc/evenet/ca.pem", "https://mydomain.adam/api/v2/edgedevice/ping"
    )

    assert answer.returncode == 0
    assert lab.succeeds("device", "ping", "-c1", "-W2", "8.8.8.8")


def test_the_link_down_and_up_again_is_survived_without_a_restart(site: StartSite) -> None:
    lab = site("static-ips", "--device-config", str(CASE / "device-config.json"))
    pid = lab.status()["agent"]["pid"]

    lab.link("eth0", "down")
    eventually("the loss to be seen", lambda: lab.port("eth0")["carrier"] is False)
    lab.link("eth0", "up")

    eventually("the port to work again", lambda: lab.port("eth0")["error"] is None)
    assert lab.succeeds("device", "ping", "-c1", "-W2", "8.8.8.8")
    assert_connected(lab)
    assert lab.status()["agent"]["pid"] == pid


def test_an_override_alone_connects_and_the_device_config_takes_over_without_an_outage(site: StartSite) -> None:
    lab = site("static-ips", "--override", str(CASE / "config-overrides/DevicePortConfig/override.json"))
    assert_connected(lab)
    assert lab.json("dpc", "list")[0]["key"] == "override"
    [before] = lab.ip("link", "show", "eth0")

    lab.exec("device", "evenet", "apply", lab.device_config)

    assert_connected(lab)
    [candidate] = lab.json("dpc", "list")
    assert candidate["key"] == "zedagent"
    [after] = lab.ip("link", "show", "eth0")
    assert after["ifindex"] == before["ifindex"], "the bridge was rebuilt: an outage"
