"""Two uplinks in the lab: the node's own traffic goes where somebody answers, and comes back losing nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.site import CASES, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(600), pytest.mark.xdist_group("uplinks")]

CASE = "local-ni-multiple-ports"  # uplinks eth0, for free, and eth3, which costs 5
CONTROLLER = "203.0.113.10"
ETH0, ETH3 = "172.22.10.", "10.40.40."
# Traffic that nobody binds to a port: tells the address that the kernel took, or an empty line.
CONNECTS = """
import socket
with socket.socket() as sock:
    sock.settimeout(2)
    try:
        sock.connect(("CONTROLLER", 443))
        print(sock.getsockname()[0])
    except OSError:
        print()
"""
# One connection, kept over all that happens; says something when it is told to.
ECHO = """
import socket
server = socket.create_server(("CONTROLLER", 7777))
print("listens", flush=True)
client, _ = server.accept()
while said := client.recv(100):
    client.sendall(said)
"""
KEPT = """
import socket, sys
with socket.create_connection(("CONTROLLER", 7777), 10) as sock:
    print(sock.getsockname()[0], flush=True)
    sock.sendall(sys.stdin.readline().encode())
    print(sock.recv(100).decode(), flush=True)
"""
SILENCE = (
    "add table netdev quiet; "
    "add chain netdev quiet in { type filter hook ingress device port0 priority 0; policy drop; }"
)
DEAF = "add table inet quiet; add chain inet quiet in { type filter hook forward priority -200; iifname br0 drop; }"


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    site = Site(f"t{os.getpid()}-uplinks", CASE)
    site.up("--device-config", str(CASES / CASE / "device-config.json"))
    eventually("both uplinks to answer", lambda: states(site) == {"eth0": "answers", "eth3": "answers"})
    yield site
    site.down()


def states(site: Site) -> dict[str, str]:
    return {port["label"]: port["state"] for port in own(site)["ports"]}


def own(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = next(route for route in site.status()["uplinks"] if route["version"] == 4)
    return found


def source(site: Site) -> str:
    return site.exec("device", sys.executable, "-c", CONNECTS.replace("CONTROLLER", CONTROLLER)).stdout.strip()


def python(site: Site, host: str, program: str) -> subprocess.Popen[str]:
    """A program on a host of the site, that says a line when it is ready."""
    command = [*site.command, "lab", "exec", site.name, host, "--", sys.executable, "-c"]
    return subprocess.Popen(
        [*command, program.replace("CONTROLLER", CONTROLLER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


@pytest.mark.parametrize(("what", "family"), [(SILENCE, "netdev"), (DEAF, "inet")], ids=["gateway", "beyond"])
def test_an_uplink_that_falls_silent_is_left_and_returned_to(lab: Site, what: str, family: str) -> None:
    assert source(lab).startswith(ETH0)
    lab.exec("router", "nft", what)
    try:
        eventually("traffic over eth3", lambda: source(lab).startswith(ETH3))
        assert own(lab)["selected"] == "eth3"
        assert states(lab)["eth0"] in {"silent", "partly"}
        table = lab.device("uplinks")
        assert "IPv4: eth3 since" in table
        assert "eth0: " in table
        echo = python(lab, "outside", ECHO)
        assert line(echo) == "listens\n"
        kept = python(lab, "device", KEPT)
        assert line(kept).startswith(ETH3)
    finally:
        lab.exec("router", "nft", "delete", "table", family, "quiet")
    eventually("the way back", lambda: own(lab)["selected"] == "eth0")
    eventually("traffic over eth0", lambda: source(lab).startswith(ETH0))
    said, _ = kept.communicate("still there\n", timeout=60)
    assert said.startswith("still there")  # over eth3, as it began
    echo.communicate(timeout=60)


def test_a_cable_that_is_pulled_is_told_of_its_port_and_of_nothing_else(lab: Site) -> None:
    before = lab.status()["dpc"]
    began = lab.json("dpc", "show")["results"]
    lab.link("eth0", "down")
    try:
        eventually("traffic over eth3", lambda: source(lab).startswith(ETH3))
        eventually("the error of eth0", lambda: "link" in (lab.port("eth0")["error"] or ""))
        eventually("a test of eth0", lambda: result(lab, "eth0")["last_failed"] != told(began, "eth0")["last_failed"])
        dpc = lab.status()["dpc"]
        assert (dpc["key"], dpc["state"], dpc["last_error"]) == (before["key"], "success", None)
    finally:
        lab.link("eth0", "up")
    failed = result(lab, "eth0")["last_failed"]
    eventually("a good test of eth0", lambda: (result(lab, "eth0")["last_succeeded"] or "") > failed)
    eventually("traffic over eth0", lambda: source(lab).startswith(ETH0))
    assert lab.port("eth0")["error"] is None


def result(site: Site, label: str) -> dict[str, Any]:
    return told(site.json("dpc", "show")["results"], label)


def told(results: list[dict[str, Any]], label: str) -> dict[str, Any]:
    return next(one for one in results if one["label"] == label)


def test_a_bundle_for_support_holds_what_helps_and_no_secret(lab: Site) -> None:
    lab.exec("device", "evenet", "test-connectivity")
    lab.exec("device", "evenet", "support-bundle", "/run/bundle.tar.gz")
    listed = lab.exec("device", "tar", "tzvf", "/run/bundle.tar.gz").stdout
    for part in ("status.json", "events.json", "last_tests.json", "firewall.txt", "rules.txt", "version"):
        assert f"bundle/{part}" in listed
    assert lab.exec("device", "stat", "-c", "%a", "/run/bundle.tar.gz").stdout == "600\n"
    tests = lab.exec("device", "tar", "xzOf", "/run/bundle.tar.gz", "bundle/last_tests.json").stdout
    assert '"tls_ms"' in tests
