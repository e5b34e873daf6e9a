"""EVE's device config: spellings, oddities, defaults, and paths in the file's own words."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from evenet_core.errors import ConfigError
from evenet_core.formats import Document, read
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, InstanceType, RateLimit, RuleAction
from evenet_core.model.networks import IpFamily, IpMode
from evenet_core.model.ports import BondMode, LacpRate, PortKind, PortUse

UUID = "9ca83da9-94e8-48b4-9ae8-3f188c5c694a"
PORT = {"ptype": 1, "logicallabel": "eth0", "phyaddrs": {"ifname": "eth0"}, "usage": 1}


def document(**parts: Any) -> Document:
    return read(json.dumps({"deviceIoList": [PORT], **parts}).encode(), "device-config.json")


def config(**parts: Any) -> DeviceConfig:
    found = document(**parts).config
    assert found is not None
    return found


def paths(**parts: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        document(**parts)
    return [problem.path for problem in caught.value.problems]


def rule(*matches: tuple[str, Any], **action: Any) -> AclRule:
    ace = {"id": 1, "matches": [{"type": t, "value": v} for t, v in matches], "actions": [action] if action else []}
    instance = {"uuidandversion": {"uuid": UUID}, "displayname": "n", "instType": 2, "ip": {"subnet": "10.1.0.0/24"}}
    interface = {"name": "vif", "networkId": UUID, "acls": [ace]}
    found = config(networkInstances=[instance], apps=[{"displayname": "app", "interfaces": [interface]}])
    return found.apps[0].interfaces[0].rules[0]


# -- spellings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deviceIoList", "device_io_list", "DeviceIOList", "deviceiolist"])
def test_names_count_in_any_case_and_with_underscores(name: str) -> None:
    found = read(json.dumps({name: [PORT]}).encode(), "x.json").config

    assert found is not None
    assert found.ports[0].interface == "eth0"


@pytest.mark.parametrize("value", [1, "1", "PhyIoNetEth", "NetEth", "phyionetETH", "PHY_IO_NET_ETH"])
def test_enums_are_given_by_number_or_name(value: Any) -> None:
    assert config(deviceIoList=[{**PORT, "ptype": value}]).ports[0].kind is PortKind.ETHERNET


def test_bonds_have_numbers_of_their_own() -> None:
    bonds = [
        {
            "logicallabel": f"b{n}",
            "interfaceName": f"b{n}",
            "lowerLayerNames": [f"m{n}"],
            "bondMode": mode,
            "lacpRate": n,
        }
        for n, mode in enumerate((0, 5, "BOND_MODE_802_3AD"))
    ]
    ports = [{"ptype": 1, "logicallabel": f"m{n}", "phyaddrs": {"ifname": f"m{n}"}} for n in range(3)]

    found = config(deviceIoList=[PORT, *ports], bonds=bonds).bonds

    assert [bond.mode for bond in found] == [BondMode.BALANCE_RR, BondMode.LACP, BondMode.LACP]
    assert [bond.lacp_rate for bond in found] == [LacpRate.SLOW, LacpRate.SLOW, LacpRate.FAST]


@pytest.mark.parametrize(
    ("number", "family"),
    [
        (0, IpFamily.DUAL),
        (4, IpFamily.DUAL),
        (6, IpFamily.DUAL_PREFER_IPV6),
        (7, IpFamily.IPV4),
        (8, IpFamily.IPV6),
        (9, IpFamily.DUAL),
        ("V6Only", IpFamily.IPV6),
    ],
)
def test_network_types(number: Any, family: IpFamily) -> None:
    assert config(networks=[{"id": UUID, "type": number}]).networks[0].ip.family is family


def test_numbers_may_be_text_and_null_is_nothing() -> None:
    found = config(
        vlans=[{"logicallabel": "v", "interfaceName": None, "lowerLayerName": "eth0", "vlanId": "10"}], networks=None
    )

    assert found.vlans[0].id == 10
    assert found.vlans[0].interface == "v"
    assert found.networks == ()


def test_uuids_have_one_spelling() -> None:
    found = config(
        networks=[{"id": UUID.upper(), "ip": {"dhcp": 4}}],
        systemAdapterList=[{"name": "eth0", "networkUUID": f"{{{UUID}}}", "uplink": True}],
    )

    assert found.adapters[0].network == found.networks[0].name == UUID


# -- oddities ------------------------------------------------------------------


@pytest.mark.parametrize("network", [{}, {"networkUUID": ""}, {"networkUUID": "00000000-0000-0000-0000-000000000000"}])
def test_an_adapter_without_network_is_layer_two(network: dict[str, str]) -> None:
    assert config(systemAdapterList=[{"name": "eth0", **network}]).adapters[0].network is None


def test_a_network_of_type_zero_without_ip_is_layer_two() -> None:
    assert config(networks=[{"id": UUID, "type": 0, "ip": {"dhcp": 2}}]).networks[0].ip.mode is IpMode.NONE


def test_empty_blocks_say_nothing() -> None:
    instance = {"displayname": "sw", "instType": 1, "cfg": {}, "ip": {}, "activate": True, "disableFlowlog": True}

    found = document(networkInstances=[instance])

    assert [str(notice) for notice in found.notices if "networkInstances" in notice.path] == []


def test_the_dhcp_type_of_an_instance_is_a_word_of_old_controllers() -> None:
    ip = {"dhcp": 4, "subnet": "10.1.0.0/24"}

    found = config(networkInstances=[{"displayname": "n", "instType": 2, "ip": ip}])

    assert found.network_instances[0].subnet == ip_network("10.1.0.0/24")


def test_without_any_uplink_all_are_and_none_costs_anything() -> None:
    found = config(systemAdapterList=[{"name": "eth0", "cost": 7}, {"name": "eth0", "lowerLayerName": ""}][:1])

    assert [(adapter.uplink, adapter.cost) for adapter in found.adapters] == [(True, 0)]


def test_an_old_controller_names_what_is_free() -> None:
    ports = [{**PORT, "logicallabel": f"eth{n}", "phyaddrs": {"ifname": f"eth{n}"}} for n in range(3)]
    ports[0]["usagePolicy"] = {"freeUplink": True}
    adapters = [{"name": "eth0", "uplink": True}, {"name": "eth1", "freeUplink": True}, {"name": "eth2"}]

    found = config(deviceIoList=ports, systemAdapterList=adapters)

    assert [adapter.cost for adapter in found.adapters] == [0, 0, 1]


def test_a_cost_beyond_the_largest_is_the_largest() -> None:
    found = document(systemAdapterList=[{"name": "eth0", "uplink": True, "cost": 300}])

    assert found.config is not None
    assert found.config.adapters[0].cost == 255
    assert any(notice.path == "systemAdapterList[0].cost" for notice in found.notices)


def test_a_port_is_called_as_it_is_labelled() -> None:
    found = document(deviceIoList=[{"ptype": 1, "phylabel": "LAN"}])

    assert found.config is not None
    assert (found.config.ports[0].label, found.config.ports[0].interface) == ("LAN", "LAN")
    assert "deviceIoList[0]" in [notice.path for notice in found.notices]


def test_what_is_missing_is_zero_not_evenets_default() -> None:
    found = config(
        deviceIoList=[{"logicallabel": "usb"}],
        networkInstances=[{"displayname": "n", "instType": 1}],
        apps=[{"displayname": "app"}],
    )

    assert found.ports[0].kind is PortKind.OTHER
    assert found.ports[0].use is PortUse.NONE
    assert found.network_instances[0].type is InstanceType.SWITCH
    assert not found.network_instances[0].active
    assert not found.apps[0].active


def test_a_static_network_without_servers_asks_its_gateway() -> None:
    ip = {"dhcp": 1, "subnet": "192.0.2.9/24", "gateway": "192.0.2.1"}

    found = config(networks=[{"id": UUID, "ip": ip}]).networks[0].ip

    assert found.subnet == ip_network("192.0.2.0/24")
    assert found.dns == (ip_address("192.0.2.1"),)


def test_a_static_network_that_has_no_default_route_asks_nobody() -> None:
    ip = {"dhcp": 1, "subnet": "192.0.2.0/24", "gateway": "0.0.0.0"}

    assert config(networks=[{"id": UUID, "ip": ip}]).networks[0].ip.dns == ()


# -- access rules --------------------------------------------------------------------------------------


def test_a_rule_without_action_allows() -> None:
    assert rule(("ip", "10.0.0.9/8")) == AclRule(id=1, remote=ip_network("10.0.0.0/8"))


def test_an_address_as_host_means_that_address() -> None:
    assert rule(("host", "10.9.9.9")) == AclRule(id=1, remote=ip_network("10.9.9.9/32"))


def test_an_empty_host_is_nobody() -> None:
    found = rule(("host", ""))

    assert found.host.endswith(".invalid")
    assert found.remote is None


def test_a_range_of_remote_ports() -> None:
    found = rule(("protocol", "TCP"), ("fport", "80:90"))

    assert (found.protocol, found.remote_port, found.remote_port_end) == ("tcp", 80, 90)


@pytest.mark.parametrize(("unit", "meant"), [("s", "second"), ("seconds", "second"), ("m", "minute"), ("Hour", "hour")])
def test_units_of_limits(unit: str, meant: str) -> None:
    found = rule(limit=True, limitrate="5", limitunit=unit, limitburst=2)

    assert found.limit == RateLimit(rate=5, unit=meant, burst=2)


def test_a_limit_that_is_switched_off_is_none() -> None:
    found = rule(("ip", "10.0.0.0/8"), drop=True, limit=False, limitrate=5)

    assert found.limit is None
    assert found.action is RuleAction.DROP


# -- paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"deviceIoList": [{"PhyAddrs": {"IfName": "a b"}, "logicallabel": "x"}]}, "deviceIoList[0].PhyAddrs.IfName"),
        ({"vlans": [{"logical_label": "v", "lower_layer_name": "eth0", "vlan_id": 0}]}, "vlans[0].vlan_id"),
        ({"vlans": [{"logicallabel": "v", "lowerLayerName": "eth0"}]}, "vlans[0].vlanId"),
        ({"networks": [{"id": "n", "ip": {"moreNtp": ["a b"]}}]}, "networks[0].ip.moreNtp[0]"),
        ({"networks": [{"id": "n", "ip": {"ntp": "ok", "moreNtp": ["a b"]}}]}, "networks[0].ip.moreNtp[0]"),
        ({"networks": [{"id": "n", "ip": {"ntp": "a b"}}]}, "networks[0].ip.ntp"),
        ({"networks": [{"id": "n", "type": 5}]}, "networks[0].type"),
        (
            {
                "networkInstances": [
                    {"displayname": "n", "instType": 2, "IP": {"Subnet": "10.0.0.0/24", "gateway": "1.1.1.1"}}
                ]
            },
            "networkInstances[0].IP.gateway",
        ),
        ({"networkInstances": [{"displayname": "n", "instType": 2}]}, "networkInstances[0].ip.subnet"),
        ({"configItems": [{"key": "a", "value": "x"}, {"key": "b", "value": ["x"]}]}, "configItems[1].value"),
        ({"apps": [{"interfaces": [], "uuidandversion": {"uuid": "x"}}]}, "apps[0].uuidandversion.uuid"),
        (
            {"apps": [{"displayname": "a", "interfaces": [{"name": "v", "networkId": "x"}]}], "networkInstances": []},
            "apps[0].interfaces[0].networkId",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_problem_has_the_path_that_the_file_has(parts: dict[str, Any], path: str) -> None:
    assert path in paths(**parts)


def test_a_problem_of_a_wifi_password_is_where_it_stands() -> None:
    wifi = {"wifiSSID": "x", "keyScheme": 1, "crypto": {"password": "short"}}

    found = paths(networks=[{"id": "n", "wireless": {"type": 1, "wifiCfg": [wifi]}}])

    assert found == ["networks[0].wireless.wifiCfg[0].crypto.password"]
