"""Verification at work: tests and timers that the decisions ask for. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from evenet_core.device.dpclist import Candidate
from evenet_core.device.readiness import PortState
from evenet_core.device.verification import Adjusted, Instant, Phase, Resumed, State, Timers
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.networks import IpMode, IpSettings
from evenet_core.probing.verdict import PortVerdict, Reason
from evenet_core.runtime.verifier import Verifier
from tests.support.virtual import run_virtual

GOOD = (PortVerdict(label="eth0", reason=Reason.SUCCESS),)
BAD = (PortVerdict(label="eth0", reason=Reason.FAILURE, error="no answer"),)


def dpc(key: str = "zedagent", year: int = 2026, cost: int = 0) -> Dpc:
    adapter = Adapter(label="eth0", ifname="eth0", management=True, cost=cost, ip=IpSettings(mode=IpMode.DHCP))
    return Dpc(key=key, time_priority=datetime(year, 1, 1, tzinfo=UTC), adapters=(adapter,))


READY = (PortState(label="eth0"),)


class World:
    """A verifier, what it used and when it tested; `verdict` is what the next test says, after `took` seconds."""

    def __init__(self) -> None:
        self.used: list[Dpc | None] = []
        self.tests: list[float] = []
        self.states: list[State] = []
        self.verdict: Any = GOOD
        self.took = 0.5
        self.verifier = Verifier(
            State(), use=self.used.append, test=self._test, changed=self.states.append, clock=self.clock
        )

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def clock(self) -> Instant:
        return Instant(self.now(), 1e9 + self.now())

    async def _test(self) -> Sequence[PortVerdict]:
        self.tests.append(self.now())
        verdict = self.verdict
        await asyncio.sleep(self.took)
        if isinstance(verdict, BaseException):
            raise verdict
        return list(verdict)

    @property
    def phase(self) -> Phase:
        return self.verifier.state.phase

    def live(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            try:
                await story()
            finally:
                await self.verifier.stop()

        run_virtual(main())


@pytest.fixture
def world() -> World:
    return World()


def test_a_dpc_that_arrives_is_used_and_tested_when_its_ports_are_ready(world: World) -> None:
    async def story() -> None:
        world.verifier.arrived(dpc())
        assert (world.used, world.tests, world.phase) == ([dpc()], [], Phase.WAITING)

        await asyncio.sleep(3)
        world.verifier.ports_changed(READY)
        await asyncio.sleep(1)

        assert (world.tests, world.phase) == ([3.0], Phase.COMMITTED)
        assert world.states[-1] == world.verifier.state

    world.live(story)


def test_a_dpc_in_use_is_tested_again_and_again(world: World) -> None:
    async def story() -> None:
        world.verifier.arrived(dpc())
        world.verifier.ports_changed(READY)

        await asyncio.sleep(1000)

        assert [round(moment) for moment in world.tests] == [0, 300, 601, 902]

    world.live(story)


def test_a_candidate_that_fails_is_tried_again_and_then_given_up(world: World) -> None:
    async def story() -> None:
        world.verifier.arrived(dpc(year=2025))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(5)
        world.verdict = BAD
        world.verifier.arrived(dpc(cost=9))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(60)

        assert world.used == [dpc(year=2025), dpc(cost=9), dpc(year=2025)]
        assert len(world.tests) > 10

    world.live(story)


def test_a_candidate_without_any_address_is_given_up_by_the_clock(world: World) -> None:
    async def story() -> None:
        world.verifier.arrived(dpc(year=2025))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(5)

        world.verifier.arrived(dpc(cost=9))
        await asyncio.sleep(151)

        assert world.used[-1] == dpc(year=2025)
        assert world.verifier.state.candidates[0].results.last_error == (
            "no management adapter has an address and a name server"
        )

    world.live(story)


def test_a_test_that_itself_fails_is_a_test_that_nobody_passed(world: World) -> None:
    async def story() -> None:
        world.verdict = RuntimeError("boom")
        world.verifier.arrived(dpc())
        world.verifier.ports_changed(READY)
        await asyncio.sleep(10)
        before = world.phase
        world.verdict = GOOD
        await asyncio.sleep(10)

        assert (before, world.phase) == (Phase.TESTING, Phase.COMMITTED)

    world.live(story)


def test_the_verdict_on_an_earlier_candidate_is_not_that_on_the_next_one(world: World) -> None:
    async def story() -> None:
        world.took = 20
        world.verifier.arrived(dpc(year=2025))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(1)
        world.verdict = BAD
        world.verifier.arrived(dpc(cost=9))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(20)

        assert world.phase is not Phase.COMMITTED
        assert world.verifier.state.candidates[0].results.untested

    world.live(story)


def test_never_do_two_tests_run_at_once(world: World) -> None:
    async def story() -> None:
        world.took = 7
        world.verifier.arrived(dpc())
        for _ in range(30):
            world.verifier.ports_changed(READY)
            await asyncio.sleep(1)

        assert all(later - earlier >= 7 for earlier, later in pairwise(world.tests))

    world.live(story)


def test_a_node_that_starts_again_tests_what_is_in_use_once_more_and_changes_nothing(world: World) -> None:
    before = World()

    async def story() -> None:
        before.verifier.arrived(dpc())
        before.verifier.ports_changed(READY)
        await asyncio.sleep(5)
        await before.verifier.stop()
        state = before.verifier.state

        world.verifier.adjust(Adjusted(timers=Timers(test_duration=10.0)))
        world.verifier.resume(Resumed(state.candidates, state.current, state.phase, before.verifier.since))
        assert (world.phase, world.used) == (Phase.WAITING, [])
        world.verifier.ports_changed(READY)
        await asyncio.sleep(5)

        assert (world.phase, world.used, len(world.tests)) == (Phase.COMMITTED, [], 1)
        assert world.verifier.state.timers == Timers(test_duration=10.0)

    world.live(story)


def test_a_node_that_starts_again_without_adapters_has_nothing_to_verify(world: World) -> None:
    async def story() -> None:
        world.verifier.resume(Resumed((Candidate(dpc=replace(dpc(), adapters=())),), 0, Phase.IDLE, 0.0))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(1000)

        assert (world.phase, world.tests) == (Phase.IDLE, [])

    world.live(story)


def test_a_node_that_starts_without_network_gives_up_by_the_clock(world: World) -> None:
    async def story() -> None:
        other = World()
        other.verifier.arrived(dpc())
        await other.verifier.stop()
        world.verifier.adjust(Adjusted(timers=Timers(test_duration=10.0)))
        world.verifier.resume(Resumed(other.verifier.state.candidates, 0, Phase.WAITING, 1e9))

        await asyncio.sleep(51)

        assert world.phase is Phase.FAILED

    world.live(story)


def test_a_decision_may_be_taken_while_another_is_carried_out(world: World) -> None:
    """Making a DPC the current one plans everything, and the ports may be ready at once."""
    world.verifier._use = lambda _: world.verifier.ports_changed(READY)

    async def story() -> None:
        world.verifier.arrived(dpc())
        await asyncio.sleep(5)

        assert (world.tests, world.phase) == ([0.0], Phase.COMMITTED)

    world.live(story)


def test_a_verifier_that_stops_leaves_nothing_running(world: World) -> None:
    async def main() -> int:
        world.took = 1000
        world.verifier.arrived(dpc())
        world.verifier.ports_changed(READY)
        await asyncio.sleep(1)

        await world.verifier.stop()
        steps = len(world.states)
        await asyncio.sleep(10_000)

        assert len(world.states) == steps
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1


def test_a_trial_that_a_restart_cut_in_two_takes_no_longer_than_one(world: World) -> None:
    """An agent that is killed again and again does not keep the node on a config that cuts it off."""

    async def story() -> None:
        world.verifier.arrived(dpc(year=2025))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(5)
        world.verifier.arrived(dpc(cost=9))
        state = world.verifier.state
        for _ in range(5):
            since = world.verifier.since
            await asyncio.sleep(29)
            await world.verifier.stop()
            world.verifier.resume(Resumed(state.candidates, state.current, state.phase, since))

        await asyncio.sleep(10)

        assert world.used[-1] == dpc(year=2025)

    world.live(story)


def test_a_test_of_what_is_not_in_use_any_more_is_cut_short(world: World) -> None:
    async def story() -> None:
        world.took = 100
        world.verifier.arrived(dpc(year=2025))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(1)
        world.took = 1
        world.verifier.arrived(dpc(cost=9))
        world.verifier.ports_changed(READY)
        await asyncio.sleep(2)

        assert world.phase is Phase.COMMITTED

    world.live(story)
