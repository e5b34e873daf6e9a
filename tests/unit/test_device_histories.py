"""Verification over many random histories in virtual time: a node that can be reached is reached.

Each example is a list of bytes that happen to a device with two cables: two of them an event, and how long after the
last one it comes. They are decoded here and not drawn one by one: so a hundred thousand fit into a test run.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.device.verification import Arrived, Asked, Phase, Timers, Withdrawn
from evenet_core.device.verify import COOL_DOWN
from tests.support.verification import Cable, World, dpc, phase_fits

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
PARTS, EXAMPLES = 8, 12_500  # 100,000 in all
TIMERS = Timers()
LONGEST_TRIAL = 6 * TIMERS.test_duration + 20.0
PAUSES = (0.0, 0.4, 2.0, 7.0, 31.0, 100.0, 299.0, 1000.0)
DPCS = [
    *(dpc("zedagent", {"eth0": segment}) for segment in (0, 1)),
    *(dpc("zedagent", {"eth0": segment, "eth1": segment}) for segment in (0, 1, 2)),
    dpc("override", {"eth1": 0}, 2030),
    dpc("usb", {"eth0": 2}, 2000),
    dpc("manual", {"eth1": 1}),
]


class History:
    """One device's life, and what must hold in it at every moment."""

    def __init__(self) -> None:
        self.world = World({"eth0": Cable(), "eth1": Cable()}, watch=self.check)
        self.withdrawn = False

    def check(self, world: World) -> None:
        state = world.state
        assert -1 <= state.current < len(state.candidates)
        assert (state.current >= 0) == bool(state.candidates), "a current DPC once one exists"
        assert world.used is None if state.candidate is None else world.used == state.candidate.dpc
        assert phase_fits(state), (state.phase, state.candidate)
        assert state.candidate is None or world.waits_for_something, "nothing would ever happen again"
        assert len(state.candidates) <= 8, "the list is bounded by its sources"

    def event(self, number: int) -> None:
        world, kind, which = self.world, number % 8, number // 8
        cable = world.cables[f"eth{which % 2}"]
        match kind:
            case 0 | 1:
                world.happens(Arrived(DPCS[which % len(DPCS)]))
            case 2:
                cable.carrier = not cable.carrier
                world.changes()
            case 3:
                cable.server = not cable.server
                world.changes()
            case 4:
                cable.segment = which // 2 % 3
                world.changes()
            case 5:
                world.controller = not world.controller
            case 6:
                world.restarts()
            case _:
                self.rarely(which)

    def rarely(self, which: int) -> None:
        match which % 4:
            case 0:
                self.world.set_by += (-86400.0, 3600.0, 5e8, -100.0)[which // 4 % 4]
            case 1:
                self.world.happens(Asked(("", "zedagent", "override", "nobody")[which // 4 % 4]))
            case _:
                self.world.happens(Withdrawn(("manual", "usb", "override", "zedagent")[which // 4 % 4]))

    def rests(self) -> None:
        """Nothing happens any more. What works best is in use when every timer has had its turn."""
        world = self.world
        rounds = len(world.state.candidates)
        world.lives(COOL_DOWN + TIMERS.test_interval + rounds * (TIMERS.better_interval + LONGEST_TRIAL))
        if world.state.candidate is None:
            return
        working = [candidate.dpc for candidate in world.state.candidates if world.works(candidate.dpc)]
        while working and world.state.phase is not Phase.COMMITTED:  # another one has its turn just now
            assert world.now < world.used_at + LONGEST_TRIAL
            world.lives(1.0)
        assert not working or world.used is working[0], "a good config beats a bad one"
        before = len(world.switches)
        world.lives(3600.0)
        flaps = len(world.switches) - before
        assert flaps <= (3600 / COOL_DOWN + 1) * 2 * len(world.state.candidates), "no endless flapping"
        if working and working[0] is world.state.candidates[0].dpc:
            assert flaps == 0, "nobody leaves what works"


@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(data=st.binary(max_size=48))
def test_in_every_history_the_best_working_config_comes_into_use(part: int, data: bytes) -> None:
    history = History()
    for number, pause in zip(data[::2], data[1::2], strict=False):
        history.event(number)
        history.world.lives(PAUSES[pause % len(PAUSES)])
    history.rests()
