"""Names asked of one port's own servers through that port: a real dnsmasq, dead servers, and servers that lie."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from evenet_core.probing import resolve as module
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.resolve import resolve
from tests.support.uplinks import CONTROLLER, NAME, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

BOTH = f"--host-record={NAME},{CONTROLLER[4]},{CONTROLLER[6]}"
ROUTER = "10.9.0.1"


@pytest.fixture
def wan(netns: None, tmp_path: Path) -> Iterator[Uplink]:
    with uplinks(tmp_path) as [made]:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent servers are given up soon."""
    monkeypatch.setattr(module, "SERVER_TIMEOUT", 0.2)


def servers(wan: Uplink, *addresses: str) -> Egress:
    return Egress(wan.ifname, wan.addresses, tuple(map(ip_address, addresses)))


def looked_up(egress: Egress, name: str = NAME, versions: Sequence[int] = (4, 6)) -> list[str]:
    return list(map(str, asyncio.run(resolve(name, egress, versions))))


def failure(egress: Egress, name: str = NAME, versions: Sequence[int] = (4, 6)) -> ProbeError:
    with pytest.raises(ProbeError) as raised:
        looked_up(egress, name, versions)
    return raised.value


def record(query: dns.message.Message, address: str = CONTROLLER[4]) -> dns.message.Message:
    """A good answer to a question for IPv4; there is nothing of IPv6."""
    answer = dns.message.make_response(query)
    if query.question[0].rdtype == 1:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return answer


def lied_to(wan: Uplink, lie: Callable[[dns.message.Message], bytes | None]) -> list[str]:
    """What a look-up comes to when this server answers."""

    async def main() -> list[str]:
        wan.serve_datagrams(lambda data: lie(dns.message.from_wire(data)))
        return list(map(str, await resolve(NAME, wan.egress, (4,))))

    return asyncio.run(main())


# -- good servers -------------------------------------------------------------------------------------


def test_addresses_of_both_versions_are_found_the_first_version_first(wan: Uplink) -> None:
    wan.serve_names(BOTH)

    assert looked_up(wan.egress) == [CONTROLLER[4], CONTROLLER[6]]
    assert looked_up(wan.egress, versions=(6, 4)) == [CONTROLLER[6], CONTROLLER[4]]
    assert looked_up(wan.egress, versions=(6,)) == [CONTROLLER[6]]


@pytest.mark.parametrize("server", ["10.9.0.1", "fd09:0::1"])
def test_a_server_is_asked_by_its_own_version(wan: Uplink, server: str) -> None:
    wan.serve_names(BOTH, at=server)

    assert looked_up(servers(wan, server)) == [CONTROLLER[4], CONTROLLER[6]]


def test_an_alias_is_followed(wan: Uplink) -> None:
    wan.serve_names(f"--host-record=real.test,{CONTROLLER[4]}", f"--cname={NAME},real.test")

    assert looked_up(wan.egress) == [CONTROLLER[4]]


def test_an_answer_too_long_for_a_datagram_comes_by_a_connection(wan: Uplink) -> None:
    many = [f"--host-record={NAME},192.0.2.{number}" for number in range(1, 60)]
    wan.serve_names("--edns-packet-max=512", *many)

    found = looked_up(wan.egress, versions=(4,))

    assert len(found) == module.MAX_ADDRESSES
    assert all(address.startswith("192.0.2.") for address in found)


def test_a_datagram_that_is_cut_off_anywhere_is_asked_again_by_a_connection(wan: Uplink) -> None:
    async def main() -> list[str]:
        def cut(data: bytes) -> bytes:
            answer = record(dns.message.from_wire(data), "192.0.2.66")
            answer.flags |= dns.flags.TC
            return answer.to_wire()[:-3]

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = record(dns.message.from_wire(await reader.readexactly(length))).to_wire()
            for byte in struct.pack("!H", len(answer)) + answer:
                writer.write(bytes((byte,)))
                await writer.drain()
            writer.close()

        wan.serve_datagrams(cut)
        async with await asyncio.start_server(talk, sock=wan.listener(ROUTER, 53)):
            return list(map(str, await resolve(NAME, wan.egress, (4,))))

    assert asyncio.run(main()) == [CONTROLLER[4]]


def test_the_nodes_own_names_are_not_looked_at(wan: Uplink) -> None:
    """Names of /etc/hosts and servers of /etc/resolv.conf would be those of all ports."""
    wan.serve_names()

    assert failure(wan.egress, "localhost").cause in {Cause.NAME_UNKNOWN, Cause.NAME_TEMPORARY}


