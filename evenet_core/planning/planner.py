"""The planner: one object of the config in, its items out.

Objects are named by tuples: `("device",)`, `("adapter", LABEL)`, `("instance", KEY)` and
`("vif", APP KEY, INTERFACE)`. What an object's items depend on is either in its *inputs* (config and
decisions, compared when a new config comes) or read from facts through the reader handed in, which
remembers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evenet_core.apps.conflicts import conflicts
from evenet_core.apps.instances import matching_ports, resolve_instance
from evenet_core.apps.policies import device_policy, instance_policy, vif_policy
from evenet_core.apps.routes import DEFAULTS
from evenet_core.linux.l3 import PRIORITY_CHOSEN, addressing
from evenet_core.linux.metadata import MetadataService
from evenet_core.linux.rule import Rule
from evenet_core.model.adapters import DEFAULT_MTU, Adapter
from evenet_core.model.facts import link_fact, own_route_fact, route_choice_fact
from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.ports import lower_name
from evenet_core.model.resolved import Instance, InstancePort, Vif
from evenet_core.planning.hardware import Hardware
from evenet_core.planning.inputs import Inputs
from evenet_core.planning.names import plan_names
from evenet_core.planning.objects import DEVICE, ObjectId, Objects
from evenet_core.planning.routes import uplinks
from evenet_core.planning.times import plan_times
from evenet_core.plugins import Answer, Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Planned
from evenet_core.reconciler.item import Requires

__all__ = ["Planner", "adapter_port"]

CORE = "core"  # stands where a plugin's name would: items that evenet plans itself


class Planner:
    """Plans objects by asking the plugins. Keeps what was decided on the way, for the status."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self.hardware = Hardware(plugins)
        self.inputs = Inputs()
        self.errors: dict[ObjectId, list[str]] = {}
        self.instances: dict[str, Instance] = {}
        self._by_key: dict[str, NetworkInstance] = {}
        self._adapters: dict[str, Adapter] = {}
        self.objects = Objects(self.inputs)
        self._resolved: dict[str, tuple[Mapping[str, Any], Instance]] = {}  # with the facts that it was made of
        self._views: dict[str, tuple[Instance, Instance]] = {}  # by key: what is resolved, and as interfaces see it
        self._planned: dict[ObjectId, _Planned] = {}  # instances and interfaces
        self._conflicts: tuple[Sequence[InstancePort], Mapping[str, str]] | None = None

    def load(self, inputs: Inputs) -> set[ObjectId]:
        """Take new inputs; returns the objects that must be planned anew."""
        before, after = self.objects, Objects(inputs, self.objects)
        if self.inputs.config.network_instances != inputs.config.network_instances:
            self._conflicts = None
        self.inputs, self.objects = inputs, after
        changed = after.changed_since(before)
        self._by_key = {instance.key: instance for instance in inputs.config.network_instances}
        self._adapters = {adapter.label: adapter for adapter in inputs.adapters}
        for _, key in (name for name in changed if name[0] == "instance"):
            self._resolved.pop(key, None)
        for gone in before.values.keys() - after.values.keys():
            self.errors.pop(gone, None)
            self._planned.pop(gone, None)
            if gone[0] == "instance":
                self._resolved.pop(gone[1], None)
                self.instances.pop(gone[1], None)
                self._views.pop(gone[1], None)
        return changed

    def plan(self, name: ObjectId, facts: Facts) -> Sequence[Planned]:
        """Items of one object. What cannot be planned is an error of that object, kept in `errors`."""
        match name:
            case ("instance", key):
                instance = self.instances[key] = self.resolve(key, facts)
                return self._once(name, (instance,), facts, self._plan_instance)
            case ("vif", *_):
                vif = self.objects.vif(name)
                instance = self._seen_by_vifs(self.resolve(vif.instance, facts))
                return self._once(name, (instance, vif), facts, self._plan_vif)
        answers = _Answers()
        if name == DEVICE:
            self._plan_device(facts, answers)
        else:
            self._plan_adapter(self._adapters[name[1]], facts, answers)
        self.errors[name] = answers.errors
        return answers.items

    def _once(
        self, name: ObjectId, given: tuple[Any, ...], facts: Facts, plan: Callable[[Any, Facts, _Answers], None]
    ) -> Sequence[Planned]:
        """The very items of before, unless what the object is planned from has changed, or a fact that it read."""
        known = self._planned.get(name)
        if known is not None and known.holds(given, facts):
            return known.items
        seen, answers = _Recorded(facts), _Answers()
        plan(given, seen, answers)
        self.errors[name] = answers.errors
        self._planned[name] = _Planned(given, seen.values, answers.items)
        return answers.items

    def _plan_adapter(self, adapter: Adapter, facts: Facts, answers: _Answers) -> None:
        if adapter.config_error:
            answers.errors.append(adapter.config_error)
            return
        link = self._plugins.plan_link(adapter, facts)
        answers.take(link, f"no installed plugin brings up {_what(adapter)} {adapter.label}")
        if link.items is not None:
            answers.items.extend(self.hardware.offloads(adapter, facts))
        if adapter.has_ip and link.items is not None:
            given = self._plugins.plan_addressing(adapter, facts)
            answers.take(given, f"no installed plugin gives adapter {adapter.label} its addresses")

    def resolve(self, key: str, facts: Facts) -> Instance:
        """The instance as it is to be, given the ports and routes of this moment; made once for all that ask."""
        known = self._resolved.get(key)
        if known is not None and all(facts.get(name) == value for name, value in known[0].items()):
            return known[1]
        seen = _Recorded(facts)
        instance = self._resolve(key, seen)
        self._resolved[key] = (seen.values, instance)
        return instance

    def _resolve(self, key: str, facts: Facts) -> Instance:
        config, inputs = self._by_key[key], self.inputs
        ports = [adapter_port(adapter, facts) for adapter in matching_ports(config.port, inputs.adapters)]
        return resolve_instance(
            config,
            inputs.vifs.get(key, ()),
            ports,
            lambda destination: facts.get(route_choice_fact(key, destination)),
            inputs.instance_numbers[key],
            inputs.apps,
            conflicts=self._overlaps(facts).get(key, "") if config.type is InstanceType.LOCAL else "",
            refused=self.objects.refused.get(key, {}),
        )

    def _overlaps(self, facts: Facts) -> Mapping[str, str]:
        """Why instances cannot have their subnets, by key; worked out anew when an adapter's addresses change."""
        ports = [_addresses(adapter, facts) for adapter in self.inputs.adapters if adapter.has_ip]
        if self._conflicts is None or self._conflicts[0] != ports:
            self._conflicts = ports, conflicts(self.inputs.config.network_instances, ports)
        return self._conflicts[1]

    def _plan_instance(self, given: tuple[Instance], facts: Facts, answers: _Answers) -> None:
        [instance] = given
        if instance.error:
            answers.errors.append(instance.error)
        if instance.blocked:
            return
        what = f"no installed plugin builds {instance.config.type} network instance {instance.config.name}"
        answers.take(self._plugins.plan_network_instance(instance, facts), what)
        policy = instance_policy(instance)
        if policy is not None:
            missing = f"no installed plugin realises the firewall of network instance {instance.config.name}"
            answers.take(self._plugins.plan_firewall(policy, facts), missing)
        if instance.gateway is not None and instance.gateway.version == 4:
            answers.add(MetadataService(instance.config.key, instance.bridge, str(instance.gateway.ip)))

    def _seen_by_vifs(self, instance: Instance) -> Instance:
        """The instance without what changes with the state of its ports; the same object while that is the same."""
        known = self._views.get(instance.config.key)
        if known is not None and known[0] is instance:
            return known[1]
        ports = tuple(replace(port, carrier=True, gateways=(), dns=(), ntp=()) for port in instance.ports)
        seen = replace(instance, ports=ports, routes=(), dns_servers=(), app_ntp=(), error="")
        if known is not None and known[1] == seen:
            seen = known[1]
        self._views[instance.config.key] = instance, seen
        return seen

    def _plan_vif(self, given: tuple[Instance, Vif], facts: Facts, answers: _Answers) -> None:
        instance, vif = given
        if instance.blocked:
            answers.errors.append(f"network instance {instance.config.name} is not built")
        elif vif.error:
            answers.errors.append(vif.error)
        if vif.error or instance.blocked:
            return
        rules = self._plugins.plan_firewall(vif_policy(instance, vif), facts)
        answers.take(rules, f"no installed plugin realises the access rules of app {vif.app}")
        if rules.items is None:
            return  # whatever was meant to be kept from the app stays so
        needs = tuple(Requires(item.key, "the app's access rules come first") for item in rules.items[-1:])
        missing = f"no installed plugin connects interface {vif.name} of app {vif.app}"
        answers.take(self._plugins.plan_vif(instance, vif, facts, needs), missing)

    def _plan_device(self, facts: Facts, answers: _Answers) -> None:
        inputs = self.inputs
        # dnsmasq does not start with a server on a link that is not there
        managed = [
            adapter
            for adapter in inputs.adapters
            if adapter.management
            and adapter.has_ip
            and not adapter.config_error
            and facts.get(link_fact(adapter.ifname)) is not None
        ]
        rules = list(self._own_rules(facts))
        preferred = {a.label for a in managed for rule in rules if a.table == rule.table}
        for item in plan_names([(a, addressing(a, facts)) for a in managed], inputs.resolv_conf, preferred):
            answers.add(item)
        for item in plan_times([(a, addressing(a, facts)) for a in managed], inputs.time_sources):
            answers.add(item)
        for rule in rules:
            answers.add(rule)
        policy = device_policy(inputs.adapters, inputs.config.settings, self.objects.hosts)
        answers.take(self._plugins.plan_firewall(policy, facts), "no installed plugin realises the firewall")

    def _own_rules(self, facts: Facts) -> Iterator[Rule]:
        """While the node's own traffic is better off elsewhere than where the kernel sends it by itself: through the
        first of its uplinks that has a way.
        """
        for version in DEFAULTS:
            known = uplinks(self.inputs.adapters, version)
            ways = [a for a in known if _has_way(a, version, facts)] if len(known) > 1 else known
            chosen = next((a for a in ways if a.label == facts.get(own_route_fact(version))), None)
            if chosen is not None and chosen is not ways[0]:
                yield Rule(version, PRIORITY_CHOSEN, chosen.table, iif="lo")


