"""The engine over histories that hypothesis makes up, with drivers that break their contract, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.errors import DriverError
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.failures import FIGHT_LIMIT
from evenet_core.reconciler.item import Change, Item, ItemKey, Outcome
from evenet_core.reconciler.machine import Counts, ItemState
from tests.support.memory import PORT, System, Thing, key, want
from tests.support.virtual import run_virtual
from tests.unit.test_reconciler_histories import NAMES, graphs

DEADLINE = 60.0  # seconds that the engine gives a driver


class Fault(StrEnum):
    """What a driver does."""

    NONE = "works"
    SLOW = "takes its time"
    REFUSES = "refuses"
    RAISES = "raises"
    HANGS = "hangs"
    LIES = "says that it is done"
    HALF = "does half and then raises"
    NONSENSE = "answers nonsense"
    BLIND = "cannot observe"
    DIES = "is cancelled from within"


class Unruly:
    """The driver of some kinds of a system; `fault` is what it does at the moment."""

    def __init__(self, system: System, *kinds: str, side_by_side: bool = False) -> None:
        self.kinds = kinds
        self.side_by_side = side_by_side
        self.fault = Fault.NONE
        self._system = system

    async def observe(self) -> Iterable[Item]:
        if self.fault is Fault.BLIND:
            raise DriverError("I see nothing")
        return [item for item in self._system.items.values() if item.kind in self.kinds]

    async def apply(self, changes: Sequence[Change]) -> Any:
        match self.fault:
            case Fault.SLOW:
                await asyncio.sleep(len(changes) * 7.0)
            case Fault.REFUSES:
                return [Outcome(change, DriverError("no")) for change in changes]
            case Fault.RAISES:
                raise RuntimeError("oops")
            case Fault.HANGS:
                await asyncio.sleep(1e9)
            case Fault.LIES:
                return [Outcome(change) for change in changes]
            case Fault.HALF:
                [self._try(change) for change in changes[: (len(changes) + 1) // 2]]
                raise RuntimeError("enough")
            case Fault.NONSENSE:
                return ["done"] * len(changes)
            case Fault.DIES:
                raise asyncio.CancelledError
        return [Outcome(change, self._try(change)) for change in changes]

    def _try(self, change: Change) -> DriverError | None:
        try:
            self._system.carry_out(change)
        except DriverError as error:
            return error
        except AssertionError as error:  # a lie or half a batch below this one: the kernel would refuse as well
            if self._system.honest:
                raise
            return DriverError(str(error))
        return None


class Site:
    """An engine over three drivers: kinds a and b, kind c, and kind d, which makes its changes side by side."""

    def __init__(self) -> None:
        self.system = System()
        self.drivers = [
            Unruly(self.system, "a", "b"),
            Unruly(self.system, "c"),
            Unruly(self.system, "d", side_by_side=True),
        ]
        self.engine = Engine(self.drivers, lambda name: name in self.system.external, deadline=DEADLINE)

    def want(self, things: list[Thing]) -> None:
        before, wanted = self.engine.machine.wanted, want(*things)
        gone = dict.fromkeys(name for name in before if name not in wanted)
        self.engine.update({**gone, **{name: w for name, w in wanted.items() if before.get(name) != w}})

    def break_(self, number: int, fault: Fault) -> None:
        self.drivers[number].fault = fault
        self.system.honest &= fault not in (Fault.LIES, Fault.HALF)

    def port(self, there: bool) -> None:
        (self.system.external.add if there else self.system.external.discard)(PORT)
        self.engine.external_changed([PORT])

    def touch(self, name: str, size: int | None, told: bool) -> None:
        """Somebody else changes or removes something."""
        item = self.system.items.get(key(name))
        if item is None or self.engine.machine.is_flying(item.key):
            return
        if size is not None:
            self.system.items[item.key] = replace(item, size=size)
        elif not any(item.key in other.needs for other in self.system.items.values()):
            del self.system.items[item.key]
        if told:
            self.engine.seen(self.system.items.get(item.key, item), item.key in self.system.items, "somebody")
        else:
            self.engine.suspect(item.kind)

    def affected(self, kinds: Collection[str]) -> set[ItemKey]:
        """Items of these kinds, what stands or is to stand on them, and what something of them stands on."""
        wanted = [w.item for w in self.engine.machine.wanted.values()]
        links = [(item.key, r.key) for item in (*wanted, *self.system.items.values()) for r in item.requires]
        found = {item.key for item in (*wanted, *self.system.items.values()) if item.kind in kinds}
        while True:
            more = {above for above, need in links if need in found}
            more |= {need for above, need in links if above in found and above in self.system.items and need != PORT}
            if more <= found:
                return found
            found |= more


steps = st.one_of(
    st.tuples(st.just("want"), graphs()),
    st.tuples(st.just("break"), st.integers(0, 2), st.sampled_from(Fault)),
    st.tuples(st.just("break"), st.integers(0, 2), st.just(Fault.NONE)),
    st.tuples(st.just("port"), st.booleans()),
    st.tuples(st.just("touch"), st.sampled_from(NAMES), st.one_of(st.none(), st.integers(0, 2)), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 1.0, 10.0, 100.0, 1000.0])),
)


async def live(site: Site, history: list[tuple[Any, ...]]) -> None:
    for what, *details in history:
        match what:
            case "want":
                site.want(*details)
            case "break":
                site.break_(*details)
            case "port":
                site.port(*details)
            case "touch":
                site.touch(*details)
            case "wait":
                await asyncio.sleep(*details)


@given(st.lists(steps, max_size=30))
@settings(max_examples=300, deadline=None)
def test_whatever_drivers_do_everything_is_as_wanted_once_they_do_their_work(history: list[tuple[Any, ...]]) -> None:
    async def story() -> None:
        site = Site()
        await site.engine.start()
        await live(site, history)

        for number in range(3):
            site.break_(number, Fault.NONE)
        site.port(True)
        await asyncio.sleep(4 * FIGHT_LIMIT)
        await site.engine.settled()

        wanted = {name: w.item for name, w in site.engine.machine.wanted.items()}
        assert site.system.items == wanted
        assert site.engine.counts() == Counts(len(wanted), len(wanted), 0, 0)
        assert site.engine.problems() == []
        assert site.engine.plan().changes == ()
        await site.engine.stop()

    run_virtual(story())


@given(
    before=graphs(),
    after=graphs(),
    broken=st.integers(0, 2),
    fault=st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW]),
)
@settings(max_examples=300, deadline=None)
def test_a_driver_that_breaks_costs_its_own_objects_and_what_stands_on_them(
    before: list[Thing], after: list[Thing], broken: int, fault: Fault
) -> None:
    async def story() -> None:
        site = Site()
        site.system.external.add(PORT)
        await site.engine.start()
        site.want(before)
        await site.engine.settled()
        site.break_(broken, fault)

        site.want(after)
        await asyncio.sleep(FIGHT_LIMIT)

        machine = site.engine.machine
        affected = site.affected(site.drivers[broken].kinds)
        for name in machine.wanted.keys() - affected:
            assert machine.state(name) is ItemState.IN_SYNC
            assert site.system.items[name] == machine.wanted[name].item
        await site.engine.stop()

    run_virtual(story())
