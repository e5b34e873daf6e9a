"""Requests over two real uplinks: each goes through, whatever one of them does. Real TLS, real names."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from evenet_core.device.uplinks import Uplink as Way
from evenet_core.lab.model import Endpoint, EndpointKind
from evenet_core.lab.proxy import ExplicitProxy
from evenet_core.model.networks import Proxy, ProxyProtocol, ProxyServer
from evenet_core.model.values import IPAddress
from evenet_core.probing.ways import Proxied
from evenet_core.uplinks import UplinkError, Uplinks
from evenet_core.uplinks.proxy import ConnectProxy
from tests.support.authority import Authority
from tests.support.uplinks import CONTROLLER, NAME, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

URL = f"https://{NAME}/api"


class Told:
    """What probes are told."""

    def __init__(self) -> None:
        self.good: list[str] = []
        self.doubted: list[str] = []

    def answered(self, ifname: str, version: int, latency: float) -> None:
        assert version in CONTROLLER
        assert latency >= 0
        self.good.append(ifname)

    def doubt(self, ifname: str) -> None:
        self.doubted.append(ifname)


class Site:
    """Two uplinks of the same cost, or of others, to one controller."""

    def __init__(self, ports: list[Uplink], authority: Authority) -> None:
        self.ports = ports
        self.told = Told()
        self.costs = [0, 0]
        self.proxied: Proxied | None = None  # of eth0
        self.seen: list[list[tuple[str, str]]] = [[], []]
        self.context = authority.server(f"DNS:{NAME}")
        self.client = Uplinks(self.ways, self.told, authority.pem)

    def ways(self) -> list[Way]:
        return [
            Way(
                label=port.ifname,
                ifname=port.ifname,
                cost=cost,
                addresses=port.addresses,
                dns=port.servers,
                proxied=self.proxied if port is self.ports[0] else None,
            )
            for port, cost in zip(self.ports, self.costs, strict=True)
        ]

    async def serve(self, number: int, answer: bytes | Callable[[bytes], bytes] = b"", **how: Any) -> None:
        given = answer or b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvia %d" % number
        how = {"tls": self.context, "seen": self.seen[number], **how}
        await self.ports[number].serve(given, **how)

    async def get(self, **how: Any) -> str:
        return (await self.client.request("GET", URL, **how)).body.decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def site(netns: None, tmp_path: Path, authority: Authority) -> Iterator[Site]:
    with uplinks(tmp_path, 2) as ports:
        for port in ports:
            port.serve_names(f"--host-record={NAME},{CONTROLLER[4]}")
        yield Site(ports, authority)


def run_story(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_the_cheaper_uplink_is_used_and_equals_take_turns(site: Site) -> None:
    async def story() -> None:
        for number in (0, 1):
            await site.serve(number)
        assert {await site.get() for _ in range(4)} == {"via 0", "via 1"}
        site.costs = [5, 0]
        assert {await site.get() for _ in range(4)} == {"via 1"}
        assert [client for client, _ in site.seen[1]][-1] == site.ports[1].own[4]

    run_story(story())


def test_a_silent_uplink_is_overtaken_within_the_request_and_doubted(site: Site) -> None:
    async def story() -> None:
        await site.serve(1)
        site.costs = [0, 5]
        site.ports[0].lose_controller()
        assert await site.get() == "via 1"
        assert site.told.doubted == ["eth0"]
        assert site.told.good == ["eth1"]

    run_story(story())


def test_a_cable_that_is_pulled_costs_no_request(site: Site) -> None:
    async def story() -> None:
        for number in (0, 1):
            await site.serve(number)
        site.costs = [0, 5]
        site.ports[0].plug(False)
        assert await site.get() == "via 1"

    run_story(story())


def test_an_uplink_that_costs_too_much_for_a_download_is_not_used(site: Site) -> None:
    async def story() -> None:
        await site.serve(1)
        site.costs = [0, 5]
        site.client.adjust({"network.download.max.cost": "4"})
        with pytest.raises(UplinkError, match="eth0"):
            await site.get(max_cost=site.client.download_max_cost)
        assert site.seen[1] == []
        site.client.adjust({"network.download.max.cost": "5"})
        assert await site.get(max_cost=site.client.download_max_cost) == "via 1"

    run_story(story())


def test_a_captive_portal_on_one_uplink_does_not_get_the_request(site: Site, tmp_path: Path) -> None:
    async def story() -> None:
        await site.serve(
            0, b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", tls=None, seen=None
        )  # no TLS at all
        await site.serve(1)
        site.costs = [0, 5]
        answer = await site.client.request("POST", URL, body=b"secret")
        assert (answer.status, answer.uplink) == (200, "eth1")

    run_story(story())


def test_a_name_that_one_uplink_cannot_look_up_is_looked_up_at_the_other(
    netns: None, tmp_path: Path, authority: Authority
) -> None:
    async def story(site: Site) -> None:
        await site.serve(1)
        site.costs = [0, 5]
        assert await site.get() == "via 1"

    with uplinks(tmp_path, 2) as ports:
        ports[1].serve_names(f"--host-record={NAME},{CONTROLLER[4]}")
        run_story(story(Site(ports, authority)))


def test_what_the_server_says_is_the_answer_whatever_it_is(site: Site) -> None:
    async def story() -> None:
        for number in (0, 1):
            await site.serve(number, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        answer = await site.client.request("POST", URL, body=b"x", headers=[("Content-Type", "text/plain")])
        assert answer.status == 503
        [(_, head)] = site.seen[0] + site.seen[1]
        assert "Content-Type: text/plain" in head
        assert "Content-Length: 1" in head

    run_story(story())


def test_a_server_that_hangs_up_is_asked_over_the_other_uplink_unless_once_is_enough(site: Site) -> None:
    async def story() -> None:
        await site.serve(0, lambda request: b"")
        await site.serve(1)
        site.costs = [0, 5]
        assert (await site.client.request("POST", URL, body=b"x")).uplink == "eth1"
        with pytest.raises(UplinkError, match="eth0"):
            async with site.client.open(URL, method="POST", body=b"x", once=True):
                pass
        assert len(site.seen[1]) == 1

    run_story(story())


def test_an_answer_without_end_is_cut_off(site: Site) -> None:
    async def story() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 1_000_000
        for number in (0, 1):
            await site.serve(number, endless)
        with pytest.raises(UplinkError, match="longer than 65536 bytes"):
            await site.get(limit=65536)

    run_story(story())


def test_where_no_uplink_leads_every_reason_is_told(site: Site) -> None:
    async def story() -> None:
        with pytest.raises(UplinkError) as raised:
            await site.get()
        assert "on eth0: connection refused" in str(raised.value)
        assert "on eth1: connection refused" in str(raised.value)
        assert sorted(site.told.doubted) == ["eth0", "eth1"]

    run_story(story())


def test_what_is_deferred_arrives_when_somebody_answers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenet_core.device.deferral.SILENCE", 0.05)

    async def story() -> None:
        site.client.defer("info", URL, b"old")
        site.client.defer("info", URL, b"new")
        while not site.told.doubted:
            await asyncio.sleep(0)
        assert site.client.deferred() == ["info"]
        await site.serve(1)
        async with asyncio.timeout(30):
            while site.client.deferred():
                await asyncio.sleep(0.01)
        assert len(site.seen[1]) == 1
        await site.client.stop()

    run_story(story())


def test_a_network_with_a_proxy_is_left_through_it_and_by_another_uplink_when_it_is_dead(
    site: Site, tmp_path: Path, authority: Authority
) -> None:
    async def names(name: str) -> list[IPAddress]:
        return [ip_address(CONTROLLER[4])] if name == NAME else []

    async def story() -> None:
        for number in (0, 1):
            await site.serve(number)
        site.costs = [0, 5]
        router = site.ports[0].router[4]
        servers = ProxyServer(protocol=ProxyProtocol.HTTPS, server=router, port=9091)
        site.proxied = Proxied(Proxy(servers=(servers,)))
        assert await site.get() == "via 1", "nobody listens there yet, and nothing leaves but through it"
        endpoint = Endpoint(label="proxy", kind=EndpointKind.EXPLICIT_PROXY, https_port=9091)
        proxy = ExplicitProxy(endpoint, site.ports[0]._namespace, tmp_path, names, Path(authority.pem))
        await proxy.start()
        assert await site.get() == "via 0"
        await proxy.stop()
        assert site.seen[0][0][0] == CONTROLLER[4]  # the proxy asked

    run_story(story())


@asynccontextmanager
async def proxy(site: Site) -> AsyncIterator[int]:
    made = ConnectProxy(site.client, 0)
    try:
        yield await made.start()
    finally:
        await made.stop()


async def curl(port: int, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ("curl", "-s", "-S", "--max-time", "30", "-x", f"http://127.0.0.1:{port}", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    return subprocess.CompletedProcess(command, process.returncode or 0, out, err)


def test_curl_reaches_the_controller_over_whichever_uplink_works(site: Site, authority: Authority) -> None:
    async def story() -> None:
        await site.serve(1)
        site.costs = [0, 5]
        site.ports[0].lose_controller()
        async with proxy(site) as port:
            done = await curl(port, "--cacert", authority.pem, URL)
            assert (done.returncode, done.stdout) == (0, b"via 1"), done.stderr

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    run_story(story())


def test_the_proxy_says_why_it_cannot_and_takes_nothing_but_connect(site: Site) -> None:
    async def story() -> None:
        async with proxy(site) as port:
            refused = await curl(port, "-p", "-w", "%{http_connect}", URL)
            assert refused.returncode == 56
            assert refused.stdout == b"502"
            plain = await curl(port, "-w", "%{http_code}", f"http://{NAME}/")
            assert plain.stdout.endswith(b"405")
            for nonsense in (b"\x16\x03\x01" * 20000, b"CONNECT :0 HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 70000, b""):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(nonsense)
                writer.write_eof()
                assert not (await reader.read()).startswith(b"HTTP/1.1 200")
                writer.close()

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    run_story(story())