@dataclass(frozen=True, slots=True)
class _Planned:
    """What planning an object came to, and what it was made of."""

    given: tuple[Any, ...]
    facts: Mapping[str, Any]
    items: Sequence[Planned]

    def holds(self, given: tuple[Any, ...], facts: Facts) -> bool:
        return self.given == given and all(facts.get(name) == value for name, value in self.facts.items())


class _Recorded(Facts):
    """Reads facts through another reader and keeps what it read."""

    __slots__ = ("_inner", "values")

    def __init__(self, inner: Facts) -> None:
        super().__init__({})
        self._inner = inner
        self.values: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        value = self.values[name] = self._inner.get(name)
        return value


class _Answers:
    """Collects what plugins answered for one object."""

    def __init__(self) -> None:
        self.items: list[Planned] = []
        self.errors: list[str] = []

    def take(self, answer: Answer, nobody: str) -> None:
        if answer.error is not None:
            self.errors.append(str(answer.error))
        elif answer.items is None:
            self.errors.append(nobody)
        self.items.extend(Planned(item, answer.plugin) for item in answer.items or ())

    def add(self, item: Any) -> None:
        self.items.append(Planned(item, CORE))


def _has_way(adapter: Adapter, version: int, facts: Facts) -> bool:
    port = adapter_port(adapter, facts)
    return port.carrier and any(gateway.version == version for gateway in port.gateways)


