"""The controller is reached through proxies alone: written down, or found by WPAD and a PAC file."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.sites import CONTROLLER, adapter, eve_config, network, port_config, site_model, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

WPAD = """function FindProxyForURL(url, host) {
  if (dnsDomainIs(host, 'github.com')) return 'DIRECT';
  if (url.startsWith('http://')) return 'PROXY http-proxy.test:9090';
  return 'PROXY http-proxy.test:9091';
}
"""
NET = "6605d17b-3273-4108-8e6e-4965441ebe07"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate and key of the proxy's own authority, in PEM."""
    where = tmp_path_factory.mktemp("proxy")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    command = ("openssl", "req", "-x509", *key, "-subj", "/CN=proxy", "-days", "30", *usage)
    subprocess.run(command, cwd=where, check=True, capture_output=True)
    return (where / "ca.pem").read_text(), (where / "ca.key").read_text()


def behind_a_proxy(authority: tuple[str, str], **proxy: Any) -> dict[str, Any]:
    """Sites S1-proxy and S1-wpad."""
    model = site_model("172.20.20.0/24")
    [server] = model["endpoints"]["dnsServers"]
    names = {"http-proxy.test": "10.18.18.25", "wpad.test": "10.19.19.25"}
    server["staticEntries"] = [{"fqdn": name, "ip": ip} for name, ip in names.items()]
    knowing = server | {"logicalLabel": "proxy-dns", "fqdn": "proxy-dns.test", "subnet": "10.17.17.0/24"}
    knowing |= {"ip": "10.17.17.25", "staticEntries": [{"fqdn": CONTROLLER, "ip": "adam-ipv4"}]}
    model["endpoints"]["dnsServers"].append(knowing)
    model["endpoints"]["explicitProxies"] = [
        {
            "logicalLabel": "proxy",
            "fqdn": "http-proxy.test",
            "subnet": "10.18.18.0/24",
            "ip": "10.18.18.25",
            "httpProxy": {"port": 9090},
            "httpsProxy": {"port": 9091},
            "privateDNS": ["proxy-dns"],
            "caCertPEM": authority[0],
            "caKeyPEM": authority[1],
            "proxyRules": [{"reqHost": "github.com", "action": "reject"}, {"action": "mitm"}],
        }
        | proxy
    ]
    model["endpoints"]["httpServers"] = [
        {
            "logicalLabel": "wpad",
            "fqdn": "wpad.test",
            "subnet": "10.19.19.0/24",
            "ip": "10.19.19.25",
            "httpPort": 80,
            "paths": {"/wpad.dat": {"contentType": "application/x-ns-proxy-autoconfig", "content": WPAD}},
        }
    ]
    [part] = model["networks"]
    part["router"] = {"outsideReachability": True, "reachableEndpoints": ["dns", "proxy", "wpad"]}
    model["firewall"] = {"rules": [{"srcSubnet": "172.20.20.0/24", "dstSubnet": "203.0.113.10/32", "action": "drop"}]}
    return model


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MANUAL = {
    "proxies": [
        {"proto": 0, "server": "http://http-proxy.test", "port": 9090},
        {"proto": 1, "server": "http://http-proxy.test", "port": 9091},
    ]
}
DISCOVERED = {"networkProxyEnable": True}


def device_config(proxy: dict[str, Any], ca: str) -> dict[str, Any]:
    behind = network(NET, dhcp=4) | {"entProxy": proxy | {"proxyCertPEM": [encoded(ca)]}}
    return eve_config([adapter("ethernet0", behind)], behind)


def override(proxy: dict[str, Any], ca: str) -> dict[str, Any]:
    port = {"IfName": "eth0", "IsMgmt": True, "IsL3Port": True, "Dhcp": 4, "Type": 5}
    if "proxies" in proxy:
        port["Proxies"] = [
            {"Type": one["proto"], "Server": one["server"], "Port": one["port"]} for one in proxy["proxies"]
        ]
        port["Exceptions"] = "github.com"
    else:
        port["NetworkProxyEnable"] = True
    return port_config(port | {"pubsub-large-ProxyCertPEM": [encoded(ca)]})


@pytest.mark.parametrize("source", ["bootstrap", "override"])
@pytest.mark.parametrize("proxy", [MANUAL, DISCOVERED], ids=["manual", "wpad"])
def test_bootstrap_proxy(
    site: StartSite, tmp_path: Path, authority: tuple[str, str], proxy: dict[str, Any], source: str
) -> None:
    config = device_config(proxy, authority[0])
    given = config if source == "bootstrap" else override(proxy, authority[0])
    write_json(tmp_path / "network-model.json", behind_a_proxy(authority))
    lab = site(str(tmp_path), f"--{source}", write_json(tmp_path / f"{source}.json", given))
    assert [candidate["key"] for candidate in lab.json("dpc", "list")] == [source]
    assert lab.status()["dpc"]["state"] == "success", lab.status()
    assert not lab.succeeds("device", "getent", "hosts", CONTROLLER)
    assert {entry["source"] for entry in requests(lab)} == {"10.18.18.25"}

    lab.exec("device", "evenet", "apply", write_json(tmp_path / "config.json", config), seconds=300.0)
    eventually("one entry", lambda: [candidate["key"] for candidate in lab.json("dpc", "list")] == ["zedagent"])
    assert lab.status()["dpc"]["state"] == "success"
    if proxy is DISCOVERED:
        assert lab.port("ethernet0")["wpad_url"] == "http://wpad.test/wpad.dat"


def requests(lab: Site) -> list[dict[str, Any]]:
    """What reached the controller."""
    log = Path("/run/evenet-lab") / lab.name / "controller.log"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_proxy_that_wants_a_password_and_one_whose_authority_nobody_vouches_for(
    site: StartSite, tmp_path: Path, authority: tuple[str, str]
) -> None:
    users = [{"username": "a", "password": "b"}]
    write_json(tmp_path / "network-model.json", behind_a_proxy(authority, users=users))
    config = device_config(MANUAL, authority[0])
    lab = site(str(tmp_path), "--device-config", write_json(tmp_path / "c.json", config), check=False)
    [verdict] = json.loads(lab.exec("device", "evenet", "test-connectivity", "--json", check=False).stdout)
    assert verdict["reason"] == "failure"
    assert "407: it wants a user's name and password" in verdict["error"]
