"""A config on probation: what comes back, when, who confirms, and what is remembered of it. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.device.probation import LONGEST, MAX_BOOTS
from evenet_core.model.config import DeviceConfig
from evenet_core.probing.request import Cause, ProbeError
from evenet_core.store import Store
from tests.support.probation import Agent, Machine, config
from tests.support.virtual import run_virtual

A, B, C = config(1), config(2), config(3)
CONTROLLER = "controller"

Lives = Callable[[Callable[[Machine], Awaitable[None]]], None]


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    """Tells a story of a machine."""

    def live(story: Callable[[Machine], Awaitable[None]]) -> None:
        run_virtual(story(Machine(tmp_path)))  # type: ignore[arg-type]

    return live


async def started(machine: Machine, *configs: DeviceConfig) -> Agent:
    agent = Agent(machine)
    for one in configs:
        await agent.apply(one)
    return agent


# -- by the operator ----------------------------------------------------------------------------------


def test_what_nobody_confirms_gives_way_to_the_config_before(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0)
        assert agent.confirmation.until is not None
        await asyncio.sleep(59.0)
        assert agent.config == B

        await asyncio.sleep(2.0)

        assert agent.config == A
        assert agent.back == [(A, "nobody confirmed in 60 s")]
        assert agent.confirmation.until is None
        assert agent.memory.unconfirmed() is None

    lives(story)


def test_what_is_confirmed_stays(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0)
        assert await agent.confirm()
        await asyncio.sleep(100.0)
        assert (agent.config, agent.memory.config()) == (B, B)
        assert agent.memory.unconfirmed() is None

    lives(story)


def test_to_confirm_what_does_not_wait_says_why(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        assert not await agent.confirm()
        assert agent.confirmation.ended == "nothing waits for a confirmation"

        await agent.try_out(B, 60.0)
        await agent.confirm()
        assert not await agent.confirm()
        assert agent.confirmation.ended == "nothing waits for a confirmation: the operator has confirmed already"

    lives(story)


def test_to_confirm_after_the_config_before_is_back_is_too_late(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0)
        await asyncio.sleep(61.0)

        assert not await agent.confirm()

        assert agent.confirmation.ended.startswith(
            "too late: nobody confirmed in 60 s, and the config before came back"
        )
        assert agent.config == A

    lives(story)


def test_after_several_on_probation_the_last_that_was_confirmed_comes_back(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0)
        await asyncio.sleep(30.0)
        await agent.try_out(C, 60.0)
        await asyncio.sleep(59.0)
        assert agent.config == C
        await asyncio.sleep(2.0)
        assert agent.config == A

    lives(story)


def test_a_config_that_is_to_stay_ends_the_wait_of_the_one_before(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0)
        await agent.apply(C)
        await asyncio.sleep(100.0)
        assert (agent.config, agent.back) == (C, [])
        assert agent.confirmation.ended.endswith("another config was applied meanwhile")

    lives(story)


def test_one_on_probation_right_after_one_for_good_waits(lives: Lives) -> None:
    """What the first one writes down a moment later does not end the wait of the second."""

    async def story(machine: Machine) -> None:
        agent = Agent(machine)
        applying = asyncio.create_task(agent.apply(A))
        await asyncio.sleep(0.02)
        await agent.try_out(B, 60.0)
        await applying
        assert agent.memory.unconfirmed() == agent.confirmation.waits
        await asyncio.sleep(61.0)
        assert agent.config == A

    lives(story)


# -- by whoever is asked ------------------------------------------------------------------------------


def test_an_answer_confirms_and_is_told(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        machine.answers = [ProbeError(Cause.TIMEOUT, "no address yet"), "the controller was reached through eth0"]
        await agent.try_out(B, 60.0, CONTROLLER)
        await asyncio.sleep(5.0)
        assert agent.kept == [(CONTROLLER, "the controller was reached through eth0")]
        await asyncio.sleep(100.0)
        assert (agent.config, agent.memory.config(), agent.memory.unconfirmed()) == (B, B, None)
        assert agent.confirmation.ended.endswith("the controller was reached through eth0")
        assert len(agent.asked) == 2, "somebody who has answered is asked again"

    lives(story)


@pytest.mark.parametrize("who", [CONTROLLER, "tcp://192.0.2.1:22"])
def test_who_never_answers_is_asked_to_the_end_and_the_failure_is_told(lives: Lives, who: str) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0, who)
        await asyncio.sleep(61.0)
        asked = len(agent.asked)
        assert 20 <= asked <= 31
        [(back, why)] = agent.back
        named = "the controller" if who == CONTROLLER else who
        assert (back, agent.config) == (A, A)
        assert why == (f"{named} was not reached through the new config in 60 s (tried {asked} times): eth0: no answer")
        await asyncio.sleep(60.0)
        assert len(agent.asked) == asked, "it is asked although nothing waits"

    lives(story)


def test_the_operator_may_confirm_in_place_of_whoever_is_asked(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0, CONTROLLER)
        await asyncio.sleep(10.0)
        assert await agent.confirm()
        asked = len(agent.asked)
        await asyncio.sleep(100.0)
        assert (agent.config, agent.back, len(agent.asked)) == (B, [], asked)

    lives(story)


def test_an_answer_through_a_config_that_gave_way_confirms_nothing(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        machine.answers = ["the controller was reached through eth0"]
        trying = asyncio.create_task(agent.try_out(B, 60.0, CONTROLLER))
        await asyncio.sleep(0.005)
        assert len(agent.asked) == 1, "it is not asked yet"
        await agent.try_out(C, 60.0)
        await trying
        await asyncio.sleep(30.0)
        assert agent.kept == []
        await asyncio.sleep(31.0)
        assert agent.config == A

    lives(story)


def test_a_fault_of_whoever_asks_is_a_failed_try(lives: Lives, caplog: pytest.LogCaptureFixture) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        machine.answers = [ZeroDivisionError("of a plugin"), "reached"]
        with caplog.at_level(logging.CRITICAL, "evenet_core.runtime.confirmation"):
            await agent.try_out(B, 60.0, CONTROLLER)
            await asyncio.sleep(5.0)
        assert agent.kept == [(CONTROLLER, "reached")]

    lives(story)


def test_who_is_asked_is_asked_again_after_a_restart(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, 60.0, CONTROLLER)
        agent.die()
        machine.answers = ["the controller was reached through eth0"]
        later = Agent(machine)
        await asyncio.sleep(1.0)
        assert later.kept == [(CONTROLLER, "the controller was reached through eth0")]
        await asyncio.sleep(100.0)
        assert Agent(machine).config == B

    lives(story)


# -- over restarts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("previous", [A, None])
def test_a_restart_waits_for_the_rest_of_the_time(lives: Lives, previous: DeviceConfig | None, power: bool) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, *([previous] if previous else []))
        await agent.try_out(B, 60.0)
        await asyncio.sleep(20.0)
        agent.die()
        if not power:
            machine.lose_power()
        later = Agent(machine)
        await asyncio.sleep(39.0)
        assert (later.config, later.back) == (B, [])
        await asyncio.sleep(2.0)
        assert [back for back, _ in later.back] == [previous]
        later.stop()
        assert Agent(machine).config == previous

    lives(story)


@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("previous", [A, None])
def test_what_nobody_confirmed_while_nothing_ran_never_comes_into_use_again(
    lives: Lives, previous: DeviceConfig | None, power: bool
) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, *([previous] if previous else []))
        await agent.try_out(B, 60.0)
        agent.die()
        if not power:
            machine.lose_power()
        await asyncio.sleep(61.0)
        later = Agent(machine)
        assert later.config == previous
        assert later.back == [(previous, "nobody confirmed in 60 s; evenet did not run when the time was over")]
        assert later.confirmation.ended.startswith("too late")
        await asyncio.sleep(1.0)
        assert (later.memory.config(), later.memory.unconfirmed()) == (previous, None)

    lives(story)


def test_a_machine_that_starts_again_and_again_with_it_gets_the_config_before(lives: Lives) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(B, LONGEST)
        starts = 0
        while agent.config == B:
            await asyncio.sleep(10.0)
            agent.die()
            machine.lose_power()
            machine.set_clock(-1e9)
            agent = Agent(machine)
            starts += 1
        assert (agent.config, starts) == (A, MAX_BOOTS + 1)

    lives(story)


def test_a_wait_is_written_before_anything_that_comes_with_the_config_and_ends_after_it(lives: Lives) -> None:
    """What is on disk of a config that nobody confirmed is known as that."""

    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        known: list[bool] = []

        def write() -> None:
            known.append(agent.memory.unconfirmed() is not None)

        agent.confirmation.expect(A, 60.0)
        agent.ledger.enter("candidates", write)
        agent.confirmation.store(B)
        await agent.ledger.settled()
        agent.confirmation.end("the operator has confirmed already")
        agent.confirmation.store(B)
        agent.ledger.enter("candidates", write)
        await agent.ledger.settled()
        await agent.ledger.settled()

        assert known == [True, True]
        assert agent.memory.unconfirmed() is None

    lives(story)


def test_a_wait_that_an_earlier_version_wrote_down_goes_on(lives: Lives, tmp_path: Path) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A, B)
        agent.stop()
        before = {"previous": {"settings": {"number": "1"}}, "until": machine.now().wall + 60.0}
        Store(tmp_path).save("unconfirmed", before)
        later = Agent(machine)
        await asyncio.sleep(59.0)
        assert later.config == B
        await asyncio.sleep(2.0)
        assert later.config == A

    lives(story)


@pytest.mark.parametrize("damage", [b"", b"half of it", b"\xff" * 100])
def test_a_damaged_wait_lets_the_present_config_stay_and_is_told(
    lives: Lives, tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(machine: Machine) -> None:
        agent = await started(machine, A)
        await agent.try_out(C, 60.0)
        await agent.confirm()
        await agent.try_out(B, 60.0)
        agent.die()
        (tmp_path / "unconfirmed.json").write_bytes(damage)
        later = Agent(machine)
        await asyncio.sleep(100.0)
        assert (later.config, later.back) == (B, [])
        assert "unconfirmed.json is damaged" in caplog.text
        await later.try_out(C, 60.0)
        await asyncio.sleep(61.0)
        assert later.config == B

    lives(story)


# -- any history --------------------------------------------------------------------------------------

NUMBERS = st.integers(min_value=1, max_value=3)
SPANS = st.sampled_from([20.0, 70.0, 300.0])
STEPS = st.one_of(
    st.tuples(st.just("apply"), NUMBERS),
    st.tuples(st.just("try"), NUMBERS, SPANS),
    st.tuples(st.just("ask"), NUMBERS, SPANS),
    st.tuples(st.just("answer")),
    st.tuples(st.just("confirm")),
    st.tuples(st.just("sleep"), st.sampled_from([10.0, 50.0, 200.0])),
    st.tuples(st.just("restart"), st.sampled_from([0.0, 30.0, 200.0])),
    st.tuples(st.just("kill"), st.sampled_from([0.0, 30.0, 200.0])),
    st.tuples(st.just("power"), st.sampled_from([0.0, 30.0, 200.0])),
    st.tuples(st.just("clock"), st.sampled_from([-1e9, -100.0, 100.0, 1e9])),
)


class Truth:
    """What should be in use, by the true time."""

    def __init__(self) -> None:
        self.confirmed: DeviceConfig | None = None
        self.pending: DeviceConfig | None = None
        self.end = 0.0
        self.sure = True  # no power was lost since a clock was set
        self.asked = False

    def wants(self, now: float) -> list[DeviceConfig | None]:
        if self.pending is None:
            return [self.confirmed]
        if not self.sure or abs(now - self.end) < 4.0:
            return [self.confirmed, self.pending]
        return [self.pending if now < self.end else self.confirmed]

    def keep(self) -> None:
        self.confirmed, self.pending = self.pending or self.confirmed, None

    def sees(self, config: DeviceConfig | None, now: float) -> None:
        """What has come back, and is written down, does not go again."""
        assert config in self.wants(now)
        if self.pending is not None and config != self.pending:
            self.pending = None


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_the_config_in_use_is_the_confirmed_one_or_one_within_its_time(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    async def story() -> None:
        machine, truth = Machine(tmp_path_factory.mktemp("state")), Truth()
        agent = Agent(machine)
        now = asyncio.get_running_loop().time
        clock_was_set = False
        for step in steps:
            match step:
                case ("apply", number):
                    await agent.apply(config(number))
                    truth.confirmed, truth.pending = config(number), None
                case ("try" | "ask" as kind, number, seconds):
                    machine.answers.clear()
                    truth.pending, truth.end, truth.sure = config(number), now() + seconds, True
                    truth.asked, clock_was_set = kind == "ask", False
                    await agent.try_out(config(number), seconds, CONTROLLER if kind == "ask" else "operator")
                case ("answer",):
                    machine.answers = ["reached"] if agent.confirmation.waits else []
                    waited = agent.confirmation.waits is not None and truth.asked
                    await asyncio.sleep(3.0)
                    if waited and not machine.answers:
                        truth.keep()
                    machine.answers.clear()
                case ("confirm",):
                    if await agent.confirm():
                        truth.keep()
                case ("sleep", seconds):
                    await asyncio.sleep(seconds)
                case ("restart" | "kill" | "power" as kind, seconds):
                    agent.stop() if kind == "restart" else agent.die()
                    if kind == "power":
                        machine.lose_power()
                        truth.sure = truth.sure and not clock_was_set and machine.boots < MAX_BOOTS
                    await asyncio.sleep(seconds)
                    agent = Agent(machine)
                case ("clock", seconds):
                    machine.set_clock(seconds)
                    clock_was_set = True
            await agent.ledger.settled()
            truth.sees(agent.config, now())
        agent.die()
        agent = Agent(machine)
        await asyncio.sleep(LONGEST + 1.0)
        assert agent.config == truth.confirmed
        assert Agent(machine).config == truth.confirmed

    run_virtual(story())
