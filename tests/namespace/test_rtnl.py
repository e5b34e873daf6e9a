"""The conversation with the kernel: order, errors at their place, and what happens when answers are lost."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from pathlib import Path

import pytest

from evenet_core.errors import DriverError
from evenet_core.linux.layout import Layout
from evenet_core.linux.link import Bridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import GETLINK, NEWLINK, all_links, bridge_info, find_link, link_message
from evenet_core.linux.netlink import CREATE, DUMP_INTERRUPTED, HEADER, Message, replies
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.route import NEWROUTE, Route, RouteDriver, route_message
from evenet_core.linux.rtnl import Rtnl, open_socket
from evenet_core.linux.rule import NEWRULE, Rule, rule_message
from evenet_core.reconciler.item import Change, Op
from tests.support.kernel import create, ip
from tests.support.sockets import recorded_rtnl, recorder

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


def bridge_message(name: str) -> Message:
    return link_message(f"link {name}", name=name, create=True, info=bridge_info())


def test_each_message_of_a_long_batch_gets_its_own_answer(rtnl: Rtnl) -> None:
    tables = range(1000, 1120)
    doubled = [rule_message(NEWRULE, Rule(4, 10000, table)) for table in tables for _ in range(2)]

    results = asyncio.run(rtnl.send(doubled))

    assert [error is None for error in results] == [True, False] * 120
    refused = [f"kernel: rule 10000 to table {table}: File exists (EEXIST)" for table in tables]
    assert [str(error) for error in results[1::2]] == refused
    assert [rule["table"] for rule in ip("rule", "show", "priority", "10000")] == [str(table) for table in tables]
    assert rtnl.writes == 240


def test_a_refusal_carries_the_kernels_words(rtnl: Rtnl) -> None:
    message = route_message(NEWROUTE, Route(801, "10.0.0.0/8", "lo", source="10.7.7.7"), 1)

    [error] = asyncio.run(rtnl.send([message]))

    assert str(error) == "kernel: route to 10.0.0.0/8 in table 801: Invalid prefsrc address (EINVAL)"
    assert error is not None
    assert error.errno == errno.EINVAL


def test_others_get_their_turn_while_a_long_batch_is_sent(rtnl: Rtnl) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def story() -> None:
        other = asyncio.ensure_future(count())
        await rtnl.send([bridge_message("same")] * 350)
        other.cancel()

    asyncio.run(story())

    assert turns >= 3


def test_what_is_made_and_its_mark_are_never_in_two_datagrams() -> None:
    """A delete is one request, an update two, a create four: number 100, the last that fits, is a create."""
    old, kept, *new = [Bridge(f"bn{n}", f"02:16:3e:00:01:{n:02x}") for n in range(28)]
    changes = [
        Change(Op.DELETE, old, None),
        Change(Op.UPDATE, kept, kept),
        *(Change(Op.CREATE, None, bridge) for bridge in new),
    ]

    async def story(driver: LinkDriver) -> None:
        await create(driver, old, kept)
        assert [outcome.error for outcome in await driver.apply(changes)] == [None] * 28

    with recorded_rtnl() as (rtnl, recorded):
        asyncio.run(story(LinkDriver(rtnl)))

    batches = [list(replies(data)) for data in recorded.sent]
    batches = [batch for batch in batches if any(reply.flags & CREATE for reply in batch)]
    assert [len(batch) for batch in batches] == [8, 101, 6]
    for batch in batches:
        for place, reply in enumerate(batch):
            if reply.flags & CREATE:
                assert b"evenet bridge" in bytes(batch[place + 1].body)


def test_lost_answers_are_told_as_such_and_the_requests_were_carried_out() -> None:
    opened = open_socket(socket.NETLINK_ROUTE)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    rtnl = Rtnl(opened)

    doubled = [rule_message(NEWRULE, Rule(4, 10000, 1000 + n)) for n in range(45) for _ in range(2)]
    results = asyncio.run(rtnl.send(doubled))

    rtnl.close()
    told = {error.errno if error is not None else None for error in results}
    assert told == {errno.EEXIST, 0}  # those that came through, and "no answer": which of them failed is not known
    assert len(ip("rule", "show", "priority", "10000")) == 45


def test_an_interrupted_dump_is_repeated() -> None:
    spoiled = 0

    def interrupted_once(data: bytes) -> bytes:
        nonlocal spoiled
        if spoiled == 1:
            return data
        spoiled = 1
        length, kind, flags, sequence, port = HEADER.unpack_from(data)
        return HEADER.pack(length, kind, flags | DUMP_INTERRUPTED, sequence, port) + data[HEADER.size :]

    with recorded_rtnl() as (rtnl, recorded):
        recorded.spoil = interrupted_once
        links = asyncio.run(all_links(rtnl))

    assert list(links) == ["lo"]
    assert len(recorded.sent) == 2


def test_a_dump_that_never_gets_through_is_an_error() -> None:
    def always(data: bytes) -> bytes:
        length, kind, flags, sequence, port = HEADER.unpack_from(data)
        return HEADER.pack(length, kind, flags | DUMP_INTERRUPTED, sequence, port) + data[HEADER.size :]

    with recorded_rtnl() as (rtnl, recorded):
        recorded.spoil = always

        with pytest.raises(DriverError, match="interrupted"):
            asyncio.run(all_links(rtnl))


def test_a_dump_that_the_kernel_refuses_is_an_error(rtnl: Rtnl) -> None:
    with pytest.raises(DriverError, match="kernel: links: "):
        asyncio.run(rtnl.dump(Message(GETLINK, 0, b"\xff" * 16, "links"), Layout(struct.Struct("=16s"), (3, 4)), tuple))


def test_a_long_dump_is_read_whole(rtnl: Rtnl) -> None:
    routes = [route_message(NEWROUTE, Route(801, f"10.{n >> 8}.{n & 255}.0/24"), 0) for n in range(3000)]

    async def story() -> int:
        assert set(await rtnl.send(routes)) == {None}
        return len([route for route in await RouteDriver(rtnl).observe() if isinstance(route, Route)])

    assert asyncio.run(story()) == 3000


def test_a_socket_belongs_to_the_namespace_it_was_opened_in(rtnl: Rtnl) -> None:
    namespace = make_namespace()
    there = Rtnl.open(namespace)
    by_path = Rtnl.open(f"/proc/self/fd/{namespace}")

    async def story() -> None:
        assert await there.send([bridge_message("inner")]) == [None]
        assert await find_link(by_path, "inner") is not None
        assert await find_link(rtnl, "inner") is None

    asyncio.run(story())
    there.close()
    by_path.close()
    os.close(namespace)


def test_what_is_no_namespace_is_refused_and_we_stay_where_we_are(tmp_path: Path) -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()

    for name in ("pipe", "file", "missing"):
        with pytest.raises(OSError, match=r".+"):
            Rtnl.open(str(tmp_path / name))

    assert os.readlink("/proc/thread-self/ns/net") == before


def test_the_recorder_sees_a_change_that_was_undone(rtnl: Rtnl) -> None:
    with recorder() as changes:
        assert changes() == []
        asyncio.run(rtnl.send([bridge_message("b1"), link_message("", name="b1", delete=True)]))

        assert NEWLINK in changes()


def test_a_socket_that_is_closed_is_an_error_and_no_crash(rtnl: Rtnl) -> None:
    rtnl.close()

    [error] = asyncio.run(rtnl.send([bridge_message("b1")]))

    assert str(error) == "kernel: netlink: Bad file descriptor"
    with pytest.raises(DriverError, match="kernel: netlink: Bad file descriptor"):
        asyncio.run(all_links(rtnl))
