"""Plugins: found by their entry points, called by their hooks, held responsible for what they return.

A plugin is a distribution with an entry point in the group `evenet.plugins` that names a module or object with
hook implementations. A hook that raises or returns what it must not costs the one object it was asked about: the
error is a value that names the plugin, and the node lives on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pluggy

from evenet_core.errors import EvenetError, NotSupported, PluginError
from evenet_core.hookspecs import API_VERSION, Context, EvenetSpec, PluginInfo, PortDevice, PortIdentity, PortQuirks
from evenet_core.model.adapters import Adapter
from evenet_core.model.plain import from_plain, to_plain
from evenet_core.model.policy import FirewallPolicy
from evenet_core.model.resolved import Instance, Vif
from evenet_core.reconciler.facts import Facts, Monitor
from evenet_core.reconciler.item import Driver, Item, Requires

__all__ = ["GROUP", "Answer", "Found", "Plugins"]

GROUP = "evenet.plugins"
T = TypeVar("T")
SLOW = 1.0  # seconds after which a hook is reported: hooks are pure and quick
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the plugins said about one object. `items` None = nobody is in charge of it."""

    items: tuple[Item, ...] | None = None
    plugin: str = ""
    error: EvenetError | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin as it was found: the module or object behind its entry point, and who brought it."""

    name: str
    plugin: Any
    distribution: str = ""
    error: str = ""  # why there is no plugin behind the entry point


class Plugins:
    """All plugins of this machine.

    :param disabled: names of plugins that are installed and not to be used; they are not even imported.
    :param found: plugins instead of the installed ones.
    :raises PluginError: two plugins have one name.
    """

    def __init__(self, disabled: Collection[str] = (), found: Iterable[Found] | None = None) -> None:
        self._manager = pluggy.PluginManager("evenet")
        self._manager.add_hookspecs(EvenetSpec)
        self._off: dict[str, str] = {}  # name -> why
        self._distributions: dict[str, str] = {}
        self._infos: dict[str, PluginInfo] = {}
        self._kinds: dict[str, tuple[str, ...]] = {}
        self._slow: set[tuple[str, str]] = set()
        self._errors: dict[str, str] = {}  # of hooks that are asked about the node or its hardware, by plugin
        for one in _installed(disabled) if found is None else found:
            self._register(one, disabled)

    # -- planning -------------------------------------------------------------------------------------

    def plan_link(self, adapter: Adapter, facts: Facts) -> Answer:
        return self._plan("evenet_plan_link", f"adapter {adapter.label}", adapter=adapter, facts=facts)

    def plan_addressing(self, adapter: Adapter, facts: Facts) -> Answer:
        return self._plan("evenet_plan_addressing", f"adapter {adapter.label}", adapter=adapter, facts=facts)

    def plan_network_instance(self, instance: Instance, facts: Facts) -> Answer:
        what = f"network instance {instance.config.name}"
        return self._plan("evenet_plan_network_instance", what, instance=instance, facts=facts)

    def plan_vif(self, instance: Instance, vif: Vif, facts: Facts, needs: tuple[Requires, ...]) -> Answer:
        what = f"interface {vif.name} of app {vif.app}"
        return self._plan("evenet_plan_vif", what, instance=instance, vif=vif, facts=facts, needs=needs)

    def plan_firewall(self, policy: FirewallPolicy, facts: Facts) -> Answer:
        return self._plan("evenet_plan_firewall", type(policy).__name__, policy=policy, facts=facts)

    # -- hardware -------------------------------------------------------------------------------------

    def identify(self, device: PortDevice) -> PortIdentity | None:
        """What a device is, as the first plugin that knows it says."""
        for name, call in self._implementations("evenet_identify_port", device=device):
            identity = self._told(name, "evenet_identify_port", device, call, PortIdentity)
            if identity is not None:
                return identity
        return None

    def quirks(self, device: PortDevice, identity: PortIdentity) -> list[tuple[str, PortQuirks]]:
        """What plugins know about a piece of hardware, with the plugin's name."""
        found = []
        for name, call in self._implementations("evenet_port_quirks", device=device, identity=identity):
            quirks = self._told(name, "evenet_port_quirks", device, call, PortQuirks)
            if quirks is not None:
                found.append((name, quirks))
        return found

    def _told(self, name: str, hook: str, device: PortDevice, call: Callable[[], Any], type_: type[T]) -> T | None:
        """What a hook says of a device. What it must not say is shown with the plugin, and counts as nothing."""
        value, error = self._guarded(name, hook, device.ifname, call)
        if error is None and value is not None:
            try:
                if not isinstance(value, type_):
                    raise TypeError(f"{type(value).__name__}; expected {type_.__name__} or None")
                return from_plain(to_plain(value), type_)  # its fields are what they are declared to be
            except (TypeError, ValueError) as wrong:
                error = PluginError(name, hook, f"returned for {device.ifname}: {wrong}")
        if error is not None:
            self._errors[name] = str(error)
        return None

    # -- what runs ------------------------------------------------------------------------------------

    def drivers(self, context: Callable[[str], Context], core: Sequence[Driver] = ()) -> list[Driver]:
        """Drivers of all plugins, after those of the core.

        :raises PluginError: two drivers for one kind.
        """
        owners = {kind: "evenet" for driver in core for kind in driver.kinds}
        drivers = list(core)
        for name, call in self._implementations("evenet_drivers", context=context):
            brought = self._list(name, "evenet_drivers", call)
            strange = next((one for one in brought if not isinstance(one, Driver)), None)
            if strange is not None:
                text = f"brings a {type(strange).__name__}, which is no driver: it has no kinds, observe or apply"
                self._errors[name] = str(PluginError(name, "evenet_drivers", text))
                continue
            for driver in brought:
                for kind in driver.kinds:
                    if kind in owners:
                        text = f"brings a driver for items of kind {kind}, which {owners[kind]} has already"
                        raise PluginError(name, "evenet_drivers", text)
                    owners[kind] = name
            drivers += brought
            self._kinds[name] = tuple(kind for driver in brought for kind in driver.kinds)
        return drivers

    def monitors(self, context: Callable[[str], Context]) -> list[Monitor]:
        """Monitors of all plugins."""
        found: list[Monitor] = []
        for name, call in self._implementations("evenet_monitors", context=context):
            found += self._list(name, "evenet_monitors", call)
        return found

    def probes(self) -> dict[str, Any]:
        """Probes of all plugins by name; the first to bring a name has it."""
        found: dict[str, Any] = {}
        for name, call in self._implementations("evenet_probes"):
            probes, error = self._guarded(name, "evenet_probes", "", call)
            if error is None and not isinstance(probes, Mapping):
                shown = type(probes).__name__
                error = PluginError(name, "evenet_probes", f"returned {shown}; expected a mapping of names to probes")
            if error is not None:
                self._errors[name] = str(error)
            else:
                found = dict(probes) | found
        return found

    def disconnected(self, seconds: float) -> None:
        """Tell every plugin that the controller was not reached for so long."""
        for name, call in self._implementations("evenet_disconnected", seconds=seconds):
            _, error = self._guarded(name, "evenet_disconnected", "", call)
            if error is not None:
                self._errors[name] = str(error)

    def describe(self) -> list[dict[str, Any]]:
        """Every plugin found, for `evenet plugins`."""
        names = sorted(self._infos.keys() | self._off.keys())
        return [self._describe(name) for name in names]

    def _describe(self, name: str) -> dict[str, Any]:
        info = self._infos.get(name)
        plugin = self._manager.get_plugin(name)
        callers = self._manager.get_hookcallers(plugin) if plugin is not None else None
        return {
            "name": name,
            "version": info.version if info else None,
            "distribution": self._distributions.get(name),
            "summary": info.summary if info else None,
            "capabilities": list(info.capabilities) if info else [],
            "hooks": sorted(caller.name for caller in callers or ()),
            "kinds": list(self._kinds.get(name, ())),
            "error": self._off.get(name) or self._errors.get(name),
        }

    # -- inside ---------------------------------------------------------------------------------------

    def _register(self, found: Found, disabled: Collection[str]) -> None:
        name, plugin = found.name, found.plugin
        if name in self._distributions:
            both = f"is brought by {self._distributions[name]} and by {found.distribution}: uninstall one"
            raise PluginError(name, "entry point", both)
        self._distributions[name] = found.distribution
        if name in disabled:
            self._off[name] = "switched off in the settings"
            return
        if found.error:
            self._drop(plugin, name, found.error)
            return
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            info = plugin.evenet_plugin_info()
        except (Exception, SystemExit) as error:
            self._drop(plugin, name, f"cannot be used: {error}")
            return
        if not isinstance(info, PluginInfo):
            self._drop(plugin, name, f"evenet_plugin_info returned {type(info).__name__}; expected PluginInfo")
        elif info.api_version != API_VERSION:
            self._drop(plugin, name, f"was written for plugin API {info.api_version}; this is {API_VERSION}")
        else:
            self._infos[name] = info

    def _drop(self, plugin: Any, name: str, why: str) -> None:
        self._off[name] = why
        if self._manager.get_plugin(name) is not None:
            self._manager.unregister(plugin)
        log.error("plugin %s %s", name, why)

    def _plan(self, hook: str, what: str, **arguments: Any) -> Answer:
        """The first plugin that is in charge; an error of one that comes before is kept if nobody is."""
        failure = Answer()
        for name, call in self._implementations(hook, **arguments):
            items, error = self._guarded(name, hook, what, call)
            if error is None and items is not None and (problem := _problem(items)):
                error = PluginError(name, hook, f"returned {problem} for {what}; expected list[Item] or None")
            if error is not None:
                failure = failure if failure.error is not None else Answer(None, name, error)
            elif items is not None:
                return Answer(tuple(items), name)
        return failure

    def _list(self, name: str, hook: str, call: Callable[[], Any]) -> list[Any]:
        found, error = self._guarded(name, hook, "", call)
        if error is None and not isinstance(found, list | tuple):
            error = PluginError(name, hook, f"returned {type(found).__name__}; expected a list")
        if error is not None:
            self._errors[name] = str(error)
            return []
        return list(found)

    def _implementations(self, hook: str, **arguments: Any) -> list[tuple[str, Callable[[], Any]]]:
        """Each plugin's implementation of a hook, ready to be called, in pluggy's order."""
        caller = getattr(self._manager.hook, hook)
        calls: list[tuple[str, Callable[[], Any]]] = []
        for implementation in reversed(caller.get_hookimpls()):
            name, given = implementation.plugin_name, arguments
            if callable(given.get("context")):
                given = {**arguments, "context": arguments["context"](name)}
            values = [given[argument] for argument in implementation.argnames]
            calls.append((name, partial(implementation.function, *values)))
        return calls

    def _guarded(self, name: str, hook: str, what: str, call: Callable[[], Any]) -> tuple[Any, EvenetError | None]:
        """A hook's value, or what went wrong in it."""
        began = time.perf_counter()
        try:
            value = call()
        except NotSupported as error:
            return None, error
        except (Exception, SystemExit) as error:
            log.exception("plugin %s: %s failed", name, hook)
            about = f" for {what}" if what else ""
            return None, PluginError(name, hook, f"failed{about}: {type(error).__name__}: {error}")
        took = time.perf_counter() - began
        if took > SLOW and (name, hook) not in self._slow:
            self._slow.add((name, hook))
            log.warning("plugin %s: %s took %.1f s; hooks must be quick", name, hook, took)
        return value, None


