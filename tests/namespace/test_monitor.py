"""What the kernel tells: facts on links, drift of what is ours, and what happens when it tells too much."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from evenet_core.linux import rtnl as rtnl_module
from evenet_core.linux.address import Address, AddressDriver
from evenet_core.linux.link import Bridge, PortBridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.monitor import KINDS, NetlinkMonitor
from evenet_core.linux.neighbour import Neighbour, NeighbourDriver
from evenet_core.linux.route import Route, RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import Rule, RuleDriver
from evenet_core.model.facts import LinkFact
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_core.reconciler.item import Driver, Item, ItemKey
from tests.support.kernel import create, delete, ip, run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

MAC = "02:16:3e:00:00:01"
DEADLINE = 10.0  # seconds; only a test that fails waits so long


class Listener:
    """Everything a monitor said. `until` waits for a condition on it."""

    def __init__(self, rtnl: Rtnl) -> None:
        self.facts: dict[str, LinkFact] = {}
        self.changes: list[FactChange] = []
        self.items: dict[ItemKey, tuple[Item, bool]] = {}
        self.by: dict[ItemKey, str] = {}
        self.ever: set[Item] = set()
        self.lost: set[str] = set()
        self._said = asyncio.Event()
        self.monitor = NetlinkMonitor(rtnl, self._seen, self._lost, ours=[rtnl.port])

    def _seen(self, item: Item, present: bool, by: str) -> None:
        self.items[item.key] = (item, present)
        self.by[item.key] = by
        self.ever.add(item)
        self._said.set()

    def _lost(self, kinds: tuple[str, ...]) -> None:
        self.lost.update(kinds)
        self._said.set()

    async def listen(self) -> None:
        async for change in self.monitor.facts():
            self.changes.append(change)
            name = change.name.removeprefix("link:")
            if change.value is None:
                self.facts.pop(name, None)
            else:
                self.facts[name] = change.value
            self._said.set()

    def there(self, item: Item) -> bool:
        """Whether the last word on an item is that it is there, just so."""
        return self.items.get(item.key) == (item, True)

    def gone(self, item: Item) -> bool:
        return item.key in self.items and not self.items[item.key][1]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._said.clear()
                await self._said.wait()


def listening(story: Callable[[Listener], Awaitable[None]]) -> Listener:
    """Tell a story while a monitor listens, from its full picture on."""

    async def both() -> Listener:
        with opened() as rtnl:
            listener = Listener(rtnl)
            task = asyncio.ensure_future(listener.listen())
            await listener.until(lambda: FULL_PICTURE in listener.changes)
            await story(listener)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return listener

    return asyncio.run(both())


@contextmanager
def opened() -> Iterator[Rtnl]:
    rtnl = Rtnl.open()
    try:
        yield rtnl
    finally:
        rtnl.close()


def test_first_come_all_links_and_then_the_word_that_this_was_all(port: str) -> None:
    async def story(listener: Listener) -> None:
        pass

    listener = listening(story)

    *facts, last = listener.changes
    assert last is FULL_PICTURE
    assert {change.name for change in facts} == {"link:lo", "link:eth0", "link:world"}
    [found] = ip("link", "show", port)
    assert listener.facts[port] == LinkFact(
        index=found["ifindex"], mac=found["address"], mtu=1500, up=True, carrier=True, kind="veth"
    )


def test_who_starts_to_listen_again_does_not_know_what_happened_meanwhile(port: str) -> None:
    async def story(listener: Listener) -> None:
        assert listener.lost == set()
        async for change in listener.monitor.facts():
            if change is FULL_PICTURE:
                break
        assert listener.lost == set(KINDS)

    listening(story)


def test_a_link_that_comes_changes_and_goes_is_told(port: str) -> None:
    async def story(listener: Listener) -> None:
        run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "world1")
        await listener.until(lambda: "eth1" in listener.facts)
        run("ip", "link", "set", "eth1", "mtu", "1400")
        await listener.until(lambda: listener.facts["eth1"].mtu == 1400)
        run("ip", "link", "del", "eth1")
        await listener.until(lambda: "eth1" not in listener.facts and "world1" not in listener.facts)

    listening(story)


def test_carrier_is_told_both_ways(port: str) -> None:
    async def story(listener: Listener) -> None:
        run("ip", "link", "set", "world", "down")
        await listener.until(lambda: not listener.facts[port].carrier)
        assert listener.facts[port].up
        run("ip", "link", "set", "world", "up")
        await listener.until(lambda: listener.facts[port].carrier)

    listening(story)


def test_a_renamed_link_is_gone_under_its_old_name(port: str) -> None:
    async def story(listener: Listener) -> None:
        index = listener.facts[port].index
        run("ip", "link", "set", port, "name", "wan0")
        await listener.until(lambda: "wan0" in listener.facts)
        assert port not in listener.facts
        assert listener.facts["wan0"].index == index

    listening(story)


def test_a_name_that_passes_from_one_link_to_another_and_back_is_told_of_who_has_it(port: str) -> None:
    """The steps of one change are read at once, and of each link the last word only."""

    async def story(listener: Listener) -> None:
        index = listener.facts[port].index
        run("ip", "link", "set", port, "down", "name", "kport")
        run("ip", "link", "add", port, "type", "bridge")
        run("ip", "link", "set", "kport", "master", port, "up")
        await listener.until(lambda: "kport" in listener.facts and listener.facts["kport"].master == port)
        assert listener.facts[port].kind == "bridge"

        run("ip", "link", "set", "kport", "nomaster", "down")
        run("ip", "link", "del", port)
        run("ip", "link", "set", "kport", "name", port)
        await listener.until(lambda: "kport" not in listener.facts)
        assert listener.facts[port].index == index

    listening(story)


def test_an_adapter_of_ours_is_told_with_its_port_and_its_mark(rtnl: Rtnl, port: str) -> None:
    async def story(listener: Listener) -> None:
        await create(LinkDriver(rtnl), PortBridge(port))
        await listener.until(lambda: listener.there(PortBridge(port)))
        facts = listener.facts
        assert (facts[port].kind, facts[port].ours) == ("bridge", True)
        lower = facts["keth0"]
        assert (lower.master, lower.kind, lower.ours, lower.carrier) == (port, "veth", True, True)

        await delete(LinkDriver(rtnl), PortBridge(port))

        await listener.until(lambda: facts[port].kind == "veth" and not facts[port].ours)
        assert "keth0" not in facts

    listening(story)


DRIFT: dict[str, tuple[Callable[[Rtnl], Driver], Item, list[str]]] = {
    "bridge": (LinkDriver, Bridge("bn2", MAC), ["ip link del bn2"]),
    "address": (AddressDriver, Address("bn1", "10.1.0.1", 24), ["ip addr del 10.1.0.1/24 dev bn1"]),
    "ipv6 address": (AddressDriver, Address("bn1", "fd00::1", 64), ["ip addr del fd00::1/64 dev bn1"]),
    "route": (RouteDriver, Route(801, "10.2.0.0/16", "bn1"), ["ip route flush table 801"]),
    "route that another one replaces": (
        RouteDriver,
        Route(801, "10.2.0.0/16", "bn1"),
        ["ip route replace 10.2.0.0/16 dev bn1 table 801 proto static"],
    ),
    "ipv6 route": (RouteDriver, Route(801, "fd01::/64", "bn1"), ["ip -6 route flush table 801"]),
    "unreachable": (RouteDriver, Route(801, "0.0.0.0/0", metric=4294967295), ["ip route flush table 801"]),
    "rule": (RuleDriver, Rule(4, 10000, 801, source="10.1.0.0/24"), ["ip rule del priority 10000"]),
    "ipv6 rule": (RuleDriver, Rule(6, 10000, 801, oif="bn1"), ["ip -6 rule del priority 10000"]),
    "neighbour": (NeighbourDriver, Neighbour("bn1", "10.1.0.7", MAC), ["ip neigh del 10.1.0.7 dev bn1"]),
}


@pytest.mark.parametrize("what", DRIFT)
def test_what_comes_and_what_somebody_else_removes_is_told(rtnl: Rtnl, what: str) -> None:
    make, item, commands = DRIFT[what]

    async def story(listener: Listener) -> None:
        await create(make(rtnl), item)
        await listener.until(lambda: listener.there(item))
        for command in commands:
            run(*command.split())
        await listener.until(lambda: listener.gone(item))
        silent = what in {"bridge", "ipv6 address", "neighbour"}  # the kernel does not say who it was
        assert re.fullmatch("" if silent else r"(ip \()?pid \d+\)?", listener.by[item.key])

    asyncio.run(create(LinkDriver(rtnl), Bridge("bn1", MAC)))
    listening(story)


def test_a_port_that_leaves_a_bridge_is_still_a_link(rtnl: Rtnl, port: str) -> None:
    """The kernel tells of it as "deleted", meaning the bridge's view of it."""
    run("ip", "link", "add", "virbr0", "type", "bridge")
    run("ip", "link", "set", port, "master", "virbr0")

    async def story(listener: Listener) -> None:
        assert listener.facts[port].master == "virbr0"
        run("ip", "link", "set", port, "nomaster")
        await listener.until(lambda: listener.facts[port].master == "")
        run("ip", "link", "set", port, "mtu", "1400")
        await listener.until(lambda: listener.facts[port].mtu == 1400)

    listening(story)


