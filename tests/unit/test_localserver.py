"""What the local profile server asks of ports and is told of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from evenet_core.device.dpclist import Candidate
from evenet_core.device.verification import State
from evenet_core.errors import ConfigError, EvenetError
from evenet_core.localserver.asked import port_patches
from evenet_core.localserver.messages import decode, encode
from evenet_core.localserver.told import network_info
from evenet_core.model.adapters import Adapter, Dpc, Origin, Source
from evenet_core.model.networks import IgnoreDhcp, IpFamily, IpMode, IpSettings, ProbeMethod, WifiKeyScheme
from evenet_core.model.patches import PortPatch

LABELS = ("a", "b")
PEM = "-----BEGIN CERTIFICATE-----\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def asked(*ports: dict[str, Any]) -> tuple[PortPatch, ...]:
    """Through the wire."""
    message = decode("LocalNetworkConfig", encode("LocalNetworkConfig", {"ports": list(ports)}))
    return port_patches(message, LABELS)


def port(label: str = "a", **more: Any) -> dict[str, Any]:
    return {"logical_label": label, "use_dhcp": True, **more}


def problems(*ports: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        asked(*ports)
    return {problem.path: problem.problem for problem in raised.value.problems}


def test_a_port_is_asked_for_with_all_its_addressing() -> None:
    [patch] = asked(
        {
            "logical_label": "a",
            "ip_version": 2,
            "ip_addresses": ["192.0.2.7/24"],
            "gateways": ["192.0.2.1"],
            "dns_servers": ["192.0.2.3", "192.0.2.4"],
            "dns_domain": "site.example",
            "ntp_servers": ["192.0.2.5", "time.example"],
            "mtu": 1400,
            "dhcp_options_ignore": {"dns_config_exclusively": True, "gateways_exclusively": True},
        }
    )

    assert patch.ip is not None
    assert (patch.ip.mode, patch.ip.family, patch.mtu) == (IpMode.STATIC, IpFamily.IPV4, 1400)
    assert [str(address) for address in patch.addresses] == ["192.0.2.7/24"]
    assert (str(patch.ip.gateway), patch.ip.domain, patch.ip.ntp) == (
        "192.0.2.1",
        "site.example",
        ("192.0.2.5", "time.example"),
    )
    assert [str(server) for server in patch.ip.dns] == ["192.0.2.3", "192.0.2.4"]
    assert patch.ip.ignore == IgnoreDhcp(dns=True, gateways=True)


@pytest.mark.parametrize(("version", "gateway"), [(0, "0.0.0.0"), (2, "0.0.0.0"), (3, "::")])
def test_no_default_route_is_a_gateway_that_says_so(version: int, gateway: str) -> None:
    [patch] = asked(port(ip_version=version, without_default_route=True))

    assert patch.ip is not None
    assert str(patch.ip.gateway) == gateway


def test_a_proxy_is_asked_for() -> None:
    [patch] = asked(
        port(
            proxy_config={
                "proxies": [{"proto": 1, "server": "proxy.example", "port": 3128}, {"server": "other.example"}],
                "exceptions": "a.example, b.example",
                "pacfile": encoded("function FindProxyForURL() {}"),
                "networkProxyURL": "http://wpad.example/wpad.dat",
                "proxyCertPEM": [encoded(PEM)],
            }
        )
    )

    assert patch.proxy is not None
    assert [(server.protocol, server.server, server.port) for server in patch.proxy.servers] == [
        ("https", "proxy.example", 3128),
        ("http", "other.example", 80),
    ]
    assert patch.proxy.exceptions == ("a.example", "b.example")
    assert patch.proxy.pac == "function FindProxyForURL() {}"
    assert (patch.proxy.url, patch.proxy.ca_pem) == ("http://wpad.example/wpad.dat", (PEM,))


def test_radios_are_asked_for() -> None:
    wifi = {"ssid": "net", "key_scheme": 1, "identity": "me", "password": "secret of wifi"}
    cellular = {
        "ip_type": 2,
        "attach_apn": "attach",
        "activate_sim_slot": 2,
        "forbid_roaming": True,
        "default_bearer_auth": {"auth_protocol": 2, "username": "me", "password": "secret of modem"},
        "probe": {"custom_probe": {"probe_method": 2, "probe_endpoint": {"host": "192.0.2.9", "port": 443}}},
    }

    one, other = asked(
        port("a", wireless_device_type=2, wifi_config=wifi),
        port("b", wireless_device_type=1, cellular_config=cellular),
    )

    assert one.wifi is not None
    assert other.cellular is not None
    [network], [point] = one.wifi.networks, other.cellular.access_points
    assert (network.ssid, network.key_scheme, network.password.reveal()) == (
        "net",
        WifiKeyScheme.WPA_PSK,
        "secret of wifi",
    )
    assert (point.apn, point.ip_type, point.auth, point.username) == ("internet", "ipv4v6", "chap", "me")
    assert (point.attach_apn, point.attach_ip_type, point.attach_auth) == ("attach", "", "none")
    assert (point.password.reveal(), point.forbid_roaming, other.cellular.active_slot) == ("secret of modem", True, 2)
    assert other.cellular.probe is not None
    assert (other.cellular.probe.method, other.cellular.probe.port) == (ProbeMethod.TCP, 443)


@pytest.mark.parametrize(
    ("wrong", "path", "text"),
    [
        (port("c"), "logical_label", "there is no port 'c'"),
        (port(""), "logical_label", "there is no port ''"),
        (port(gateways=["192.0.2.1", "192.0.2.2"]), "gateways", "holds 2"),
        (port(ip_addresses=["192.0.2.7/24", "192.0.2.8/24"]), "ip_addresses", "holds 2"),
        (port(wireless_device_type=2), "wifi_config", "is missing"),
    ],
)
def test_what_is_wrong_with_one_port_refuses_all(wrong: dict[str, Any], path: str, text: str) -> None:
    found = problems(port("b"), wrong)

    assert found == {f"ports[1].{path}": text}


@pytest.mark.parametrize(
    "wrong",
    [
        port(mtu=68),
        port(ip_version=9),
        port(ip_addresses=["nonsense"]),
        {"logical_label": "a"},  # static, without an address
        port(dns_servers=["x"]),
        port(wireless_device_type=2, wifi_config={"ssid": "net", "key_scheme": 7}),
        port(proxy_config={"proxies": [{"proto": 9, "server": "x"}]}),
        port(proxy_config={"pacfile": "no base64"}),
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    assert all(path.startswith("ports[0].") for path in problems(wrong))


def test_a_port_is_asked_for_once() -> None:
    assert problems(port(), port()) == {"ports[1].logical_label": "a is there twice"}


def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(EvenetError, match="no LocalNetworkConfig"):
        decode("LocalNetworkConfig", b"\xff\xff\xff")


def test_a_newer_server_may_say_more() -> None:
    assert decode("RadioConfig", encode("RadioConfig", {"radio_silence": True}) + b"\xf8\x06\x01") == {
        "radio_silence": True
    }


def test_what_was_asked_for_is_told_as_it_was_asked_for_without_its_passwords() -> None:
    wifi = {"ssid": "net", "key_scheme": 1}
    proxy = {"proxies": [{"proto": 1, "server": "proxy.example", "port": 3128}], "exceptions": "a.example,b.example"}
    first = asked(
        {"logical_label": "a", "ip_addresses": ["192.0.2.7/24"], "gateways": ["192.0.2.1"], "proxy_config": proxy},
        port("b", ip_version=3, without_default_route=True, wireless_device_type=2, wifi_config=wifi, mtu=1300),
    )
    [hidden] = asked(port("b", wireless_device_type=2, wifi_config=wifi | {"password": "secret"}))
    dhcp = IpSettings(mode=IpMode.DHCP)
    settings = [Adapter(label=label, ifname=f"eth{label}", ip=dhcp, wifi=hidden.wifi) for label in LABELS]
    candidates = (Candidate(dpc=Dpc(key="zedagent", adapters=tuple(settings))),)

    info = network_info(State(candidates=candidates, current=0), first, {"a": "not permitted"}, "", [])
    told = decode("NetworkInfo", encode("NetworkInfo", info))

    a, b = told["local_config"]["ports"]
    assert port_patches({"ports": [dict(a, wireless_device_type=0), b]}, LABELS) == first
    assert (a["error_message"], a.get("config_applied"), b["config_applied"]) == ("not permitted", None, True)
    assert [one.get("config_applied") for one in told["latest_config"]] == [True, None]
    assert "secret" not in str(network_info(State(candidates=candidates, current=0), (hidden,), {}, "", []))


def test_whose_settings_a_port_has_is_told() -> None:
    mine = Adapter(label="a", ifname="eth0", ip=IpSettings(mode=IpMode.DHCP), source=Source(origin=Origin.OVERRIDE))
    state = State(candidates=(Candidate(dpc=Dpc(key="override", adapters=(mine,))),), current=0)

    [told] = network_info(state, (), {}, "", [])["latest_config"]

    assert told["config_source"]["origin"] == 3
