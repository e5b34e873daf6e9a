"""The metadata service of network instances: real bridges, apps that are namespaces, and who can reach whom."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from evenet_core.apps.metadata import MetadataWorld, respond
from evenet_core.linux.httpd import PER_CLIENT
from evenet_core.linux.metadata import MetadataDriver, MetadataService
from evenet_core.linux.netns import inside, make_namespace
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import NetworkInstance
from evenet_core.model.metadata import MetadataRequest, MetadataResponse
from evenet_core.reconciler.item import Change, Op
from tests.support.instances import app, local, resolve, vifs_of
from tests.support.kernel import add_address, create, delete, refusal, run, there, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

PATIENCE = 30.0  # only a test that fails waits so long
GET = b"GET /eve/v1/hostname HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"

LEFT = MetadataService("left", "bn1", "10.50.0.1")
RIGHT = MetadataService("right", "bn2", "10.60.0.1")


@dataclass
class Site:
    """The node is the test's namespace; `bn1` and `bn2` are its bridges, with an app or two on each."""

    stack: ExitStack
    driver: MetadataDriver = field(init=False)
    requests: list[MetadataRequest] = field(default_factory=list)
    answer: Callable[[MetadataRequest], MetadataResponse] | None = None
    _apps: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.driver = MetadataDriver(self._respond)

    def _respond(self, request: MetadataRequest) -> MetadataResponse:
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        return MetadataResponse(200, "text/plain", f"{request.instance_key} {request.source_address}".encode())

    def bridge(self, name: str, *addresses: str) -> None:
        run("ip", "link", "add", name, "type", "bridge")
        run("ip", "link", "set", name, "up")
        for address in addresses:
            add_address(address, name)

    def plug(self, name: str, bridge: str, *addresses: str, gateway: str = "") -> None:
        """An app, whose interface is on a bridge."""
        namespace = self._apps[name] = make_namespace()
        self.stack.callback(os.close, namespace)
        run("ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", f"w{name}")
        run("ip", "link", "set", f"w{name}", "netns", f"/proc/{os.getpid()}/fd/{namespace}")
        run("ip", "link", "set", f"v{name}", "master", bridge, "up")
        with inside(namespace):
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "set", f"w{name}", "up")
            for address in addresses:
                add_address(address, f"w{name}")
            if gateway:
                run("ip", "route", "add", "default", "via", gateway)

    async def connect(
        self, name: str, to: str = "10.50.0.1", port: int = 80, source: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of this app; of the node itself where the name is empty."""
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        with inside(self._apps.get(name)):
            client = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if source:
                client.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(client, (to, port))
            return await asyncio.open_connection(sock=client)
        except BaseException:
            client.close()
            raise

    async def ask(
        self, name: str, to: str = "10.50.0.1", port: int = 80, source: str = "", data: bytes = GET
    ) -> tuple[int, str]:
        """Status and body of the answer that this app gets; 0 = it was hung up on."""
        reader, writer = await self.connect(name, to, port, source)
        try:
            writer.write(data)
            head, _, body = (await everything(reader)).partition(b"\r\n\r\n")
            return (int(head.split()[1]), body.decode()) if head else (0, "")
        finally:
            writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            found += data
    return found


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Two networks: 10.50.0.0/24 with the apps `one` and `two`, 10.60.0.0/24 with the app `other`."""
    with ExitStack() as stack:
        made = Site(stack)
        made.bridge("bn1", "10.50.0.1/24")
        made.bridge("bn2", "10.60.0.1/24")
        made.plug("one", "bn1", "10.50.0.2/24", "10.50.0.22/24", gateway="10.50.0.1")
        made.plug("two", "bn1", "10.50.0.3/24")
        made.plug("other", "bn2", "10.60.0.2/24", gateway="10.60.0.1")
        try:
            yield made
        finally:
            await made.driver.close()


def live(story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with site() as made, asyncio.timeout(PATIENCE):
            await story(made)

    asyncio.run(main())


# -- who asks, and where ------------------------------------------------------------------------------


def test_who_asks_is_known_by_network_and_address() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT, RIGHT)

        assert await site.ask("one", source="10.50.0.2") == (200, "left 10.50.0.2")
        assert await site.ask("one", source="10.50.0.22") == (200, "left 10.50.0.22")
        assert await site.ask("two") == (200, "left 10.50.0.3")
        assert await site.ask("other", "10.60.0.1") == (200, "right 10.60.0.2")

    live(story)


def test_who_asks_is_not_known_by_what_it_says() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)

        forged = b"GET / HTTP/1.1\r\nHost: 10.60.0.1\r\nX-Forwarded-For: 10.50.0.3\r\n\r\n"
        assert await site.ask("one", source="10.50.0.2", data=forged) == (200, "left 10.50.0.2")

    live(story)


