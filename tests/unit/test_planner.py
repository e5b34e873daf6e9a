"""The planner: which objects there are, what makes each plan anew, and what an error costs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from evenet_core.hookspecs import PluginInfo, hookimpl
from evenet_core.linux.l3 import PRIORITY_CHOSEN
from evenet_core.linux.metadata import MetadataService
from evenet_core.linux.rule import Rule
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import LeaseSource
from evenet_core.model.facts import lease_fact, link_fact, own_route_fact, route_choice_fact
from evenet_core.model.instances import AclRule, AppInterface, StaticRoute
from evenet_core.model.networks import IpSettings
from evenet_core.model.policy import FirewallPolicy, VifPolicy
from evenet_core.model.ports import PortKind, Vlan
from evenet_core.model.resolved import Instance, Vif
from evenet_core.planning.objects import DEVICE
from evenet_core.planning.planner import adapter_port
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item, Requires
from tests.support.instances import app, local, switch
from tests.support.memory import thing
from tests.support.planning import ETH0, ETH1, LEASE, LINK, Builds, World


def card(name: str, *rules: AclRule, instance: str = "ni", **more: Any) -> AppInterface:
    return AppInterface(name=name, network_instance=instance, rules=rules, **more)


NI = local("ni", port="eth0")


# -- objects ------------------------------------------------------------------------------------------


def test_adapters_instances_interfaces_and_the_node_itself_are_the_objects() -> None:
    world = World(ETH0, ETH1)

    planned = world.load(NI, local("off", "10.60.0.0/24", active=False), apps=(app("web", "ni", "off"),))

    assert planned == {"device", "adapter eth0", "adapter eth1", "instance ni", "vif web vif0"}


def test_the_same_config_again_plans_nothing() -> None:
    world = World(ETH0)
    world.load(NI, apps=(app("web", "ni"),))

    assert world.load(NI, apps=(app("web", "ni"),)) == set()


def test_one_more_app_plans_itself_and_its_instance_only() -> None:
    world = World(ETH0)
    world.load(NI, local("other", "10.60.0.0/24"), apps=(app("web", "ni"), app("db", "other")))

    planned = world.load(
        NI, local("other", "10.60.0.0/24"), apps=(app("web", "ni"), app("db", "other"), app("new", "ni"))
    )

    assert planned == {"instance ni", "vif new vif0"}


def test_one_more_instance_plans_itself_only() -> None:
    world = World(ETH0)
    world.load(NI, apps=(app("web", "ni"),))

    assert world.load(NI, local("new", "10.60.0.0/24"), apps=(app("web", "ni"),)) == {"instance new"}


def test_what_is_gone_takes_its_items_and_errors_along() -> None:
    world = World(ETH0)
    world.load(NI, local("twin"), apps=(app("web", "ni"),))
    assert world.errors()

    world.load(NI)

    assert world.errors() == {}
    assert set(world.planner.instances) == {NI.key}
    assert world.items == {"link-eth0", "ip-eth0", "bn1", "wall-bn1", "wall", "metadata"}


# -- facts --------------------------------------------------------------------------------------------


def test_a_link_plans_what_stands_on_it() -> None:
    world = World(ETH0, ETH1)
    world.load(NI, local("inner", "10.60.0.0/24"), apps=(app("web", "ni"), app("db", "inner")))

    planned = world.put({link_fact("keth0"): replace(LINK, carrier=False)})

    assert planned == {"instance ni", "vif web vif0"}


def test_a_lease_plans_its_adapter_what_uses_it_and_what_it_might_overlap_with() -> None:
    world = World(ETH0, ETH1)
    world.load(local("ni", port="eth1"), local("inner", "192.168.30.0/24"))

    planned = world.put({lease_fact("eth1", LeaseSource.DHCP4): LEASE})

    assert planned == {"adapter eth1", "instance ni", "instance inner"}
    assert list(world.errors()) == ["instance inner"]


def test_a_chosen_port_plans_the_instance_whose_route_it_is() -> None:
    world = World(ETH0, replace(ETH1, management=True, ip=ETH0.ip, addresses=(ip_interface("172.23.10.5/24"),)))
    ni = local("ni", port="all", routes=(StaticRoute(destination=ip_network("0.0.0.0/0"), port="all"),))
    world.load(ni, apps=(app("web", "ni"),))

    planned = world.put({route_choice_fact(ni.key, "0.0.0.0/0"): "eth1"})

    assert planned == {"instance ni", "vif web vif0"}
    assert world.planner.instances[ni.key].routes[0].port == "eth1"


def test_a_fact_that_nobody_read_plans_nothing() -> None:
    world = World(ETH0)
    world.load(NI)

    assert world.put({link_fact("eth9"): LINK, lease_fact("eth0", LeaseSource.DHCP4): LEASE}) == set()


# -- what other objects change ------------------------------------------------------------------------


def test_an_interface_comes_when_the_instance_in_the_way_is_gone() -> None:
    world = World(ETH0)
    web = app("web", "late")
    world.load(local("first"), local("late"), apps=(web,))
    assert "web-vif0" not in world.items

    planned = world.load(local("late"), apps=(web,))

    assert planned == {"instance late", "vif web vif0"}
    assert "web-vif0" in world.items


def test_an_interface_goes_when_another_instance_takes_its_subnet() -> None:
    world = World(ETH0)
    web = app("web", "late")
    world.load(local("first", "10.60.0.0/24"), local("late"), apps=(web,))
    assert "web-vif0" in world.items

    world.load(local("first"), local("late"), apps=(web,))

    assert "web-vif0" not in world.items
    assert world.errors()["instance late"] == [
        "subnet 10.50.0.0/24 overlaps with 10.50.0.0/24 of network instance first"
    ]


def test_a_static_address_of_any_adapter_may_be_in_an_instances_way() -> None:
    world = World(ETH0)
    world.load(NI, apps=(app("web", "ni"),))

    overlapping = replace(ETH1, ip=ETH0.ip, addresses=(ip_interface("10.50.0.9/24"),))
    planned = world.load(NI, apps=(app("web", "ni"),), adapters=(ETH0, overlapping))

    assert planned == {"device", "adapter eth1", "instance ni", "vif web vif0"}
    assert "bn1" not in world.items


def test_an_interface_whose_instance_is_not_built_says_so() -> None:
    world = World(ETH0)
    world.load(local("first"), local("late"), apps=(app("web", "late"),))

    assert world.errors()["vif web vif0"] == ["network instance late is not built"]


def test_rules_about_members_follow_whoever_joins_and_leaves() -> None:
    """An app that may speak with all members must reach one that comes later."""
    world = World(ETH0)
    web = app("web", card("x", AclRule(id=1, instance_members=True)))
    world.load(NI, apps=(web,))

    planned = world.load(NI, apps=(web, app("db", "ni")))

    policies = [p for p in world.plugin.given if isinstance(p, VifPolicy) and p.vif == "nbu1x1"]
    assert "vif web x" in planned
    assert policies[-1].rules[0].members == (ip_address("10.50.0.128"), ip_address("10.50.0.129"))


def test_two_switches_do_not_get_one_port() -> None:
    world = World(replace(ETH0, ip=IpSettings()))
    world.load(switch("one", port="eth0"), switch("two", port="eth0"))

    assert world.errors() == {"instance two": ["port eth0 is already used by network instance one"]}
    assert [port.label for i in world.planner.instances.values() for port in i.ports] == ["eth0"]


def test_a_port_goes_to_the_next_instance_when_the_first_one_leaves() -> None:
    world = World(replace(ETH0, ip=IpSettings()))
    second = switch("two", port="eth0")
    world.load(switch("one", port="eth0"), second, apps=(app("web", "two"),))

    planned = world.load(second, apps=(app("web", "two"),))

    assert planned == {"instance two", "vif web vif0"}
    assert [port.label for port in world.planner.instances[second.key].ports] == ["eth0"]


# -- errors -------------------------------------------------------------------------------------------


def test_an_adapter_that_cannot_be_used_as_configured_is_left_alone() -> None:
    world = World(replace(ETH0, config_error="port eth0 is disabled"))
    world.load()

    assert world.errors() == {"adapter eth0": ["port eth0 is disabled"]}
    assert world.items == {"wall"}


@pytest.mark.parametrize(
    ("adapter", "what"),
    [
        (replace(ETH0, kind=PortKind.WIFI), "wifi adapter"),
        (replace(ETH0, vlan=Vlan(label="eth0", interface="eth0", lower="x", id=7)), "VLAN"),
    ],
)
def test_an_adapter_that_no_plugin_knows_has_no_addresses_either(adapter: Adapter, what: str) -> None:
    world = World(adapter)
    world.load()

    assert world.errors() == {"adapter eth0": [f"no installed plugin brings up {what} eth0"]}
    assert world.items == {"wall"}


def test_a_switched_adapter_gets_a_link_and_no_addresses() -> None:
    world = World(replace(ETH0, ip=IpSettings()))
    world.load()

    assert world.errors() == {}
    assert world.items == {"link-eth0", "wall"}


class Walls(Builds):
    """Realises the access rules of an app by two items."""

    @hookimpl
    def evenet_plan_firewall(self, policy: FirewallPolicy) -> list[Item]:
        return [thing("c:rule"), thing("c:door")] if isinstance(policy, VifPolicy) else []


def test_an_interface_is_made_after_what_opens_it() -> None:
    """Its link would be up and closed otherwise, and the app's first packets, which ask for an address, lost."""
    world = World(ETH0, plugin=Walls())
    world.load(NI, apps=(app("web", "ni"),))

    [needs] = [given for given in world.plugin.given if isinstance(given, tuple)]
    assert [need.key for need in needs] == [thing("c:door").key]


