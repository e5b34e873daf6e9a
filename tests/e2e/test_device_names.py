"""Names and time of the device: which servers it asks, in which order, and what it is told of each port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.sites import CONTROLLER, adapter, eve_config, network, site_model, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

# Tells the destination of every question that leaves by a port, one a line.
QUESTIONS = """
import socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
print("listens", flush=True)
while True:
    data, (link, _, kind, *_) = sock.recvfrom(2048)
    ours = link.startswith("keth") and kind == socket.PACKET_OUTGOING
    if ours and data[:1] == b"E" and data[9] == 17 and data[22:24] == b"\\0\\x35":
        print(socket.inet_ntoa(data[16:20]), flush=True)
"""


def server(label: str, ip: str, *names: tuple[str, str]) -> dict[str, Any]:
    entries = [{"fqdn": name, "ip": address} for name, address in names]
    subnet = ip.rsplit(".", 1)[0] + ".0/24"
    return {"logicalLabel": label, "fqdn": f"{label}.test", "subnet": subnet, "ip": ip, "staticEntries": entries}


def four_ports() -> dict[str, Any]:
    """Site S4-dns."""
    model = site_model(*(f"172.30.{n}.0/24" for n in range(4)))
    ctrl = (CONTROLLER, "adam-ip")
    one, two = (ctrl, ("http-server1.test", "10.36.0.25")), (ctrl, ("http-server2.test", "10.36.1.25"))
    knows: dict[int, Any] = {0: one, 1: one, 2: one, 3: two, 4: (), 5: one, 6: one, 7: two}
    model["endpoints"]["dnsServers"] = [server(f"dns{n}", f"10.35.{n}.25", *names) for n, names in knows.items()]
    for part, advertised in zip(model["networks"], (["dns0"], ["dns1", "dns2"], ["dns3"], ["dns4"]), strict=True):
        part["dhcp"]["privateDNS"] = advertised
        del part["router"]
    return model


def with_dns(name: str, *dns: str, ignored: bool = False) -> dict[str, Any]:
    found = network(name, dhcp=4)
    return found | {"ip": found["ip"] | {"dns": list(dns), "dhcpOptionsIgnore": {"dnsConfigExclusively": ignored}}}


def settled(site: StartSite, tmp_path: Path, model: dict[str, Any], config: dict[str, Any]) -> Site:
    write_json(tmp_path / "network-model.json", model)
    return site(str(tmp_path), "--device-config", write_json(tmp_path / "config.json", config))


def asked_for(lab: Site, name: str) -> list[str]:
    """Servers that are asked when the device looks a name up, in the order of the first question."""
    command = [*lab.command, "lab", "exec", lab.name, "device", "--", sys.executable, "-c", QUESTIONS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout is not None
        assert listening.stdout.readline() == "listens\n"
        lab.exec("device", "getent", "ahostsv4", name, check=False, seconds=60.0)
        lab.exec("device", "pkill", "-f", "AF_PACKET", check=False)
        return list(dict.fromkeys(listening.stdout.read().split()))


def test_dns_merge_and_order(site: StartSite, tmp_path: Path) -> None:
    nets = {
        3: with_dns("n3"),
        2: with_dns("n2", "10.35.7.25", ignored=True),
        0: with_dns("n0", "10.35.5.25"),
        1: with_dns("n1", "10.35.6.25"),
    }
    costs = {3: 0, 2: 1, 0: 2, 1: 2}
    adapters = [adapter(f"ethernet{n}", nets[n], cost=costs[n]) for n in costs]
    config = eve_config(adapters, *nets.values(), timer_port_testduration=10)
    lab = settled(site, tmp_path, four_ports(), config)

    wanted = {
        "ethernet0": {"10.35.0.25", "10.35.5.25"},
        "ethernet1": {"10.35.1.25", "10.35.2.25", "10.35.6.25"},
        "ethernet2": {"10.35.7.25"},
        "ethernet3": {"10.35.4.25"},
    }
    eventually(
        "the servers of every port",
        lambda: {port["label"]: {*port["dns_servers"]} for port in lab.status()["ports"]} == wanted,
    )
    assert lab.port("ethernet3")["error"] is None
    assert lab.status()["dpc"]["last_error"] is None
    resolver = lab.exec("device", "cat", "/etc/resolv.conf").stdout
    assert [line for line in resolver.splitlines() if line.startswith("nameserver")] == ["nameserver 127.0.0.1"]
    assert lab.succeeds("device", "getent", "ahostsv4", CONTROLLER)

    eventually("all uplinks to be used in their order", lambda: states(lab) == dict.fromkeys(wanted, "answers"))

    asked = asked_for(lab, "nobody-knows.example")

    assert asked[:2] == ["10.35.4.25", "10.35.7.25"]
    assert {*asked[2:]} == wanted["ethernet0"] | wanted["ethernet1"]
    assert "10.35.3.25" not in asked


def states(site: Site) -> dict[str, str]:
    return {port["label"]: port["state"] for port in site.status()["uplinks"][0]["ports"]}


def times(site: Site) -> list[str]:
    """Addresses of chronyd's sources, the one that it follows first."""
    lines = site.exec("device", "chronyc", "-n", "-c", "sources", check=False).stdout.splitlines()
    fields = [line.split(",") for line in lines]
    return [fields[2] for fields in sorted(fields, key=lambda one: one[1] != "*")]


def test_ntp_by_port(site: StartSite, tmp_path: Path) -> None:
    model = site_model("172.20.20.0/24", "172.20.21.0/24")
    for part, advertised in zip(model["networks"], ("162.159.200.1", "216.239.35.0"), strict=True):
        part["dhcp"]["publicNTP"] = advertised
    of_lease = network("n0", dhcp=4, ntp="162.159.200.123")
    ignored = network("n1", dhcp=4, ntp="162.159.200.123", dhcpOptionsIgnore={"ntpServerExclusively": True})
    adapters = [adapter("ethernet0", of_lease), adapter("ethernet1", ignored, cost=1)]
    lab = settled(site, tmp_path, model, eve_config(adapters, of_lease, ignored))

    both = {"162.159.200.1", "162.159.200.123"}
    wanted = {"ethernet0": both, "ethernet1": {"162.159.200.123"}}
    eventually(
        "the servers of every port",
        lambda: {port["label"]: {*port["ntp_servers"]} for port in lab.status()["ports"]} == wanted,
    )
    eventually("chronyd's sources", lambda: sorted(times(lab)) == sorted(both))
    eventually("one that is followed", lambda: "*" in lab.exec("device", "chronyc", "-c", "sources").stdout, 60.0)
    listed = lab.exec("device", "cat", "/run/chrony-dhcp/evenet.sources").stdout
    assert sorted(line.split()[1] for line in listed.splitlines()) == sorted(both)
