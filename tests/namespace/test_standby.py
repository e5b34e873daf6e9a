"""A program that waits for its input: it is used once, replaced, and missed by nobody when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from evenet_core.linux.standby import PIPE, Standby


def waiting() -> list[int]:
    """Children of ours that run cat."""
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(child) for child in mine if Path(f"/proc/{child}/comm").read_text() == "cat\n"]


async def prepared() -> int:
    async with asyncio.timeout(30):
        while not (found := waiting()):
            await asyncio.sleep(0.001)
    return found[0]


def test_each_run_is_one_of_its_own_and_the_next_waits() -> None:
    async def story() -> None:
        standby = Standby(lambda: ("cat",), 30.0)
        said = []
        pids = []
        for number in range(3):
            said.append((await standby.run(f"input {number}".encode())).output)
            pids.append(await prepared())
        assert said == [b"input 0", b"input 1", b"input 2"]
        assert len(set(pids)) == len(pids)
        standby.close()
        assert waiting() == []

    asyncio.run(story())


def test_more_than_a_pipe_takes_and_nothing_at_all() -> None:
    async def story() -> None:
        standby = Standby(lambda: ("cat",), 30.0)
        await standby.run(b"")
        await prepared()
        large = b"x" * (PIPE + 1)
        assert (await standby.run(large)).output == large
        assert (await standby.run(b"y" * PIPE)).output == b"y" * PIPE
        assert (await standby.run(b"")).output == b""
        await prepared()
        standby.close()

    asyncio.run(story())


def test_one_that_was_killed_is_replaced() -> None:
    async def story() -> None:
        standby = Standby(lambda: ("cat",), 30.0)
        await standby.run(b"")
        killed = await prepared()
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(30):
            while waiting():
                await asyncio.sleep(0.001)
        assert (await standby.run(b"still")).output == b"still"
        assert await prepared() != killed
        standby.close()

    asyncio.run(story())