class Fails(Builds):
    """Raises for whatever is called `bad`."""

    @hookimpl
    def evenet_plan_network_instance(self, instance: Instance) -> list[Item]:
        if instance.config.name == "bad":
            raise RuntimeError("no way")
        return super().evenet_plan_network_instance(instance)

    @hookimpl
    def evenet_plan_vif(self, instance: Instance, vif: Vif, needs: tuple[Requires, ...]) -> list[Item]:
        if vif.app == "bad":
            raise RuntimeError("no way")
        return super().evenet_plan_vif(instance, vif, needs)


def test_a_plugin_that_raises_costs_the_object_that_it_was_asked_about() -> None:
    world = World(ETH0, plugin=Fails())

    world.load(NI, local("bad", "10.60.0.0/24"), apps=(app("web", "ni"), app("bad", "ni")))

    assert world.errors() == {
        "instance bad": [
            "plugin builds: evenet_plan_network_instance failed for network instance bad: RuntimeError: no way"
        ],
        "vif bad vif0": ["plugin builds: evenet_plan_vif failed for interface vif0 of app bad: RuntimeError: no way"],
    }
    assert {"bn1", "web-vif0", "link-eth0", "wall"} <= world.items


class Silent:
    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name="silent", version="1")


def test_what_no_plugin_does_is_an_error_that_says_what_is_missing() -> None:
    world = World(ETH0, plugin=Silent())
    world.load(NI, apps=(app("web", "ni"),))

    assert world.errors() == {
        "adapter eth0": ["no installed plugin brings up ethernet adapter eth0"],
        "device": ["no installed plugin realises the firewall"],
        "instance ni": [
            "no installed plugin builds local network instance ni",
            "no installed plugin realises the firewall of network instance ni",
        ],
        "vif web vif0": ["no installed plugin realises the access rules of app web"],
    }


