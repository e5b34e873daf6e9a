"""What planning starts from: the config, and the decisions that do not depend on facts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import urlsplit

from evenet_core.apps.numbers import ExhaustedError, Numbers
from evenet_core.apps.vifs import AppSettings, Known, resolve_vifs
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import Probe, ProbeMethod
from evenet_core.model.resolved import Vif
from evenet_core.settings import NodeSettings

__all__ = ["Inputs", "ObjectNames", "gather_inputs", "vif_name"]

TABLES = 501, 799  # routing tables of adapters
BRIDGES = 1, 4000  # numbers of network instances
PLAIN_NETMASK = "debug.disable.dhcp.all-ones.netmask"  # device property


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Config and decisions that planning starts from."""

    config: DeviceConfig = field(default_factory=DeviceConfig)
    adapters: tuple[Adapter, ...] = ()
    instance_numbers: Mapping[str, int] = field(default_factory=dict)
    vifs: Mapping[str, tuple[Vif, ...]] = field(default_factory=dict)  # by instance key
    apps: AppSettings = field(default_factory=AppSettings)
    resolv_conf: str = ""
    time_sources: str = ""
    controller: Probe | None = None  # whether a port leads there, for routes over uplinks


class ObjectNames:
    """What people call the objects of these configs: `adapter eth0`, `network instance ni0`, `interface eclient/ni0`.

    What stands in several configs is called as in the last one.
    """

    def __init__(self, *configs: DeviceConfig) -> None:
        self._configs = configs

    @cached_property
    def _instances(self) -> Mapping[str, str]:
        return {instance.key: instance.name for config in self._configs for instance in config.network_instances}

    @cached_property
    def _apps(self) -> Mapping[str, str]:
        return {app.key: app.name for config in self._configs for app in config.apps}

    def __call__(self, name: Hashable) -> str:
        match name:
            case ("instance", str(key)):
                return f"network instance {self._instances.get(key, key)}"
            case ("vif", str(key), interface):
                return vif_name(self._apps.get(key, key), str(interface))
        return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def vif_name(app: str, interface: str) -> str:
    """What people call an app's interface."""
    return f"interface {app}/{interface}"


def gather_inputs(
    config: DeviceConfig,
    dpc: Dpc | None,
    numbers: Numbers,
    settings: NodeSettings,
    named: Callable[[Adapter], Adapter] = lambda adapter: adapter,
    *,
    known: Known | None = None,
) -> tuple[Inputs, Numbers]:
    """The inputs for a config and the DPC in use, and every number that they now hold.

    :param named: an adapter that is known by its place only, with the name of the device that is there
    :param known: interfaces that were resolved before
    """
    adapters, numbers = _numbered(dpc.adapters if dpc else (), numbers)
    adapters = tuple(named(adapter) for adapter in adapters)
    numbers, of_instances = _allocated(numbers, "bridge", [i.key for i in config.network_instances], BRIDGES)
    apps = AppSettings(
        app_namespaces=settings.app_namespaces,
        host_routes_only=config.settings.get(PLAIN_NETMASK, "false").lower() != "true",
        device_uuid=config.owner.device_uuid,
    )
    vifs, numbers = resolve_vifs(config, numbers, apps, known)
    inputs = Inputs(
        config=config,
        adapters=adapters,
        instance_numbers=of_instances,
        vifs=vifs,
        apps=apps,
        resolv_conf=settings.resolv_conf,
        time_sources=settings.time_sources,
        controller=_controller(settings.controller.url),
    )
    return inputs, numbers


def _controller(url: str) -> Probe | None:
    """A connection to the controller tells more than a ping of the gateway."""
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    return Probe(
        method=ProbeMethod.TCP, host=parts.hostname, port=parts.port or (80 if parts.scheme == "http" else 443)
    )


def _numbered(adapters: Sequence[Adapter], numbers: Numbers) -> tuple[tuple[Adapter, ...], Numbers]:
    """Each adapter with its routing table and its place in the order of cost, management adapters first."""
    order = sorted(range(len(adapters)), key=lambda i: (not adapters[i].management, adapters[i].cost, i))
    ranks = {i: rank for rank, i in enumerate(order)}
    keys = [adapter.ifname or adapter.label for adapter in adapters]
    numbers, tables = _allocated(numbers, "adapter-table", keys, TABLES)
    found = [
        replace(adapter, table=tables[key], rank=ranks[i])
        for i, (adapter, key) in enumerate(zip(adapters, keys, strict=True))
    ]
    return tuple(found), numbers


def _allocated(
    numbers: Numbers, pool: str, keys: Sequence[str], limits: tuple[int, int]
) -> tuple[Numbers, dict[str, int]]:
    """A number for each key; those of keys that are gone may be taken when no other is left.

    :raises ExhaustedError: there are not enough.
    """
    numbers, given = numbers.keep(pool, keys).allocate_all(pool, keys, *limits)
    missing = [key for key in keys if key not in given]
    if missing:
        raise ExhaustedError(f"no free number for {missing[0]} in {pool}: all of {limits[0]} to {limits[1]} are in use")
    return numbers, given