def test_the_service_is_told_method_and_path_as_they_were_sent() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)

        await site.ask("two", data=b"PUT /a%2fb?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")

        assert site.requests == [MetadataRequest("PUT", "/a%2fb?c=d", ip_address("10.50.0.3"), "left")]

    live(story)


def test_an_app_of_another_network_does_not_reach_the_service_though_the_node_would_route_it() -> None:
    async def story(site: Site) -> None:
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        await create(site.driver, LEFT, RIGHT)

        with pytest.raises(ConnectionRefusedError):
            await site.ask("other", "10.50.0.1")
        with pytest.raises(ConnectionRefusedError):
            await site.ask("one", "10.60.0.1")
        assert site.requests == []

    live(story)


def test_nobody_reaches_the_service_by_a_port_of_the_node() -> None:
    async def story(site: Site) -> None:
        run("ip", "link", "add", "eth0", "type", "bridge")  # any link that is not of this network
        run("ip", "link", "set", "eth0", "up")
        add_address("172.22.10.5/24", "eth0")
        site.plug("far", "eth0", "172.22.10.9/24", gateway="172.22.10.5")
        await create(site.driver, LEFT)

        with pytest.raises(ConnectionRefusedError):
            await site.ask("far", "10.50.0.1")
        with pytest.raises(ConnectionRefusedError):
            await site.ask("far", "172.22.10.5")
        assert site.requests == []

    live(story)


def test_only_the_address_of_the_service_answers() -> None:
    async def story(site: Site) -> None:
        add_address("10.50.0.77/24", "bn1")
        await create(site.driver, LEFT)

        with pytest.raises(ConnectionRefusedError):
            await site.ask("one", "10.50.0.77")

    live(story)


def test_two_networks_with_the_same_address_are_told_apart() -> None:
    async def story(site: Site) -> None:
        site.bridge("bn3", "10.50.0.1/24")
        twin = MetadataService("twin", "bn3", "10.50.0.1")
        site.plug("three", "bn3", "10.50.0.2/24")
        run("ip", "route", "add", "10.50.0.2/32", "dev", "bn3")  # answers to 10.50.0.2 leave by bn3
        await create(site.driver, LEFT, twin)

        assert await site.ask("three") == (200, "twin 10.50.0.2")
        assert await site.ask("two") == (200, "left 10.50.0.3")

    live(story)


def test_a_service_has_an_address_of_either_family() -> None:
    async def story(site: Site) -> None:
        add_address("fd50::1/64", "bn1")
        site.plug("six", "bn1", "fd50::2/64")
        await create(site.driver, MetadataService("left", "bn1", "fd50::1"))

        assert await site.ask("six", "fd50::1") == (200, "left fd50::2")

    live(story)


# -- what is answered ---------------------------------------------------------------------------------


