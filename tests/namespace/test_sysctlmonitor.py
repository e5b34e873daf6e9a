"""Settings that somebody else writes are noticed, our own writes are not, and no setting is watched that went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from evenet_core.linux import sysctlmonitor
from evenet_core.linux.sysctl import Sysctl, SysctlDriver
from evenet_core.linux.sysctlmonitor import SysctlMonitor
from evenet_core.reconciler.facts import FULL_PICTURE
from evenet_core.reconciler.item import Item
from tests.support.kernel import create, delete, run, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

FORWARD = Sysctl("net/ipv4/ip_forward", "1")
OF_LINK = Sysctl("net/ipv4/conf/v0/arp_ignore", "1", "v0")
DEADLINE = 20.0  # seconds; only a test that fails waits so long


class Ear:
    """A driver with its monitor, and what the monitor said."""

    def __init__(self, run_dir: Path) -> None:
        self.said: asyncio.Queue[Item] = asyncio.Queue()
        self.lost = 0
        self.monitor = SysctlMonitor(lambda item, _: self.said.put_nowait(item), self._lost)
        self.driver = SysctlDriver(run_dir, watch=self.monitor)

    def _lost(self) -> None:
        self.lost += 1

    async def watches(self) -> None:
        """Until everything that is ours is watched."""
        while self.monitor.pending:
            await asyncio.sleep(0.01)


def listening(run_dir: Path, story: Callable[[Ear], Awaitable[None]]) -> None:
    async def main() -> None:
        ear = Ear(run_dir)
        facts = ear.monitor.facts()
        assert await anext(facts) is FULL_PICTURE
        task = asyncio.ensure_future(anext(facts))
        async with asyncio.timeout(DEADLINE):
            await story(ear)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctlmonitor, "LATER", 0.0)


def test_what_somebody_else_writes_is_told_and_what_we_write_is_not(tmp_path: Path) -> None:
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")

    async def story(ear: Ear) -> None:
        await create(ear.driver, FORWARD, OF_LINK)
        await ear.watches()
        await update(ear.driver, OF_LINK, Sysctl(OF_LINK.name, "2", "v0"))

        run("sysctl", "-w", "net.ipv4.ip_forward=0")

        assert await ear.said.get() == Sysctl(FORWARD.name, "0")
        run("sysctl", "-w", "net.ipv4.conf.v0.arp_ignore=0")
        assert await ear.said.get() == Sysctl(OF_LINK.name, "0", "v0")

    listening(tmp_path, story)


def test_what_was_given_back_is_nobodys_business(tmp_path: Path) -> None:
    async def story(ear: Ear) -> None:
        hops = Sysctl("net/ipv4/ip_default_ttl", "32")
        await create(ear.driver, FORWARD, hops)
        await ear.watches()
        await delete(ear.driver, hops)

        run("sysctl", "-w", "net.ipv4.ip_default_ttl=99")
        run("sysctl", "-w", "net.ipv4.ip_forward=0")

        assert await ear.said.get() == Sysctl(FORWARD.name, "0")

    listening(tmp_path, story)


def test_the_setting_of_a_link_that_was_made_anew_is_watched_anew(tmp_path: Path) -> None:
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")

    async def story(ear: Ear) -> None:
        await create(ear.driver, OF_LINK)
        await ear.watches()
        run("ip", "link", "del", "v0")
        run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        await create(ear.driver, OF_LINK)
        await ear.watches()

        run("sysctl", "-w", "net.ipv4.conf.v0.arp_ignore=8")

        assert await ear.said.get() == Sysctl(OF_LINK.name, "8", "v0")

    listening(tmp_path, story)


def test_a_monitor_that_starts_again_does_not_know_what_happened_meanwhile(tmp_path: Path) -> None:
    async def story(ear: Ear) -> None:
        await create(ear.driver, FORWARD)
        assert ear.lost == 0

        assert await anext(ear.monitor.facts()) is FULL_PICTURE

        assert ear.lost == 1

    listening(tmp_path, story)
