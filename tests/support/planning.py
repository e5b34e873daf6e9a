"""A planner with a plugin that plans one item for whatever it is asked about, its fragments, and facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from evenet_core.apps.numbers import Numbers
from evenet_core.hookspecs import PluginInfo, hookimpl
from evenet_core.linux.l3 import addressing
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.config import DeviceConfig
from evenet_core.model.facts import LinkFact, link_fact
from evenet_core.model.instances import App, NetworkInstance
from evenet_core.model.networks import IpFamily, IpMode, IpSettings
from evenet_core.model.policy import FirewallPolicy, InstancePolicy, VifPolicy
from evenet_core.model.ports import PortKind
from evenet_core.model.resolved import Instance, Vif
from evenet_core.planning.inputs import Inputs
from evenet_core.planning.objects import ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.plugins import Found, Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments, Planned
from evenet_core.reconciler.item import Item, Requires
from tests.support.instances import SETTINGS, vifs_of
from tests.support.memory import thing

__all__ = ["ETH0", "ETH1", "LEASE", "LINK", "Builds", "World"]

ETH0 = Adapter(
    label="eth0",
    ifname="eth0",
    labels=frozenset({"all", "uplink"}),
    management=True,
    table=501,
    ip=IpSettings(mode=IpMode.STATIC, family=IpFamily.IPV4, gateway=ip_address("172.22.10.1")),
    addresses=(ip_interface("172.22.10.5/24"),),
)
ETH1 = replace(
    ETH0,
    label="eth1",
    ifname="eth1",
    labels=frozenset({"all"}),
    management=False,
    table=502,
    rank=1,
    ip=replace(ETH0.ip, mode=IpMode.DHCP, gateway=None),
    addresses=(),
)
LINK = LinkFact(index=1, mac="02:00:00:00:00:01", mtu=1500, up=True, carrier=True)
LEASE = Lease(
    source=LeaseSource.DHCP4,
    addresses=(ip_interface("192.168.30.5/24"),),
    routers=(ip_address("192.168.30.1"),),
    dns=(ip_address("192.168.30.1"),),
)


class Builds:
    """Plans one item for whatever it is asked about, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name="builds", version="1")

    @hookimpl
    def evenet_plan_link(self, adapter: Adapter) -> list[Item] | None:
        return [thing(f"a:link-{adapter.ifname}")] if adapter.kind is PortKind.ETHERNET and not adapter.vlan else None

    @hookimpl
    def evenet_plan_addressing(self, adapter: Adapter, facts: Facts) -> list[Item]:
        self.given.append(addressing(adapter, facts))
        return [thing(f"a:ip-{adapter.ifname}")]

    @hookimpl
    def evenet_plan_network_instance(self, instance: Instance) -> list[Item]:
        self.given.append(instance)
        return [thing(f"b:{instance.bridge}")]

    @hookimpl
    def evenet_plan_vif(self, instance: Instance, vif: Vif, needs: tuple[Requires, ...]) -> list[Item]:
        self.given.append(needs)
        return [thing(f"c:{vif.app}-{vif.name}")]

    @hookimpl
    def evenet_plan_firewall(self, policy: FirewallPolicy) -> list[Item] | None:
        self.given.append(policy)
        if isinstance(policy, VifPolicy):
            return [thing(f"c:wall-{policy.vif}")]
        return [thing(f"b:wall-{policy.bridge}" if isinstance(policy, InstancePolicy) else "a:wall")]


class World:
    """A planner with its fragments and facts; tells what was planned anew."""

    def __init__(self, *adapters: Adapter, plugin: Any = None, facts: dict[str, Any] | None = None) -> None:
        self.plugin = plugin or Builds()
        self.planner = Planner(Plugins(found=[Found("builds", self.plugin, "dist 1")]))
        self.facts: dict[str, Any] = {link_fact(one.ifname): LINK for one in adapters} if facts is None else facts
        self.adapters = adapters
        self.config = DeviceConfig()
        self._numbers = Numbers()
        self._planned: list[ObjectId] = []
        self._fragments = Fragments(self._plan, self.facts)

    def _plan(self, name: ObjectId, facts: Facts) -> Sequence[Planned]:
        self._planned.append(name)
        return self.planner.plan(name, facts)

    def load(self, *instances: NetworkInstance, apps: tuple[App, ...] = (), **more: Any) -> set[str]:
        """Take this config; answers the objects that were planned."""
        self.config = DeviceConfig(
            network_instances=instances, apps=apps, ports=more.pop("ports", ()), settings=more.pop("settings", {})
        )
        vifs, self._numbers = vifs_of(self.config, self._numbers)
        bridges = {i.key: self._numbers.get("bridge", i.key) or 0 for i in instances}
        inputs = Inputs(
            config=self.config,
            adapters=more.pop("adapters", self.adapters),
            instance_numbers=bridges,
            vifs=vifs,
            apps=SETTINGS,
            **more,
        )
        self._planned = []
        changed = self.planner.load(inputs)
        self._fragments.set_objects(self.planner.objects.values, changed)
        return self._names()

    def put(self, facts: dict[str, Any]) -> set[str]:
        """These facts have new values; answers the objects that were planned."""
        self._planned = []
        self.facts.update(facts)
        self._fragments.facts_changed(facts)
        return self._names()

    def _names(self) -> set[str]:
        names = {i.key: i.name for i in self.config.network_instances} | {a.key: a.name for a in self.config.apps}
        return {" ".join(names.get(part, part) for part in name) for name in self._planned}

    @property
    def items(self) -> set[str]:
        return {str(key[1]) if key.kind in "abc" else str(key.kind) for key in self._fragments.intent}

    def errors(self) -> dict[str, list[str]]:
        names = {i.key: i.name for i in self.config.network_instances} | {a.key: a.name for a in self.config.apps}
        found = self.planner.errors.items()
        return {" ".join(names.get(part, part) for part in name): errors for name, errors in found if errors}
