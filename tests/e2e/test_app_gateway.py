"""Case app-gateway: an app that is the gateway of air-gapped network instances."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, Site, eventually

pytestmark = pytest.mark.root

CASE = "app-gateway"


@pytest.fixture
def lab(site: StartSite) -> Site:
    lab = site(CASE, "--device-config", str(CASES / CASE / "device-config.json"))
    eventually("app-client1 to have its routes", lambda: {"10.50.0.1", "172.28.1.2"} <= gateways(lab, "app-client1"))
    eventually("app-client2 to have its routes", lambda: {"172.28.2.2"} <= gateways(lab, "app-client2"))
    eventually(
        "the gateway app to have its uplink", lambda: lab.succeeds("app-gw", "ping", "-c1", "-W1", "10.203.10.1")
    )
    return lab


def gateway_routes(lab: Site, app: str) -> set[tuple[str, str]]:
    return {(r["dst"], r["gateway"]) for r in lab.ip("route", host=app) if "gateway" in r}


def gateways(lab: Site, app: str) -> set[str]:
    return {via for _, via in gateway_routes(lab, app)}


def page(lab: Site, app: str, server: str) -> str:
    return lab.exec(app, "curl", "-sS", "--max-time", "10", f"{server}/helloworld", check=False).stdout


def test_apps_are_told_their_routes_and_nothing_more(lab: Site) -> None:
    assert gateway_routes(lab, "app-client1") == {("default", "10.50.0.1"), ("10.21.21.0/24", "172.28.1.2")}
    assert gateway_routes(lab, "app-client2") == {("default", "172.28.2.2")}


def test_servers_are_reached_directly_and_through_the_gateway_app(lab: Site) -> None:
    assert page(lab, "app-client1", "10.20.20.70") == "Hello world from HTTP server no. 0\n"
    assert page(lab, "app-client1", "10.21.21.70") == "Hello world from HTTP server no. 1\n"
    assert page(lab, "app-client2", "10.21.21.70") == "Hello world from HTTP server no. 1\n"


def test_nothing_leaves_an_air_gapped_instance_by_the_node(lab: Site) -> None:
    assert page(lab, "app-client2", "10.20.20.70") == ""
    lab.exec("app-client2", "ip", "route", "add", "10.20.20.0/24", "via", "172.28.2.1", "onlink", "dev", "eth0")

    assert page(lab, "app-client2", "10.20.20.70") == ""
    assert not lab.succeeds("app-client2", "ping", "-c1", "-W1", "10.20.20.70")