def test_a_neighbour_that_may_be_forgotten_is_not_what_was_asked_for(rtnl: Rtnl) -> None:
    item = Neighbour("bn1", "10.1.0.7", MAC)

    async def story(listener: Listener) -> None:
        await create(NeighbourDriver(rtnl), item)
        await listener.until(lambda: listener.there(item))
        run("ip", "neigh", "change", "10.1.0.7", "lladdr", MAC, "dev", "bn1", "nud", "stale")
        await listener.until(lambda: not listener.there(item))
        await create(NeighbourDriver(rtnl), item)
        await listener.until(lambda: listener.there(item))

    asyncio.run(create(LinkDriver(rtnl), Bridge("bn1", MAC)))
    listening(story)


def test_a_bridge_that_somebody_changes_is_told_as_it_is_now(rtnl: Rtnl) -> None:
    asyncio.run(create(LinkDriver(rtnl), Bridge("bn1", MAC)))

    async def story(listener: Listener) -> None:
        run("ip", "link", "set", "bn1", "mtu", "1300")
        await listener.until(lambda: listener.there(Bridge("bn1", MAC, 1300)))
        run("ip", "link", "set", "bn1", "down")
        await listener.until(lambda: listener.there(Bridge("bn1", MAC, 0)))

    listening(story)


