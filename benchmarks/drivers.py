"""How long drivers take for many items, and how much of it the kernel: `python -m benchmarks.drivers` (as root).

Everything happens in network namespaces that vanish afterwards.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from evenet_core.linux.address import Address, AddressDriver
from evenet_core.linux.link import Bridge, Veth
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.netlink import encode
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.route import NEWROUTE, Route, RouteDriver, route_message
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.reconciler.item import Change, Driver, Item, Op

BRIDGES, VETHS, ROUTES = 100, 1000, 10_000


class TimedSocket(socket.socket):
    """Adds up the time of its system calls: netlink works while it is sent to."""

    kernel = 0.0

    def send(self, data: Any, flags: int = 0) -> int:
        start = time.perf_counter()
        sent = super().send(data, flags)
        self.kernel += time.perf_counter() - start
        return sent

    def recv(self, size: int, flags: int = 0) -> bytes:
        start = time.perf_counter()
        try:
            return super().recv(size, flags)
        finally:
            self.kernel += time.perf_counter() - start


async def measure(what: str, driver: Driver, items: Sequence[Item], opened: TimedSocket) -> None:
    """Create all, in one batch; then look at all."""
    opened.kernel, start = 0.0, time.perf_counter()
    outcomes = await driver.apply([Change(Op.CREATE, None, item) for item in items])
    whole = time.perf_counter() - start
    if failures := [outcome.error for outcome in outcomes if outcome.error is not None]:
        raise failures[0]
    report(f"create {len(items)} {what}", whole, opened.kernel)
    opened.kernel, start = 0.0, time.perf_counter()
    found = len(list(await driver.observe()))
    report(f"observe {found} {what}", time.perf_counter() - start, opened.kernel)


def report(what: str, whole: float, kernel: float) -> None:
    sys.stdout.write(f"{what:28} {whole * 1000:8.1f} ms, {kernel * 1000:8.1f} ms of it in the kernel\n")


async def main() -> None:
    namespace, apps = make_namespace(), make_namespace()
    opened = TimedSocket(fileno=open_socket(socket.NETLINK_ROUTE, namespace=namespace).detach())
    rtnl = Rtnl(opened)
    links = LinkDriver(rtnl)
    path = f"/proc/self/fd/{apps}"
    bridges = [Bridge(f"bn{n}", f"02:16:3e:00:00:{n:02x}") for n in range(BRIDGES)]
    veths = [
        Veth(f"nbu{n}x1", f"bn{n % BRIDGES}", 1500, path, f"e{n}", f"02:16:3e:01:{n >> 8:02x}:{n & 255:02x}")
        for n in range(VETHS)
    ]
    addresses = [Address(f"bn{n % BRIDGES}", f"10.{n >> 8}.{n & 255}.1", 24) for n in range(VETHS)]
    routes = [Route(801, f"10.{n >> 8}.{n & 255}.0/24", "bn0") for n in range(ROUTES)]
    await measure("bridges", links, bridges, opened)
    await measure("veth pairs", links, veths, opened)
    await measure("addresses", AddressDriver(rtnl), addresses, opened)
    await measure("routes", RouteDriver(rtnl), routes, opened)
    start = time.perf_counter()
    for route in routes:
        encode(route_message(NEWROUTE, route, 7), 1)
    each = (time.perf_counter() - start) / ROUTES
    sys.stdout.write(f"encode a route               {each * 1e6:8.1f} us\n")
    rtnl.close()
    os.close(namespace)
    os.close(apps)


if __name__ == "__main__":
    asyncio.run(main())