# -- servers that fail --------------------------------------------------------------------------------


def test_the_first_server_that_knows_decides_also_that_there_is_no_such_name(wan: Uplink) -> None:
    wan.serve_names()
    wan.serve_names(BOTH, at=wan.router[6])

    error = failure(servers(wan, ROUTER, wan.router[6]))

    assert error.cause is Cause.NAME_UNKNOWN
    assert str(error) == f"name {NAME} asked of {ROUTER} on eth0: there is no such name"


def test_a_name_without_addresses_of_the_version_is_unknown(wan: Uplink) -> None:
    wan.serve_names(f"--host-record={NAME},{CONTROLLER[4]}")

    error = failure(wan.egress, versions=(6,))

    assert (error.cause, str(error)) == (Cause.NAME_UNKNOWN, f"name {NAME} on eth0: no address")


@pytest.mark.parametrize("addresses", [(), ("fe80::1",)])
def test_without_a_server_that_could_be_asked_that_is_said(wan: Uplink, addresses: tuple[str, ...]) -> None:
    egress = Egress("eth0", (ip_address("10.9.0.2"),), tuple(map(ip_address, addresses)))

    error = failure(egress)

    assert (error.cause, str(error)) == (Cause.NO_DNS, "interface eth0: no DNS server available")


def test_a_server_that_does_not_run_is_a_passing_trouble(wan: Uplink) -> None:
    error = failure(wan.egress)

    assert error.cause is Cause.NAME_TEMPORARY
    assert str(error) == f"name {NAME} asked of {ROUTER} on eth0: connection refused"


def test_the_next_server_is_asked_when_the_first_does_not_run(wan: Uplink) -> None:
    wan.run("ip", "address", "add", "10.9.0.99/24", "dev", "world0")
    wan.serve_names(BOTH)

    assert looked_up(servers(wan, "10.9.0.99", ROUTER)) == [CONTROLLER[4], CONTROLLER[6]]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_silent_is_one_that_did_not_answer_in_time(wan: Uplink) -> None:
    error = failure(servers(wan, "10.9.0.99"))

    assert error.cause is Cause.NAME_TIMEOUT


@pytest.mark.usefixtures("impatient")
def test_the_most_telling_failure_is_told(wan: Uplink) -> None:
    assert failure(servers(wan, "10.9.0.99", ROUTER)).cause is Cause.NAME_TEMPORARY


@pytest.mark.usefixtures("impatient")
def test_a_lost_datagram_is_sent_again(wan: Uplink) -> None:
    asked: list[bytes] = []

    def lossy(query: dns.message.Message) -> bytes | None:
        asked.append(query.to_wire())
        return record(query).to_wire() if len(asked) > 1 else None

    assert lied_to(wan, lossy) == [CONTROLLER[4]]