def test_routes_that_the_kernel_removes_without_a_word_are_suspected(rtnl: Rtnl) -> None:
    async def made() -> None:
        await create(LinkDriver(rtnl), Bridge("bn1", MAC))
        await create(AddressDriver(rtnl), Address("bn1", "10.1.0.1", 24))
        await create(RouteDriver(rtnl), Route(801, "10.1.0.0/24", "bn1", source="10.1.0.1"))

    async def address_goes(listener: Listener) -> None:
        run("ip", "addr", "del", "10.1.0.1/24", "dev", "bn1")
        await listener.until(lambda: "route" in listener.lost)
        assert list(await RouteDriver(rtnl).observe()) == []

    async def link_goes_down(listener: Listener) -> None:
        run("ip", "link", "set", "bn1", "down")
        await listener.until(lambda: "route" in listener.lost)
        assert list(await RouteDriver(rtnl).observe()) == []

    asyncio.run(made())
    listening(address_goes)
    asyncio.run(made())
    listening(link_goes_down)


def test_nothing_of_others_is_told_as_ours(rtnl: Rtnl, port: str) -> None:
    foreign = [
        "ip link add virbr0 type bridge",
        "ip link set virbr0 up",
        "ip addr add 10.9.0.1/24 dev virbr0",
        "ip route add 10.8.0.0/24 dev virbr0 table 801",
        "ip rule add from 10.9.0.0/24 lookup 801",
        "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev virbr0",
        "ip link del virbr0",
    ]

    async def story(listener: Listener) -> None:
        for command in foreign:
            run(*command.split())
        await create(LinkDriver(rtnl), Bridge("last", MAC))
        await listener.until(lambda: listener.there(Bridge("last", MAC)))

    assert listening(story).ever == {Bridge("last", MAC)}


def test_many_changes_of_one_link_at_once_are_told_as_one(port: str) -> None:
    async def story(listener: Listener) -> None:
        run("sh", "-c", f"for mtu in 1300 1301 1302 1303 1304; do ip link set {port} mtu $mtu; done")
        await listener.until(lambda: listener.facts[port].mtu == 1304)

    told = [change for change in listening(story).changes if change.name == f"link:{port}"]
    assert [change.value.mtu for change in told] == [1500, 1304]


def test_after_too_many_messages_all_is_read_anew_and_nothing_old_comes_back(
    rtnl: Rtnl, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`early` is told of before the socket overflows, its end is not."""
    monkeypatch.setattr(rtnl_module, "BUFFER", 1 << 14)
    batch = ["link add early type bridge"]
    batch += [f"link set {port} mtu {1300 + n % 100}" for n in range(200)]
    batch += ["link del early", f"link set {port} mtu 1444"]

    async def story(listener: Listener) -> None:
        run("sh", "-c", "printf '%s\n' \"$0\" | ip -batch -", "\n".join(batch))
        await listener.until(lambda: "rule" in listener.lost)
        await create(LinkDriver(rtnl), Bridge("last", MAC))
        await listener.until(lambda: "last" in listener.facts)

    listener = listening(story)

    assert listener.lost == {"link", "address", "route", "rule", "neighbour"}
    assert set(listener.facts) == {link["ifname"] for link in ip("link")}
    assert listener.facts[port].mtu == 1444