class Open(Builds):
    """Cannot realise rules."""

    @hookimpl
    def evenet_plan_firewall(self, policy: FirewallPolicy) -> list[Item] | None:
        return None


def test_an_app_whose_rules_nobody_realises_is_not_connected() -> None:
    world = World(ETH0, plugin=Open())
    world.load(NI, apps=(app("web", "ni"),))

    assert world.errors()["vif web vif0"] == ["no installed plugin realises the access rules of app web"]
    assert "web-vif0" not in world.items


def test_an_interface_that_is_refused_is_not_planned() -> None:
    world = World(ETH0)
    world.load(NI, apps=(app("web", card("x", address=ip_address("10.99.0.9"))),))

    assert world.errors() == {"vif web x": ["address 10.99.0.9 is outside of subnet 10.50.0.0/24"]}
    assert not {"web-x", "wall-nbu1x1"} & world.items


def test_an_error_that_is_gone_is_not_kept() -> None:
    world = World(replace(ETH0, config_error="port eth0 is disabled"))
    world.load()

    world.load(adapters=(ETH0,))

    assert world.errors() == {}


# -- what is planned without a plugin -----------------------------------------------------------------


def test_apps_of_ipv4_instances_have_a_metadata_service_at_the_gateway() -> None:
    world = World(ETH0)
    world.load(NI, local("six", "fd50::/64"), switch("sw"))

    planned = [p.item for p in world.planner.plan(("instance", NI.key), Facts({}))]
    six = [p.item for p in world.planner.plan(("instance", world.config.network_instances[1].key), Facts({}))]

    assert MetadataService(NI.key, "bn1", "10.50.0.1") in planned
    assert not [item for item in six if isinstance(item, MetadataService)]


