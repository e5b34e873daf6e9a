"""Addresses, routes, rules and neighbours beside those of others: which are ours, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from evenet_core.linux.address import Address, AddressDriver
from evenet_core.linux.link import Bridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.neighbour import Neighbour, NeighbourDriver
from evenet_core.linux.route import Route, RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import Rule, RuleDriver
from evenet_core.reconciler.item import Change, Driver, Item, Op
from tests.support.kernel import create, delete, ip, refusal, run, there, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

MAC = "02:16:3e:00:00:01"


@pytest.fixture(autouse=True)
def bridge(rtnl: Rtnl) -> None:
    asyncio.run(create(LinkDriver(rtnl), Bridge("bn1", MAC)))


FOREIGN: dict[str, tuple[Callable[[Rtnl], Driver], Item, str, str]] = {
    "address": (
        AddressDriver,
        Address("bn1", "10.1.0.1", 24),
        "ip addr add 10.1.0.1/24 dev bn1",
        "address 10.1.0.1/24 on bn1 is there already, and it is not ours",
    ),
    "ipv6 address": (
        AddressDriver,
        Address("bn1", "fd00::1", 64),
        "ip addr add fd00::1/64 dev bn1 nodad",
        "address fd00::1/64 on bn1 is there already, and it is not ours",
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_an_address_of_somebody_else_is_not_taken_for_ours(rtnl: Rtnl, what: str) -> None:
    make, item, command, words = FOREIGN[what]
    run(*command.split())

    assert asyncio.run(refusal(make(rtnl), item)) == words
    assert asyncio.run(there(make(rtnl))) == set()


def test_ours_is_removed_and_the_same_of_somebody_else_stays(rtnl: Rtnl) -> None:
    run("ip", "route", "add", "10.2.0.0/16", "dev", "bn1", "table", "801", "metric", "50")
    run("ip", "rule", "add", "priority", "10000", "from", "10.1.0.0/24", "lookup", "801", "protocol", "static")
    run("ip", "neigh", "add", "10.1.0.8", "lladdr", MAC, "dev", "bn1")
    cases: list[tuple[Driver, Item]] = [
        (RouteDriver(rtnl), Route(801, "10.2.0.0/16", "bn1")),
        (RuleDriver(rtnl), Rule(4, 10000, 801, source="10.1.0.0/24")),
        (NeighbourDriver(rtnl), Neighbour("bn1", "10.1.0.7", MAC)),
    ]
    for driver, item in cases:
        asyncio.run(create(driver, item))
        assert asyncio.run(there(driver)) == {item}

    for driver, item in cases:
        asyncio.run(delete(driver, item))
        asyncio.run(delete(driver, item))

    assert [route["metric"] for route in ip("route", "show", "table", "801")] == [50]
    assert [rule["protocol"] for rule in ip("rule", "show", "priority", "10000")] == ["static"]
    assert [entry["dst"] for entry in ip("neigh", "show", "dev", "bn1")] == ["10.1.0.8"]


def test_addresses_of_gateways_are_usable_at_once_and_others_ask_first(rtnl: Rtnl, port: str) -> None:
    driver = AddressDriver(rtnl)

    asyncio.run(create(driver, Address(port, "fd00::1", 64, dad=False), Address(port, "fd00::2", 64)))

    [link] = ip("addr", "show", "dev", port)
    states = {a["local"]: (a.get("nodad"), a.get("tentative"), a.get("noprefixroute")) for a in link["addr_info"]}
    assert states["fd00::1"] == (True, None, True)
    assert states["fd00::2"] == (None, True, True)


def test_an_address_that_went_along_with_another_can_be_made_again(rtnl: Rtnl) -> None:
    """Deleting the first address of a subnet takes the others of it along (promote_secondaries is off)."""
    driver = AddressDriver(rtnl)
    first, second = Address("bn1", "10.1.0.1", 24), Address("bn1", "10.1.0.2", 24)
    asyncio.run(create(driver, first, second))

    asyncio.run(delete(driver, first))
    asyncio.run(create(driver, second))

    assert asyncio.run(there(driver)) == {second}


def test_a_route_changes_its_way_without_a_gap(rtnl: Rtnl) -> None:
    """One request replaces it: there is no moment without a default route."""
    driver = RouteDriver(rtnl)
    before, after = Route(801, "0.0.0.0/0", "bn1", via="10.1.0.8"), Route(801, "0.0.0.0/0", "bn1", via="10.1.0.9")
    asyncio.run(create(driver, before))
    writes = rtnl.writes

    asyncio.run(update(driver, before, after))

    assert rtnl.writes == writes + 1
    assert asyncio.run(there(driver)) == {after}


@pytest.mark.parametrize("destination", ["0.0.0.0/0", "::/0"])
def test_routes_of_one_prefix_with_different_metrics_do_not_get_into_each_others_way(
    rtnl: Rtnl, destination: str
) -> None:
    driver = RouteDriver(rtnl)
    items = [Route(801, destination, "bn1", metric=metric) for metric in (0, 5, 2000)]
    asyncio.run(create(driver, *items))
    assert asyncio.run(there(driver)) == set(items)

    asyncio.run(delete(driver, items[1]))

    assert asyncio.run(there(driver)) == {items[0], items[2]}


def test_a_route_that_is_gone_is_not_mistaken_for_one_with_another_metric(rtnl: Rtnl) -> None:
    driver = RouteDriver(rtnl)
    gone, there_still = Route(801, "::/0", "bn1"), Route(801, "::/0", "bn1", metric=2000)
    asyncio.run(create(driver, there_still))

    asyncio.run(delete(driver, gone))

    assert asyncio.run(there(driver)) == {there_still}


def test_a_batch_deletes_first_whatever_its_order(rtnl: Rtnl) -> None:
    """A link has an IPv6 address once, whatever the prefix."""
    driver = AddressDriver(rtnl)
    old, new = Address("bn1", "fd00::1", 64), Address("bn1", "fd00::1", 80)
    asyncio.run(create(driver, old))

    outcomes = asyncio.run(driver.apply([Change(Op.CREATE, None, new), Change(Op.DELETE, old, None)]))

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert asyncio.run(there(driver)) == {new}


def test_one_bad_entry_of_a_batch_fails_alone(rtnl: Rtnl) -> None:
    driver = RouteDriver(rtnl)
    good, bad = Route(801, "10.2.0.0/16", "bn1"), Route(801, "10.3.0.0/16", "bn1", source="10.9.9.9")
    absent = Route(801, "10.4.0.0/16", "nolink")

    outcomes = asyncio.run(driver.apply([Change(Op.CREATE, None, item) for item in (bad, absent, good)]))

    assert [str(outcome.error) for outcome in outcomes] == [
        "kernel: route to 10.3.0.0/16 in table 801: Invalid prefsrc address (EINVAL)",
        "there is no link nolink",
        "None",
    ]
    assert asyncio.run(there(driver)) == {good}


def test_what_a_vanished_link_took_along_can_be_deleted(rtnl: Rtnl) -> None:
    items: list[tuple[Driver, Item]] = [
        (AddressDriver(rtnl), Address("bn1", "10.1.0.1", 24)),
        (RouteDriver(rtnl), Route(801, "10.2.0.0/16", "bn1")),
        (NeighbourDriver(rtnl), Neighbour("bn1", "10.1.0.7", MAC)),
    ]
    for driver, item in items:
        asyncio.run(create(driver, item))
    run("ip", "link", "del", "bn1")

    for driver, item in items:
        asyncio.run(delete(driver, item))
        assert asyncio.run(there(driver)) == set()