def _addresses(adapter: Adapter, facts: Facts) -> InstancePort:
    """What of an adapter may be in the way of a subnet; a link that comes or goes changes nothing about that."""
    has = addressing(adapter, facts)
    usable = tuple(a for a in has.addresses if not a.ip.is_link_local)
    return InstancePort(label=adapter.label, ifname=adapter.ifname, table=adapter.table, addresses=usable)


def adapter_port(adapter: Adapter, facts: Facts) -> InstancePort:
    """An adapter as network instances see it: what it has at this moment."""
    has = addressing(adapter, facts)
    link = facts.get(link_fact(adapter.ifname))
    # the port under an adapter's bridge knows first, and no app on the bridge hides its loss
    below = facts.get(link_fact(lower_name(adapter.ifname)))
    seen = below or link
    return InstancePort(
        label=adapter.label,
        labels=adapter.labels,
        ifname=adapter.ifname,
        table=adapter.table,
        cost=adapter.cost,
        management=adapter.management,
        l3=adapter.has_ip,
        carrier=bool(seen and seen.carrier),
        mtu=adapter.mtu or has.mtu or DEFAULT_MTU,
        addresses=tuple(a for a in has.addresses if not a.ip.is_link_local),
        gateways=has.gateways,
        dns=has.dns,
        ntp=has.ntp,
    )


def _what(adapter: Adapter) -> str:
    if adapter.vlan:
        return "VLAN"
    return "bond" if adapter.bond else f"{adapter.kind} adapter"
