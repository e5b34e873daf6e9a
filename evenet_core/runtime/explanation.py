"""`evenet explain`: the answer in one sentence, then the steps to the cause. Of what is well: what it stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from evenet_core.model.resolved import Instance
from evenet_core.planning.objects import ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import ItemKey
from evenet_core.reconciler.machine import ItemState, Machine
from evenet_core.reconciler.views.explain import Step, others, told, trace
from evenet_core.runtime.causes import Causes
from evenet_core.runtime.things import Thing, find

__all__ = ["Explanation"]

SHOWN = 8  # things of one list
STEPS = 2  # things that a sentence names on the way to the cause


@dataclass(frozen=True)
class Explanation:
    """Tells of one moment.

    :param facts: all facts by name.
    :param plugins: as `Plugins.describe` lists them.
    :param prospects: what comes of the DPC in use, if that is not plain.
    """

    planner: Planner
    machine: Machine
    causes: Causes
    facts: Mapping[str, Any]
    status: Mapping[str, Any]
    plugins: Sequence[Mapping[str, Any]]
    prospects: Sequence[str]
    now: float

    def of(self, name: str) -> list[str]:
        """Lines for people; the first is the answer.

        :raises EvenetError: nothing is called so, or several things are.
        """
        thing = find(name, self.planner, self.machine)
        if thing.idle:
            return [f"{thing.title}: {thing.idle}"]
        wanted = self.machine.wanted
        keys = list(thing.keys) or [key for key, one in wanted.items() if one.object in thing.objects]
        refused = list(self._refusals(thing))
        unsettled = [key for key in keys if key not in wanted or self.machine.state(key) is not ItemState.IN_SYNC]
        steps, more = trace(self.machine, unsettled, self.now, self.causes)
        conditions = list(self._conditions(thing)) or ([] if refused or steps else list(self._status(thing, "error")))
        answer = self._answer(thing, refused, steps, conditions, len(keys))
        lines = [*refused, *(line for step in steps for line in told(step, self.causes)), *others(len(steps), more)]
        told_already = "\n".join((answer, *lines)).replace(": is not there", " is not there")
        lines += [text for text in conditions if text not in told_already]
        lines += [f"warning: {text}" for text in self._status(thing, "warning")] + list(self._routes(thing))
        if any(name[0] in ("adapter", "device") for name in thing.objects):
            lines += [f"DPC {self.status['dpc']['key']}: {text}" for text in self.prospects]
        if not unsettled and not refused:
            lines += self._stands(thing, keys)
        return [answer, *(f"  {line}" for line in dict.fromkeys(lines) if line != answer)]

    # -- the answer -----------------------------------------------------------------------------------

    def _answer(
        self, thing: Thing, refused: Sequence[str], steps: Sequence[Step], conditions: Sequence[str], items: int
    ) -> str:
        title = _possessive(thing.title)
        if refused:
            return refused[0]
        if steps:
            return self._sentence(thing, steps[0])
        if conditions:
            return f"{title} is in place, but {conditions[0]}"
        if thing.keys:
            return f"{thing.title} is in sync"
        return f"{title}: all {items} items are in sync" if items else f"{title} needs no items"

    def _sentence(self, thing: Thing, step: Step) -> str:
        """`app web's interface lan waits for bridge bn1, which waits for port eth2, which is not there ...`."""
        subject = _possessive(self._owner(step) or step.title) if thing.objects else _short(step)
        if not step.needs:
            return f"{subject}: {_short(step)} {step.verdict}" if thing.objects else f"{subject} {step.verdict}"
        way = step.way
        names = [self._placed(one, before) for before, one in pairwise(way)]
        if len(names) > STEPS + 1:
            names = [*names[:STEPS], f"{names[-1]} ({len(names) - STEPS - 1} steps further)"]
        verdict = way[-1].verdict or "is not as it is to be"
        return f"{subject} waits for {', which waits for '.join(names)}, which {verdict}"

    def _placed(self, step: Step, above: Step) -> str:
        """A thing on the way, with its owner where that is another one."""
        owner = self._owner(step)
        if not owner or owner == self._owner(above) or owner == "device" or _short(step) == owner:
            return _short(step)
        if owner.startswith("adapter ") and step.key.kind == "link":
            return f"{owner} ({step.key[-1]})"
        return f"{_short(step)} of {_possessive(owner)}"

    def _owner(self, step: Step) -> str:
        return self.causes.called(step.wanted.object) if step.wanted is not None else ""

    # -- what cannot be planned -----------------------------------------------------------------------

    def _refusals(self, thing: Thing) -> Iterator[str]:
        """Why objects are not planned, or not in full; with the state of plugins where one is missed."""
        for name in thing.objects:
            for error in self.planner.errors.get(name) or ():
                yield f"{_possessive(self.causes.called(name))}: {error}{self._because(name, error)}"

    def _because(self, name: ObjectId, error: str) -> str:
        if error.startswith("no installed plugin"):
            return f" ({self._plugins})"
        instance = self._instance_of(name)
        blocked = name[0] == "vif" and instance is not None and instance.blocked
        return f": {instance.error.splitlines()[0]}" if blocked and instance is not None and instance.error else ""

    @cached_property
    def _plugins(self) -> str:
        off = [f"{plugin['name']} is off: {plugin['error']}" for plugin in self.plugins if plugin["error"]]
        names = ", ".join(plugin["name"] for plugin in self.plugins if not plugin["error"]) or "none"
        return "; ".join((f"installed: {names}", *off, "see `evenet plugins`"))

    # -- what is there and does not work --------------------------------------------------------------

    def _conditions(self, thing: Thing) -> Iterator[str]:
        """What the world lacks although every item may be there."""
        labels = [name[1] for name in thing.objects if name[0] == "adapter"]
        yield from (found for label in labels if (found := self._condition(label)))
        told: set[str] = set()
        for name in thing.objects:
            instance = self._instance_of(name)
            if instance is not None and instance.config.key not in told:
                told.add(instance.config.key)
                yield from self._ways_out(instance, own=name[0] == "instance")

    def _ways_out(self, instance: Instance, *, own: bool) -> Iterator[str]:
        """That all ports of an instance lead nowhere. (Some do: that stands with what it is planned from.)"""
        labels = [port.label for port in instance.ports]
        dead = [f"adapter {label}: {found}" for label in labels if (found := self._condition(label))]
        if dead and len(dead) == len(labels):
            whose = "it" if own else f"network instance {instance.config.name}"
            yield f"{whose} has no way out: {'; '.join(dead)}"

    def _condition(self, label: str) -> str:
        adapter = self.causes.adapter(label)
        return self.causes.condition(adapter) if adapter is not None else ""

    def _instance_of(self, name: ObjectId) -> Instance | None:
        """The instance that an object is, or is an interface in."""
        if name[0] == "instance":
            return self.planner.instances.get(name[1])
        members = self.planner.inputs.vifs.items() if name[0] == "vif" else ()
        found = (key for key, vifs in members if any((vif.app_key, vif.name) == name[1:] for vif in vifs))
        return self.planner.instances.get(next(found, ""))

    def _status(self, thing: Thing, what: str) -> Iterator[str]:
        """What else the status says."""
        entries = (one for name in thing.objects for one in _entries(name, self.status))
        return (text for one in entries if (text := one.get(what)))

    def _routes(self, thing: Thing) -> Iterator[str]:
        """Why routes leave where they do."""
        routes = (r for name in thing.objects for one in _entries(name, self.status) for r in one.get("routes", ()))
        for route in routes:
            if route["selected_because"]:
                yield f"{route['dst']} leaves by {route['port']}: {route['selected_because']}"

    # -- what is well ---------------------------------------------------------------------------------

    def _stands(self, thing: Thing, keys: Sequence[ItemKey]) -> Iterator[str]:
        """Why it is wanted, what it stands on, and what stands on it."""
        wanted = {key: self.machine.wanted[key] for key in keys}
        owners = dict.fromkeys(self.causes.called(one.object) for one in wanted.values())
        plugins = Counter(one.plugin for one in wanted.values())
        for name in thing.objects or ():
            yield f"wanted by {self._origin(name)}"
        if not thing.objects:
            yield f"wanted by {_listed(owners)}"
        if plugins:
            yield f"planned by {_listed(f'plugin {name} ({n} of {len(keys)} items)' for name, n in plugins.items())}"
        yield from self._neighbours(wanted)
        read = Facts(self.facts)
        for name in thing.objects:
            self.planner.plan(name, read)  # planning is pure: asked again it reads and says the same
        yield from (f"planned from: {text}" for text in self.causes.read(read.read))

    def _neighbours(self, wanted: Mapping[ItemKey, Wanted]) -> Iterator[str]:
        machine = self.machine
        below = dict.fromkeys(need for key in wanted for need in machine.below(key) if need not in wanted)
        above = [up for key in wanted for up in machine.above(key) if up not in wanted and up in machine.wanted]
        if below:
            yield f"stands on {_listed(map(self._called, below))}"
        if above:
            owners = dict.fromkeys(self.causes.called(self.machine.wanted[up].object) for up in above)
            yield f"carries {_listed(map(_possessive, owners))}"

    def _called(self, key: ItemKey) -> str:
        wanted = self.machine.wanted.get(key)
        return wanted.item.description if wanted is not None else self.causes.thing(key)

    def _origin(self, name: ObjectId) -> str:
        """The part of the config that an object is made of."""
        match name:
            case ("adapter", label):
                return f"adapter {label} of DPC {self.status['dpc']['key']}"
            case ("instance", key):
                return f"the device config: {self.causes.called(name)} ({key})"
            case ("vif", *_):
                instance = self._instance_of(name)
                where = f" in network instance {instance.config.name}" if instance is not None else ""
                return f"the device config: {_possessive(self.causes.called(name))}{where}"
        return "the node itself, for its names and firewall"


def _entries(name: ObjectId, status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the status has on an object."""
    match name:
        case ("adapter", label):
            return [port for port in status["ports"] if port["label"] == label]
        case ("instance", key):
            return [instance for instance in status["network_instances"] if instance["uuid"] == key]
        case ("vif", key, interface):
            apps = [app for app in status["apps"] if app["uuid"] == key]
            return [one for app in apps for one in app["interfaces"] if one["name"] == interface]
    return []


def _possessive(title: str) -> str:
    """`interface web/lan` as it is said: `app web's interface lan`."""
    kind, _, rest = title.partition(" ")
    app, slash, interface = rest.rpartition("/")
    return f"app {app}'s interface {interface}" if kind == "interface" and slash else title


def _short(step: Step) -> str:
    """A link's description without what it is made of."""
    return step.title.partition(", ")[0] if step.key.kind == "link" else step.title


def _listed(names: Iterable[str]) -> str:
    """A list that ends somewhere."""
    known = list(names)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more
