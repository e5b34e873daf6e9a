"""Access rules, forwards and translation as abstract policies (EVE: A.5, C.3, C.6, C.8)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from evenet_core.apps.policies import device_policy, hosts_of, instance_policy, vif_policy
from evenet_core.model.adapters import Adapter
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, AppInterface, PortForward, RateLimit, RuleAction, StaticRoute
from evenet_core.model.networks import IpMode, IpSettings, StaticHost
from evenet_core.model.policy import DevicePolicy, InstancePolicy, PolicyRule, Verdict, VifPolicy
from evenet_core.model.resolved import Instance, InstancePort, Vif
from tests.support.instances import app, local, port, resolve, switch

ETH0 = port("eth0", "172.22.10.5/24", gateway="172.22.10.1", labels="portfwd")
ETH1 = port("eth1", "192.168.30.5/24", "192.168.30.6/24", "169.254.7.7/16", gateway="192.168.30.1")
DUAL = port("eth0", "172.22.10.5/24", "fd22::5/64", "fe80::5/64")


def card(*rules: AclRule, **more: Any) -> AppInterface:
    return AppInterface(name="x", network_instance=more.pop("instance", "ni"), rules=rules, **more)


def built(*interfaces: AppInterface, ports: tuple[InstancePort, ...] = (ETH0,), **instance: Any) -> Instance:
    """A local instance with an app for each of these interfaces."""
    apps = tuple(app(f"app{number}", interface) for number, interface in enumerate(interfaces))
    return resolve(DeviceConfig(network_instances=(local("ni", port="all", **instance),), apps=apps), *ports)


def policy(*rules: AclRule, ports: tuple[InstancePort, ...] = (ETH0,), **instance: Any) -> VifPolicy:
    found = built(card(*rules), ports=ports, **instance)
    return vif_policy(found, found.vifs[0])


def rules(*given: AclRule, **more: Any) -> list[PolicyRule]:
    return list(policy(*given, **more).rules)


def forwarded(*given: AclRule, ports: tuple[InstancePort, ...], **instance: Any) -> list[str]:
    return [
        f"{f.protocol} {f.address}:{f.port} -> {f.to}:{f.to_port}"
        for f in policy(*given, ports=ports, **instance).forwards
    ]


def forward(**more: Any) -> AclRule:
    return AclRule(id=1, protocol="tcp", local_port=2222, forward=PortForward(app_port=22), **more)


# -- rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (AclRule(id=1), PolicyRule(id=1)),
        (AclRule(id=2, action=RuleAction.DROP), PolicyRule(id=2, verdict=Verdict.DROP)),
        (
            AclRule(id=3, remote=ip_network("10.0.0.0/8"), protocol="tcp", local_port=80),
            PolicyRule(id=3, remote=ip_network("10.0.0.0/8"), protocol="tcp", local_port=80),
        ),
        (AclRule(id=4, protocol="udp", remote_port=53), PolicyRule(id=4, protocol="udp", remote_ports=(53, 53))),
        (
            AclRule(id=5, protocol="udp", remote_port=5000, remote_port_end=5100),
            PolicyRule(id=5, protocol="udp", remote_ports=(5000, 5100)),
        ),
        (
            AclRule(id=6, limit=RateLimit(rate=5, unit="minute", burst=9)),
            PolicyRule(id=6, limit=RateLimit(rate=5, unit="minute", burst=9)),
        ),
        (AclRule(id=7, host="a.test"), PolicyRule(id=7, host="a.test")),
    ],
)
def test_a_rule_says_the_same_as_a_policy(rule: AclRule, expected: PolicyRule) -> None:
    assert rules(rule) == [expected]


def test_rules_keep_their_order() -> None:
    assert [rule.id for rule in rules(AclRule(id=9), AclRule(id=1), AclRule(id=5))] == [9, 1, 5]


def test_a_forwarded_connection_is_let_in_at_the_apps_own_port() -> None:
    [rule] = rules(forward())

    assert rule.local_port == 22


def test_a_name_that_the_instance_knows_itself_is_also_its_addresses_right_after() -> None:
    """EVE's dnsmasq adds no answer of its own entries to a set, so that such a rule never matches there (C.8)."""
    hosts = (
        StaticHost(name="host1.test", addresses=(ip_address("172.20.15.4"), ip_address("fd20::4"))),
        StaticHost(name="Sub.HOST1.test.", addresses=(ip_address("172.20.15.4"), ip_address("172.20.15.5"))),
        StaticHost(name="otherhost1.test", addresses=(ip_address("172.20.15.6"),)),
    )

    found = rules(AclRule(id=1, host="Host1.test"), AclRule(id=2), hosts=hosts)

    known = (ip_address("172.20.15.4"), ip_address("fd20::4"), ip_address("172.20.15.5"))
    assert found == [PolicyRule(id=1, host="host1.test"), PolicyRule(id=1, members=known), PolicyRule(id=2)]


def test_members_are_the_apps_that_work_and_the_static_entries() -> None:
    mac = "02:16:3e:00:00:01"
    hosts = (StaticHost(name="host1", addresses=(ip_address("172.20.15.4"), ip_address("10.50.0.128"))),)
    found = built(card(AclRule(id=1, instance_members=True), mac=mac), card(), card(mac=mac), hosts=hosts)

    [rule] = vif_policy(found, found.vifs[0]).rules

    assert rule.members == (ip_address("10.50.0.128"), ip_address("10.50.0.129"), ip_address("172.20.15.4"))


def test_an_interface_without_rules_may_do_nothing() -> None:
    assert rules() == []


# -- who the interface is -----------------------------------------------------------------------------