def test_an_app_learns_its_name_from_the_config() -> None:
    networks = (NetworkInstance(name="left", subnet=ip_network("10.50.0.0/24"), uuid="ni-left"), local("spare"))
    config = DeviceConfig(network_instances=networks, apps=(app("one", "left", uuid="uuid-one"),))
    vifs, _ = vifs_of(config)
    key = networks[0].key
    world = MetadataWorld(config=config, instances={key: resolve(config, name="left")}, vifs=vifs)

    async def story(site: Site) -> None:
        [mine] = vifs[key]
        site.plug("app", "bn1", f"{mine.addresses[0]}/24")
        site.answer = lambda request: respond(request, world)
        await create(site.driver, MetadataService(key, "bn1", "10.50.0.1"))

        assert await site.ask("app") == (200, "uuid-one\n")
        assert await site.ask("one", source="10.50.0.22") == (204, "")  # no app of the config has this address
        status, text = await site.ask("app", data=b"GET /eve/v1/network.json HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, json.loads(text)["app-instance-name"]) == (200, "one")

    live(story)


@pytest.mark.parametrize("answer", [MetadataResponse(404, "text/plain", b"no\n"), MetadataResponse(204)])
def test_an_answer_arrives_as_it_was_given(answer: MetadataResponse) -> None:
    async def story(site: Site) -> None:
        site.answer = lambda _: answer
        await create(site.driver, LEFT)

        assert await site.ask("one") == (answer.status, answer.body.decode())

    live(story)


def test_a_question_that_nobody_can_answer_costs_itself_only() -> None:
    def answer(request: MetadataRequest) -> MetadataResponse:
        if request.path == "/bad":
            raise KeyError("secret of the node")
        return MetadataResponse(200, "text/plain", b"well")

    async def story(site: Site) -> None:
        site.answer = answer
        await create(site.driver, LEFT)

        status, text = await site.ask("one", data=b"GET /bad HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status == 500
        assert "secret" not in text
        assert await site.ask("one") == (200, "well")

    live(story)


def test_an_app_that_keeps_connections_does_not_keep_others_out() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        kept = [await site.connect("one", source="10.50.0.2") for _ in range(PER_CLIENT)]
        for _, writer in kept:
            writer.write(b"GET / HTTP/1.1\r\n")  # and never the rest

        assert await site.ask("two") == (200, "left 10.50.0.3")
        assert await site.ask("one", source="10.50.0.2") == (0, "")

        kept[0][1].transport.abort()
        while await site.ask("one", source="10.50.0.2") == (0, ""):
            await asyncio.sleep(0)
        for _, writer in kept[1:]:
            writer.transport.abort()

    live(story)


def test_what_one_network_does_to_its_service_is_nothing_to_another() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT, RIGHT)
        addresses = [f"10.50.0.{number}" for number in range(100, 110)]
        site.plug("crowd", "bn1", *(f"{address}/24" for address in addresses))
        kept = [await site.connect("crowd", source=address) for address in addresses for _ in range(PER_CLIENT)]

        assert await site.ask("two") == (0, "")
        assert await site.ask("other", "10.60.0.1") == (200, "right 10.60.0.2")
        for _, writer in kept:
            writer.transport.abort()

    live(story)


# -- the driver ---------------------------------------------------------------------------------------


def test_what_is_served_is_observed() -> None:
    async def story(site: Site) -> None:
        assert await there(site.driver) == set()

        await create(site.driver, LEFT, RIGHT)
        assert await there(site.driver) == {LEFT, RIGHT}

        await delete(site.driver, LEFT)
        assert await there(site.driver) == {RIGHT}

    live(story)


def test_a_service_that_is_deleted_hangs_up_and_answers_no_more() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        reader, writer = await site.connect("one")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await site.ask("two") == (200, "left 10.50.0.3")  # so the connection before it is accepted, too

        await delete(site.driver, LEFT)

        writer.write(b"Host: x\r\n\r\n")  # the rest of the request
        assert await everything(reader) == b""
        with pytest.raises(ConnectionRefusedError):
            await site.ask("one")
        writer.transport.abort()

    live(story)


def test_to_delete_what_is_not_served_is_no_error() -> None:
    async def story(site: Site) -> None:
        await delete(site.driver, LEFT)

        assert await there(site.driver) == set()

    live(story)


def test_to_create_what_is_served_disturbs_nobody() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        reader, writer = await site.connect("one", source="10.50.0.2")
        assert await site.ask("two") == (200, "left 10.50.0.3")

        await create(site.driver, LEFT)

        writer.write(GET)
        assert (await everything(reader)).endswith(b"left 10.50.0.2")
        writer.transport.abort()

    live(story)


def test_a_service_that_changes_serves_at_its_new_address_only() -> None:
    async def story(site: Site) -> None:
        moved = MetadataService("left", "bn1", "10.50.0.9")
        add_address("10.50.0.9/24", "bn1")
        await create(site.driver, LEFT)

        await update(site.driver, LEFT, moved)

        assert await there(site.driver) == {moved}
        assert await site.ask("two", "10.50.0.9") == (200, "left 10.50.0.3")
        with pytest.raises(ConnectionRefusedError):
            await site.ask("two")

    live(story)


def test_services_that_exchange_their_addresses_do_so_in_one_round() -> None:
    async def story(site: Site) -> None:
        add_address("10.50.0.9/24", "bn1")
        first, second = LEFT, MetadataService("second", "bn1", "10.50.0.9")
        first_then = MetadataService("left", "bn1", "10.50.0.9")
        second_then = MetadataService("second", "bn1", "10.50.0.1")
        await create(site.driver, first, second)

        outcomes = await site.driver.apply(
            [Change(Op.UPDATE, first, first_then), Change(Op.UPDATE, second, second_then)]
        )

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert await site.ask("two", "10.50.0.9") == (200, "left 10.50.0.3")
        assert await site.ask("two", "10.50.0.1") == (200, "second 10.50.0.3")

    live(story)


def test_a_service_that_has_just_answered_can_be_made_anew_at_once() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        assert await site.ask("two") == (200, "left 10.50.0.3")

        await delete(site.driver, LEFT)
        await create(site.driver, LEFT)  # though the kernel still remembers the connection

        assert await site.ask("two") == (200, "left 10.50.0.3")

    live(story)


def test_a_service_takes_the_place_of_one_that_goes_in_the_same_round() -> None:
    async def story(site: Site) -> None:
        heir = MetadataService("heir", "bn1", "10.50.0.1")
        await create(site.driver, LEFT)

        outcomes = await site.driver.apply([Change(Op.CREATE, None, heir), Change(Op.DELETE, LEFT, None)])

        assert [outcome.error for outcome in outcomes] == [None, None]
        assert await site.ask("two") == (200, "heir 10.50.0.3")

    live(story)


def test_close_ends_every_service() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT, RIGHT)

        await site.driver.close()

        assert await there(site.driver) == set()
        for name, address in (("one", "10.50.0.1"), ("other", "10.60.0.1")):
            with pytest.raises(ConnectionRefusedError):
                await site.ask(name, address)
        await create(site.driver, LEFT)  # the port is free again
        assert await site.ask("two") == (200, "left 10.50.0.3")

    live(story)


