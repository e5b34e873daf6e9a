"""Case local-ni-multiple-ports: one network instance over four ports, a route a destination, ports that fail over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, Site, eventually

pytestmark = pytest.mark.root

CASE = "local-ni-multiple-ports"
UNREACHABLE_METRIC = 4294967295


@pytest.fixture
def lab(site: StartSite) -> Site:
    lab = site(CASE, "--device-config", str(CASES / CASE / "device-config.json"))
    eventually("the app to have a lease", lambda: lab.succeeds("eclient", "ping", "-c1", "-W1", "10.50.0.1"))
    return lab


def routes(lab: Site) -> list[dict[str, Any]]:
    [instance] = lab.status()["network_instances"]
    found: list[dict[str, Any]] = lab.ip("-d", "route", "show", "table", str(instance["table"]))
    return found


def ways(lab: Site, destination: str) -> list[tuple[str, str]]:
    """Gateway and link of the routes to a destination, those that lead nowhere left out."""
    return [(r["gateway"], r["dev"]) for r in routes(lab) if r["dst"] == destination and "gateway" in r]


def test_each_route_leaves_by_the_cheapest_port_that_works(lab: Site) -> None:
    eventually("the probes to agree", lambda: ways(lab, "10.88.88.0/24") == [("172.22.10.1", "eth0")])

    assert ways(lab, "default") == [("172.22.10.1", "eth0")]
    connected = {r["dst"]: r["dev"] for r in routes(lab) if "gateway" not in r and r.get("type") == "unicast"}
    assert connected == {
        "172.22.10.0/24": "eth0",
        "172.28.20.0/24": "eth1",
        "192.168.30.0/24": "eth2",
        "10.40.40.0/24": "eth3",
        "10.50.0.0/24": "bn1",
    }
    [last] = [r for r in routes(lab) if r.get("type") == "unreachable"]
    assert (last["dst"], last["metric"]) == ("default", UNREACHABLE_METRIC)


def test_the_app_reaches_the_internet_and_the_server_by_name(lab: Site) -> None:
    assert lab.succeeds("eclient", "ping", "-c1", "-W2", "8.8.8.8")

    page = lab.exec("eclient", "curl", "-sS", "--max-time", "10", "httpserver0.sdn/helloworld")

    assert page.stdout == "Hello world from HTTP server\n"


def test_metadata_lists_the_addresses_of_all_four_ports(lab: Site) -> None:
    answer = lab.exec("eclient", "curl", "-sS", "--max-time", "10", "169.254.169.254/eve/v1/external_ipv4")

    addresses = {a.split("/")[0] for port in lab.status()["ports"] for a in port["addresses"] if ":" not in a}
    assert len(addresses) == 4
    assert set(answer.stdout.replace(",", " ").split()) == addresses


@pytest.mark.parametrize(
    ("port", "endpoint", "open_"),
    [
        ("eth0", "dns-server0", True),
        ("eth1", "dns-server0", True),
        ("eth2", "dns-server1", True),
        ("eth3", "dns-server1", False),
    ],
)
def test_the_port_forward_works_through_the_ports_with_its_label_only(
    lab: Site, port: str, endpoint: str, open_: bool
) -> None:
    [address] = [a.split("/")[0] for a in lab.port(port)["addresses"] if ":" not in a]

    assert lab.succeeds(endpoint, "nc", "-z", "-w", "3", address, "2223") is open_


def test_a_lost_port_moves_its_routes_and_its_return_brings_them_back(lab: Site) -> None:
    eventually("the probes to agree", lambda: ways(lab, "10.88.88.0/24") == [("172.22.10.1", "eth0")])

    lab.link("eth0", "down")

    eventually("the default to move", lambda: ways(lab, "default") == [("10.40.40.1", "eth3")])
    eventually("the other route to move", lambda: ways(lab, "10.88.88.0/24") == [("192.168.30.1", "eth2")])
    assert lab.succeeds("eclient", "ping", "-c1", "-W2", "8.8.8.8")
    page = lab.exec("eclient", "curl", "-sS", "--max-time", "10", "httpserver0.sdn/helloworld")
    assert page.stdout == "Hello world from HTTP server\n"

    lab.link("eth0", "up")

    eventually("the default to return", lambda: ways(lab, "default") == [("172.22.10.1", "eth0")], 60)
    eventually("the other route to return", lambda: ways(lab, "10.88.88.0/24") == [("172.22.10.1", "eth0")], 60)
    assert lab.succeeds("eclient", "ping", "-c1", "-W2", "8.8.8.8")
