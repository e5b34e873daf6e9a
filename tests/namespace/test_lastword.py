"""A name that no server knows: whoever asks is told at once."""

from __future__ import annotations

import asyncio
import socket

import dns.flags
import dns.message
import dns.rcode
import pytest

from evenet_core.linux.lastword import ADDRESS, LastWord
from tests.support.kernel import run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


async def asked(question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        await loop.sock_connect(sock, (ADDRESS, 53))
        await loop.sock_sendall(sock, question)
        async with asyncio.timeout(30):
            return await loop.sock_recv(sock, 4096)


def test_a_question_is_answered_with_a_failure_that_is_not_remembered() -> None:
    async def story() -> None:
        word = LastWord()
        query = dns.message.make_query("nobody.example", "A")
        answer = dns.message.from_wire(await asked(query.to_wire()))
        assert query.is_response(answer)
        assert answer.rcode() == dns.rcode.NOTIMP
        word.close()

    run("ip", "link", "set", "lo", "up")
    asyncio.run(story())


def test_what_is_no_question_is_not_answered_and_disturbs_nobody() -> None:
    async def story() -> None:
        word = LastWord()
        query = dns.message.make_query("nobody.example", "A")
        answer = dns.message.make_response(query)
        assert answer.flags & dns.flags.QR
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            await loop.sock_connect(sock, (ADDRESS, 53))
            for nonsense in (b"", b"x", b"\xff" * 12, answer.to_wire(), b"\x00" * 4096):
                await loop.sock_sendall(sock, nonsense)
        assert (await asked(query.to_wire()))[:2] == query.to_wire()[:2]
        word.close()

    run("ip", "link", "set", "lo", "up")
    asyncio.run(story())


def test_where_somebody_else_has_the_address_nothing_breaks() -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((ADDRESS, 53))
            LastWord().close()

    run("ip", "link", "set", "lo", "up")
    asyncio.run(story())