def test_a_server_that_is_silent_about_one_version_holds_up_little(
    wan: Uplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some home routers never answer a question for AAAA."""
    monkeypatch.setattr(module, "SERVER_TIMEOUT", 3600.0)

    async def main() -> list[str]:
        def answer(data: bytes) -> bytes | None:
            query = dns.message.from_wire(data)
            return record(query).to_wire() if query.question[0].rdtype == 1 else None

        wan.serve_datagrams(answer)
        return list(map(str, await resolve(NAME, wan.egress)))

    assert asyncio.run(main()) == [CONTROLLER[4]]


# -- servers that lie ---------------------------------------------------------------------------------


def lie_then_truth(wan: Uplink, lie: Callable[[dns.message.Message], bytes]) -> list[str]:
    """A forger answers before the server does."""

    async def main() -> list[str]:
        opened = wan.listener(ROUTER, 53, socket.SOCK_DGRAM)

        def ready() -> None:
            data, client = opened.recvfrom(65535)
            query = dns.message.from_wire(data)
            opened.sendto(lie(query), client)
            opened.sendto(record(query).to_wire(), client)

        asyncio.get_running_loop().add_reader(opened.fileno(), ready)
        return list(map(str, await resolve(NAME, wan.egress, (4,))))

    return asyncio.run(main())


def other_id(query: dns.message.Message) -> bytes:
    answer = record(query, "192.0.2.66")
    answer.id ^= 1
    return answer.to_wire()


def other_question(query: dns.message.Message) -> bytes:
    asked = dns.message.make_query("evil.test", "A")
    asked.id = query.id
    return record(asked, "192.0.2.66").to_wire()


def question_itself(query: dns.message.Message) -> bytes:
    return query.to_wire()


def cut_off(query: dns.message.Message) -> bytes:
    return record(query, "192.0.2.66").to_wire()[:-3]


@pytest.mark.parametrize(
    "lie", [other_id, other_question, question_itself, cut_off, lambda _: b"", lambda _: b"\xff" * 40]
)
def test_a_datagram_that_does_not_answer_the_question_counts_for_nothing(
    wan: Uplink, lie: Callable[[dns.message.Message], bytes]
) -> None:
    assert lie_then_truth(wan, lie) == [CONTROLLER[4]]


def test_an_answer_of_somebody_else_counts_for_nothing(wan: Uplink) -> None:
    """Who is not the server that was asked is not heard, even with the right number."""

    async def main() -> list[str]:
        opened = wan.listener(ROUTER, 53, socket.SOCK_DGRAM)
        other = wan.listener(CONTROLLER[4], 53, socket.SOCK_DGRAM)

        def ready() -> None:
            data, client = opened.recvfrom(65535)
            query = dns.message.from_wire(data)
            other.sendto(record(query, "192.0.2.66").to_wire(), client)
            opened.sendto(record(query).to_wire(), client)

        asyncio.get_running_loop().add_reader(opened.fileno(), ready)
        return list(map(str, await resolve(NAME, wan.egress, (4,))))

    assert asyncio.run(main()) == [CONTROLLER[4]]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "224.0.0.1"])
def test_an_address_that_leads_nowhere_is_none(wan: Uplink, address: str) -> None:
    with pytest.raises(ProbeError) as raised:
        lied_to(wan, lambda query: record(query, address).to_wire())

    assert raised.value.cause is Cause.NAME_UNKNOWN


@pytest.mark.parametrize("code", [2, 5])
def test_a_server_that_cannot_say_is_a_passing_trouble(wan: Uplink, code: int) -> None:
    def refuse(query: dns.message.Message) -> bytes:
        answer = dns.message.make_response(query)
        answer.set_rcode(code)  # type: ignore[arg-type]
        return answer.to_wire()

    with pytest.raises(ProbeError) as raised:
        lied_to(wan, refuse)

    assert raised.value.cause is Cause.NAME_TEMPORARY


def truncated(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0",
        struct.pack("!H", 500) + b"short",
        struct.pack("!H", 12) + b"\xff" * 12,
        struct.pack("!H", 0),
    ],
)
def test_a_connection_that_brings_nonsense_is_a_failure_and_no_more(wan: Uplink, reply: bytes) -> None:
    async def main() -> None:
        wan.serve_datagrams(lambda data: truncated(dns.message.from_wire(data)))
        listener = wan.listener(ROUTER, 53)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                await reader.read(100)
                writer.write(reply)
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(talk, sock=listener):
            await resolve(NAME, wan.egress, (4,))

    with pytest.raises(ProbeError) as raised:
        asyncio.run(main())

    assert raised.value.cause in {Cause.RESET, Cause.OTHER}


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".test", "x." * 128 + "test", "\x00"])
def test_what_is_no_host_name_is_asked_of_nobody(wan: Uplink, name: str) -> None:
    assert failure(wan.egress, name).cause in {Cause.NAME_UNKNOWN, Cause.NAME_TEMPORARY}


# -- other ports --------------------------------------------------------------------------------------


def test_each_port_asks_its_own_servers_although_all_have_the_same_addresses(netns: None, tmp_path: Path) -> None:
    with uplinks(tmp_path, 3, twins=True) as ports:
        for number, port in enumerate(ports):
            port.serve_names(f"--host-record={NAME},192.0.2.{number}")

        async def main() -> list[list[str]]:
            found = await asyncio.gather(*(resolve(NAME, port.egress, (4,)) for port in ports))
            return [list(map(str, addresses)) for addresses in found]

        assert asyncio.run(main()) == [["192.0.2.0"], ["192.0.2.1"], ["192.0.2.2"]]


@pytest.mark.usefixtures("impatient")
def test_a_look_up_leaves_nothing_behind(wan: Uplink) -> None:
    wan.serve_names(BOTH)

    async def main() -> tuple[int, int]:
        before = len(os.listdir("/proc/self/fd"))
        for addresses in ((ROUTER,), ("10.9.0.99", ROUTER), ("10.9.0.99",)):
            with suppress(ProbeError):
                await resolve(NAME, servers(wan, *addresses))
        return len(os.listdir("/proc/self/fd")) - before, len(asyncio.all_tasks())

    assert asyncio.run(main()) == (0, 1)