# -- trouble ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (MetadataService("x", "bn9", "10.50.0.1"), "metadata service at 10.50.0.1 port 80 on bn9: No such device"),
        (
            MetadataService("x", "bn1", "10.99.0.1"),
            "metadata service at 10.99.0.1 port 80 on bn1: Cannot assign requested address",
        ),
    ],
)
def test_a_service_without_its_bridge_or_address_is_refused_and_others_are_served(
    service: MetadataService, words: str
) -> None:
    async def story(site: Site) -> None:
        assert await refusal(site.driver, service) == words

        assert await there(site.driver) == set()
        await create(site.driver, RIGHT)
        assert await site.ask("other", "10.60.0.1") == (200, "right 10.60.0.2")

    live(story)


def test_one_refusal_of_many_is_about_itself() -> None:
    async def story(site: Site) -> None:
        bad = MetadataService("x", "bn9", "10.50.0.1")

        outcomes = await site.driver.apply([Change(Op.CREATE, None, one) for one in (LEFT, bad, RIGHT)])

        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        assert [outcome.change.after for outcome in outcomes] == [LEFT, bad, RIGHT]
        assert await there(site.driver) == {LEFT, RIGHT}

    live(story)


def test_another_program_at_port_80_is_named_as_the_cause_and_afterwards_it_works() -> None:
    async def story(site: Site) -> None:
        web = socket.socket()
        web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        web.bind(("0.0.0.0", 80))
        web.listen()

        assert await refusal(site.driver, LEFT) == (
            "metadata service at 10.50.0.1 port 80 on bn1: another program listens at port 80 of every address"
        )
        assert await there(site.driver) == set()

        web.close()
        await create(site.driver, LEFT)
        assert await site.ask("two") == (200, "left 10.50.0.3")

    live(story)


def test_a_service_that_cannot_change_serves_nothing_rather_than_what_is_wrong() -> None:
    async def story(site: Site) -> None:
        lost = MetadataService("left", "bn1", "10.99.0.1")
        await create(site.driver, LEFT)

        [outcome] = await site.driver.apply([Change(Op.UPDATE, LEFT, lost)])

        assert outcome.error is not None
        assert await there(site.driver) == set()

    live(story)


def test_a_service_whose_bridge_was_deleted_is_not_there() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT, RIGHT)

        run("ip", "link", "delete", "bn1")

        assert await there(site.driver) == {RIGHT}

    live(story)


def test_a_service_whose_bridge_has_another_name_now_is_not_there() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)

        run("ip", "link", "set", "bn1", "down")
        run("ip", "link", "set", "bn1", "name", "bn7")

        assert await there(site.driver) == set()

    live(story)


def test_a_service_whose_bridge_was_made_anew_is_not_there_until_it_is_created_again() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        run("ip", "link", "delete", "bn1")
        site.bridge("bn1", "10.50.0.1/24")
        site.plug("new", "bn1", "10.50.0.4/24")

        assert await there(site.driver) == set()

        await create(site.driver, LEFT)
        assert await site.ask("new") == (200, "left 10.50.0.4")

    live(story)


def test_a_service_outlives_its_address_which_comes_back() -> None:
    async def story(site: Site) -> None:
        await create(site.driver, LEFT)
        run("ip", "address", "delete", "10.50.0.1/24", "dev", "bn1")
        add_address("10.50.0.1/24", "bn1")

        assert await there(site.driver) == {LEFT}
        assert await site.ask("two") == (200, "left 10.50.0.3")

    live(story)
