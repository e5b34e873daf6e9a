"""Drivers over netlink against the kernel: what they make, what they see, what they leave alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from evenet_core.linux.address import Address, AddressDriver
from evenet_core.linux.link import Bridge, BridgePort, PortBridge, PortLink, Veth
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import all_links
from evenet_core.linux.neighbour import Neighbour, NeighbourDriver
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.route import Route, RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import Rule, RuleDriver
from evenet_core.linux.sysctl import Sysctl, SysctlDriver
from evenet_core.reconciler.item import Change, Driver, Item, Op
from tests.support.kernel import create, delete, ip, run, there, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

MAC = "02:00:00:00:00:01"


def sync(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_what_is_made_is_observed_as_it_was_asked_for_and_leaves_no_trace(rtnl: Rtnl, port: str) -> None:
    links: list[Item] = [Bridge("bn1", "02:16:3e:00:00:01", 1400), PortBridge(port)]
    rest: list[tuple[Driver, list[Item]]] = [
        (AddressDriver(rtnl), [Address("bn1", "10.1.0.1", 24), Address("bn1", "fd00::1", 64, dad=False)]),
        (
            RouteDriver(rtnl),
            [
                Route(801, "10.1.0.0/24", "bn1", source="10.1.0.1"),
                Route(801, "0.0.0.0/0", "bn1", via="10.1.0.9"),
                Route(801, "0.0.0.0/0", metric=4294967295),
                Route(900, "::/0", "bn1", via="fe80::9"),
                Route(900, "fd00::/64", "bn1"),
                Route(77, "::/0", metric=4294967295),
            ],
        ),
        (
            RuleDriver(rtnl),
            [
                Rule(4, 10000, 801, source="10.1.0.0/24"),
                Rule(4, 9000, 501, mark=501, mask=0xFFFF),
                Rule(6, 16000, 501, iif="lo"),
                Rule(4, 15001, 501, oif=port),
            ],
        ),
        (NeighbourDriver(rtnl), [Neighbour("bn1", "10.1.0.7", "02:00:00:00:00:07")]),
    ]

    async def story() -> None:
        driver = LinkDriver(rtnl)
        before = ip("link")
        await create(driver, *links)
        assert await there(driver) == set(links)
        for other, items in rest:
            await create(other, *items)
            assert await there(other) == set(items)
        for other, items in reversed(rest):
            await delete(other, *items)
            assert await there(other) == set()
        await delete(driver, *links)
        assert await there(driver) == set()
        assert [(x["ifname"], x["address"], x["flags"]) for x in ip("link")] == [
            (x["ifname"], x["address"], x["flags"]) for x in before
        ]

    sync(story())


def test_making_what_exists_and_deleting_what_is_gone_succeed(rtnl: Rtnl) -> None:
    async def story() -> None:
        cases: list[tuple[Driver, Item]] = [
            (LinkDriver(rtnl), Bridge("bn1", MAC)),
            (AddressDriver(rtnl), Address("bn1", "10.1.0.1", 24)),
            (RouteDriver(rtnl), Route(801, "10.1.0.0/24", "bn1")),
            (RuleDriver(rtnl), Rule(4, 10000, 801, source="10.1.0.0/24")),
            (NeighbourDriver(rtnl), Neighbour("bn1", "10.1.0.7", MAC)),
        ]
        for driver, item in cases:
            await create(driver, item)
            await create(driver, item)
        for driver, item in reversed(cases):
            await delete(driver, item)
            await delete(driver, item)

    sync(story())


def test_the_main_table_stays_empty(rtnl: Rtnl) -> None:
    async def story() -> None:
        await create(LinkDriver(rtnl), Bridge("bn1", MAC))
        await create(AddressDriver(rtnl), Address("bn1", "10.1.0.1", 24), Address("bn1", "fd00::1", 64))

        assert ip("route", "show", "table", "main") == []
        assert ip("-6", "route", "show", "table", "main") == []

    sync(story())


def test_a_value_that_changes_is_replaced_in_place(rtnl: Rtnl) -> None:
    async def story() -> None:
        await create(LinkDriver(rtnl), Bridge("bn1", MAC))
        pairs: list[tuple[Driver, Item, Item]] = [
            (LinkDriver(rtnl), Bridge("bn1", MAC), Bridge("bn1", "02:00:00:00:00:02", 1300, group_fwd_mask=0x4000)),
            (AddressDriver(rtnl), Address("bn1", "10.1.0.1", 24), Address("bn1", "10.1.0.1", 25)),
            (RouteDriver(rtnl), Route(801, "0.0.0.0/0", "bn1", via="10.1.0.2"), Route(801, "0.0.0.0/0")),
            (RouteDriver(rtnl), Route(801, "::/0", "bn1", via="fe80::1"), Route(801, "::/0", "bn1", via="fe80::2")),
        ]
        for driver, before, after in pairs:
            await create(driver, before)
            await update(driver, before, after)
            assert await there(driver) >= {after}
            assert before not in await there(driver)

    sync(story())


def test_links_and_routes_of_others_are_neither_seen_nor_touched(rtnl: Rtnl) -> None:
    run("ip", "link", "add", "foreign", "type", "bridge")
    run("ip", "link", "set", "foreign", "up")
    run("ip", "addr", "add", "10.9.0.1/24", "dev", "foreign")
    run("ip", "route", "add", "10.8.0.0/24", "dev", "foreign", "table", "801")
    run("ip", "rule", "add", "from", "10.9.0.0/24", "lookup", "801")

    async def story() -> None:
        drivers: list[Driver] = [LinkDriver(rtnl), AddressDriver(rtnl), RouteDriver(rtnl), RuleDriver(rtnl)]
        for driver in drivers:
            assert await there(driver) == set()
        [outcome] = await LinkDriver(rtnl).apply([Change(Op.CREATE, None, Bridge("foreign", MAC))])
        assert "is not ours" in str(outcome.error)
        await delete(LinkDriver(rtnl), Bridge("foreign", MAC))
        assert [link["ifname"] for link in ip("link")][-1] == "foreign"

    sync(story())


def test_a_kernel_refusal_says_what_and_why(rtnl: Rtnl) -> None:
    async def story() -> None:
        [outcome] = await RouteDriver(rtnl).apply([Change(Op.CREATE, None, Route(801, "10.0.0.0/8", "nolink"))])
        assert str(outcome.error) == "there is no link nolink"
        await create(LinkDriver(rtnl), Bridge("bn1", MAC))
        bad = Route(801, "10.0.0.0/8", "bn1", source="10.7.7.7")
        [outcome] = await RouteDriver(rtnl).apply([Change(Op.CREATE, None, bad)])
        assert str(outcome.error) == "kernel: route to 10.0.0.0/8 in table 801: Invalid prefsrc address (EINVAL)"

    sync(story())


def test_a_veth_reaches_into_the_apps_namespace(rtnl: Rtnl) -> None:
    namespace = make_namespace()
    path = f"/proc/self/fd/{namespace}"
    item = Veth("nbu1x1", "bn1", 1400, path, "eth0", "02:16:3e:00:00:07")

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, Bridge("bn1", MAC, 1400))
        await create(driver, item)
        await create(driver, item)

        assert await there(driver) == {Bridge("bn1", MAC, 1400), item}
        inside = Rtnl.open(namespace)
        peer = (await all_links(inside))["eth0"]
        inside.close()
        assert (peer.mac, peer.mtu, peer.up) == ("02:16:3e:00:00:07", 1400, False)
        await delete(driver, item)
        assert await there(driver) == {Bridge("bn1", MAC, 1400)}

    sync(story())


HALF_DONE = {
    "port marked": ["ip link set eth0 alias 'evenet lower eth0 up 1500 0'"],
    "port renamed": [
        "ip link set eth0 alias 'evenet lower eth0 up 1500 0'",
        "ip link set eth0 down",
        "ip link set eth0 name keth0",
    ],
    "bridge made": [
        "ip link set eth0 alias 'evenet lower eth0 up 1500 0'",
        "ip link set eth0 down",
        "ip link set eth0 name keth0",
        f"ip link add eth0 address {MAC} type bridge",
        "ip link set eth0 alias 'evenet bridge'",
    ],
    "port enslaved": [
        "ip link set eth0 alias 'evenet lower eth0 up 1500 0'",
        "ip link set eth0 down",
        "ip link set eth0 name keth0",
        f"ip link add eth0 address {MAC} type bridge",
        "ip link set eth0 alias 'evenet bridge'",
        "ip link set keth0 master eth0 up",
    ],
}


@pytest.mark.parametrize("state", HALF_DONE)
def test_a_half_done_adapter_is_finished_or_undone(rtnl: Rtnl, port: str, state: str) -> None:
    async def story() -> None:
        driver = LinkDriver(rtnl)
        for command in HALF_DONE[state]:
            run("sh", "-c", command)
        assert PortBridge(port) not in await there(driver)

        await create(driver, PortBridge(port))

        assert await there(driver) == {PortBridge(port)}
        links = {link["ifname"]: link for link in ip("link")}
        assert links["eth0"]["address"] == links["keth0"]["address"] == MAC
        assert links["keth0"]["master"] == "eth0"
        await delete(driver, PortBridge(port))
        [found] = ip("link", "show", "eth0")
        assert found["linkinfo"]["info_kind"] == "veth"
        assert "UP" in found["flags"]
        assert "ifalias" not in found

    sync(story())


def test_a_port_used_as_it_is_and_a_member_of_a_bridge(rtnl: Rtnl, port: str) -> None:
    run("ip", "link", "set", port, "down")
    items = [PortLink(port, 1400), Bridge("bn1", MAC, 1400), BridgePort(port, "bn1", 1400)]

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, *items[:2])
        await create(driver, items[2])
        assert await there(driver) == set(items)
        await delete(driver, *reversed(items))
        [found] = ip("link", "show", port)
        assert (found["mtu"], "UP" in found["flags"], "master" in found) == (1500, False, False)

    sync(story())


def test_a_setting_is_given_back_as_it_was_found(tmp_path: Path) -> None:
    item = Sysctl("net/ipv4/ip_forward", "1")
    was = run("sysctl", "-n", "net.ipv4.ip_forward").strip()

    async def story() -> None:
        await create(SysctlDriver(tmp_path), item)
        assert run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"
        assert await there(SysctlDriver(tmp_path)) == {item}
        await delete(SysctlDriver(tmp_path), item)
        assert run("sysctl", "-n", "net.ipv4.ip_forward").strip() == was
        assert await there(SysctlDriver(tmp_path)) == set()

    sync(story())
