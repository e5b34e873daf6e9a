"""A crash at every single write while a config is tried out, confirmed, taken back, or gives way to another one.

Neither does one that nobody confirmed count as confirmed, nor is a confirmed one taken back.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evenet_core.device.probation import LONGEST
from evenet_core.model.config import DeviceConfig
from tests.support.crash import Crash, DyingKernel
from tests.support.probation import Agent, Machine, config
from tests.support.virtual import run_virtual

A, B, C = config(1), config(2), config(3)
SECONDS = 60.0
Step = Callable[[Agent], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """`ends`: the config in use right after a crash, and when nobody has confirmed any more, for each moment."""

    before: tuple[Step, ...]
    step: Step
    ends: tuple[tuple[DeviceConfig | None, DeviceConfig | None], ...]


async def apply_a(agent: Agent) -> None:
    await agent.apply(A)


async def apply_c(agent: Agent) -> None:
    await agent.apply(C)


async def try_b(agent: Agent) -> None:
    await agent.try_out(B, SECONDS)


async def try_c(agent: Agent) -> None:
    await agent.try_out(C, SECONDS)


async def confirm(agent: Agent) -> None:
    await agent.confirm()


async def nobody_confirms(agent: Agent) -> None:
    await asyncio.sleep(SECONDS + 1.0)


async def try_and_confirm_at_once(agent: Agent) -> None:
    """Both in one write of the ledger."""
    trying = asyncio.create_task(agent.try_out(B, SECONDS))
    await asyncio.sleep(0)
    await asyncio.gather(trying, agent.confirm())


CASES = {
    "on probation": Case((apply_a,), try_b, ((A, A), (B, A))),
    "the first ever on probation": Case((), try_b, ((None, None), (B, None))),
    "another one on probation meanwhile": Case((apply_a, try_b), try_c, ((B, A), (C, A))),
    "confirmed": Case((apply_a, try_b), confirm, ((B, A), (B, B))),
    "the first ever confirmed": Case((try_b,), confirm, ((B, None), (B, B))),
    "confirmed at once": Case((apply_a,), try_and_confirm_at_once, ((A, A), (B, B))),
    "taken back": Case((apply_a, try_b), nobody_confirms, ((A, A),)),
    "the first ever taken back": Case((try_b,), nobody_confirms, ((None, None),)),
    "another one for good": Case((apply_a, try_b), apply_c, ((B, A), (C, C))),
    "the one before for good": Case((apply_a, try_b), apply_a, ((B, A), (A, A))),
    "the first ever gives way": Case((try_b,), apply_c, ((B, None), (C, C))),
    "for good after a confirmed one": Case((apply_a, try_b, confirm), apply_c, ((B, B), (C, C))),
    "for good after one taken back": Case((apply_a, try_b, nobody_confirms), apply_c, ((A, A), (C, C))),
}


@pytest.mark.parametrize("power", ["stays", "is lost"])
@pytest.mark.parametrize("name", CASES)
def test_a_crash_at_any_write_leaves_what_was_decided_before_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, power: str
) -> None:
    case, kernel = CASES[name], DyingKernel(monkeypatch)
    seen: list[tuple[DeviceConfig | None, DeviceConfig | None]] = []
    done, moment = False, 0

    while not done:
        done, end = run_virtual(told(case, tmp_path / str(moment), kernel, moment, lost=power == "is lost"))
        seen.append(end)
        moment += 1

    assert moment > 6, "nothing was written"
    assert seen[-1] == case.ends[-1], "what was done does not hold"
    stages = [case.ends.index(end) for end in seen]
    assert stages == sorted(stages), "it was decided, and then it was not"
    assert set(stages) == set(range(len(case.ends)))


async def told(
    case: Case, directory: Path, kernel: DyingKernel, calls: int, *, lost: bool
) -> tuple[bool, tuple[DeviceConfig | None, DeviceConfig | None]]:
    """Whether it came to the step's end; the config in use after a restart, and when nobody confirmed."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # a timer's crash is one, too
    machine = Machine(directory)
    agent = Agent(machine)
    for step in case.before:
        await step(agent)
    kernel.live(calls)
    with suppress(Crash):
        await case.step(agent)
    agent.die()
    done = not kernel.dead
    kernel.live()
    if lost:
        machine.lose_power()
    later = Agent(machine)
    first, waits = later.config, later.confirmation.waits is not None
    await asyncio.sleep(LONGEST + 1.0)
    assert waits == (later.config != first), "it waits for a config that is not there"
    assert Agent(machine).config == later.config, "another start finds another config"
    later.stop()
    return done, (first, later.config)


# -- a disk that refuses ------------------------------------------------------------------------------


def test_a_config_on_probation_is_not_stored_where_the_wait_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would count as confirmed after the next start."""

    async def story() -> None:
        machine = Machine(tmp_path)
        agent = Agent(machine)
        await agent.apply(A)
        with monkeypatch.context() as patched:
            refuse(patched, "unconfirmed.json")
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                await agent.try_out(B, SECONDS)
            assert agent.config == B
            assert agent.memory.config() == A
            agent.die()
        assert Agent(machine).config == A

    run_virtual(story())


def test_a_wait_that_could_not_be_stored_ends_in_time_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        agent = Agent(Machine(tmp_path))
        await agent.apply(A)
        with monkeypatch.context() as patched:
            refuse(patched, "unconfirmed.json")
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                await agent.try_out(B, SECONDS)
            await asyncio.sleep(SECONDS + 1.0)
        assert agent.config == A

    run_virtual(story())


def refuse(patched: pytest.MonkeyPatch, name: str) -> None:
    """The disk has no room for a document of this name."""
    real = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        if name in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, *arguments, **more)

    patched.setattr(os, "open", opened)
