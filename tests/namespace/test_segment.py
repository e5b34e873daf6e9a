"""What a node hears on its links: routers, other owners of its addresses, gateways that fall silent. Real packets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from evenet_core.linux.netns import inside
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Conflict
from evenet_core.model.networks import IpFamily, IpMode, IpSettings
from tests.support.hostile import advertisement, frame, prefix_option
from tests.support.kernel import ip, run
from tests.support.uplink import PATIENCE, Network, Node, own_client_files

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("netns"),
    pytest.mark.skipif(shutil.which("dhcpcd") is None, reason="dhcpcd is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]

LEASE = "lease:eth0/dhcp4"
A, B = IPv6Address("fe80::a"), IPv6Address("fe80::b")
HIGH, LOW = 0x08, 0x18
HOST = "ff:fe00:1"  # the half of an address that is made of the port's MAC
RANGE = "--dhcp-range=172.22.10.10,172.22.10.10,2m"
MAC = "02:00:00:00:00:01"


def uplink(family: IpFamily = IpFamily.IPV4, mode: IpMode = IpMode.DHCP, **more: Any) -> Adapter:
    settings = IpSettings(mode=mode, family=family, gateway=more.pop("gateway", None), **more.pop("ip", {}))
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

    def live(story: Callable[[Node], Coroutine[Any, Any, None]], adapter: Adapter) -> None:
        async def main() -> None:
            async with Node(tmp_path, adapter) as node:
                await story(node)

        asyncio.run(main())

    return live


async def announced(network: Network, node: Node, *adverts: bytes, become: tuple[str, ...]) -> None:
    """Routers say this until the node has heard it: it may not listen yet."""

    async def say() -> None:
        while True:
            for one in adverts:
                network.send(one)
            await asyncio.sleep(0.2)

    saying = asyncio.create_task(say())
    await node.has(*become)
    saying.cancel()


async def default(via: str | None) -> None:
    """Wait until the default route of IPv6 leads to this router."""
    async with asyncio.timeout(PATIENCE):
        while defaults() != ([via] if via else []):
            await asyncio.sleep(0.05)


def defaults() -> list[str]:
    routes = [route for route in ip("-6", "route", "show", "table", "all") if str(route.get("table")) == "501"]
    return [route["gateway"] for route in routes if route["dst"] == "default"]


def test_of_several_routers_the_preferred_one_is_used_and_the_next_takes_over(
    network: Network, lives: Callable[..., None]
) -> None:
    async def story(node: Node) -> None:
        await announced(
            network, node, frame(A, advertisement(prefix_option("fd22::"), flags=LOW)), become=(f"fd22::{HOST}",)
        )
        await default("fe80::a")

        network.send(frame(B, advertisement(prefix_option("fd23::"), flags=HIGH)))
        await node.has(f"fd22::{HOST}", f"fd23::{HOST}")
        await default("fe80::b")

        network.send(frame(B, advertisement(prefix_option("fd23::"), lifetime=0)))
        await default("fe80::a")

    lives(story, uplink(IpFamily.IPV6))


def test_a_router_that_takes_itself_back_by_the_clock_is_used_no_more(
    network: Network, lives: Callable[..., None]
) -> None:
    async def story(node: Node) -> None:
        advert = frame(A, advertisement(prefix_option("fd22::"), lifetime=3))
        await announced(network, node, advert, become=(f"fd22::{HOST}",))
        await default("fe80::a")

        await default(None)

        await node.has(f"fd22::{HOST}")

    lives(story, uplink(IpFamily.IPV6))


def test_a_router_for_one_destination_only(network: Network, lives: Callable[..., None]) -> None:
    route = struct.pack("!BBBBI16s", 24, 3, 48, 0, 600, IPv6Address("2001:db8:7::").packed)

    async def story(node: Node) -> None:
        advert = frame(A, advertisement(prefix_option("fd22::") + route, lifetime=0))
        await announced(network, node, advert, become=(f"fd22::{HOST}",))

        [found] = [one for one in ip("-6", "route", "show", "table", "501") if one["dst"] == "2001:db8:7::/48"]
        assert found["gateway"] == "fe80::a"

    lives(story, uplink(IpFamily.IPV6))


def test_what_routers_said_is_remembered_over_a_restart(network: Network, tmp_path: Path) -> None:
    async def story() -> None:
        first = Node(tmp_path, uplink(IpFamily.IPV6))
        await first.__aenter__()
        advert = frame(A, advertisement(prefix_option("fd22::")))
        await announced(network, first, advert, become=(f"fd22::{HOST}",))
        await first.leave()

        async with Node(tmp_path, uplink(IpFamily.IPV6)) as second:
            await second.engine.settled()

            assert second.events == []
            assert f"fd22::{HOST}" in {key[2] for key in second.engine.machine.wanted if key[0] == "address"}

    asyncio.run(story())


def test_neighbours_are_told_at_once_where_an_address_is(network: Network, lives: Callable[..., None]) -> None:
    """By a gratuitous ARP (RFC 5227, 3) and an unsolicited neighbour advertisement (RFC 4861, 7.2.6)."""
    four, six = ip_interface("172.22.10.5/24"), ip_interface("fd22::5/64")
    with inside(network.namespace):
        arp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        advert = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    arp.bind(("world0", 0x0806))

    async def story(node: Node) -> None:
        told = bytes.fromhex(MAC.replace(":", ""))
        asked = struct.pack("!6s4s6x4s", told, four.ip.packed, four.ip.packed)
        await heard(arp, lambda packet: packet[8:28] == asked)
        await heard(advert, lambda packet: packet[0] == 136 and packet[8:24] == six.ip.packed and packet[26:32] == told)

    with arp, advert:
        lives(story, uplink(IpFamily.DUAL, IpMode.STATIC, addresses=(four, six)))


async def heard(opened: socket.socket, wanted: Callable[[bytes], bool]) -> None:
    """Returns when such a packet has come."""
    opened.setblocking(False)
    async with asyncio.timeout(PATIENCE):
        while not wanted(await asyncio.get_running_loop().sock_recv(opened, 2048)):
            pass


def test_a_cable_that_is_moved_while_an_app_keeps_the_bridge_up_makes_the_client_ask(
    network: Network, lives: Callable[..., None]
) -> None:
    """The client sees the carrier of the bridge only, which an app's interface on it keeps."""
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        run("ip", "link", "add", "app0", "type", "veth", "peer", "name", "app1")
        run("ip", "link", "set", "app1", "up")
        run("ip", "link", "set", "app0", "up", "master", "eth0")

        network.plug(False)
        await node.until(lambda: not node.hub.values["link:keth0"].carrier, "the carrier is lost")
        assert node.hub.values["link:eth0"].carrier
        network.serve("--dhcp-range=172.22.10.30,172.22.10.30,2m")
        network.plug(True)

        await node.has("172.22.10.30")

    lives(story, uplink())


