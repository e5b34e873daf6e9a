"""What planning starts from: the config, and the decisions that do not depend on facts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evenet_core.apps.conflicts import conflicts
from evenet_core.apps.instances import matching_ports
from evenet_core.apps.numbers import Numbers
from evenet_core.apps.portuse import refused_ports
from evenet_core.apps.vifs import AppSettings, resolve_vifs
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.model.resolved import Vif
from evenet_core.settings import NodeSettings

__all__ = ["DEVICE", "Inputs", "ObjectId", "gather_inputs", "object_name"]

TABLES = 501, 799  # routing tables of adapters
BRIDGES = 1, 4000  # numbers of network instances
PLAIN_NETMASK = "debug.disable.dhcp.all-ones.netmask"  # device property

ObjectId = tuple[str, ...]
DEVICE: ObjectId = ("device",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Config and decisions that planning starts from."""

    config: DeviceConfig = field(default_factory=DeviceConfig)
    adapters: tuple[Adapter, ...] = ()
    instance_numbers: Mapping[str, int] = field(default_factory=dict)
    vifs: Mapping[str, tuple[Vif, ...]] = field(default_factory=dict)  # by instance key
    apps: AppSettings = field(default_factory=AppSettings)
    resolv_conf: str = ""

    def objects(self) -> dict[ObjectId, Any]:
        """Every object, and the inputs whose change makes it plan anew."""
        config = self.config
        objects: dict[ObjectId, Any] = {DEVICE: (self.adapters, config.settings, self._host_names())}
        for adapter in self.adapters:
            objects["adapter", adapter.label] = (adapter, config.settings)
        refused = refused_ports(config.network_instances, self.adapters)
        rivals = conflicts(config.network_instances, ())  # of those that two instances make, without any port
        speaking = tuple((a.label, a.ifname, a.ip, a.addresses) for a in self.adapters if a.has_ip)
        for instance in config.network_instances:
            if not instance.active:
                continue
            key, vifs = instance.key, self.vifs.get(instance.key, ())
            ports = matching_ports(instance.port, self.adapters)
            numbered = (instance, self.instance_numbers.get(key), self.apps)
            shared = (*numbered, ports, refused.get(key), rivals.get(key), speaking)
            objects["instance", key] = (*shared, vifs)
            members = tuple(vif.addresses for vif in vifs if not vif.error)
            for vif in vifs:
                objects["vif", vif.app_key, vif.name] = (*shared, vif, _asks_for_members(vif) and members)
        return objects

    def _host_names(self) -> tuple[str, ...]:
        return tuple(sorted({r.host for a in self.config.apps for i in a.interfaces for r in i.rules if r.host}))


def _asks_for_members(vif: Vif) -> bool:
    return any(rule.instance_members for rule in vif.rules)


def object_name(name: Hashable, config: DeviceConfig) -> str:
    """What people call an object: `adapter eth0`, `network instance ni0`, `interface eclient/ni0`."""
    match name:
        case ("instance", key):
            return f"network instance {next((i.name for i in config.network_instances if i.key == key), key)}"
        case ("vif", key, interface):
            return f"interface {next((app.name for app in config.apps if app.key == key), key)}/{interface}"
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def gather_inputs(
    config: DeviceConfig,
    dpc: Dpc | None,
    numbers: Numbers,
    settings: NodeSettings,
    named: Callable[[Adapter], Adapter] = lambda adapter: adapter,
) -> tuple[Inputs, Numbers]:
    """The inputs for a config and the DPC in use, and every number that they now hold.

    :param named: an adapter that is known by its place only, with the name of the device that is there
    """
    adapters, numbers = _numbered(dpc.adapters if dpc else (), numbers)
    adapters = tuple(named(adapter) for adapter in adapters)
    of_instances: dict[str, int] = {}
    for instance in config.network_instances:
        numbers, of_instances[instance.key] = numbers.allocate("bridge", instance.key, *BRIDGES)
    apps = AppSettings(
        app_namespaces=settings.app_namespaces,
        host_routes_only=config.settings.get(PLAIN_NETMASK, "false").lower() != "true",
        device_uuid=config.owner.device_uuid,
    )
    vifs, numbers = resolve_vifs(config, numbers, apps)
    inputs = Inputs(
        config=config,
        adapters=adapters,
        instance_numbers=of_instances,
        vifs=vifs,
        apps=apps,
        resolv_conf=settings.resolv_conf,
    )
    return inputs, numbers


def _numbered(adapters: Sequence[Adapter], numbers: Numbers) -> tuple[tuple[Adapter, ...], Numbers]:
    """Each adapter with its routing table and its place in the order of cost, management adapters first."""
    order = sorted(range(len(adapters)), key=lambda i: (not adapters[i].management, adapters[i].cost, i))
    numbered = []
    for i, adapter in enumerate(adapters):
        numbers, table = numbers.allocate("adapter-table", adapter.ifname or adapter.label, *TABLES)
        numbered.append(replace(adapter, table=table, rank=order.index(i)))
    return tuple(numbered), numbers