def _problem(items: Any) -> str:
    """What is wrong with items that a plugin planned: who is not to be hashed or asked would take others down."""
    if not (isinstance(items, list | tuple) and all(isinstance(item, Item) for item in items)):
        return type(items).__name__
    try:
        for item in items:
            hash(item)
            if not type(item).__module__.startswith("evenet_core."):  # ours are known, and many
                hash((item.key, *(need.key for need in item.requires)))
                str(item.description)
    except Exception as error:
        return f"a broken {type(item).__name__} ({type(error).__name__}: {error})"
    return ""


def _installed(disabled: Collection[str]) -> Iterable[Found]:
    """Plugins with an entry point, by name. Those switched off are not imported."""
    from importlib.metadata import EntryPoint, entry_points  # noqa: PLC0415  with stevedore 60 ms

    from stevedore import ExtensionManager  # noqa: PLC0415

    entries = list(entry_points(group=GROUP))
    failed: list[Found] = []

    class Enabled(ExtensionManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            """What is installed now; stevedore's cache knows no distributions and believes timestamps."""
            return [entry for entry in entries if entry.name not in disabled]

        def _load_one_plugin(self, *arguments: Any) -> Any:
            try:
                return super()._load_one_plugin(*arguments)
            except (AssertionError, SystemExit) as error:  # stevedore would let these end the node
                raise ImportError(f"{type(error).__name__}: {error}") from error

    def failure(_: Any, entry: EntryPoint, error: BaseException) -> None:
        failed.append(Found(entry.name, None, _distribution(entry), f"cannot be imported: {error}"))

    manager = Enabled(GROUP, on_load_failure_callback=failure)
    off = [Found(entry.name, None, _distribution(entry)) for entry in entries if entry.name in disabled]
    on = [Found(one.name, one.plugin, _distribution(one.entry_point)) for one in manager]
    return sorted(on + off + failed, key=lambda one: (one.name, one.distribution))


def _distribution(entry: Any) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"
