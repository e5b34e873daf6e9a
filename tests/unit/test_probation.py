"""How long a config on probation still has: whatever the clocks say, neither too long nor for ever."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evenet_core.device.probation import LONGEST, MAX_BOOTS, Moment, Wait, begun, decided, left, resumed
from evenet_core.model.config import DeviceConfig

START = Moment(wall=1_700_000_000.0, steady=500.0, boot="first")
WAIT = begun(None, 60.0, "operator", START)
CLOCKS = st.floats(min_value=0.0, max_value=4e9)


def later(seconds: float, *, clock_set_by: float = 0.0) -> Moment:
    return replace(START, wall=START.wall + seconds + clock_set_by, steady=START.steady + seconds)


def after_power_loss(seconds: float, *, clock_set_by: float = 0.0) -> Moment:
    return replace(later(seconds, clock_set_by=clock_set_by), steady=10.0, boot="second")


@pytest.mark.parametrize("clock_set_by", [0.0, 1e9, -1e9])
def test_in_one_run_of_the_machine_a_clock_that_is_set_changes_nothing(clock_set_by: float) -> None:
    assert left(WAIT, later(20.0, clock_set_by=clock_set_by)) == 40.0
    assert left(WAIT, later(61.0, clock_set_by=clock_set_by)) == 0.0


def test_after_a_power_loss_the_wall_clock_tells_the_rest() -> None:
    assert left(WAIT, after_power_loss(20.0)) == 40.0
    assert left(WAIT, after_power_loss(61.0)) == 0.0


def test_a_clock_that_stands_in_the_past_after_a_power_loss_gives_no_more_than_was_asked_for() -> None:
    assert left(WAIT, after_power_loss(20.0, clock_set_by=-1e9)) == 60.0


def test_once_resumed_it_goes_by_the_steady_clock_of_the_new_run() -> None:
    wait = resumed(WAIT, after_power_loss(20.0, clock_set_by=-1e9))

    now = replace(after_power_loss(50.0, clock_set_by=+1e9), steady=40.0)

    assert left(wait, now) == 30.0


def test_a_machine_that_is_started_again_and_again_in_the_past_does_not_wait_for_ever() -> None:
    wait, starts = WAIT, 0
    while left(wait, now := Moment(wall=0.0, steady=1.0, boot=f"start-{starts}")) > 0:
        wait = resumed(wait, now)
        starts += 1

    assert starts == MAX_BOOTS


def test_restarts_of_the_agent_alone_do_not_count() -> None:
    assert resumed(WAIT, later(1.0)) == WAIT


def test_where_starts_of_the_machine_cannot_be_told_apart_the_wall_clock_counts() -> None:
    nameless = replace(START, boot="")
    wait = begun(None, 60.0, "operator", nameless)

    assert left(wait, replace(nameless, wall=nameless.wall + 20.0, steady=0.0)) == 40.0


def test_what_is_decided_has_no_time_left() -> None:
    assert left(decided(DeviceConfig()), START) == 0.0


MOMENTS = st.builds(Moment, wall=CLOCKS, steady=CLOCKS, boot=st.sampled_from(["first", "second", ""]))
ODD = st.builds(
    Wait, previous=st.none(), until=st.floats(), seconds=st.floats(), boot=st.just("first"), steady_until=st.floats()
)


@example(Wait(previous=None, until=1.0, seconds=nan, boot="first"), Moment(wall=0.0, steady=0.0, boot="second"))
@given(ODD, MOMENTS)
def test_whatever_is_stored_it_lasts_no_longer_than_was_asked_for_nor_than_a_day(stored: Wait, now: Moment) -> None:
    rest = left(stored, now)

    assert 0.0 <= rest <= LONGEST
    assert not rest > max(0.0, stored.seconds)
