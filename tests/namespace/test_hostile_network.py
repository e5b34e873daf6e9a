"""Servers and routers that mean no good: what they say is refused or bounded, and nothing else suffers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Lease
from evenet_core.model.networks import IpFamily, IpMode, IpSettings
from tests.support.hostile import advertisement, frame, prefix_option
from tests.support.kernel import ip
from tests.support.uplink import PATIENCE, Network, Node, own_client_files

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("netns"),
    pytest.mark.skipif(shutil.which("dhcpcd") is None, reason="dhcpcd is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]

LEASE, ROUTERS = "lease:eth0/dhcp4", "lease:eth0/ra"
GIVEN = "172.22.10.10"


def uplink(family: IpFamily = IpFamily.IPV4) -> Adapter:
    settings = IpSettings(mode=IpMode.DHCP, family=family)
    return Adapter(label="uplink0", ifname="eth0", management=True, ip=settings, table=501)


@pytest.fixture
def network(netns: None, tmp_path: Path) -> Iterator[Network]:
    with own_client_files():
        made = Network(tmp_path)
        try:
            yield made
        finally:
            made.close()


def octets(*addresses: str) -> str:
    return b"".join(ip_address(address).packed for address in addresses).hex()


SERVERS = [f"10.0.{number // 200}.{number % 200 + 1}" for number in range(200)]
NAME = ".".join(["a" * 60] * 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({15: (b"a" * 900).hex()}, {"domain": ""}, id="a name of 900 letters"),
        pytest.param({15: b"x; reboot #".hex()}, {"domain": ""}, id="a name for a shell"),
        pytest.param({15: NAME.encode().hex()}, {"domain": NAME}, id="the longest name"),
        pytest.param({6: octets(*SERVERS)}, {"dns": 8}, id="200 name servers"),
        pytest.param({6: octets("127.0.0.1", "224.0.0.1", "0.0.0.0", "10.0.0.1")}, {"dns": 1}, id="odd name servers"),
        pytest.param({6: "0a00"}, {"dns": 0}, id="half a name server"),
        pytest.param({121: "21" + "0a" * 9}, {"routes": 0}, id="a route to a prefix of 33 bits"),
        pytest.param({121: "18c0"}, {"routes": 0}, id="a route that is cut off"),
        pytest.param({121: "08" + "7f" + octets("172.22.10.1")}, {"routes": 0}, id="a route to ourselves"),
        pytest.param({121: ("18c0a801" + octets("172.22.10.1")) * 120}, {"routes": 64}, id="120 times a route"),
        pytest.param({26: "0044"}, {"mtu": None}, id="an MTU of 68"),
        pytest.param({26: "ffff"}, {"mtu": 65535}, id="an MTU of 65535"),
        pytest.param({51: "00000001"}, {}, id="a lease of a second"),
        pytest.param({3: octets("127.0.0.1", "224.0.0.5", "255.255.255.255")}, {"routers": 0}, id="no router"),
        pytest.param({3: octets("192.0.2.99")}, {"routers": 1}, id="a router elsewhere"),
        pytest.param({3: octets(GIVEN)}, {"routers": 1}, id="the router is ourselves"),
    ],
)
def test_of_what_a_hostile_server_says_only_the_harmless_part_is_taken(
    network: Network, tmp_path: Path, options: dict[int, str], expected: dict[str, object]
) -> None:
    network.misbehave("dhcp", options={str(code): value for code, value in options.items()})

    async def story() -> None:
        async with Node(tmp_path, uplink()) as node:
            await node.has(GIVEN)

            lease = node.hub.values[LEASE]
            found = {name: getattr(lease, name) for name in expected}
            assert {n: len(v) if isinstance(v, tuple) else v for n, v in found.items()} == expected
            assert list(node.engine.problems()) == []
            [link] = ip("link", "show", "dev", "eth0")
            assert link["mtu"] == 1500

    asyncio.run(story())


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.7.7", "172.22.10.0"]
)
def test_an_address_that_no_host_can_have_is_refused(network: Network, tmp_path: Path, address: str) -> None:
    server = network.misbehave("dhcp", address=address)

    async def story() -> None:
        async with Node(tmp_path, uplink()) as node:
            await answered(server, 2)
            await node.engine.settled()

            assert node.values(LEASE) == []
            assert [a for link in ip("-4", "address", "show", "dev", "eth0") for a in link["addr_info"]] == []
            assert list(node.engine.problems()) == []

    asyncio.run(story())


async def answered(server: subprocess.Popen[str], times: int) -> None:
    """The server has said so many things since it was ready."""
    assert server.stdout is not None
    async with asyncio.timeout(PATIENCE):
        for _ in range(times):
            assert await asyncio.to_thread(server.stdout.readline)


def test_a_name_of_ten_thousand_letters_costs_that_network_its_lease_at_most(network: Network, tmp_path: Path) -> None:
    """Such an answer fits no Ethernet frame: it comes in pieces, and dhcpcd takes none of them."""
    server = network.misbehave("dhcp", options={"15": (b"a" * 10_000).hex()})

    async def story() -> None:
        async with Node(tmp_path, uplink(IpFamily.DUAL)) as node:
            await announced(network, node)
            await answered(server, 2)

            assert node.values(LEASE) == []
            assert node.hub.values[ROUTERS].routers == (ip_address("fe80::a"),)

            network.behave()
            network.serve(f"--dhcp-range={GIVEN},{GIVEN},2m")
            await node.until(lambda: LEASE in node.hub.values, "a good server is heard")

    asyncio.run(story())


async def announced(network: Network, node: Node) -> None:
    """The good router is known."""
    while ROUTERS not in node.hub.values:
        network.send(frame(ip_address("fe80::a"), advertisement(prefix_option("fd22::"))))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)


def test_a_flood_of_routers_costs_little_and_takes_nothing_away(network: Network, tmp_path: Path) -> None:
    network.serve(f"--dhcp-range={GIVEN},{GIVEN},2m")

    async def story() -> None:
        async with Node(tmp_path, uplink(IpFamily.DUAL)) as node:
            await announced(network, node)
            await node.until(lambda: LEASE in node.hub.values, "a lease")
            await node.engine.settled()
            client, told = node.client(), len(node.values(ROUTERS))

            began, busy = time.monotonic(), time.process_time()
            flood = network.misbehave("routers", count=5000)
            await answered(flood, 4)
            elapsed, busy = time.monotonic() - began, time.process_time() - busy
            network.behave()
            await node.engine.settled()

            lease = node.hub.values[ROUTERS]
            assert isinstance(lease, Lease)
            assert lease.routers[0] == ip_address("fe80::a")
            assert len(lease.routers) <= 8
            assert len(lease.addresses) <= 8
            assert len(node.values(ROUTERS)) - told <= 1 + elapsed
            assert node.client() == client
            assert len(node.values(LEASE)) == 1
            assert busy < 0.5 * elapsed + 1  # of 20,000 advertisements; most of it is this test's own
            assert list(node.engine.problems()) == []

    asyncio.run(story())
