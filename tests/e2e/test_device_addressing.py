"""Addresses of the device at whole sites: IPv4 only, IPv6 only, both, and static settings beside a DHCP server's."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

NETWORK = "6605d17b-3273-4108-8e6e-4965441ebe01"
V4, V6 = "172.20.20.0/24", "fd3f:89fd:78c5::/64"
DNS4, DNS6, NTP4 = "10.16.16.25", "fd23:131b:6500::1", "10.17.17.25"
WATCH = "15"  # seconds of silence: routers announce themselves every 10
DUAL, IPV4, IPV6 = 4, 7, 8  # types of networks, as EVE numbers them

SiteOf = Callable[..., Site]


def segment(subnet: str, dns: str, **dhcp: Any) -> dict[str, Any]:
    gateway = str(ip_network(subnet).network_address + 1)
    return {
        "subnet": subnet,
        "gwIP": gateway,
        "dhcp": {"enable": True, "privateDNS": [dns], "domainName": "test", **dhcp},
    }


def endpoint(label: str, *addresses: str, **more: Any) -> dict[str, Any]:
    inside = [{"subnet": str(ip_interface(a).network), "ip": str(ip_interface(a).ip)} for a in addresses]
    where = inside[0] if len(inside) == 1 else {"dualStack": {"ipv4": inside[0], "ipv6": inside[1]}}
    return {"logicalLabel": label, "fqdn": f"{label}.test", **where, **more}


def site_s1(*versions: int) -> dict[str, Any]:
    """Site S1-dual, or its half."""
    four = segment(V4, "dns", ipRange={"fromIP": "172.20.20.100", "toIP": "172.20.20.200"}, privateNTP="ntp")
    six = segment(V6, "dns")
    network: dict[str, Any] = {"logicalLabel": "network0", "bridge": "bridge0"}
    network |= {"dualStack": {"ipv4": four, "ipv6": six}} if versions == (4, 6) else {4: four, 6: six}[versions[0]]
    names = [{"fqdn": "mydomain.adam", "ip": "adam-ip"}]
    addresses = {4: f"{DNS4}/24", 6: f"{DNS6}/64"}
    return {
        "ports": [{"logicalLabel": "eveport0", "adminUP": True}],
        "bridges": [{"logicalLabel": "bridge0", "ports": ["eveport0"]}],
        "networks": [network],
        "endpoints": {
            "dnsServers": [endpoint("dns", *(addresses[version] for version in versions), staticEntries=names)],
            "ntpServers": [endpoint("ntp", f"{NTP4}/24")],
        },
    }


def device(kind: int, *, address: str = "", **ip: Any) -> dict[str, Any]:
    adapter = {"name": "eth0", "uplink": True, "networkUUID": NETWORK} | ({"addr": address} if address else {})
    port = {"ptype": 1, "phylabel": "eth0", "phyaddrs": {"Ifname": "eth0"}, "logicallabel": "eth0", "usage": 1}
    return {
        "deviceIoList": [port],
        "networks": [{"id": NETWORK, "type": kind, "ip": {"dhcp": 4, **ip}}],
        "systemAdapterList": [adapter],
        "configItems": [{"key": "timer.port.testinterval", "value": "10"}],
    }


@pytest.fixture
def site_of(site: StartSite, tmp_path: Path) -> SiteOf:
    def start(model: dict[str, Any], config: dict[str, Any]) -> Site:
        (tmp_path / "network-model.json").write_text(json.dumps(model))
        (tmp_path / "device-config.json").write_text(json.dumps(config))
        return site(str(tmp_path), "--device-config", str(tmp_path / "device-config.json"))

    return start


def kernel_addresses(lab: Site, family: str) -> list[dict[str, Any]]:
    """On any link of the device but the loopback."""
    links = [link for link in lab.ip(family, "addr", "show") if link["ifname"] != "lo"]
    return [address for link in links for address in link["addr_info"]]


def works(lab: Site) -> bool:
    port = lab.port("eth0")
    return bool(port["addresses"]) and port["error"] is None and lab.status()["dpc"]["state"] == "success"


def heard_in_a_while(lab: Site, family: str) -> str:
    """What happens to addresses of a family on the device while routers announce themselves."""
    return lab.exec("device", "timeout", WATCH, "ip", family, "-o", "monitor", "address", check=False).stdout


def test_v4_only_dhcp(site_of: SiteOf) -> None:
    lab = site_of(site_s1(4, 6), device(IPV4))
    eventually("the controller to be reached", lambda: works(lab), 180)

    [address] = lab.port("eth0")["addresses"]
    assert ip_interface(address).network == ip_network(V4)
    assert kernel_addresses(lab, "-6") == []
    assert heard_in_a_while(lab, "-6") == ""
    assert lab.port("eth0")["addresses"] == [address]
    assert kernel_addresses(lab, "-6") == []


def test_v6_only_device(site_of: SiteOf) -> None:
    lab = site_of(site_s1(6), device(IPV6))
    eventually("the controller to be reached", lambda: works(lab), 300)

    port = lab.port("eth0")
    [address] = port["addresses"]
    assert ip_interface(address).ip in ip_network(V6)
    router = ip_address(port["gateways"][0])
    assert router.is_link_local
    assert port["dns_servers"] == [DNS6]
    [candidate] = lab.json("dpc", "list")
    assert (candidate["current"], candidate["last_error"]) == (True, None)

    assert str(ip_interface(address).ip) in {one["local"] for one in kernel_addresses(lab, "-6")}
    [default] = [r for r in lab.ip("-6", "route", "show", "table", str(port["table"])) if r["dst"] == "default"]
    assert (ip_address(default["gateway"]), default["dev"]) == (router, "eth0")
    assert kernel_addresses(lab, "-4") == []
    assert heard_in_a_while(lab, "-4") == ""

    before = port["last_succeeded"]
    eventually("the next test", lambda: lab.port("eth0")["last_succeeded"] > before, 120)
    assert kernel_addresses(lab, "-4") == []


def test_both_families_at_one_port(site_of: SiteOf) -> None:
    lab = site_of(site_s1(4, 6), device(DUAL))
    eventually("both addresses", lambda: works(lab) and len(lab.port("eth0")["addresses"]) == 2, 180)

    port = lab.port("eth0")
    assert [ip_interface(address).version for address in port["addresses"]] == [4, 6]
    assert [ip_address(gateway).version for gateway in port["gateways"]] == [4, 6]
    assert port["dns_servers"] == [DNS4, DNS6]
    [bridge], [below] = lab.ip("link", "show", "eth0"), lab.ip("link", "show", "keth0")
    assert port["mac"] == bridge["address"] == below["address"]


STATIC = {"subnet": V4, "gateway": "172.20.20.1", "dns": ["10.16.16.26"], "ntp": "10.17.17.26", "domain": "mine.test"}


def test_a_static_address_beside_the_servers(site_of: SiteOf) -> None:
    lab = site_of(site_s1(4), device(IPV4, address="172.20.20.10", **STATIC))
    eventually("both addresses", lambda: works(lab) and len(lab.port("eth0")["addresses"]) == 2, 180)

    port = lab.port("eth0")
    assert port["addresses"][0] == "172.20.20.10/24"
    assert ip_interface(port["addresses"][1]).ip >= ip_address("172.20.20.100")  # type: ignore[operator]
    assert port["gateways"] == ["172.20.20.1"]
    assert set(port["dns_servers"]) == {DNS4, "10.16.16.26"}
    assert set(port["ntp_servers"]) == {NTP4, "10.17.17.26"}
    assert port["domain"] == "mine.test"


def test_everything_of_the_server_is_ignored_and_the_static_settings_work(site_of: SiteOf) -> None:
    flags = {f"{what}Exclusively": True for what in ("ntpServer", "ipAddresses", "dnsConfig", "gateways")}
    static = STATIC | {"dns": [DNS4]}
    lab = site_of(site_s1(4), device(IPV4, address="172.20.20.10", dhcpOptionsIgnore=flags, **static))
    eventually("the controller to be reached", lambda: works(lab), 180)

    port = lab.port("eth0")
    assert port["addresses"] == ["172.20.20.10/24"]
    assert port["gateways"] == ["172.20.20.1"]
    assert (port["dns_servers"], port["ntp_servers"], port["domain"]) == ([DNS4], ["10.17.17.26"], "mine.test")
    assert [address["local"] for address in kernel_addresses(lab, "-4")] == ["172.20.20.10"]
