"""Devices as facts: known under their port's name, whatever they are called and whoever's /sys is in sight."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from evenet_core.linux.hardware import HardwareMonitor
from evenet_core.linux.link import Bridge, PortBridge, Veth
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.monitor import NetlinkMonitor
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.rtnl import Rtnl
from evenet_core.model.hardware import PortDevice
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from tests.support.kernel import create, delete, ip, run
from tests.support.sysfs import own_sysfs

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

MAC = "02:00:00:00:00:01"
PORT = PortDevice(ifname="eth0", driver="veth", mac=MAC)
DEADLINE = 10.0  # seconds; only a test that fails waits so long


class Listener:
    """Everything a monitor said. `until` waits for a condition on it."""

    def __init__(self, rtnl: Rtnl) -> None:
        self.rtnl = rtnl
        self.devices: dict[str, PortDevice] = {}
        self.changes: list[FactChange] = []
        self.features = 0
        self._said = asyncio.Event()
        self.monitor = HardwareMonitor(rtnl, self._features_changed)
        self._links = NetlinkMonitor(rtnl, lambda item, there, by: None, lambda kinds: None, watcher=self.monitor)

    def _features_changed(self) -> None:
        self.features += 1
        self._said.set()

    async def watch_links(self) -> None:
        async for _ in self._links.facts():
            pass

    async def listen(self) -> None:
        async for change in self.monitor.facts():
            self.changes.append(change)
            name = change.name.removeprefix("hardware:")
            if change.value is None:
                self.devices.pop(name, None)
            else:
                self.devices[name] = change.value
            self._said.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._said.clear()
                await self._said.wait()

    async def caught_up(self) -> None:
        """Everything that the kernel has told so far is dealt with: a device made now is known."""
        run("ip", "link", "add", "last", "type", "veth", "peer", "name", "last-peer")
        await self.until(lambda: "last" in self.devices)
        run("ip", "link", "del", "last")
        await self.until(lambda: "last" not in self.devices)


def listening(story: Callable[[Listener], Awaitable[None]]) -> Listener:
    """Tell a story while a monitor listens, from its full picture on."""

    async def both() -> Listener:
        rtnl = Rtnl.open()
        listener = Listener(rtnl)
        tasks = [asyncio.ensure_future(listener.watch_links()), asyncio.ensure_future(listener.listen())]
        try:
            await listener.until(lambda: FULL_PICTURE in listener.changes)
            await story(listener)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            rtnl.close()
        return listener

    return asyncio.run(both())


async def nothing(_: Listener) -> None:
    """What there is at the start is the whole story."""


def test_first_come_all_ports_and_then_the_word_that_this_was_all(port: str) -> None:
    run("ip", "link", "add", "br0", "type", "bridge")

    listener = listening(nothing)

    *facts, last = listener.changes
    assert last is FULL_PICTURE
    assert {change.name for change in facts} == {"hardware:eth0", "hardware:world"}
    assert listener.devices[port] == PORT


def test_who_starts_to_listen_again_is_told_everything_again(port: str) -> None:
    async def story(listener: Listener) -> None:
        again = set()
        async for change in listener.monitor.facts():
            if change is FULL_PICTURE:
                break
            again.add(change.name)
        assert again == {"hardware:eth0", "hardware:world"}

    listening(story)


def test_a_device_that_comes_and_goes_is_told(port: str) -> None:
    async def story(listener: Listener) -> None:
        run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "world1")
        await listener.until(lambda: "eth1" in listener.devices)
        run("ip", "link", "set", "eth1", "address", "02:00:00:00:00:77")
        await listener.until(lambda: listener.devices["eth1"].mac == "02:00:00:00:00:77")
        run("ip", "link", "set", "eth1", "name", "eth2")
        await listener.until(lambda: "eth2" in listener.devices and "eth1" not in listener.devices)
        run("ip", "link", "del", "eth2")
        await listener.until(lambda: not {"eth2", "world1"} & listener.devices.keys())

    listening(story)


@pytest.mark.parametrize("up", [True, False])
def test_a_port_is_known_by_its_name_while_an_adapter_has_it(port: str, up: bool) -> None:
    """It becomes `keth0`, is told nothing of, and becomes `eth0` again. A link that is down tells of no mark."""
    if not up:
        run("ip", "link", "set", port, "down")

    async def story(listener: Listener) -> None:
        told = len(listener.changes)
        links = LinkDriver(listener.rtnl)
        await create(links, PortBridge(port))
        await listener.caught_up()
        assert {"keth0", "eth0"} <= {link["ifname"] for link in ip("link")}
        await delete(links, PortBridge(port))
        await listener.caught_up()
        names = {change.name for change in listener.changes[told:]}
        assert names == {"hardware:last", "hardware:last-peer"}

    assert listening(story).devices[port] == PORT


def test_who_comes_when_it_is_an_adapter_already_knows_it(rtnl: Rtnl, port: str) -> None:
    asyncio.run(create(LinkDriver(rtnl), PortBridge(port)))

    assert listening(nothing).devices[port] == PORT


def test_a_newcomer_does_not_take_the_name_of_a_port_that_is_half_an_adapter(rtnl: Rtnl, port: str) -> None:
    run("ip", "link", "set", port, "down")
    run("ip", "link", "set", port, "name", "keth0", "alias", "evenet lower eth0 up 1500 0")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world1")

    assert listening(nothing).devices["eth0"] == PORT


def test_bridges_and_interfaces_of_apps_are_no_ports(port: str, tmp_path: Path) -> None:
    app = make_namespace()
    path = f"/proc/self/fd/{app}"

    async def story(listener: Listener) -> None:
        veth = Veth("nbu1x1", "bn1", 1500, path, "eth0", "02:16:3e:00:00:07")
        await create(LinkDriver(listener.rtnl), Bridge("bn1", "02:16:3e:00:00:01"))
        await create(LinkDriver(listener.rtnl), veth)
        await listener.caught_up()

    listener = listening(story)
    os.close(app)

    assert not {change.name for change in listener.changes} & {"hardware:bn1", "hardware:nbu1x1"}


def test_features_that_change_are_told_once_a_burst_and_those_of_other_links_are_not(port: str) -> None:
    async def story(listener: Listener) -> None:
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ethtool", "-K", "br0", "tso", "off")
        await listener.caught_up()
        before = listener.features
        run("ethtool", "-K", port, "tso", "off")
        await listener.until(lambda: listener.features > before)
        run("ip", "link", "set", port, "mtu", "1400")
        await listener.caught_up()
        assert listener.features == before + 1

    listening(story)


def test_a_flood_that_is_missed_is_made_up_for(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenet_core.linux.rtnl.BUFFER", 1 << 12)

    async def story(listener: Listener) -> None:
        for number in range(40):  # the loop does not turn meanwhile: nobody reads
            run("ip", "link", "set", port, "mtu", str(1400 + number))
        run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "world1")
        await listener.until(lambda: "eth1" in listener.devices)
        assert listener.features >= 1  # what was missed may have been about features

    listening(story)


# -- sysfs ------------------------------------------------------------------------------------------------


def test_a_device_of_the_same_name_and_index_in_another_namespace_is_not_meant(port: str) -> None:
    """/sys is that of the namespace where it was mounted."""
    foreign = next(entry for entry in sorted(Path("/sys/class/net").iterdir()) if entry.name != "lo")
    index = (foreign / "ifindex").read_text().strip()
    run("ip", "link", "del", port)
    peer = ("peer", "name", "world", "index", "10000")
    run("ip", "link", "add", foreign.name, "index", index, "address", MAC, "type", "veth", *peer)

    device = listening(nothing).devices[foreign.name]

    assert device == PortDevice(ifname=foreign.name, driver="veth", mac=MAC)


def test_where_sysfs_is_that_of_the_namespace_its_path_is_known(port: str) -> None:
    with own_sysfs():
        device = listening(nothing).devices[port]

    assert device == PortDevice(ifname=port, properties={"DEVPATH": "/devices/virtual/net"}, driver="veth", mac=MAC)


def test_what_sysfs_says_does_not_change_with_the_name(port: str) -> None:
    async def story(listener: Listener) -> None:
        before = listener.devices[port]
        await create(LinkDriver(listener.rtnl), PortBridge(port))
        await listener.caught_up()
        assert listener.devices[port] == before

    with own_sysfs():
        listening(story)


def test_without_libudev_ports_are_known_by_driver_and_mac(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyudev", None)

    with own_sysfs():
        assert listening(nothing).devices[port] == PORT
