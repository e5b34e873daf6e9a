"""Building networks for apps, from nothing to all in sync: evenet, and the same end state by hand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.arena import NAMESPACES, make_app_namespaces
from benchmarks.byhand import build_by_hand
from benchmarks.sites import app_name, device_config, namespaces
from evenet_core import formats
from evenet_core.agent.service import collect_less_often
from evenet_core.node import Node
from evenet_core.reconciler.item import Item
from evenet_core.settings import NodeSettings

__all__ = ["measure_evenet", "measure_hand"]

EXTRA = 5  # apps added one by one at the end
# The kernel looks at 100 links a second that got a carrier: with 1000 new ones the first tries may find none.
LEASE = "ip link set eth0 up; exec busybox udhcpc -f -n -q -t 15 -T 1 -i eth0 -s /bin/true"  # fails without one


def measure_evenet(instances: int, apps: int) -> dict[str, Any]:
    """Seconds for all, and for each app added afterwards; and how many items that are."""
    collect_less_often()
    return asyncio.run(_evenet(instances, apps))


def measure_hand(instances: int, apps: int) -> dict[str, Any]:
    """Seconds for all. What is to be built, evenet says."""
    return asyncio.run(_hand(instances, apps))


async def _evenet(instances: int, apps: int) -> dict[str, Any]:
    """From a node that runs and has nothing to do."""
    _plug()
    make_app_namespaces(namespaces(device_config(instances, apps, EXTRA)))
    document = _document(instances, apps)
    more = [_document(instances, apps, extra) for extra in range(1, EXTRA + 1)]
    async with _node() as node:
        start = time.perf_counter()
        await node.apply(document)
        assert await node.settled(600)
        whole = time.perf_counter() - start
        counts = node.status()["items"]
        assert counts["wanted"] == counts["in_sync"], node.status()["problems"][:3]
        one_more = [await _one_more(node, more[n], app_name(0, apps + n)) for n in range(EXTRA)]
        for instance in range(instances):
            await _gets_a_lease(app_name(instance, apps - 1))
    return {"whole": whole, "items": counts["wanted"], "one_more": one_more}


async def _one_more(node: Node, document: formats.Document, app: str) -> float:
    """From the whole new config, with one app more, until all is in sync."""
    start = time.perf_counter()
    applied = asyncio.create_task(node.apply(document))  # done when it is on disk, too
    await asyncio.sleep(0)
    assert await node.settled(60)
    took = time.perf_counter() - start
    await applied
    await _gets_a_lease(app)
    return took


async def _hand(instances: int, apps: int) -> dict[str, Any]:
    _plug()
    make_app_namespaces(namespaces(device_config(instances, apps)))
    async with _node() as node:
        plan = await node.plan(_document(instances, apps))
        items: Sequence[Item] = [change.after for change in plan.changes if change.after is not None]
        await node.teardown()
    files = Path("/run/files")
    files.mkdir()
    whole = await asyncio.to_thread(build_by_hand, items, files)
    for instance in range(instances):
        await _gets_a_lease(app_name(instance, apps - 1))
    return {"whole": whole, "items": len(items)}


def _plug() -> None:
    subprocess.run(("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world"), check=True)
    subprocess.run(("ip", "link", "set", "world", "up"), check=True)


def _document(instances: int, apps: int, extra: int = 0) -> formats.Document:
    return formats.read(json.dumps(device_config(instances, apps, extra)).encode(), "benchmark.json")


def _node() -> Node:
    settings = NodeSettings(app_namespaces=f"{NAMESPACES}/{{app}}", resolv_conf="")
    return Node(state_dir=Path("/var/lib/evenet"), run_dir=Path("/run/evenet"), settings=settings)


async def _gets_a_lease(app: str) -> None:
    guest = ("ip", "netns", "exec", app, "sh", "-c", LEASE)
    process = await asyncio.create_subprocess_exec(*guest, stderr=subprocess.DEVNULL)
    async with asyncio.timeout(20):
        assert await process.wait() == 0, f"{app} gets no lease"
