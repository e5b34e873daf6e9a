"""The node as a device agent uses it, on the real kernel: configs that come, go back and are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_interface
from pathlib import Path

import pytest

from evenet_core import formats
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.facts import lease_fact
from evenet_core.node import Node
from evenet_core.settings import NodeSettings
from tests.support.kernel import ip, run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

CONFIG = """
evenet: 1
timestamp: {year}-01-01T00:00:00Z
ports:
  - {{label: lan, interface: {interface}}}
networks:
  - {{name: lan, ip: {{mode: static, subnet: 10.0.0.0/24}}}}
adapters:
  - {{label: lan, network: lan, address: {address}}}
"""
BY_DHCP = """
evenet: 1
ports: [{label: lan, interface: eth0}]
networks: [{name: lan, ip: {mode: dhcp}}]
adapters: [{label: lan, network: lan}]
"""
SWITCHED = """
evenet: 1
ports: [{label: lan, interface: eth0}]
adapters: [{label: lan}]
"""
OVERRIDE = """
{"Version": 1, "Key": "override", "TimePriority": "2000-01-01T00:00:00Z", "Ports": [
  {"IfName": "eth0", "Phylabel": "lan", "Logicallabel": "lan", "NetworkUUID": "", "IsMgmt": true, "Type": 4,
   "Dhcp": 1, "AddrSubnet": "10.0.0.9/24"}]}
"""


def config(address: str, year: int = 2026, interface: str = "eth0") -> formats.Document:
    return formats.read(CONFIG.format(address=address, year=year, interface=interface).encode(), "node.yaml")


def addresses(interface: str = "eth0") -> list[str]:
    found = ip("-4", "address", "show", "dev", interface)
    return [address["local"] for link in found for address in link.get("addr_info", ())]


@pytest.fixture
def lives(open_path: Path) -> Callable[[Callable[[Node], Awaitable[None]]], None]:
    """Tells a story of one run of a node; runs of one test share their state. All is removed after each."""

    def live(story: Callable[[Node], Awaitable[None]]) -> None:
        async def whole() -> None:
            settings = NodeSettings(resolv_conf="", app_namespaces="")
            async with Node(state_dir=open_path / "state", run_dir=open_path / "run", settings=settings) as node:
                await story(node)
                await node.teardown()

        asyncio.run(whole())

    return live


Lives = Callable[[Callable[[Node], Awaitable[None]]], None]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("year", [2020, 2026, 2030])
def test_what_nobody_confirms_goes_back_to_the_config_before_whatever_their_dates(
    lives: Lives, port: str, year: int
) -> None:
    async def story(node: Node) -> None:
        await node.apply(config("10.0.0.2"))
        assert await node.settled(20)
        assert addresses() == ["10.0.0.2"]
        await node.apply(config("10.0.0.3", year), confirm=0.5)
        await node.settled(20)
        assert addresses() == ["10.0.0.3"]

        await until(lambda: node.status()["confirm_until"] is None)

        assert await node.settled(20)
        assert addresses() == ["10.0.0.2"]

    lives(story)


def test_after_a_first_config_that_nobody_confirms_there_is_none_and_an_override_counts(
    lives: Lives, port: str
) -> None:
    async def story(node: Node) -> None:
        await node.apply(config("10.0.0.2"), confirm=0.2)
        await until(lambda: node.status()["confirm_until"] is None)
        assert await node.settled(20)
        assert not node.configured
        assert node.dpcs() == []
        assert addresses() == []

        await node.apply(formats.read(OVERRIDE.encode(), "override.json"))

        await until(lambda: addresses() == ["10.0.0.9"])

    async def later(node: Node) -> None:
        assert not node.configured
        assert [dpc["key"] for dpc in node.dpcs()] == ["override"]

    lives(story)
    lives(later)


def test_a_node_without_adapters_is_in_order_after_a_restart_too(lives: Lives) -> None:
    async def story(node: Node) -> None:
        if not node.configured:
            await node.apply(formats.read(b"evenet: 1\n", "empty.yaml"))
        assert await node.settled(20)
        assert node.status()["state"] == "converged"

    lives(story)
    lives(story)


def test_the_node_believes_no_router_on_a_port_that_it_only_switches(lives: Lives, port: str) -> None:
    settings = [Path("/proc/sys/net/ipv6/conf/eth0", name) for name in ("accept_ra", "autoconf")]
    before = [path.read_text() for path in settings]
    run("ip", "address", "add", "2001:db8::7/64", "dev", "eth0", "nodad")

    async def story(node: Node) -> None:
        await node.apply(formats.read(SWITCHED.encode(), "node.yaml"))

        assert await node.settled(20)
        assert [path.read_text() for path in settings] == ["0\n", "0\n"]
        await node.teardown()
        assert [path.read_text() for path in settings] == before

    lives(story)
    assert "2001:db8::7" in run("ip", "address", "show", "dev", "eth0")


def test_a_lease_that_comes_the_moment_it_is_asked_for_is_waited_for(lives: Lives, port: str) -> None:
    lease = Lease(source=LeaseSource.DHCP4, addresses=(ip_interface("10.0.0.4/24"),))

    async def story(node: Node) -> None:
        await node.apply(formats.read(BY_DHCP.encode(), "node.yaml"))
        assert await node.settled(20)  # nobody answers here
        assert addresses() == []

        settling = asyncio.ensure_future(node.settled(20))
        await asyncio.sleep(0)
        node._facts.put(lease_fact("eth0", LeaseSource.DHCP4), lease)

        assert await settling
        assert addresses() == ["10.0.0.4"]

    lives(story)


def test_a_port_with_as_long_a_name_as_usb_adapters_have_is_there(lives: Lives, port: str) -> None:
    name = "enx020000000001"
    run("ip", "link", "set", port, "down")
    run("ip", "link", "set", port, "name", name)

    async def story(node: Node) -> None:
        await node.apply(config("10.0.0.2", interface=name))
        assert await node.settled(20)
        assert addresses(name) == ["10.0.0.2"]
        [told] = node.status()["ports"]
        assert (told["present"], told["carrier"]) == (True, True)
        run("ip", "link", "set", "world", "down")
        await until(lambda: not node.status()["ports"][0]["carrier"])

    lives(story)
