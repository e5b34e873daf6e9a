"""The real cases, read: what they mean, not a copy of all that stands in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from evenet_core.device.flatten import dpc_from_config
from evenet_core.formats import Document, read, read_file
from evenet_core.model.adapters import Adapter, Origin, Usage
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, InstanceType, PortForward
from evenet_core.model.networks import IpMode, Probe, ProbeMethod
from evenet_core.model.plain import from_plain, to_plain
from evenet_core.model.ports import BondMode

CASES = Path(__file__).parents[1] / "cases"
NAMES = sorted(path.parent.name for path in CASES.glob("*/device-config.json"))


def case(name: str) -> DeviceConfig:
    document = read_file(CASES / name / "device-config.json")
    assert document.kind == "eve"
    assert document.config is not None
    return document.config


def override(name: str) -> Document:
    return read_file(CASES / name / "config-overrides" / "DevicePortConfig" / "override.json")


# -- device configs ------------------------------------------------------------------------------------


def test_static_ips() -> None:
    config = case("static-ips")

    (adapter,) = dpc_from_config(config).adapters

    assert adapter.addresses == (ip_interface("172.22.12.10/24"),)
    assert adapter.ip.gateway == ip_address("172.22.12.1")
    assert adapter.ip.dns == (ip_address("10.16.16.25"),)
    assert adapter.usage is Usage.MANAGEMENT
    assert config.settings["timer.config.interval"] == "10"


def test_local_ni_multiple_ports() -> None:
    config = case("local-ni-multiple-ports")

    assert [(a.label, a.uplink, a.cost) for a in config.adapters] == [
        ("eth0", True, 0),
        ("eth1", False, 0),
        ("eth2", False, 3),
        ("eth3", True, 5),
    ]
    assert config.adapters[0].labels == ("internet", "httpserver", "portfwd")
    (instance,) = config.network_instances
    assert (instance.type, instance.port, instance.subnet) == (InstanceType.LOCAL, "all", ip_network("10.50.0.0/24"))
    assert instance.propagate_connected_routes
    assert instance.ntp == ("129.6.15.28",)
    default, servers = instance.routes
    assert (default.port, default.probe.gateway_ping_max_cost, default.prefer_lower_cost) == ("internet", 5, True)
    assert servers.probe.custom == Probe(method=ProbeMethod.TCP, host="httpserver0.sdn", port=80)


def test_a_port_forward_is_one_rule() -> None:
    ((everything, forward),) = [i.rules for app in case("local-ni-multiple-ports").apps for i in app.interfaces]

    assert everything == AclRule(id=1, remote=ip_network("0.0.0.0/0"))
    assert forward == AclRule(
        id=2, protocol="tcp", local_port=2223, adapter="portfwd", forward=PortForward(app_port=22)
    )


def test_app_gateway() -> None:
    config = case("app-gateway")
    gateway = config.apps[2]

    assert [instance.port for instance in config.network_instances] == ["", "", "eth0", "eth1"]
    assert config.network_instances[0].routes[0].gateway == ip_address("172.28.1.2")
    assert gateway.interfaces[0].mac == "02:01:02:03:04:05"
    assert gateway.interfaces[1].address == ip_address("172.28.1.2")


def test_vlans_and_lags() -> None:
    config = case("vlans-and-lags")

    adapters = {adapter.label: adapter for adapter in dpc_from_config(config).adapters}

    assert list(adapters) == ["eth0", "eth1", "bond-eth0-eth1", "vlan-10", "vlan-20", "vlan-30", "eth2"]
    assert config.bonds[0].mode is BondMode.BALANCE_RR
    assert config.bonds[0].mii is None
    assert [vlan.id for vlan in config.vlans] == [10, 20, 30]
    assert adapters["vlan-30"].usage is Usage.L2_ONLY
    assert config.apps[2].interfaces[0].access_vlan == 30


def test_access_ports() -> None:
    (switch,) = case("access-ports").network_instances

    assert switch.type is InstanceType.SWITCH
    assert [(access.port, access.vlan) for access in switch.access_ports] == [("eth2", 100), ("eth3", 200)]
    assert switch.bpdu_guard_ports == "end-devices"
    assert not switch.flow_log


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_networking_is_kept(name: str) -> None:
    config = case(name)

    assert all({"drives", "volumeRefList", "fixedresources"} <= app.other.keys() for app in config.apps)
    assert not config.apps or {"volumes", "contentInfo", "datastores"} <= config.other.keys()


@pytest.mark.parametrize("name", NAMES)
def test_eve_and_native_say_the_same(name: str) -> None:
    config = case(name)

    document = to_plain(config)
    again = read(json.dumps(document).encode(), "native.json")

    assert again.kind == "native"
    assert again.config == config
    assert from_plain(document, DeviceConfig) == config


@pytest.mark.parametrize("name", NAMES)
def test_a_device_config_alone_has_a_usable_dpc(name: str) -> None:
    assert dpc_from_config(case(name)).usable


# -- first boot ----------------------------------------------------------------------------------------


def test_an_override_is_a_dpc_of_that_key() -> None:
    dpc = override("static-ips").dpc

    assert dpc is not None
    assert (dpc.key, dpc.version, dpc.time_priority) == ("override", 1, datetime(2000, 1, 1, tzinfo=UTC))
    (adapter,) = dpc.adapters
    assert (adapter.label, adapter.ifname, adapter.management, adapter.l3) == ("eth0", "eth0", True, True)
    assert adapter.addresses == (ip_interface("172.22.12.10/24"),)
    assert adapter.ip.dns == (ip_address("10.16.16.25"),)
    assert adapter.labels == {"all", "uplink", "freeuplink"}
    assert adapter.source.origin is Origin.OVERRIDE


def test_the_override_and_the_device_config_set_the_port_up_alike() -> None:
    dpc = override("static-ips").dpc
    assert dpc is not None

    (first,) = dpc.adapters
    (second,) = dpc_from_config(case("static-ips")).adapters

    assert essence(first) == essence(second)


def essence(adapter: Adapter) -> tuple[object, ...]:
    return (adapter.label, adapter.ifname, adapter.ip, adapter.addresses, adapter.labels, adapter.printed_label)


def test_an_override_by_dhcp() -> None:
    document = override("local-ni-multiple-ports")

    assert document.dpc is not None
    assert document.dpc.adapters[0].ip.mode is IpMode.DHCP
    assert [str(notice) for notice in document.notices] == ["Ports[0].Free: ignored: this name means nothing any more"]


def test_global_config_is_properties() -> None:
    document = read_file(CASES / "static-ips" / "config-overrides" / "GlobalConfig" / "global.json")

    assert document.kind == "settings"
    assert document.settings == {"network.fallback.any.eth": "disabled"}
    assert document.config is None