def test_another_owner_of_an_address_is_noticed_and_so_is_its_end(
    network: Network, lives: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenet_dhcp.hosts.RECHECK", 0.5)
    monkeypatch.setattr("evenet_dhcp.hosts.OVER", 1.5)
    network.add("172.22.10.5/32", "world0")
    fixed = uplink(IpFamily.IPV4, IpMode.STATIC, addresses=(ip_interface("172.22.10.5/24"),))

    async def story(node: Node) -> None:
        def conflicts() -> Any:
            return node.hub.values.get("conflicts:eth0")

        await node.until(lambda: bool(conflicts()), "the conflict is noticed")
        assert conflicts() == (Conflict(ip_address("172.22.10.5"), network.mac),)

        network.remove("172.22.10.5/32", "world0")

        await node.until(lambda: not conflicts(), "the conflict is over")

    lives(story, fixed)


def test_another_owner_of_an_ipv6_address_is_noticed(network: Network, lives: Callable[..., None]) -> None:
    network.add("fd22::5/64", "world0", "nodad")
    fixed = uplink(IpFamily.IPV6, IpMode.STATIC, addresses=(ip_interface("fd22::5/64"),))

    async def story(node: Node) -> None:
        await node.until(lambda: bool(node.hub.values.get("conflicts:eth0")), "the conflict is noticed")

        assert node.hub.values["conflicts:eth0"] == (Conflict(ip_address("fd22::5")),)

    lives(story, fixed)


def test_an_offer_that_another_host_has_is_told_where_conflicts_are_looked_for(
    network: Network, tmp_path: Path
) -> None:
    network.add("172.22.10.10/32", "lo")  # dnsmasq offers no address of its own link
    network.serve(RANGE)

    async def story() -> None:
        async with Node(tmp_path, uplink(), {"conflict_detection": True}) as node:
            await node.until(lambda: bool(node.hub.values.get("conflicts:eth0")), "the conflict is noticed")

            assert node.hub.values["conflicts:eth0"] == (Conflict(ip_address("172.22.10.10"), network.mac),)
            assert node.values(LEASE) == []

    asyncio.run(story())


@pytest.mark.parametrize("refuses", [True, False])
def test_another_network_behind_an_unchanged_link_is_found_when_the_gateway_is_silent(
    network: Network, lives: Callable[..., None], refuses: bool
) -> None:
    """Its server refuses the lease, or says nothing of a lease that it does not know."""
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")

        network.remove("172.22.10.1/24", "world0")
        network.add("172.22.11.1/24", "world0")
        network.serve("--dhcp-range=172.22.11.10,172.22.11.10,2m", authoritative=refuses)
        while_asking = asyncio.create_task(ask("172.22.10.1"))
        await node.has("172.22.11.10")

        while_asking.cancel()
        async with asyncio.timeout(30):  # its routes come a moment after the address
            while await ask("172.22.11.1", "-c", "1") != 0:
                await asyncio.sleep(0.1)

    lives(story, uplink())


async def ask(address: str, *options: str) -> int | None:
    """Traffic, as any node has: nobody notices a silence whom nobody talks to. Exit status of ping(8)."""
    null = asyncio.subprocess.DEVNULL
    command = ("ping", "-n", "-q", "-i", "0.5", "-W", "2", *options, address)
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=None)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_gateway_and_server_that_are_both_away_for_a_while_cost_no_lease(
    network: Network, lives: Callable[..., None]
) -> None:
    network.serve(RANGE)

    async def story(node: Node) -> None:
        await node.has("172.22.10.10")
        network.serve_no_more(forget=False)
        network.remove("172.22.10.1/24", "world0")
        asking = asyncio.create_task(ask("172.22.10.1"))
        await node.until(lambda: node.hub.values.get("dhcp:doubts/eth0") == 1, "the silence is noticed")
        await asyncio.to_thread(network.hears_discovery)  # dhcpcd has given its server up, and goes looking
        asking.cancel()

        assert node.values(LEASE) == [node.hub.values[LEASE]]
        assert {a["local"] for link in ip("-4", "address", "show", "dev", "eth0") for a in link["addr_info"]} == {
            "172.22.10.10"
        }

    lives(story, uplink())
