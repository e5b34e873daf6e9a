"""Killed at any moment: whoever comes next finishes what was begun, or gives everything back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from evenet_core.linux.link import PortBridge, PortLink, Veth
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Op
from tests.support.kernel import create, delete, ip, run, there, update
from tests.support.sockets import Killed, recorded_rtnl

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


def killed_before(last: int, change: Change) -> bool:
    """Carry a change out, but die before datagram number `last`; whether it came to that."""
    with recorded_rtnl(last) as (rtnl, _):
        try:
            [outcome] = asyncio.run(LinkDriver(rtnl).apply([change]))
        except Killed:
            return True
    assert outcome.error is None
    return False


def at_every_moment(change: Change, before: Callable[[], None], after: Callable[[], None]) -> int:
    """Kill the change before its first datagram, its second, ...; number of moments."""
    moment = 0
    while True:
        before()
        if not killed_before(moment, change):
            return moment
        after()
        moment += 1


def port_as_found(name: str) -> dict[str, Any]:
    [found] = ip("link", "show", name)
    found.pop("operstate")
    found["flags"] = [flag for flag in found["flags"] if flag == "UP"]
    assert isinstance(found, dict)
    return found


ITEMS = [PortBridge("eth0", 1400), PortLink("eth0", 1400)]


@pytest.mark.parametrize("item", ITEMS, ids=["bridged", "as it is"])
def test_an_adapter_that_was_begun_is_finished(rtnl: Rtnl, port: str, item: PortBridge | PortLink) -> None:
    driver = LinkDriver(rtnl)

    def start() -> None:
        asyncio.run(delete(driver, item))
        assert asyncio.run(there(driver)) == set()

    def finish() -> None:
        assert item not in asyncio.run(there(driver))
        asyncio.run(create(driver, item))
        assert asyncio.run(there(driver)) == {item}

    moments = at_every_moment(Change(Op.CREATE, None, item), start, finish)

    assert moments >= (6 if isinstance(item, PortBridge) else 2)


@pytest.mark.parametrize("item", ITEMS, ids=["bridged", "as it is"])
def test_an_adapter_that_was_begun_is_taken_back(rtnl: Rtnl, port: str, item: PortBridge | PortLink) -> None:
    run("ip", "link", "set", port, "mtu", "1450", "alias", "uplink of rack 7")
    driver = LinkDriver(rtnl)
    found = port_as_found(port)

    def undo() -> None:
        for left in asyncio.run(there(driver)):
            asyncio.run(delete(driver, left))
        assert asyncio.run(there(driver)) == set()
        assert port_as_found(port) == found
        assert [link["ifname"] for link in ip("link")] == ["lo", "world", "eth0"]

    assert at_every_moment(Change(Op.CREATE, None, item), lambda: None, undo) >= 2


@pytest.mark.parametrize("item", ITEMS, ids=["bridged", "as it is"])
@pytest.mark.parametrize("state", ["up", "down"])
def test_a_teardown_that_was_begun_is_finished(rtnl: Rtnl, port: str, item: PortBridge | PortLink, state: str) -> None:
    run("ip", "link", "set", port, "mtu", "1450", state)
    driver = LinkDriver(rtnl)
    found = port_as_found(port)

    def start() -> None:
        asyncio.run(create(driver, item))

    def finish() -> None:
        left = asyncio.run(there(driver))
        assert left, "nobody would know that something is left to do"
        asyncio.run(delete(driver, *left))
        assert port_as_found(port) == found

    moments = at_every_moment(Change(Op.DELETE, item, None), start, finish)

    assert moments >= 3
    assert port_as_found(port) == found


def test_a_teardown_that_was_begun_can_be_turned_round(rtnl: Rtnl, port: str) -> None:
    item = PortBridge(port, 1400)
    driver = LinkDriver(rtnl)

    def turn_round() -> None:
        asyncio.run(create(driver, item))
        assert asyncio.run(there(driver)) == {item}

    at_every_moment(Change(Op.DELETE, item, None), lambda: asyncio.run(create(driver, item)), turn_round)

    assert asyncio.run(there(driver)) == set()


def test_an_apps_interface_is_marked_from_its_first_moment(rtnl: Rtnl, port: str) -> None:
    driver = LinkDriver(rtnl)
    namespace = make_namespace()
    item = Veth("nbu1x1", port, 1400, f"/proc/self/fd/{namespace}", "eth0", "02:16:3e:00:00:07")
    asyncio.run(create(driver, PortBridge(port, 1400)))

    def remove() -> None:
        left = asyncio.run(there(driver)) - {PortBridge(port, 1400)}
        asyncio.run(delete(driver, *left))
        assert not [link for link in ip("link") if link["ifname"] == "nbu1x1"]

    assert at_every_moment(Change(Op.CREATE, None, item), remove, remove) >= 3


HALF_DONE = {
    "the port has another MAC by now": ["ip link set keth0 address 02:00:00:00:00:99"],
    "the port left the bridge": ["ip link set keth0 nomaster"],
    "the port is down": ["ip link set keth0 down"],
    "the bridge is down": ["ip link set eth0 down"],
    "the bridge has another MTU": ["ip link set eth0 mtu 1300"],
    "the bridge is gone": ["ip link del eth0"],
}


@pytest.mark.parametrize("state", HALF_DONE)
def test_an_adapter_that_somebody_took_apart_is_seen_and_mended(rtnl: Rtnl, port: str, state: str) -> None:
    item = PortBridge(port)
    driver = LinkDriver(rtnl)
    asyncio.run(create(driver, item))
    for command in HALF_DONE[state]:
        run(*command.split())

    [seen] = asyncio.run(there(driver))
    assert seen != item
    asyncio.run(update(driver, seen, item))

    assert asyncio.run(there(driver)) == {item}
    macs = {link["ifname"]: link["address"] for link in ip("link")}
    assert macs["eth0"] == macs["keth0"]
