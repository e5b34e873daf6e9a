"""Addresses of an uplink: the real client, a real server, and what the kernel has in the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from evenet_core.linux.process import session_members
from evenet_core.linux.procfs import start_time
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import LinkFact
from evenet_core.model.networks import IpFamily, IpMode, IpSettings
from tests.support.kernel import ip
from tests.support.uplink import PATIENCE, Network, Node, own_client_files

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("netns"),
    pytest.mark.skipif(shutil.which("dhcpcd") is None, reason="dhcpcd is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]

RANGE = "--dhcp-range=172.22.10.10,172.22.10.10,2m"
OTHER_RANGE = "--dhcp-range=172.22.10.30,172.22.10.30,2m"
LEASE = "lease:eth0/dhcp4"
SLAAC = "fd22::ff:fe00:1"  # of the port's MAC, 02:00:00:00:00:01


def uplink(family: IpFamily = IpFamily.IPV4, mode: IpMode = IpMode.DHCP, **more: Any) -> Adapter:
    settings = IpSettings(mode=mode, family=family, gateway=more.pop("gateway", None))
    return Adapter(label="uplink0", ifname="eth0", management=True, ip=settings, table=501, **more)


@pytest.fixture
def network(netns: None, tmp_path: Path) -> Iterator[Network]:
    with own_client_files():
        made = Network(tmp_path)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def lives(network: Network, tmp_path: Path) -> Callable[..., None]:
    """Runs a story with a node that has this adapter."""

    def live(
        story: Callable[[Node], Coroutine[Any, Any, None]],
        adapter: Adapter | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        async def main() -> None:
            async with Node(tmp_path, adapter or uplink(), settings) as node:
                await story(node)

        asyncio.run(main())

    return live


def addresses(link: str = "eth0") -> set[str]:
    [found] = ip("address", "show", "dev", link)
    return {f"{one['local']}/{one['prefixlen']}" for one in found["addr_info"] if one["scope"] == "global"}


def routes(table: str = "501", version: str = "-4") -> set[tuple[str, str]]:
    """Destination, and gateway or link."""
    found = ip(version, "route", "show", "table", table) if table_exists(table, version) else []
    return {(route["dst"], route.get("gateway", route.get("dev", ""))) for route in found}


def table_exists(table: str, version: str) -> bool:
    return any(str(route.get("table")) == table for route in ip(version, "route", "show", "table", "all"))


def reachable(address: str, *options: str) -> bool:
    return os.spawnlp(os.P_WAIT, "ping", "ping", "-q", "-c", "1", "-W", "5", *options, address) == 0


def test_a_lease_becomes_addresses_routes_and_rules(network: Network, lives: Callable[..., None]) -> None:
    network.serve(
        RANGE,
        "--dhcp-option=option:router,172.22.10.1",
        "--dhcp-option=option:dns-server,172.22.10.1,172.22.10.4",
        "--dhcp-option=option:ntp-server,172.22.10.3",
        "--dhcp-option=option:domain-name,lab.example",
        "--dhcp-option=option:domain-search,one.example,two.example",
        "--dhcp-option=option:mtu,1400",
    )

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")

        assert addresses() == {"172.22.10.10/24"}
        assert routes() == {("172.22.10.0/24", "eth0"), ("default", "172.22.10.1")}
        assert routes("main") == set()
        assert [rule["priority"] for rule in ip("rule", "show") if rule.get("table") == "501"] == [
            9000,
            15000,
            15001,
            16000,
        ]
        [link] = ip("link", "show", "dev", "eth0")
        assert link["mtu"] == 1400
        lease = node.hub.values[LEASE]
        assert list(map(str, lease.dns)) == ["172.22.10.1", "172.22.10.4"]
        assert (lease.domain, lease.search, lease.ntp) == (
            "lab.example",
            ("one.example", "two.example"),
            ("172.22.10.3",),
        )
        assert reachable("172.22.10.1", "-I", "eth0")
        assert reachable("192.0.2.7")

    lives(story)


def test_classless_routes_replace_the_router(network: Network, lives: Callable[..., None]) -> None:
    network.serve(
        RANGE,
        "--dhcp-option=option:router,172.22.10.99",
        "--dhcp-option=121,192.0.2.0/24,172.22.10.1,198.51.100.0/24,0.0.0.0",
    )

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")

        assert routes() == {
            ("172.22.10.0/24", "eth0"),
            ("192.0.2.0/24", "172.22.10.1"),
            ("198.51.100.0/24", "eth0"),
        }
        assert reachable("192.0.2.7")

    lives(story)


def test_a_server_that_comes_late_is_found(network: Network, lives: Callable[..., None]) -> None:
    async def story(node: Node) -> None:
        await node.engine.settled()
        assert addresses() == set()

        network.serve(RANGE)

        await node.has("172.22.10.10")

    lives(story)


async def reported_again(node: Node, before: bytes) -> None:
    """The hook ran again; a lease that is the same makes no news."""
    report = node.directory / "daemons/dhcpcd-eth0/report.dhcp"
    async with asyncio.timeout(PATIENCE):
        while report.read_bytes() == before:
            await asyncio.sleep(0.05)


def test_a_renewed_lease_changes_nothing(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        report = node.directory / "daemons/dhcpcd-eth0/report.dhcp"
        before, changes = report.read_bytes(), len(node.events)

        node.signal_client(signal.SIGUSR1)  # dhcpcd(8): renew
        await reported_again(node, before)
        await node.engine.settled()

        assert b"reason=RENEW" in report.read_bytes()
        assert len(node.events) == changes
        assert node.values(LEASE) == [node.hub.values[LEASE]]

    lives(story)


def test_a_lost_carrier_takes_no_lease_and_its_return_confirms_it(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        before = (node.directory / "daemons/dhcpcd-eth0/report.dhcp").read_bytes()

        network.plug(False)
        await node.until(lambda: not carrier(node), "the carrier is lost")
        network.plug(True)
        await reported_again(node, before)

        assert node.values(LEASE) == [node.hub.values[LEASE]]
        assert addresses() == {"172.22.10.10/24"}
        assert reachable("172.22.10.1")

    lives(story)


def carrier(node: Node) -> bool:
    link = node.hub.values.get("link:eth0")
    return isinstance(link, LinkFact) and link.carrier


def test_a_lease_that_another_network_refuses_gives_way(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")

        network.plug(False)
        await node.until(lambda: not carrier(node), "the carrier is lost")
        network.serve(OTHER_RANGE)
        network.plug(True)
        await node.has("172.22.10.30")

        assert addresses() == {"172.22.10.30/24"}
        assert reachable("172.22.10.1")
        assert {rule["src"] for rule in ip("rule", "show") if rule["priority"] == 15000} == {"172.22.10.30"}

    lives(story)


def test_a_killed_client_comes_back_and_nobody_notices(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        pid = node.client()
        helpers = session_members(pid, "dhcpcd")
        before = (node.directory / "daemons/dhcpcd-eth0/report.dhcp").read_bytes()

        os.kill(pid, signal.SIGKILL)
        await reported_again(node, before)

        assert node.client() != pid
        assert helpers
        assert [helper for helper in helpers if start_time(helper)] == []
        assert node.values(LEASE) == [node.hub.values[LEASE]]
        assert addresses() == {"172.22.10.10/24"}

    lives(story)


def test_a_client_outlives_the_agent_and_its_lease_is_taken_over(network: Network, tmp_path: Path) -> None:
    network.serve(RANGE)

    async def story() -> None:
        first = Node(tmp_path, uplink())
        await first.__aenter__()
        await first.has("172.22.10.10")
        pid = first.client()
        await first.leave()

        async with Node(tmp_path, uplink()) as second:
            await second.engine.settled()

            assert second.client() == pid
            assert second.events == []
            assert addresses() == {"172.22.10.10/24"}

    asyncio.run(story())


def test_an_adapter_that_goes_takes_its_client_and_addresses_along_but_not_the_lease(
    network: Network, lives: Callable[..., None]
) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        pid = node.client()
        leases = (node.directory / "leases").read_text()

        await node.use(None)
        await node.until(lambda: node.hub.values.get(LEASE) is None, "the lease is forgotten")
        await node.engine.settled()

        assert not start_time(pid)
        assert session_members(pid, "dhcpcd") == []
        assert addresses() == set()
        assert routes() == set()
        assert [rule for rule in ip("rule", "show") if rule.get("table") == "501"] == []
        assert (node.directory / "leases").read_text() == leases, "the server was told to forget the lease"

    lives(story)


def test_an_address_of_the_router_and_one_of_the_server(network: Network, lives: Callable[..., None]) -> None:
    network.serve(
        "--dhcp-range=fd22::100,fd22::100,slaac,64,2m",
        "--enable-ra",
        "--ra-param=world0,4,600",
        "--dhcp-option=option6:dns-server,[fd22::53]",
        "--dhcp-option=option6:domain-search,six.example",
    )

    async def story(node: Node) -> None:
        await node.has(SLAAC, "fd22::100")

        assert addresses() == {f"{SLAAC}/64", "fd22::100/128"}
        assert {destination for destination, _ in routes(version="-6")} == {"default", "fd22::/64", "fe80::/64"}
        assert {destination for destination, _ in routes("main", "-6")} <= {"fe80::/64"}
        lease = node.hub.values["lease:eth0/dhcp6"]
        assert (list(map(str, lease.dns)), lease.search) == (["fd22::53"], ("six.example",))
        await is_ready(SLAAC)
        assert reachable("fd22::1", "-I", "eth0")
        assert reachable("2001:db8::7")

    lives(story, uplink(IpFamily.IPV6))


async def is_ready(address: str) -> None:
    """The kernel has made sure that nobody else has the address (RFC 4862, 5.4)."""
    async with asyncio.timeout(PATIENCE):
        while any(
            one.get("tentative")
            for link in ip("address", "show", "dev", "eth0")
            for one in link["addr_info"]
            if one["local"] == address
        ):
            await asyncio.sleep(0.05)


def test_both_families_from_one_network(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE, "--dhcp-range=fd22::,ra-stateless,64,2m", "--enable-ra", "--ra-param=world0,4,600")

    async def story(node: Node) -> None:
        await node.has("172.22.10.10", SLAAC)

        assert addresses() == {"172.22.10.10/24", f"{SLAAC}/64"}
        assert routes() == {("172.22.10.0/24", "eth0"), ("default", "172.22.10.1")}

    lives(story, uplink(IpFamily.DUAL))


def test_one_family_asks_for_nothing_of_the_other(network: Network, lives: Callable[..., None]) -> None:
    network.serve(RANGE, "--dhcp-range=fd22::,ra-stateless,64,2m", "--enable-ra", "--ra-param=world0,4,600")

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")

        await node.use(uplink(IpFamily.IPV6))
        await node.has(SLAAC)

        assert addresses() == {f"{SLAAC}/64"}
        assert routes() == set()

    lives(story, uplink(IpFamily.IPV4))


def test_static_addresses_need_no_server(network: Network, lives: Callable[..., None]) -> None:
    fixed = uplink(
        IpFamily.DUAL,
        IpMode.STATIC,
        gateway=ip_address("172.22.10.1"),
        addresses=(ip_interface("172.22.10.5/24"), ip_interface("fd22::5/64")),
    )

    async def story(node: Node) -> None:
        await node.has("172.22.10.5", "fd22::5")
        await is_ready("fd22::5")

        assert not (node.directory / "daemons/dhcpcd-eth0").exists()
        assert reachable("192.0.2.7")
        assert reachable("fd22::1")
        assert addresses() == {"172.22.10.5/24", "fd22::5/64"}

    lives(story, fixed)


def test_an_address_that_somebody_else_has_is_declined_where_conflicts_are_looked_for(
    network: Network, lives: Callable[..., None], tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    log.touch()
    network.add("172.22.10.10/32", "lo")  # the one address that there is to give
    network.serve(RANGE, f"--log-facility={log}")

    async def story(node: Node) -> None:
        async with asyncio.timeout(PATIENCE):
            while "DHCPDECLINE(world0) 172.22.10.10" not in log.read_text():
                await asyncio.sleep(0.05)

        assert node.values(LEASE) == []
        assert addresses() == set()

    lives(story, settings={"conflict_detection": True})