def test_items_carry_the_name_of_the_plugin_that_planned_them() -> None:
    world = World(ETH0)
    world.load(NI)

    found = {p.item.kind: p.plugin for p in world.planner.plan(("instance", NI.key), Facts({}))}

    assert found == {"b": "builds", "metadata": "core"}


def test_names_are_looked_up_by_management_adapters_that_are_there() -> None:
    """dnsmasq does not start with a server on a link that does not exist: one port would cost all their names."""
    asks = replace(ETH0, ip=replace(ETH0.ip, dns=(ip_address("192.0.2.53"),)))
    other = replace(asks, label="eth9", ifname="eth9", rank=3)
    idle = replace(asks, label="eth1", ifname="eth1", management=False)
    world = World(asks, other, idle, facts={link_fact("eth0"): LINK, link_fact("eth1"): LINK})
    world.load()

    def servers() -> str:
        daemons: list[Any] = [p.item for p in world.planner.plan(DEVICE, Facts(world.facts)) if p.item.kind == "daemon"]
        return "".join(text for daemon in daemons for _, text in daemon.reloadable)

    assert servers() == "server=192.0.2.53@eth0\nserver=127.0.0.153\n"
    assert "device" in world.put({link_fact("eth9"): LINK})
    assert servers() == "server=192.0.2.53@eth0\nserver=192.0.2.53@eth9\nserver=127.0.0.153\n"


# -- an adapter as instances see it -------------------------------------------------------------------


def test_an_adapter_is_a_port_with_what_it_has_now() -> None:
    facts = Facts({link_fact("eth1"): LINK, lease_fact("eth1", LeaseSource.DHCP4): LEASE})

    port = adapter_port(replace(ETH1, cost=3), facts)

    assert (port.label, port.labels, port.ifname, port.table, port.cost) == ("eth1", frozenset({"all"}), "eth1", 502, 3)
    assert (port.l3, port.management, port.carrier, port.mtu) == (True, False, True, 1500)
    assert (port.addresses, port.gateways, port.dns) == (LEASE.addresses, LEASE.routers, LEASE.dns)


def test_the_port_under_an_adapters_bridge_says_whether_there_is_a_link() -> None:
    """A bridge has a carrier as long as any app on it has one."""
    facts = Facts({link_fact("eth0"): LINK, link_fact("keth0"): replace(LINK, carrier=False)})

    assert not adapter_port(ETH0, facts).carrier


def test_an_adapter_without_a_link_has_no_carrier() -> None:
    assert not adapter_port(ETH0, Facts({})).carrier


@pytest.mark.parametrize(
    ("configured", "offered", "mtu"), [(None, None, 1500), (1400, 1300, 1400), (None, 1300, 1300), (9000, None, 9000)]
)
def test_the_mtu_of_a_port_is_the_configured_or_the_offered_one(
    configured: int | None, offered: int | None, mtu: int
) -> None:
    facts = Facts({lease_fact("eth1", LeaseSource.DHCP4): replace(LEASE, mtu=offered)})

    assert adapter_port(replace(ETH1, mtu=configured), facts).mtu == mtu


def test_link_local_addresses_are_no_way_out() -> None:
    adapter = replace(ETH0, addresses=(ip_interface("169.254.7.7/16"), ip_interface("172.22.10.5/24")))

    assert adapter_port(adapter, Facts({})).addresses == (ip_interface("172.22.10.5/24"),)


# -- the node's own traffic ---------------------------------------------------------------------------


def test_own_traffic_is_steered_past_an_uplink_only_while_that_has_a_way() -> None:
    ip = replace(ETH0.ip, gateway=ip_address("172.23.10.1"))
    second = replace(ETH1, management=True, cost=5, ip=ip, addresses=(ip_interface("172.23.10.5/24"),))
    world = World(ETH0, second)
    world.load()

    def steered() -> list[tuple[int, int]]:
        items = (wanted.item for wanted in world._fragments.intent.values())
        return [(i.family, i.table) for i in items if isinstance(i, Rule) and i.priority == PRIORITY_CHOSEN]

    assert steered() == []
    world.put({own_route_fact(4): "eth1"})
    assert steered() == [(4, 502)]
    world.put({link_fact("keth0"): replace(LINK, carrier=False)})
    assert steered() == [], "the kernel goes on by itself"
    world.put({link_fact("keth0"): LINK})
    assert steered() == [(4, 502)]
    world.put({own_route_fact(4): "eth0"})
    assert steered() == []
