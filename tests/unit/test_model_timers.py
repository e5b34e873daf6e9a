"""Timers of the device properties: what counts of what is written."""

from __future__ import annotations

import pytest

from evenet_core.model.timers import BETTER_INTERVAL, TEST_DURATION, TEST_INTERVAL, Timer


@pytest.mark.parametrize(
    ("timer", "text", "seconds"),
    [
        (TEST_DURATION, None, 30.0),
        (TEST_DURATION, "3", 3.0),
        (TEST_DURATION, "0", 1.0),
        (TEST_DURATION, "soon", 30.0),
        (TEST_DURATION, "-1", 30.0),
        (TEST_DURATION, "1" * 10, 30.0),
        (TEST_DURATION, "\u0663", 30.0),
        (TEST_INTERVAL, "0", 10.0),
        (TEST_INTERVAL, "3600", 3600.0),
        (BETTER_INTERVAL, "0", 0.0),
        (BETTER_INTERVAL, "1", 10.0),
    ],
)
def test_what_counts(timer: Timer, text: str | None, seconds: float) -> None:
    assert timer.seconds(text) == seconds
