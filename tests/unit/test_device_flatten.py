"""From a device config to a DPC."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from evenet_core.device.flatten import dpc_from_config
from evenet_core.model.adapters import Origin, SystemAdapter, Usage
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import IpMode, IpSettings, Network
from evenet_core.model.ports import Bond, Port, PortUse, Vlan

DHCP = Network(name="dhcp", ip=IpSettings(mode=IpMode.DHCP))
STATIC = Network(name="static", ip=IpSettings(mode=IpMode.STATIC, subnet=ip_network("192.0.2.0/24")))


def test_a_static_address_gets_the_prefix_length_of_its_network() -> None:
    config = DeviceConfig(
        ports=(Port(label="nic", interface="eth0"),),
        networks=(STATIC,),
        adapters=(SystemAdapter(label="nic", network="static", address=ip_address("192.0.2.7"), uplink=True),),
    )

    (adapter,) = dpc_from_config(config).adapters

    assert adapter.ifname == "eth0"
    assert adapter.addresses == (ip_interface("192.0.2.7/24"),)
    assert adapter.usage is Usage.MANAGEMENT
    assert adapter.labels == {"all", "uplink", "freeuplink"}
    assert adapter.source.origin is Origin.CONTROLLER


def test_an_uplink_that_costs_is_not_a_free_one() -> None:
    config = DeviceConfig(
        ports=(Port(label="eth0", interface="eth0"),),
        networks=(DHCP,),
        adapters=(SystemAdapter(label="eth0", network="dhcp", uplink=True, cost=3, labels=("internet",)),),
    )

    (adapter,) = dpc_from_config(config).adapters

    assert adapter.labels == {"all", "uplink", "internet"}


def test_lower_layers_without_an_adapter_come_in_at_layer_two() -> None:
    config = DeviceConfig(
        ports=(Port(label="a", interface="eth0"), Port(label="b", interface="eth1")),
        bonds=(Bond(label="lag", interface="bond7", lower=("a", "b")),),
        vlans=(Vlan(label="v10", interface="vlan10", lower="lag", id=10),),
        networks=(DHCP,),
        adapters=(SystemAdapter(label="v10", network="dhcp", uplink=True),),
    )

    adapters = dpc_from_config(config).adapters

    assert [adapter.label for adapter in adapters] == ["a", "b", "lag", "v10"]
    assert [adapter.usage for adapter in adapters] == [Usage.L2_ONLY, Usage.L2_ONLY, Usage.L2_ONLY, Usage.MANAGEMENT]
    assert adapters[2].bond is not None
    assert adapters[2].bond.lower == ("a", "b")


def test_a_vlan_parent_with_an_adapter_of_its_own_is_known_by_that_adapter() -> None:
    config = DeviceConfig(
        ports=(Port(label="nic", interface="eth0"),),
        vlans=(Vlan(label="v10", interface="vlan10", lower="nic", id=10),),
        networks=(DHCP,),
        adapters=(
            SystemAdapter(label="v10", network="dhcp", uplink=True),
            SystemAdapter(label="untagged", lower="nic", network="dhcp"),
        ),
    )

    adapters = {adapter.label: adapter for adapter in dpc_from_config(config).adapters}

    assert set(adapters) == {"v10", "untagged"}
    assert adapters["v10"].vlan is not None
    assert adapters["v10"].vlan.lower == "untagged"


def test_a_disabled_port_is_named_as_the_reason() -> None:
    config = DeviceConfig(
        ports=(Port(label="eth0", interface="eth0", use=PortUse.DISABLED),),
        networks=(DHCP,),
        adapters=(SystemAdapter(label="eth0", network="dhcp", uplink=True),),
    )

    dpc = dpc_from_config(config)

    assert dpc.adapters[0].config_error == "port eth0 is disabled"
    assert not dpc.usable
