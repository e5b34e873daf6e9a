"""A whole node that crashes at any write of its state while a config is tried out, confirmed or taken back.

What the next run uses is one config as a whole: its DPC is the config's, and neither that of one that nobody confirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

import evenet_core.store
from evenet_core import formats
from evenet_core.device.flatten import dpc_from_config
from evenet_core.formats import Document
from evenet_core.linux.files import write_atomic
from evenet_core.node import Node
from evenet_core.settings import Controller, NodeSettings
from tests.support.crash import Crash
from tests.support.kernel import ip

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns", "port")]

CONFIG = """
evenet: 1
ports: [{{label: lan, interface: eth0}}]
networks: [{{name: lan, ip: {{mode: static, subnet: 10.0.0.0/24, dns: [{dns}]}}}}]
adapters: [{{label: lan, network: lan, address: {address}, uplink: true}}]
"""
OLD, NEW, OTHER = "10.0.0.2", "10.0.0.3", "10.0.0.4"
Step = Callable[[Node], Awaitable[object]]
DNS = ContextVar[str]("DNS")  # without one a DPC waits for it: its trial does not end, and is written down once


def config(address: str) -> Document:
    return formats.read(CONFIG.format(address=address, dns=DNS.get()).encode(), "node.yaml")


async def try_out(node: Node) -> None:
    await node.apply(config(NEW), confirm=60.0)


async def confirm(node: Node) -> None:
    await node.confirm()


async def go_back(node: Node) -> None:
    """Its time is over."""
    node._confirmation._expired()
    await node._ledger.settled()


async def apply_another(node: Node) -> None:
    await node.apply(config(OTHER))


async def try_another(node: Node) -> None:
    await node.apply(config(OTHER), confirm=60.0)


class Disk:
    """Takes so many documents and then none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        self.crashed = False
        real = write_atomic

        def write(*arguments: Any, **more: Any) -> None:
            self.left -= 1
            if self.left < 0:
                self.crashed = True
                raise Crash
            real(*arguments, **more)

        monkeypatch.setattr(evenet_core.store, "write_atomic", write)

    def take(self, documents: int) -> None:
        self.left, self.crashed = documents, False


@pytest.mark.parametrize("dns", ["10.0.0.1", ""], ids=["tested", "not tested"])
@pytest.mark.parametrize(
    ("before", "step", "ends"),
    [
        ((), try_out, [OLD, NEW]),
        ((try_out,), confirm, [NEW]),
        ((try_out,), go_back, [NEW, OLD]),
        ((try_out,), apply_another, [NEW, OTHER]),
        ((try_out,), try_another, [NEW, OTHER]),
    ],
    ids=["tried out", "confirmed", "taken back", "another one for good", "another one tried out"],
)
def test_after_a_crash_at_any_write_the_node_uses_one_config_as_a_whole(  # noqa: PLR0917  fixtures and a case
    open_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[Step, ...], step: Step, ends: list[str], dns: str
) -> None:
    DNS.set(dns)
    disk = Disk(monkeypatch)
    seen: list[str] = []
    moment = 0

    while not seen or disk.crashed:
        home = open_path / str(moment)
        disk.take(10**9)
        asyncio.run(until_the_crash(home, before, step, disk, moment))
        crashed = disk.crashed
        disk.take(10**9)
        seen.append(asyncio.run(next_run(home)))
        disk.crashed = crashed
        moment += 1

    assert list(dict.fromkeys(seen)) == ends
    assert moment > 2, "nothing was written"


async def until_the_crash(home: Path, before: tuple[Step, ...], step: Step, disk: Disk, documents: int) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # a timer's crash is one, too
    node = await started(home)
    await node.apply(config(OLD))
    for earlier in before:
        await earlier(node)
    await settled(node)
    disk.take(documents)
    with suppress(Crash):  # at once, or in what is tidied up later
        await step(node)
        await node._ledger.settled()
    node._ledger._cancel()
    node._ledger._entries.clear()
    await node.stop()


async def next_run(home: Path) -> str:
    """The address in use; all is removed in the end."""
    node = await started(home)
    await settled(node)
    [address] = [str(one["local"]) for link in ip("-4", "address", "show", "dev", "eth0") for one in link["addr_info"]]
    state = node._dpcs.state
    assert [str(adapter.address) for adapter in node._config.adapters] == [address]
    assert (state.candidate and state.candidate.dpc) == dpc_from_config(node._config)
    known = {str(one.ip) for c in state.candidates for a in c.dpc.adapters for one in a.addresses}
    assert known <= {OLD, address}, "one that nobody confirmed is a fallback"
    if node.status()["confirm_until"] is not None and not DNS.get():  # one that works needs no fallback
        assert OLD in known, "the confirmed one is no fallback any more"
    await node.teardown()
    await node.stop()
    return address


async def settled(node: Node) -> None:
    async with asyncio.timeout(20):
        await node._engine.settled()
        if DNS.get():
            await node.settled()
    await node._ledger.settled()


async def started(home: Path) -> Node:
    controller = Controller(url="" if DNS.get() else "http://controller.test/")
    settings = NodeSettings(resolv_conf="", app_namespaces="", controller=controller, last_resort=False)
    node = Node(state_dir=home / "state", run_dir=home / "run", settings=settings)
    return await node.__aenter__()
