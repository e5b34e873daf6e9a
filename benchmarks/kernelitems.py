"""All that the kernel holds for many network instances, without a single process: engine and drivers, and by hand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.arena import of_children
from benchmarks.byhand import build_by_hand
from benchmarks.sites import device_config
from evenet_core import formats
from evenet_core.agent.service import collect_less_often
from evenet_core.apps.numbers import Numbers
from evenet_core.device.flatten import dpc_from_config
from evenet_core.linux.address import AddressDriver
from evenet_core.linux.link import PortBridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.nftdriver import NftDriver
from evenet_core.linux.route import RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import RuleDriver
from evenet_core.linux.sysctl import SysctlDriver
from evenet_core.planning.inputs import gather_inputs
from evenet_core.planning.planner import Planner
from evenet_core.plugins import Plugins
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.fragments import Fragments, Wanted
from evenet_core.reconciler.item import ItemKey
from evenet_core.settings import NodeSettings

__all__ = ["measure_items", "measure_items_by_hand"]

PORT = ("ip", "link", "add", "eth0", "up", "type", "veth", "peer", "name", "world")


def measure_items(instances: int) -> dict[str, Any]:
    """Seconds of planning from the config, and of engine and drivers from nothing to all in sync."""
    collect_less_often()
    subprocess.run(PORT, check=True)
    return asyncio.run(_items(instances))


def measure_items_by_hand(instances: int) -> dict[str, Any]:
    """Seconds of `ip -batch`, `nft -f` and `sysctl -p` for the very same."""
    subprocess.run(PORT, check=True)
    return asyncio.run(_by_hand(instances))


async def _items(instances: int) -> dict[str, Any]:
    start = time.perf_counter()
    wanted = _wanted(instances)
    planning = time.perf_counter() - start
    engine, rtnl = _engine()
    await engine.start()
    start, busy = time.perf_counter(), time.process_time() + of_children()
    engine.update(wanted)
    await engine.settled()
    whole, busy = time.perf_counter() - start, time.process_time() + of_children() - busy
    assert not engine.problems(), engine.problems()[:3]
    rtnl.close()
    return {"whole": whole, "planning": planning, "busy": busy, "items": len(wanted)}


async def _by_hand(instances: int) -> dict[str, Any]:
    """What was made is what evenet would have made: it finds nothing to do."""
    wanted = _wanted(instances)
    files = Path("/run/files")
    files.mkdir()
    busy = of_children()
    whole = build_by_hand([want.item for want in wanted.values()], files)
    busy = of_children() - busy
    engine, rtnl = _engine()
    await engine.start()
    missing = [change for change in engine.plan(wanted).changes if change.item.kind != "sysctl"]
    assert not missing, missing[:3]
    rtnl.close()
    return {"whole": whole, "busy": busy, "items": len(wanted)}


def _engine() -> tuple[Engine, Rtnl]:
    rtnl = Rtnl.open()
    state = Path("/var/lib/evenet")
    state.mkdir(exist_ok=True)
    kinds = (LinkDriver, AddressDriver, RouteDriver, RuleDriver)
    drivers = [*(driver(rtnl) for driver in kinds), SysctlDriver(state), NftDriver()]
    return Engine(drivers, lambda key: key == ("link", "eth0")), rtnl


def _wanted(instances: int) -> dict[ItemKey, Wanted]:
    """What the planners want for so many local network instances, as far as it is the kernel's."""
    document = formats.read(json.dumps(device_config(instances, 0)).encode(), "benchmark.json")
    assert document.config is not None
    inputs, _ = gather_inputs(
        document.config, dpc_from_config(document.config), Numbers(), NodeSettings(resolv_conf="")
    )
    planner = Planner(Plugins())
    fragments = Fragments(planner.plan)
    planner.load(inputs)
    fragments.set_objects(planner.objects.values)
    kinds = {"link", "address", "route", "rule", "sysctl", "nft"}
    return {
        key: want
        for key, want in fragments.intent.items()
        if key.kind in kinds and not isinstance(want.item, PortBridge)
    }
