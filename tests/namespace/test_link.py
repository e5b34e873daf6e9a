"""Links: settings that change, names of fifteen bytes, what is not ours, and apps whose namespaces come and go."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from evenet_core.linux.link import Bridge, BridgePort, PortBridge, PortLink, Veth
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import all_links
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Op
from tests.support.kernel import create, delete, ip, refusal, run, there, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

MAC = "02:16:3e:00:00:01"
BRIDGE = Bridge("bn1", MAC)


def link(name: str) -> dict[str, object]:
    [found] = ip("link", "show", name)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Bridge("bn1", MAC, stp=True), Bridge("bn1", MAC)),
        (Bridge("bn1", MAC), Bridge("bn1", MAC, stp=True)),
        (Bridge("bn1", MAC, group_fwd_mask=0x4000), Bridge("bn1", MAC)),
        (Bridge("bn1", MAC, 1500), Bridge("bn1", MAC, 9000)),
        (Bridge("bn1", MAC, 9000), Bridge("bn1", MAC, 1000)),  # below 1280 a link has no IPv6
        (Bridge("bn1", MAC), Bridge("bn1", "02:16:3e:00:00:02")),
    ],
    ids=str,
)
def test_each_setting_of_a_bridge_can_be_changed(rtnl: Rtnl, before: Bridge, after: Bridge) -> None:
    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, before)
        assert await there(driver) == {before}

        await update(driver, before, after)

        assert await there(driver) == {after}

    asyncio.run(story())


def test_ports_of_a_bridge_forward_at_once_unless_spanning_tree_has_to_look_for_loops(rtnl: Rtnl) -> None:
    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE, Bridge("bn2", MAC, stp=True))
        assert link("bn1")["linkinfo"]["info_data"]["forward_delay"] == 0  # type: ignore[index]
        assert link("bn2")["linkinfo"]["info_data"]["forward_delay"] == 200  # type: ignore[index]

        await update(driver, Bridge("bn2", MAC, stp=True), Bridge("bn2", MAC))

        assert link("bn2")["linkinfo"]["info_data"]["forward_delay"] == 0  # type: ignore[index]

    asyncio.run(story())


def test_a_lease_that_asks_for_a_tiny_mtu_costs_the_port_nothing_of_its_ipv6(rtnl: Rtnl, port: str) -> None:
    run("ip", "address", "add", "2001:db8::7/64", "dev", port, "nodad")
    run("sysctl", "-q", "-w", f"net.ipv6.conf.{port}.use_tempaddr=2")
    item = PortBridge(port, 576)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, item)
        assert await there(driver) == {item}
        assert link(port)["mtu"] == 576

        await delete(driver, item)

    asyncio.run(story())
    assert "2001:db8::7/64" in run("ip", "address", "show", "dev", port)
    assert run("sysctl", "-n", f"net.ipv6.conf.{port}.use_tempaddr") == "2\n"


def test_a_hypervisors_interface_is_as_it_was_found_when_it_leaves_the_bridge(rtnl: Rtnl) -> None:
    run("ip", "link", "add", "nbu1x1", "mtu", "1300", "type", "veth", "peer", "name", "guest")
    run("ip", "link", "set", "nbu1x1", "alias", "of the hypervisor")
    before, item = link("nbu1x1"), BridgePort("nbu1x1", "bn1", 1500)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        await create(driver, item)
        assert await there(driver) == {BRIDGE, item}
        run("ip", "link", "del", "bn1")
        [left] = await there(driver)
        await delete(driver, left)
        assert await there(driver) == set()

    asyncio.run(story())
    after = link("nbu1x1")
    assert before.pop("qdisc") == "noop"  # until it is set up for the first time
    del after["qdisc"]
    assert after == before


def test_links_of_apps_make_no_addresses_by_themselves(rtnl: Rtnl) -> None:
    namespace = make_namespace()
    item = Veth("nbu1x1", "bn1", 1500, f"/proc/self/fd/{namespace}", "eth0", MAC)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        await create(driver, item)

    asyncio.run(story())
    for name in ("bn1", "nbu1x1"):
        assert link(name)["inet6_addr_gen_mode"] == "none"
        assert run("ip", "-6", "addr", "show", "dev", name) == ""
    os.close(namespace)  # the pair goes with it


def test_usb_adapters_with_neighbouring_macs_become_adapters_side_by_side(rtnl: Rtnl) -> None:
    names = ["enx001122334455", "enx001122334456"]
    for name in names:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", f"w{name[-2:]}")
    items = [PortBridge(name) for name in names]

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, *items)
        assert await there(driver) == set(items)

        await delete(driver, *items)

        kinds = {x["ifname"]: x["linkinfo"]["info_kind"] for x in ip("link")[1:]}
        assert kinds == dict.fromkeys([*names, "w55", "w56"], "veth")

    asyncio.run(story())


@pytest.mark.parametrize("kind", [PortBridge, PortLink])
def test_a_port_comes_back_with_all_it_had(rtnl: Rtnl, port: str, kind: type[PortBridge] | type[PortLink]) -> None:
    run("ip", "link", "set", port, "mtu", "1450", "addrgenmode", "none", "alias", "uplink of rack 7")
    run("ip", "addr", "add", "192.0.2.1/24", "dev", port)
    item = kind(port, 1400)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        before = link(port)
        await create(driver, item)
        await update(driver, item, kind(port, 1300))  # what was found is not forgotten by a second look
        assert await there(driver) == {kind(port, 1300)}

        await delete(driver, item)

        assert link(port) == before
        assert before["ifalias"] == "uplink of rack 7"
        assert "192.0.2.1/24" in run("ip", "addr", "show", "dev", port)

    asyncio.run(story())


@pytest.mark.parametrize("state", ["up", "down"])
def test_a_port_comes_back_up_or_down_as_it_was(rtnl: Rtnl, port: str, state: str) -> None:
    run("ip", "link", "set", port, state)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, PortBridge(port))
        assert "UP" in link(port)["flags"]  # type: ignore[operator]
        await delete(driver, PortBridge(port))

    asyncio.run(story())
    assert ("UP" in link(port)["flags"]) == (state == "up")  # type: ignore[operator]


def test_a_port_may_be_too_small_for_ipv6(rtnl: Rtnl, port: str) -> None:
    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, PortBridge(port, 1000))
        assert await there(driver) == {PortBridge(port, 1000)}

        await delete(driver, PortBridge(port, 1000))

        assert link(port)["mtu"] == 1500

    asyncio.run(story())


def test_a_port_may_have_been_without_ipv6_before(rtnl: Rtnl, port: str) -> None:
    """The kernel then refuses to be told how to make IPv6 addresses."""
    run("ip", "link", "set", port, "mtu", "1000")

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, PortBridge(port, 1000))
        assert await there(driver) == {PortBridge(port, 1000)}

        await delete(driver, PortBridge(port, 1000))

        assert link(port)["mtu"] == 1000

    asyncio.run(story())


def test_what_others_use_is_not_taken_from_them(rtnl: Rtnl, port: str) -> None:
    run("ip", "link", "add", "virbr0", "type", "bridge")
    run("ip", "link", "set", port, "master", "virbr0")
    before = run("ip", "-d", "link", "show", port)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        bridge_of_somebody = f"adapter {port}: {port} is a bridge or a port of one, and that is not ours"
        assert await refusal(driver, PortBridge(port)) == bridge_of_somebody
        assert await refusal(driver, BridgePort(port, "bn1")) == f"{port} is a port of virbr0, which is not ours"
        assert "virbr0: another link of this name" in await refusal(driver, BridgePort(port, "virbr0"))
        assert "virbr0: another link of this name" in await refusal(driver, Bridge("virbr0", MAC))
        await delete(driver, BridgePort(port, "bn1"))
        await delete(driver, PortBridge(port), PortLink(port), Bridge("virbr0", MAC))

    asyncio.run(story())
    assert run("ip", "-d", "link", "show", port) == before
    assert link("virbr0")["linkinfo"]["info_kind"] == "bridge"  # type: ignore[index]


def test_a_port_that_is_not_there_is_named(rtnl: Rtnl) -> None:
    async def story() -> None:
        driver = LinkDriver(rtnl)
        assert await refusal(driver, PortBridge("eth7")) == "there is no port eth7"
        assert await refusal(driver, PortLink("eth7")) == "there is no port eth7"
        assert await refusal(driver, BridgePort("eth7", "bn7")) == "there is no link bn7"

    asyncio.run(story())


def test_a_bad_change_of_a_batch_fails_alone(rtnl: Rtnl) -> None:
    changes = [Change(Op.CREATE, None, Bridge(name, MAC, mtu)) for name, mtu in [("bn1", 10), ("bn2", 1500)]]

    async def story() -> None:
        driver = LinkDriver(rtnl)

        first, second = await driver.apply(changes)

        assert str(first.error) == "kernel: bridge bn1: mtu less than device minimum (EINVAL)"
        assert second.error is None
        assert Bridge("bn2", MAC) in await there(driver)

    asyncio.run(story())


def test_deletes_of_a_batch_come_before_what_takes_their_place(rtnl: Rtnl, port: str) -> None:

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, PortBridge(port))

        outcomes = await driver.apply(
            [Change(Op.CREATE, None, PortLink(port)), Change(Op.DELETE, PortBridge(port), None)]
        )

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert await there(driver) == {PortLink(port)}

    asyncio.run(story())


def test_an_interface_follows_its_app_into_a_new_namespace(rtnl: Rtnl, tmp_path: Path) -> None:
    path = tmp_path / "ns"
    first, second = make_namespace(), make_namespace()
    path.symlink_to(f"/proc/self/fd/{first}")
    item = Veth("nbu1x1", "bn1", 1500, str(path), "eth0", MAC)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        await create(driver, item)
        assert item in await there(driver)
        path.unlink()
        assert item in await there(driver)  # an app may live on in a namespace without a name
        path.symlink_to(f"/proc/self/fd/{second}")
        [seen] = await there(driver) - {BRIDGE}
        assert seen != item

        await update(driver, seen, item)

        assert item in await there(driver)
        inside = Rtnl.open(second)
        assert "eth0" in await all_links(inside)
        inside.close()

    asyncio.run(story())
    os.close(first)
    os.close(second)


def test_both_ends_of_an_interface_change_their_size(rtnl: Rtnl) -> None:
    namespace = make_namespace()
    path = f"/proc/self/fd/{namespace}"
    small, large = (Veth("nbu1x1", "bn1", mtu, path, "eth0", MAC) for mtu in (1400, 9000))

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        await create(driver, small)
        index = link("nbu1x1")["ifindex"]

        await update(driver, small, large)

        assert large in await there(driver)
        assert link("nbu1x1")["ifindex"] == index
        inside = Rtnl.open(namespace)
        assert (await all_links(inside))["eth0"].mtu == 9000
        inside.close()

    asyncio.run(story())
    os.close(namespace)


def test_an_interface_whose_namespace_is_none_leaves_nothing_behind(rtnl: Rtnl, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ("d" * 100) / ("d" * 100)).mkdir(parents=True)
    long = tmp_path / ("d" * 100) / ("d" * 100) / "ns"
    namespace = make_namespace()
    long.symlink_to(f"/proc/self/fd/{namespace}")

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, BRIDGE)
        for path, words in [
            (tmp_path / "missing", "No such file or directory"),
            (tmp_path / "pipe", "(EINVAL)"),
            (long, "the path of its namespace is too long"),
        ]:
            assert words in await refusal(driver, Veth("nbu1x1", "bn1", 1500, str(path), "eth0", MAC))
        assert await there(driver) == {BRIDGE}

    asyncio.run(story())
    os.close(namespace)
    assert [found["ifname"] for found in ip("link")] == ["lo", "bn1"]


def test_a_tap_of_a_hypervisor_joins_and_leaves_but_stays_its_makers(rtnl: Rtnl) -> None:
    run("ip", "tuntap", "add", "nbu1x1", "mode", "tap")
    run("ip", "link", "set", "nbu1x1", "alias", "vm web, card 1")  # as libvirt's users do
    run("ip", "tuntap", "add", "vnet0", "mode", "tap")
    item = BridgePort("nbu1x1", "bn1", 1400)

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, Bridge("bn1", MAC, 1400))
        await create(driver, item)
        run("ip", "link", "set", "vnet0", "master", "bn1")
        assert await there(driver) == {Bridge("bn1", MAC, 1400), item}

        await delete(driver, item)

        assert "master" not in link("nbu1x1")
        assert link("vnet0")["master"] == "bn1"

    asyncio.run(story())


def test_making_links_again_leaves_them_as_they_are(rtnl: Rtnl, port: str) -> None:
    items = [BRIDGE, PortBridge(port)]

    async def story() -> None:
        driver = LinkDriver(rtnl)
        await create(driver, *items)
        before = {x["ifname"]: (x["ifindex"], x["address"], x.get("master")) for x in ip("link")}

        await create(driver, *items)

        assert await there(driver) == set(items)
        after = {x["ifname"]: (x["ifindex"], x["address"], x.get("master")) for x in ip("link")}
        assert after == before

    asyncio.run(story())
