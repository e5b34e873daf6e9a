"""Files for the first boot: DevicePortConfig and GlobalConfig."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from evenet_core.errors import ConfigError
from evenet_core.formats import Document, read
from evenet_core.model.adapters import Adapter, Dpc, Origin, Usage
from evenet_core.model.networks import IpFamily, IpMode, ProxyProtocol, ProxyServer, WifiKeyScheme
from evenet_core.model.ports import ArpMonitor, BondMode, LacpRate, MiiMonitor, PortKind

ETH0 = {"IfName": "eth0", "IsMgmt": True, "Dhcp": 4}


def document(*ports: dict[str, Any], name: str = "override.json", **parts: Any) -> Document:
    return read(json.dumps({"Version": 1, "Ports": list(ports), **parts}).encode(), name)


def dpc(*ports: dict[str, Any], name: str = "override.json", **parts: Any) -> Dpc:
    found = document(*ports, name=name, **parts).dpc
    assert found is not None
    return found


def port(**fields: Any) -> Adapter:
    return dpc({**ETH0, **fields}).adapters[0]


# -- the whole -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key", "meant"),
    [
        ("/config/DevicePortConfig/usb.json", None, "usb"),
        ("override.json", "", "override"),
        ("any.json", "override", "override"),
        ("override.json", "manual", "manual"),
    ],
)
def test_a_dpc_without_a_key_is_called_as_its_file(name: str, key: str | None, meant: str) -> None:
    assert dpc(ETH0, name=name, Key=key).key == meant


@pytest.mark.parametrize("given", [None, "", "0001-01-01T00:00:00Z"])
def test_a_file_without_priority_has_the_one_of_a_file(given: str | None) -> None:
    assert dpc(ETH0, TimePriority=given).time_priority == datetime(1980, 1, 1, tzinfo=UTC)


def test_in_the_first_version_every_port_is_an_uplink_and_free() -> None:
    found = dpc({"IfName": "eth0", "Dhcp": 4, "Cost": 5}, {"IfName": "eth1", "Dhcp": 4}, Version=0)

    assert [(adapter.management, adapter.cost) for adapter in found.adapters] == [(True, 0), (True, 0)]


def test_in_version_one_management_is_said() -> None:
    found = dpc(ETH0, {"IfName": "eth1", "Dhcp": 4, "Cost": 5})

    assert [adapter.management for adapter in found.adapters] == [True, False]
    assert found.adapters[1].labels == {"all"}


def test_a_file_older_than_the_field_has_layer_three_ports_only() -> None:
    assert all(adapter.l3 for adapter in dpc(ETH0, {"IfName": "eth1"}).adapters)


def test_where_one_port_says_layer_three_the_others_are_not() -> None:
    found = dpc({**ETH0, "IsL3Port": True}, {"IfName": "eth1", "IsL3Port": False}, {"IfName": "eth2"})

    assert [adapter.l3 for adapter in found.adapters] == [True, False, False]


def test_names_count_in_any_case() -> None:
    found = read(
        b'{"version": 1, "PORTS": [{"ifname": "eth0", "ISMGMT": true, "dhcp": 4, "DnsServers": []}]}', "x.json"
    )

    assert found.dpc is not None
    assert found.dpc.adapters[0].management


# -- one port ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "family"),
    [
        (0, IpFamily.DUAL),
        (4, IpFamily.DUAL),
        (5, IpFamily.IPV4),
        (6, IpFamily.DUAL_PREFER_IPV6),
        (7, IpFamily.IPV6),
        (8, IpFamily.DUAL),
    ],
)
def test_types_of_networks_have_numbers_of_their_own(number: int, family: IpFamily) -> None:
    assert port(Type=number).ip.family is family


def test_labels_default_to_the_interface() -> None:
    found = port()

    assert (found.label, found.printed_label) == ("eth0", "eth0")


def test_labels_are_kept_and_built_in_ones_decided_anew() -> None:
    found = port(Logicallabel="ethernet0", SharedLabels=["wan", "freeuplink", "all"], Cost=1)

    assert found.label == "ethernet0"
    assert found.labels == {"wan", "all", "uplink"}


def test_a_modem_is_known_by_its_slot() -> None:
    point = {"SIMSlot": 2, "Activated": True, "APN": "iot", "IPType": 1, "AuthProtocol": 2, "PreferredRATs": ["lte"]}
    cellular = {"WType": 1, "CellularV2": {"AccessPoints": [point], "LocationTracking": True}}

    found = dpc({"USBAddr": "1:2.3", "IsMgmt": True, "Dhcp": 4, "WirelessCfg": cellular}).adapters[0]

    assert (found.label, found.ifname, found.usb, found.kind) == ("1:2.3", "", "1:2.3", PortKind.CELLULAR)
    assert found.cellular is not None
    assert found.cellular.active_slot == 2
    assert found.cellular.access_points[0].ip_type == "ipv4"
    assert found.cellular.access_points[0].auth == "chap"


def test_wifi_and_cellular_have_swapped_numbers() -> None:
    wifi = {"SSID": "net", "KeyScheme": 1, "Password": "long enough", "Priority": 2}

    found = port(WirelessCfg={"WType": 2, "Wifi": [wifi], "CellularV2": {"AccessPoints": None}})

    assert found.kind is PortKind.WIFI
    assert found.cellular is None
    assert found.wifi is not None
    assert found.wifi.networks[0].key_scheme is WifiKeyScheme.WPA_PSK
    assert found.wifi.networks[0].password.reveal() == "long enough"


def test_static_settings() -> None:
    found = port(Dhcp=1, AddrSubnet="192.0.2.7/24", Gateway="192.0.2.1", DomainName="example.com.", NTPServers=["a.b."])

    assert found.addresses == (ip_interface("192.0.2.7/24"),)
    assert found.ip.mode is IpMode.STATIC
    assert found.ip.dns == (ip_address("192.0.2.1"),)
    assert (found.ip.domain, found.ip.ntp) == ("example.com", ("a.b",))


def test_what_of_dhcp_is_ignored() -> None:
    ignore = port(IgnoreDhcpNtpServers=True, IgnoreDhcpDNSConfig=True).ip.ignore

    assert (ignore.ntp, ignore.dns, ignore.addresses, ignore.gateways) == (True, True, False, False)


def test_proxies() -> None:
    found = port(
        Proxies=[{"type": 1, "server": "http://proxy.example", "port": 9091}, {"Type": 0, "Server": "proxy.example"}],
        Exceptions="github.com, .local",
        **{"pubsub-large-ProxyCertPEM": ["LS0tLS1CRUdJTgo="]},
    ).proxy

    assert found is not None
    assert found.servers == (
        ProxyServer(protocol=ProxyProtocol.HTTPS, server="http://proxy.example", port=9091),
        ProxyServer(protocol=ProxyProtocol.HTTP, server="proxy.example", port=80),
    )
    assert found.exceptions == ("github.com", ".local")
    assert found.ca_pem == ("-----BEGIN\n",)


def test_a_proxy_block_that_says_nothing_is_none() -> None:
    assert port(NetworkProxyEnable=False, Exceptions="", Proxies=None).proxy is None


# -- layers --------------------------------------------------------------------------------------------


def test_a_management_vlan() -> None:
    parent = {"IfName": "eth0", "Logicallabel": "ethernet0", "IsL3Port": False, "IsMgmt": False, "Dhcp": 0}
    vlan = {"IfName": "vlan100", "Logicallabel": "mgmt-vlan", "IsL3Port": True, "IsMgmt": True, "Dhcp": 4, "L2Type": 1}

    found = dpc(parent, {**vlan, "VLAN": {"ParentPort": "ethernet0", "ID": 100}, "Bond": {"Mode": 0}})

    assert found.adapters[0].usage is Usage.L2_ONLY
    stacked = found.adapters[1]
    assert stacked.bond is None
    assert stacked.vlan is not None
    assert (stacked.vlan.label, stacked.vlan.interface, stacked.vlan.lower, stacked.vlan.id) == (
        "mgmt-vlan",
        "vlan100",
        "ethernet0",
        100,
    )


def test_a_bond() -> None:
    members = [{"IfName": f"eth{n}", "IsL3Port": False, "Dhcp": 0} for n in (0, 1)]
    monitors = {"MIIMonitor": {"Enabled": True, "Interval": 100}, "ARPMonitor": {"Enabled": False, "Interval": 5}}
    settings = {"AggregatedPorts": ["eth0", "eth1"], "Mode": 5, "LacpRate": 2, **monitors}

    found = dpc(*members, {**ETH0, "IfName": "bond1", "IsL3Port": True, "L2Type": 2, "Bond": settings}).adapters[2].bond

    assert found is not None
    assert (found.lower, found.mode, found.lacp_rate) == (("eth0", "eth1"), BondMode.LACP, LacpRate.FAST)
    assert found.mii == MiiMonitor(interval=100)
    assert found.arp is None


def test_a_bond_watched_by_arp() -> None:
    arp = {"Enabled": True, "Interval": 1000, "IPTargets": ["10.1.1.1"]}
    settings = {"AggregatedPorts": ["eth0"], "Mode": 2, "ARPMonitor": arp}
    member = {"IfName": "eth0", "IsL3Port": False}

    found = dpc(member, {**ETH0, "IfName": "bond1", "IsL3Port": True, "L2Type": 2, "Bond": settings}).adapters[1].bond

    assert found is not None
    assert found.arp == ArpMonitor(interval=1000, targets=(ip_address("10.1.1.1"),))
    assert found.mii is None


# -- what is said of it --------------------------------------------------------------------------------


def test_whoever_wrote_the_file_its_origin_is_override() -> None:
    found = document({**ETH0, "ConfigSource": {"Origin": 1, "SubmittedAt": "2020-01-01T00:00:00Z"}}, State=3)

    assert found.dpc is not None
    assert found.dpc.adapters[0].source.origin is Origin.OVERRIDE
    assert found.notices == ()


def test_dead_and_unknown_names_are_named() -> None:
    found = document({**ETH0, "Free": True, "NtpServer": "1.1.1.1", "ProxyCertPEM": ["x"], "Colour": "blue"})

    assert {notice.path for notice in found.notices} == {
        "Ports[0].Free",
        "Ports[0].NtpServer",
        "Ports[0].ProxyCertPEM",
        "Ports[0].Colour",
    }


def test_what_is_not_supported_is_named_once() -> None:
    proxies = {"Proxies": [{"Type": 0, "Server": "proxy.example"}], "PNAC": {"Enabled": True, "EAPMethod": 1}}

    found = document({**ETH0, **proxies}, {**ETH0, **proxies, "IfName": "eth1"})

    assert [str(notice) for notice in found.notices] == [
        "Ports[0].PNAC.Enabled: 802.1X is not yet supported (and 1 more like it)",
    ]


# -- properties ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"ItemType": 1, "IntValue": 10}, "10"),
        ({"ItemType": 1}, "0"),
        ({"ItemType": 2, "BoolValue": True}, "true"),
        ({"ItemType": 2}, "false"),
        ({"ItemType": 3, "StrValue": "www.example.com"}, "www.example.com"),
        ({"ItemType": 4, "TriStateValue": 0}, "none"),
        ({"itemtype": 4, "tristatevalue": 1}, "disabled"),
        ({"ItemType": 4, "TriStateValue": 2, "IntValue": 0}, "enabled"),
    ],
)
def test_properties_become_text(item: dict[str, Any], text: str) -> None:
    found = read(json.dumps({"GlobalSettings": {"some.property": {"Key": "some.property", **item}}}).encode(), "g.json")

    assert found.kind == "settings"
    assert found.settings == {"some.property": text}


def test_a_property_that_is_no_number_is_refused() -> None:
    data = json.dumps({"GlobalSettings": {"a": {"Key": "a", "ItemType": 1, "IntValue": "10"}}}).encode()

    with pytest.raises(ConfigError) as caught:
        read(data, "global.json")

    assert str(caught.value) == "global.json: GlobalSettings.a.IntValue: is '10'; write a whole number"
