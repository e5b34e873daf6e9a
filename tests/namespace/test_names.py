"""The node's forwarder with the real dnsmasq: who is asked, in which order, and that a change interrupts nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from evenet_core.linux.daemon import Daemon
from evenet_core.linux.daemondriver import DaemonDriver
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Addressing
from evenet_core.planning.names import plan_names
from tests.support.kernel import add_address, create, delete, update
from tests.support.uplinks import Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

PATIENCE = 10.0
Answers = Callable[[str], str | dns.rcode.Rcode]  # an address, or why there is none


def always(address: str) -> Answers:
    return lambda _: address


@pytest.fixture
def ports(netns: None, open_path: Path) -> Iterator[list[Uplink]]:
    with uplinks(open_path, 2) as made:
        yield made


@dataclass
class Names:
    """The forwarder, and what its upstream servers were asked."""

    driver: DaemonDriver
    daemon: Daemon | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)  # port, name

    async def use(self, *adapters: tuple[Adapter, Addressing]) -> None:
        [daemon] = plan_names(adapters, "")
        assert isinstance(daemon, Daemon)
        if self.daemon is None:
            await create(self.driver, daemon)
        else:
            await update(self.driver, self.daemon, daemon)
        self.daemon = daemon

    def serve(self, port: Uplink, answers: Answers, at: str = "") -> None:
        """A server behind this port."""

        def reply(data: bytes) -> bytes:
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text(omit_final_dot=True)
            self.asked.append((port.ifname, name))
            answer, said = dns.message.make_response(query), answers(name)
            if isinstance(said, dns.rcode.Rcode):
                answer.set_rcode(said)
            else:
                answer.answer.append(dns.rrset.from_text(query.question[0].name, 1, "IN", "A", said))
            return answer.to_wire()

        port.serve_datagrams(reply, at=at)

    async def lookup(self, name: str, repeat: float = PATIENCE) -> list[str]:
        """Ask the forwarder, and again when so many seconds have passed without an answer."""
        query = dns.message.make_query(name, "A")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as opened:
            opened.connect(("127.0.0.1", 53))
            async with asyncio.timeout(PATIENCE):
                while True:
                    await loop.sock_sendall(opened, query.to_wire())
                    with suppress(TimeoutError):
                        data = await asyncio.wait_for(loop.sock_recv(opened, 65535), repeat)
                        found = dns.message.from_wire(data)
                        return [str(item) for rrset in found.answer for item in rrset]


@asynccontextmanager
async def forwarder(directory: Path) -> AsyncIterator[Names]:
    names = Names(DaemonDriver(directory))
    try:
        yield names
    finally:
        if names.daemon is not None:
            await delete(names.driver, names.daemon)
        await names.driver.close()


def adapter(port: Uplink, *servers: str, rank: int = 0, search: Sequence[str] = ()) -> tuple[Adapter, Addressing]:
    addresses = tuple(map(ip_address, servers or (port.router[4],)))
    return Adapter(label=port.ifname, ifname=port.ifname, management=True, rank=rank), Addressing(
        dns=addresses, search=tuple(search)
    )


def test_the_cheapest_adapters_servers_are_asked_first(ports: list[Uplink], open_path: Path) -> None:
    async def main() -> None:
        async with forwarder(open_path) as names:
            for number, port in enumerate(ports):
                names.serve(port, always(f"192.0.2.{number}"))
            await names.use(adapter(ports[0], rank=1), adapter(ports[1], rank=0))

            found = [await names.lookup(f"{n}.test") for n in range(5)]

            assert found == [["192.0.2.1"]] * 5
            assert {port for port, _ in names.asked} == {"eth1"}

    asyncio.run(main())


def test_a_server_that_cannot_be_reached_gives_way_when_the_question_is_repeated(
    ports: list[Uplink], open_path: Path
) -> None:
    """As every resolver repeats it."""

    async def main() -> None:
        async with forwarder(open_path) as names:
            names.serve(ports[1], always("192.0.2.1"))
            await names.use(adapter(ports[0], rank=0), adapter(ports[1], rank=1))  # nothing listens behind eth0

            assert await names.lookup("a.test", repeat=0.2) == ["192.0.2.1"]

    asyncio.run(main())


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_cannot_say_gives_way_at_once(
    ports: list[Uplink], open_path: Path, code: dns.rcode.Rcode
) -> None:
    """Acceptance scenario `dns-merge-and-order`: the cheapest port's server resolves nothing."""

    async def main() -> None:
        async with forwarder(open_path) as names:
            names.serve(ports[0], lambda _: code)
            names.serve(ports[1], always("192.0.2.1"))
            await names.use(adapter(ports[0], rank=0), adapter(ports[1], rank=1))

            assert await names.lookup("a.test") == ["192.0.2.1"]
            assert names.asked == [("eth0", "a.test"), ("eth1", "a.test")]

    asyncio.run(main())


def test_a_domain_is_asked_of_the_adapter_that_searches_it(ports: list[Uplink], open_path: Path) -> None:
    async def main() -> None:
        async with forwarder(open_path) as names:
            for number, port in enumerate(ports):
                names.serve(port, always(f"192.0.2.{number}"))
            await names.use(adapter(ports[0], rank=0), adapter(ports[1], rank=1, search=["plant.test"]))

            assert await names.lookup("pump.plant.test") == ["192.0.2.1"]
            assert await names.lookup("elsewhere.test") == ["192.0.2.0"]

    asyncio.run(main())


def test_other_servers_are_asked_without_a_restart(ports: list[Uplink], open_path: Path) -> None:
    async def main() -> None:
        async with forwarder(open_path) as names:
            for number, port in enumerate(ports):
                names.serve(port, always(f"192.0.2.{number}"))
            await names.use(adapter(ports[0]))
            assert await names.lookup("a.test") == ["192.0.2.0"]
            pid = (open_path / "daemons/names/state.json").read_text().partition('"pid": ')[2].partition(",")[0]

            await names.use(adapter(ports[1]))
            async with asyncio.timeout(PATIENCE):  # nobody says when a SIGHUP has been followed
                while await names.lookup("a.test") != ["192.0.2.1"]:
                    await asyncio.sleep(0.02)

            assert f'"pid": {pid},' in (open_path / "daemons/names/state.json").read_text()

    asyncio.run(main())


def test_a_link_local_server_is_asked_on_its_link(ports: list[Uplink], open_path: Path) -> None:
    for number, port in enumerate(ports):
        port.add_address("fe80::1/64", f"world{number}")
        add_address(f"fe80::{number}a/64", port.ifname)

    async def main() -> None:
        async with forwarder(open_path) as names:
            for number, port in enumerate(ports):
                names.serve(port, always(f"192.0.2.{number}"), at=f"fe80::1%world{number}")
            await names.use(adapter(ports[1], "fe80::1"))

            assert await names.lookup("a.test") == ["192.0.2.1"]

    asyncio.run(main())


def test_only_the_node_itself_is_answered(ports: list[Uplink], open_path: Path) -> None:
    def ask(address: str) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.settimeout(PATIENCE)
            opened.connect((address, 53))
            opened.send(b"x" * 12)
            return opened.recv(100)

    async def main() -> None:
        async with forwarder(open_path) as names:
            await names.use(adapter(ports[0]))

            for port in ports:
                with pytest.raises(ConnectionRefusedError):
                    ask(port.own[4])

    asyncio.run(main())
