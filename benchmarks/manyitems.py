"""Many items in the kernel: how long it takes to look at all of them, and to change one."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import time
from collections.abc import Hashable, Sequence
from statistics import median
from typing import Any

from benchmarks.arena import of_children
from evenet_core.agent.service import collect_less_often
from evenet_core.linux.address import Address, AddressDriver
from evenet_core.linux.link import Bridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.route import Route, RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import Rule, RuleDriver
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments, Planned
from evenet_core.reconciler.item import Item

__all__ = ["measure_observation", "measure_one_route"]

OBJECT = 50  # items of one object
CHANGES = 40  # of which the median counts
SHOW = (("-d", "link", "show"), ("address", "show"), ("route", "show", "table", "all"), ("rule", "show"))


def measure_observation(items: int) -> dict[str, Any]:
    """Seconds until all items of the kernel are known, and of `ip -json` that shows the same to nobody."""
    collect_less_often()
    return asyncio.run(_observation(items // OBJECT))


def measure_one_route(items: int) -> dict[str, Any]:
    """Seconds, and processor seconds, from one object planned anew with another route until all is in sync."""
    collect_less_often()
    return asyncio.run(_one_route(items // OBJECT))


async def _observation(objects: int) -> dict[str, Any]:
    site = await _built(objects)
    start, busy = time.perf_counter(), time.process_time()
    found = [item for driver in site.drivers for item in await driver.observe()]
    whole, busy = time.perf_counter() - start, time.process_time() - busy
    assert len(found) == objects * OBJECT, len(found)
    start, before = time.perf_counter(), of_children()
    for what in SHOW:
        process = await asyncio.create_subprocess_exec("ip", "-json", *what, stdout=subprocess.DEVNULL)
        assert await process.wait() == 0
    shown, by_ip = time.perf_counter() - start, of_children() - before
    site.rtnl.close()
    return {"whole": whole, "busy": busy, "ip": shown, "ip_busy": by_ip, "items": len(found)}


async def _one_route(objects: int) -> dict[str, Any]:
    site = await _built(objects)
    took, busy = [], []
    for metric in range(1, CHANGES + 1):
        site.metric = metric
        start, before = time.perf_counter(), time.process_time()
        site.engine.update(site.fragments.invalidate([objects // 2]))
        await site.engine.settled()
        took.append(time.perf_counter() - start)
        busy.append(time.process_time() - before)
    assert site.engine.counts().in_sync == objects * OBJECT
    site.rtnl.close()
    return {"whole": median(took), "busy": median(busy), "items": objects * OBJECT}


class _Site:
    """Bridges, each with an address, a rule and many routes; the last route of one of them changes its metric."""

    def __init__(self, objects: int) -> None:
        self.metric = 0
        self._changing = objects // 2
        self.rtnl = Rtnl.open()
        self.drivers = [driver(self.rtnl) for driver in (LinkDriver, AddressDriver, RouteDriver, RuleDriver)]
        self.engine = Engine(self.drivers)
        self.fragments = Fragments(self._plan)

    def _plan(self, name: Hashable, _: Facts) -> Sequence[Planned]:
        return [Planned(item, "benchmark") for item in self._items(int(str(name)))]

    def _items(self, number: int) -> list[Item]:
        bridge, net, table = f"bn{number}", f"10.{number >> 8}.{number & 255}", 1000 + number
        routes: list[Item] = [
            Route(table, f"172.16.{n}.0/24", bridge, f"{net}.{n + 2}" if n % 2 else "") for n in range(OBJECT - 4)
        ]
        metric = self.metric if number == self._changing else 0
        return [
            Bridge(bridge, f"02:16:3e:00:{number >> 8:02x}:{number & 255:02x}"),
            Address(bridge, f"{net}.1", 24),
            Rule(4, 10000, table, source=f"{net}.0/24"),
            *routes,
            Route(table, "172.17.0.0/16", bridge, f"{net}.2", metric=metric),
        ]


async def _built(objects: int) -> _Site:
    site = _Site(objects)
    await site.engine.start()
    site.engine.update(site.fragments.set_objects(range(objects)))
    await site.engine.settled()
    assert not site.engine.problems(), site.engine.problems()[:3]
    gc.collect()
    gc.freeze()
    return site
