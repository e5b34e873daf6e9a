"""Network instances as decided: bridge, MTU, servers, errors (EVE: A.1, B.5, B.6, C.9, D)."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from evenet_core.apps.instances import matching_ports
from evenet_core.apps.macs import bridge_mac
from evenet_core.model.adapters import Adapter
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, AppInterface, NetworkInstance
from evenet_core.model.resolved import Instance, InstancePort
from tests.support.instances import SETTINGS, app, local, port, resolve, switch

ETH0 = port("eth0", "172.22.10.5/24", gateway="172.22.10.1", dns="172.22.10.1", management=True)


def built(instance: NetworkInstance, *ports: InstancePort, **more: Any) -> Instance:
    return resolve(DeviceConfig(network_instances=(instance,), apps=more.pop("apps", ())), *ports, **more)


# -- ports --------------------------------------------------------------------------------------------


def test_a_label_means_the_port_of_that_name_and_those_that_share_it() -> None:
    eth0, eth1 = (
        Adapter(label="eth0", ifname="eth0", labels=frozenset({"all", "uplink"})),
        Adapter(label="eth1", ifname="eth1", labels=frozenset({"all"})),
    )

    assert matching_ports("all", [eth1, eth0]) == (eth1, eth0)
    assert matching_ports("uplink", [eth1, eth0]) == (eth0,)
    assert matching_ports("eth1", [eth1, eth0]) == (eth1,)
    assert matching_ports("nowhere", [eth1, eth0]) == ()
    assert matching_ports("", [eth1, eth0]) == ()


def test_a_refused_port_does_not_serve_and_costs_nobody_else() -> None:
    found = built(local(port="all"), ETH0, port("eth1", "192.0.2.5/24"), refused={"eth1": "port eth1 is taken"})

    assert [one.label for one in found.ports] == ["eth0"]
    assert found.error == "port eth1 is taken"
    assert not found.blocked


def test_a_label_that_means_no_port_is_an_error_that_leaves_the_rest_working() -> None:
    found = built(local(port="nowhere"))

    assert (found.error, found.blocked) == ("no port matches label nowhere", False)
    assert found.gateway == ip_interface("10.50.0.1/24")


def test_without_a_label_no_port_is_missed() -> None:
    assert built(local(port="")).error == ""


# -- bridges ------------------------------------------------------------------------------------------


def test_a_local_instance_has_a_bridge_a_table_and_a_mac_by_its_number() -> None:
    found = built(local(port="eth0"), ETH0)

    assert (found.bridge, found.own_bridge, found.table) == ("bn1", True, 801)
    assert found.mac == bridge_mac(SETTINGS.device_uuid, 1)


def test_a_switch_on_a_port_with_ip_joins_that_adapters_bridge() -> None:
    found = built(switch(port="eth0"), ETH0)

    assert (found.bridge, found.own_bridge, found.table, found.mac) == ("eth0", False, 0, "")


@pytest.mark.parametrize("ports", [[], [port("eth1", l3=False)], [port("eth1", l3=False), port("eth2", l3=False)]])
def test_any_other_switch_has_a_bridge_of_its_own(ports: list[InstancePort]) -> None:
    found = built(switch(port="all" if ports else ""), *ports)

    assert (found.bridge, found.own_bridge, found.table) == ("bn1", True, 0)
    assert found.mac == bridge_mac(SETTINGS.device_uuid, 1)
    assert (found.gateway, found.routes, found.app_routes) == (None, (), ())


def test_interfaces_are_on_the_bridge_that_was_decided_with_its_mtu() -> None:
    found = built(switch(port="eth0"), port("eth0", "172.22.10.5/24", mtu=1400), apps=(app("a", "sw"),))

    assert [(vif.bridge, vif.mtu) for vif in found.vifs] == [("eth0", 1400)]


# -- MTU ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "of_ports", "mtu", "error"),
    [
        (None, [], 1500, ""),
        (9000, [], 9000, ""),
        (None, [1400], 1400, ""),
        (None, [1500, 1300], 1300, ""),
        (1280, [1500, 1300], 1280, ""),
        (1300, [1500, 1300], 1300, ""),
        (1400, [1500, 1300], 1300, "MTU 1400 is more than the 1300 of port eth1, which is used instead"),
    ],
)
def test_no_port_is_too_narrow_for_the_mtu(wanted: int | None, of_ports: list[int], mtu: int, error: str) -> None:
    ports = [port(f"eth{number}", mtu=one) for number, one in enumerate(of_ports)]

    found = built(local(port="all" if ports else "", mtu=wanted), *ports)

    assert (found.mtu, found.error) == (mtu, error)
    assert not found.blocked


# -- what blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance", "how", "error"),
    [
        (local(gateway=ip_address("10.99.0.1")), {}, "gateway 10.99.0.1 is outside of subnet 10.50.0.0/24"),
        (NetworkInstance(name="ni"), {}, "a local network instance needs a subnet"),
        (local(), {"conflicts": "subnet 10.50.0.0/24 overlaps"}, "subnet 10.50.0.0/24 overlaps"),
    ],
)
def test_a_subnet_that_cannot_be_used_blocks_the_instance(
    instance: NetworkInstance, how: dict[str, str], error: str
) -> None:
    found = built(instance, **how)

    assert (found.error, found.blocked) == (error, True)
    assert (found.gateway, found.routes) == (None, ())


def test_everything_wrong_is_told_a_line_each_what_blocks_first() -> None:
    found = built(local(port="nowhere", subnet="10.50.0.0/31"))

    assert found.error.splitlines() == [
        "subnet 10.50.0.0/31 is too small; it needs at least 4 addresses",
        "no port matches label nowhere",
    ]


# -- servers ------------------------------------------------------------------------------------------


def test_names_are_asked_of_the_servers_of_ports_that_work_the_cheapest_first() -> None:
    dear = port("eth0", "172.22.10.5/24", dns="172.22.10.1 192.0.2.53", cost=5)
    cheap = port("eth1", "192.168.30.5/24", dns="192.0.2.53")
    unplugged = port("eth2", "10.40.40.5/24", dns="10.40.40.1", carrier=False)
    without_address = port("eth3", dns="10.41.41.1")

    found = built(local(port="all"), dear, cheap, unplugged, without_address)

    assert [(str(server), link) for server, link in found.dns_servers] == [
        ("192.0.2.53", "eth1"),
        ("172.22.10.1", "eth0"),
        ("192.0.2.53", "eth0"),
    ]


def test_servers_of_an_instance_are_handed_out_as_they_are() -> None:
    servers = (ip_address("192.0.2.53"), ip_address("10.50.0.1"))

    assert built(local(dns=servers)).app_dns == servers


def test_time_servers_are_those_of_the_ports_then_the_instances_each_once_and_by_address() -> None:
    ports = [port("eth0", ntp=("192.0.2.1", "time.test")), port("eth1", ntp=("192.0.2.2", "192.0.2.1"))]

    found = built(local(port="all", ntp=("192.0.2.3", "pool.test", "192.0.2.2")), *ports)

    assert [str(server) for server in found.app_ntp] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_names_of_rules_are_collected_from_interfaces_that_work() -> None:
    def card(name: str, *hosts: str, mac: str = "") -> AppInterface:
        return AppInterface(
            name=name, network_instance="ni", mac=mac, rules=tuple(AclRule(host=host) for host in hosts)
        )

    mac = "02:16:3e:00:00:01"
    apps = (app("a", card("x", "b.test", "a.test", "b.test", "", mac=mac)), app("b", card("y", "no.test", mac=mac)))

    assert built(local("ni"), apps=apps).host_sets == ("b.test", "a.test")
