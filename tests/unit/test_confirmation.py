"""A config on probation: what comes back, when, and what is remembered of it. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from evenet_core.model.config import DeviceConfig
from evenet_core.runtime.confirmation import LONGEST, Confirmation
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import Memory
from tests.support.virtual import run_virtual

FIRST, SECOND = (DeviceConfig(settings={"number": number}) for number in ("1", "2"))


class Agent:
    """One run of an agent on a state directory. `back` is what came back."""

    def __init__(self, directory: Path, clock: float = 0.0) -> None:
        self.ledger = Ledger(lambda error: None)
        self.memory = Memory(directory)
        self.back: list[DeviceConfig | None] = []
        self.clock = clock
        self.confirmation = Confirmation(self.memory, self.ledger, self.back.append, self.now)

    def now(self) -> float:
        return self.clock + asyncio.get_running_loop().time()

    def stop(self) -> None:
        self.confirmation.stop()
        self.ledger.close()


@pytest.fixture
def lives(tmp_path: Path) -> Callable[[Callable[[Agent], Awaitable[None]]], Agent]:
    def live(story: Callable[[Agent], Awaitable[None]]) -> Agent:
        async def whole() -> Agent:
            agent = Agent(tmp_path)
            await story(agent)
            agent.stop()
            return agent

        return run_virtual(whole())

    return live


Lives = Callable[[Callable[[Agent], Awaitable[None]]], Agent]


def test_what_nobody_confirms_gives_way_to_the_config_before(lives: Lives) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.expect(FIRST, 60.0)
        assert agent.confirmation.until == agent.now() + 60.0
        await asyncio.sleep(59.0)
        assert agent.back == []
        await asyncio.sleep(2.0)

    agent = lives(story)

    assert agent.back == [FIRST]
    assert agent.confirmation.until is None
    assert agent.memory.unconfirmed() is None


def test_what_is_confirmed_stays(lives: Lives) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.expect(FIRST, 60.0)
        assert agent.confirmation.end()
        assert not agent.confirmation.end()
        await asyncio.sleep(100.0)

    agent = lives(story)

    assert agent.back == []
    assert agent.memory.unconfirmed() is None


def test_after_several_on_probation_the_last_that_was_confirmed_comes_back(lives: Lives) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.expect(FIRST, 60.0)
        await asyncio.sleep(30.0)
        agent.confirmation.expect(SECOND, 60.0)
        await asyncio.sleep(59.0)
        assert agent.back == []
        await asyncio.sleep(2.0)

    assert lives(story).back == [FIRST]


def test_one_on_probation_right_after_one_for_good_waits(lives: Lives) -> None:
    """What the first one writes down a moment later does not end the wait of the second."""

    async def story(agent: Agent) -> None:
        agent.confirmation.end()
        await asyncio.sleep(0.02)
        agent.confirmation.expect(FIRST, 60.0)
        await agent.ledger.settled()
        assert agent.memory.unconfirmed() == (FIRST, agent.confirmation.until)
        await asyncio.sleep(61.0)

    assert lives(story).back == [FIRST]


@pytest.mark.parametrize("previous", [FIRST, None])
def test_a_restart_waits_for_the_rest_of_the_time(lives: Lives, tmp_path: Path, previous: DeviceConfig | None) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.expect(previous, 60.0)
        await asyncio.sleep(20.0)
        agent.stop()
        later = Agent(tmp_path)
        later.confirmation.resume()
        await asyncio.sleep(39.0)
        assert later.back == []
        await asyncio.sleep(2.0)
        assert later.back == [previous]
        later.stop()

    lives(story)


@pytest.mark.parametrize(("clock", "waits"), [(1e6, 0.0), (-1e9, LONGEST)])
def test_a_clock_that_was_set_meanwhile_does_not_make_it_wait_for_ever(
    lives: Lives, tmp_path: Path, clock: float, waits: float
) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.expect(FIRST, 60.0)
        agent.stop()
        later = Agent(tmp_path, clock)
        later.confirmation.resume()
        await asyncio.sleep(waits + 1.0)
        assert later.back == [FIRST]
        later.stop()

    lives(story)


def test_nothing_waits_where_nothing_was_expected(lives: Lives) -> None:
    async def story(agent: Agent) -> None:
        agent.confirmation.resume()
        assert agent.confirmation.until is None
        await asyncio.sleep(2 * LONGEST)

    assert lives(story).back == []