def test_a_policy_names_the_interface_its_addresses_and_the_instance_itself() -> None:
    found = policy()

    assert (found.vif, found.bridge, found.routed) == ("nbu1x1", "bn1", True)
    assert (found.addresses, found.gateways) == ((ip_address("10.50.0.128"),), (ip_address("10.50.0.1"),))


def test_an_app_that_is_a_gateway_speaks_for_the_networks_behind_it() -> None:
    routes = (
        StaticRoute(destination=ip_network("10.21.21.0/24"), gateway=ip_address("10.50.0.7")),
        StaticRoute(destination=ip_network("0.0.0.0/0"), gateway=ip_address("10.50.0.7")),
        StaticRoute(destination=ip_network("10.22.0.0/16"), gateway=ip_address("10.50.0.8")),
    )
    found = built(card(address=ip_address("10.50.0.7")), card(), routes=routes)

    assert vif_policy(found, found.vifs[0]).behind == (ip_network("10.21.21.0/24"), ip_network("0.0.0.0/0"))
    assert vif_policy(found, found.vifs[1]).behind == ()


def test_on_a_switch_nothing_is_routed_forwarded_or_the_nodes_own() -> None:
    config = DeviceConfig(
        network_instances=(switch("sw", port="eth0"),), apps=(app("a", card(forward(), instance="sw")),)
    )
    found = resolve(config, ETH0)

    result = vif_policy(found, found.vifs[0])

    assert (result.bridge, result.routed) == ("eth0", False)
    assert (result.addresses, result.gateways, result.behind, result.forwards) == ((), (), (), ())


# -- forwards -----------------------------------------------------------------------------------------


def test_a_forward_is_on_every_address_of_every_port() -> None:
    assert forwarded(forward(), ports=(ETH0, ETH1)) == [
        "tcp 172.22.10.5:2222 -> 10.50.0.128:22",
        "tcp 192.168.30.5:2222 -> 10.50.0.128:22",
        "tcp 192.168.30.6:2222 -> 10.50.0.128:22",
    ]


@pytest.mark.parametrize(
    ("label", "addresses"), [("portfwd", ["172.22.10.5"]), ("eth1", ["192.168.30.5", "192.168.30.6"]), ("nowhere", [])]
)
def test_a_forward_may_be_of_some_ports_only(label: str, addresses: list[str]) -> None:
    found = forwarded(forward(adapter=label), ports=(ETH0, ETH1))

    assert found == [f"tcp {address}:2222 -> 10.50.0.128:22" for address in addresses]


def test_a_forward_stays_in_the_family_of_the_apps_address() -> None:
    assert forwarded(forward(), ports=(DUAL,), subnet="fd50::/64") == ["tcp fd22::5:2222 -> fd50::2:22"]


def test_without_an_address_of_the_port_nothing_is_forwarded() -> None:
    assert forwarded(forward(), ports=(port("eth0"),)) == []


def test_a_rule_without_forward_forwards_nothing() -> None:
    assert forwarded(AclRule(id=1, protocol="tcp", local_port=80), ports=(ETH0,)) == []


# -- the instance and the node ------------------------------------------------------------------------


def test_what_leaves_an_instance_by_its_ports_is_translated() -> None:
    assert instance_policy(built(ports=(ETH0, ETH1))) == InstancePolicy(
        bridge="bn1",
        subnet=ip_network("10.50.0.0/24"),
        gateway=ip_address("10.50.0.1"),
        masquerade_out=("eth0", "eth1"),
    )


def test_without_a_port_nothing_is_translated() -> None:
    found = instance_policy(built(ports=()))

    assert found is not None
    assert found.masquerade_out == ()


def test_a_switch_has_no_policy_of_its_own() -> None:
    config = DeviceConfig(network_instances=(switch("sw", port="eth0"),))

    assert instance_policy(resolve(config, ETH0)) is None


def test_the_node_is_protected_on_each_adapter_with_ip() -> None:
    speaks = IpSettings(mode=IpMode.DHCP)
    adapters = (
        Adapter(label="a", ifname="eth0", ip=speaks, table=501),
        Adapter(label="switched", ifname="eth1", table=502),
        Adapter(label="lower", ifname="eth2", l3=False, ip=speaks, table=503),
        Adapter(label="modem", ifname="", ip=speaks, table=504),
    )

    assert device_policy(adapters, {}, ()).ports == (("eth0", 501),)


@pytest.mark.parametrize(
    ("settings", "clamped"),
    [
        ({}, True),
        ({"app.enable.tcp.mss.clamping": "true"}, True),
        ({"app.enable.tcp.mss.clamping": "False"}, False),
        ({"app.enable.tcp.mss.clamping": "false"}, False),
    ],
)
def test_segments_are_clamped_unless_the_operator_says_otherwise(settings: dict[str, str], clamped: bool) -> None:
    assert device_policy((), settings, ()).clamp_mss is clamped


def test_names_of_rules_are_known_to_the_node_in_one_order() -> None:
    assert device_policy((), {}, {"b.test", "a.test"}) == DevicePolicy(host_sets=("a.test", "b.test"))


def test_one_name_in_two_spellings_is_one_name_everywhere() -> None:
    """A resolver that is told of two sets for one name fills one of them."""
    spelled = AclRule(id=1, host="A.test"), AclRule(id=2, host="a.test.")
    found = built(card(*spelled))

    assert hosts_of(spelled) == ["a.test"]
    assert found.host_sets == ("a.test",)
    assert [rule.host for rule in vif_policy(found, found.vifs[0]).rules] == ["a.test", "a.test"]


def test_an_interface_that_is_refused_is_no_member() -> None:
    vif: Vif
    found = built(card(AclRule(instance_members=True)), card(address=ip_address("10.99.0.9")))
    vif, refused = found.vifs

    assert refused.error
    assert vif_policy(found, vif).rules[0].members == (ip_address("10.50.0.128"),)
