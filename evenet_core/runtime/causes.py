"""Causes that lie outside of evenet, in words: ports, carrier, DHCP servers, namespaces of apps; and since when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from evenet_core.linux.l3 import addressing
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.facts import LinkFact, lease_fact, link_fact, namespace_fact
from evenet_core.model.networks import IpMode
from evenet_core.model.ports import lower_name
from evenet_core.planning.inputs import ObjectNames
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Driver, ItemKey
from evenet_core.reconciler.views.explain import World
from evenet_core.runtime.since import Since
from evenet_core.status import time_of_day

__all__ = ["Causes", "troubled_drivers"]


class Causes(World):
    """The world as facts tell it.

    :param exists: whether something that nobody plans is there.
    :param drivers: what is wrong with drivers, by kind of their items.
    """

    def __init__(
        self,
        planner: Planner,
        facts: Mapping[str, Any],
        since: Since,
        exists: Callable[[ItemKey], bool],
        drivers: Mapping[str, str],
    ) -> None:
        self._planner = planner
        self._facts = facts
        self._times = since
        self.exists = exists
        self._drivers = drivers
        self._names = ObjectNames(planner.inputs.config)
        self._apps = dict(_brought_by_apps(planner))
        self._offset = time.time() - asyncio.get_running_loop().time()

    # -- for the walk down ----------------------------------------------------------------------------

    def called(self, name: Hashable) -> str:
        return self._names(name)

    def thing(self, key: ItemKey) -> str:
        match key:
            case ("port" | "link" as kind, str(name)):
                return f"{kind} {name}"
            case ("namespace", str(path)):
                return f"network namespace {path}"
        return str(key)

    def absence(self, key: ItemKey) -> str:
        match key:
            case ("port", str(name)):
                return f"is not there{self._gone(link_fact(name), link_fact(lower_name(name)))}"
            case ("link", str(name)):
                return f"is not there{self._gone(link_fact(name))}{self._app(name)}"
            case ("namespace", str(path)):
                return f"is not there{self._gone(namespace_fact(path))}{self._app(path)}"
        return f"is not there and nothing plans it: a plugin may be missing that plans items of kind {key.kind}"

    def since(self, at: float) -> str:
        return f" since {self.clock(at)}"

    def driver(self, kind: str) -> str:
        return self._drivers.get(kind, "")

    def wall(self, at: float) -> float:
        """A time of the event loop, in seconds since 1970."""
        return at + self._offset

    def clock(self, at: float) -> str:
        """A time of the event loop, for people."""
        return time_of_day(self.wall(at))

    # -- ports ----------------------------------------------------------------------------------------

    def adapter(self, label: str) -> Adapter | None:
        return next((adapter for adapter in self._planner.inputs.adapters if adapter.label == label), None)

    def condition(self, adapter: Adapter) -> str:
        """What keeps an adapter from being used though its items may all be there; empty = nothing."""
        if not adapter.ifname:
            return f"no device is there at its place{self._place(adapter)}"
        if not self.exists(ItemKey(("port", adapter.ifname))):
            return f"port {adapter.ifname} {self.absence(ItemKey(('port', adapter.ifname)))}"
        link = self._below(adapter.ifname)
        if link is None or not self._facts[link].carrier:
            return f"port {adapter.ifname} has no carrier{self._dead(link)}"
        if adapter.has_ip and adapter.ip.mode is IpMode.DHCP and not self.has(adapter):
            return self._unanswered(adapter, link)
        return ""

    def has(self, adapter: Adapter) -> list[str]:
        """Addresses of an adapter, static or by lease."""
        return [str(address) for address in addressing(adapter, Facts(self._facts)).addresses]

    def _below(self, ifname: str) -> str | None:
        """Name of the fact on the port itself, which lies below its adapter's bridge."""
        names = (link_fact(lower_name(ifname)), link_fact(ifname))
        return next((name for name in names if isinstance(self._facts.get(name), LinkFact)), None)

    def _dead(self, link: str | None) -> str:
        if link is None:
            return ""
        if not self._facts[link].up:
            return f"{self._long(self._times.carrier(link))}: it is set down"
        return self._long(self._times.carrier(link))

    def _unanswered(self, adapter: Adapter, link: str) -> str:
        """Nobody answers the client: since it could ask, or since the last lease ended."""
        leases = [lease_fact(adapter.ifname, source) for source in LeaseSource]
        times = (self._times.carrier(link), self._times.presence(*leases), self._times.began)
        asked = max(at for at in times if at is not None)
        if adapter.ip.mode is IpMode.DHCP and adapter.cellular is not None:
            return f"the modem has got no address since {self.clock(asked)}"
        return f"no DHCP server has answered dhcpcd on {adapter.ifname} since {self.clock(asked)}"

    def _leases(self, adapter: Adapter) -> Iterator[tuple[str, Lease]]:
        for name in (lease_fact(adapter.ifname, source) for source in LeaseSource):
            lease = self._facts.get(name)
            if isinstance(lease, Lease):
                yield name, lease

    @staticmethod
    def _place(adapter: Adapter) -> str:
        place = adapter.pci or adapter.usb
        return f" ({place})" if place else ""

    # -- facts ----------------------------------------------------------------------------------------

    def read(self, names: Iterable[str]) -> list[str]:
        """What these facts say: of an adapter's port and leases together, of other links and leases one by one."""
        left, told = set(names), []
        for adapter in self._planner.inputs.adapters:
            links = {link_fact(adapter.ifname), link_fact(lower_name(adapter.ifname))}
            own = links | {lease_fact(adapter.ifname, source) for source in LeaseSource}
            if own & left:
                told.append(self.condition(adapter) or self._works(adapter))
                left -= own
        return told + [text for name in sorted(left) if (text := self._fact(name, self._facts.get(name)))]

    def _works(self, adapter: Adapter) -> str:
        """A port that works, in a few words."""
        link = self._below(adapter.ifname)
        since = self._long(self._times.carrier(link)) if link is not None else ""
        addresses = f", address {', '.join(self.has(adapter))}" if self.has(adapter) else ""
        servers = [
            f" by {lease.source} from {lease.server}{self._long(self._times.changed(name))}"
            for name, lease in self._leases(adapter)
            if lease.server
        ]
        return f"port {adapter.ifname}: carrier{since}{addresses}{''.join(servers[:1])}"

    def _fact(self, name: str, value: Any) -> str:
        what = name.partition(":")[2]
        match value:
            case LinkFact():
                carrier = "carrier" if value.carrier else "no carrier"
                return f"link {what}: {carrier}{self._long(self._times.carrier(name))}"
            case Lease():
                addresses = ", ".join(map(str, value.addresses)) or "no address"
                return f"lease of {what}: {addresses}{self._long(self._times.changed(name))}"
        return ""

    def _long(self, at: float | None) -> str:
        """Since when; of what was so at the start that is not known."""
        if at is None or at <= self._times.began:
            return f" since before evenet started at {self.clock(self._times.began)}"
        return f" since {self.clock(at)}"

    def _gone(self, *names: str) -> str:
        return self._long(self._times.presence(*names))

    def _app(self, thing: str) -> str:
        """Whose start brings it."""
        return f": app {self._apps[thing]} does not run" if thing in self._apps else ""


def troubled_drivers(engine: Engine, drivers: Iterable[Driver]) -> dict[str, str]:
    """What is wrong with drivers as a whole, and when each is asked again, by kind of their items."""
    now = asyncio.get_running_loop().time()
    troubles = {
        found["key"].kind: f"{found['error']}; it is asked again in {max(0.0, found['retry_at'] - now):.0f} s"
        for found in engine.problems()
        if len(found["key"]) == 1  # of no item
    }
    return {kind: troubles[one.kinds[0]] for one in drivers if one.kinds[0] in troubles for kind in one.kinds}


def _brought_by_apps(planner: Planner) -> Iterator[tuple[str, str]]:
    """Namespaces and links that come when an app starts, and the app's name."""
    for vifs in planner.inputs.vifs.values():
        yield from ((vif.namespace or vif.ifname, vif.app) for vif in vifs)
