"""Health of one port: what results mean, when to probe, and that neither is ever overdone. In virtual time."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.probing.health import (
    LINK_ONLY,
    Doubted,
    Event,
    Health,
    HealthSettings,
    PathChanged,
    ProbeFailed,
    ProbeOk,
    SendProbe,
    Tick,
    Verdict,
    step,
)

PACE = HealthSettings()  # a second, bursts of five in a second; three losses down, two answers up
UP_PATH, NO_CARRIER = PathChanged("", "a"), PathChanged("no carrier")


class Port:
    """One health and a clock; results are those of the probe sent last."""

    def __init__(self, settings: HealthSettings = PACE) -> None:
        self.state = Health(settings=settings)
        self.now = 100.0
        self.sent: list[float] = []
        self.told: list[tuple[Verdict, str]] = []

    def take(self, event: Event) -> SendProbe | None:
        before = self.state.verdict
        self.state, due = step(self.state, event, self.now)
        if due is not None:
            assert due.generation == self.state.generation
            self.sent.append(self.now)
        if self.state.verdict is not before:
            self.told.append((self.state.verdict, self.state.reason))
        return due

    def path(self, path: str = "a", obstacle: str = "") -> None:
        self.take(PathChanged(obstacle, path))

    def answer(self, ok: bool, latency: float = 0.01) -> None:
        generation = self.state.generation
        self.take(ProbeOk(generation, latency) if ok else ProbeFailed(generation, "no answer"))

    def wait(self) -> None:
        """Until it wants to be called."""
        assert self.state.next_at < inf, "it wants nothing"
        self.now = max(self.now, self.state.next_at)
        self.take(Tick())

    def live(self, *answers: bool) -> None:
        """One probe after the other, each with this result."""
        for ok in answers:
            self.answer(ok)
            self.wait()


def up(settings: HealthSettings = PACE) -> Port:
    port = Port(settings)
    port.path()
    port.answer(True)
    return port


# -- verdicts -----------------------------------------------------------------------------------------


def test_a_port_nobody_looked_at_is_down_and_wants_nothing() -> None:
    assert (Port().state.verdict, Port().state.next_at) == (Verdict.DOWN, inf)


def test_a_path_that_appears_is_probed_at_once_and_unknown_until_then() -> None:
    port = Port()

    port.path()

    assert port.state.verdict is Verdict.UNKNOWN
    assert port.sent == [port.now]
    assert port.told == [(Verdict.UNKNOWN, "")]


@pytest.mark.parametrize(("ok", "verdict"), [(True, Verdict.UP), (False, Verdict.DOWN)])
def test_the_first_result_on_a_new_path_decides(ok: bool, verdict: Verdict) -> None:
    port = Port()
    port.path()

    port.answer(ok)

    assert port.state.verdict is verdict


def test_three_losses_in_a_row_turn_the_verdict_and_two_do_not() -> None:
    port = up()

    port.live(False, False, True, False, False)
    before = port.state.verdict
    port.answer(False)

    assert (before, port.state.verdict) == (Verdict.UP, Verdict.DOWN)
    assert port.told[-1] == (Verdict.DOWN, "no answer")
    assert port.state.reason == "no answer"


def test_two_answers_in_a_row_turn_it_back_and_one_does_not() -> None:
    port = up()
    port.live(False, False, False)

    port.live(True, False, True)
    assert port.state.verdict is Verdict.DOWN
    port.answer(True)

    assert (port.state.verdict, port.state.reason) == (Verdict.UP, "")


def test_a_lost_path_is_down_at_once_whatever_was_answered() -> None:
    port = up()

    port.take(NO_CARRIER)

    assert (port.state.verdict, port.state.reason, port.state.next_at) == (Verdict.DOWN, "no carrier", inf)
    assert port.told[-1] == (Verdict.DOWN, "no carrier")


def test_answers_that_come_in_without_a_path_mean_nothing() -> None:
    port = up()
    port.take(NO_CARRIER)

    port.answer(True)
    port.answer(True)

    assert port.state.verdict is Verdict.DOWN


@pytest.mark.parametrize("result", [ProbeOk, ProbeFailed])
def test_the_result_of_a_probe_over_an_earlier_path_means_nothing(result: type) -> None:
    port = up()
    earlier = port.state.generation
    port.path("b")
    before = port.state

    for _ in range(5):
        port.take(ProbeOk(earlier, 0.1) if result is ProbeOk else ProbeFailed(earlier, "late"))

    assert port.state == before


def test_other_addresses_keep_the_verdict_until_a_probe_says_otherwise() -> None:
    port = up()
    sent = len(port.sent)
    port.now += 5.0

    port.path("b")

    assert port.state.verdict is Verdict.UP
    assert port.sent[sent:] == [port.now]


def test_the_same_path_again_is_no_news() -> None:
    port = up()
    before = port.state

    assert port.take(UP_PATH) is None
    assert port.state == before


def test_another_reason_for_the_same_trouble_is_kept() -> None:
    port = up()
    port.take(NO_CARRIER)
    since = port.state.since
    port.now += 7.0

    port.take(PathChanged("no address"))

    assert (port.state.reason, port.state.since) == ("no address", since)


def test_a_path_without_probes_is_up_as_long_as_it_is_there() -> None:
    port = Port(LINK_ONLY)

    port.path()
    assert (port.state.verdict, port.state.next_at) == (Verdict.UP, inf)
    port.path("b")
    assert (port.state.verdict, port.sent) == (Verdict.UP, [])
    port.take(NO_CARRIER)

    assert port.state.verdict is Verdict.DOWN


def test_latency_is_smoothed_and_forgotten_when_the_port_is_down() -> None:
    port = up()
    port.answer(True, 0.09)

    assert port.state.latency == pytest.approx(0.02)
    port.take(NO_CARRIER)
    assert port.state.latency is None


# -- hold-down ----------------------------------------------------------------------------------------


def test_a_new_port_may_be_used_at_once() -> None:
    port = up()

    assert port.state.settled_at == port.now


def test_a_port_that_failed_must_be_up_for_a_while() -> None:
    port = up()
    port.live(False, False, False)

    port.answer(True)
    port.answer(True)

    assert port.state.settled_at == port.now + PACE.hold_down


def test_a_port_that_lost_its_link_must_be_up_for_a_shorter_while() -> None:
    port = up()
    port.take(NO_CARRIER)

    port.path()
    port.answer(True)

    assert port.state.settled_at == port.now + PACE.hold_down_link


def test_after_a_lost_link_the_next_failure_counts_as_one_of_the_path_again() -> None:
    port = up()
    port.take(NO_CARRIER)
    port.path()
    port.live(True, False, False, False)

    port.answer(True)
    port.answer(True)

    assert port.state.settled_at == port.now + PACE.hold_down


# -- pace ---------------------------------------------------------------------------------------------


def gaps(port: Port) -> list[float]:
    return [round(later - earlier, 6) for earlier, later in pairwise(port.sent)]


def test_while_nothing_is_in_doubt_there_is_a_probe_an_interval() -> None:
    port = up()
    port.wait()

    port.live(True, True, True)

    assert gaps(port)[-3:] == [1.0, 1.0, 1.0]


def test_the_first_loss_hurries_until_the_matter_is_settled() -> None:
    port = up()
    port.wait()

    port.live(False, False, False, False)

    assert gaps(port)[-4:] == [0.2, 0.2, 1.0, 1.0]


def test_a_burst_ends_although_the_matter_is_not_settled() -> None:
    port = up()
    port.wait()

    port.live(*[False, True] * 6)

    assert max(len([t for t in port.sent if start <= t < start + 1.0]) for start in port.sent) <= 6


def test_a_hint_is_followed_at_once_but_not_faster_than_a_burst() -> None:
    port = up()
    port.now += 0.5

    port.take(Doubted())
    port.now += 0.1
    port.take(Doubted())

    assert port.sent[-1] == port.now - 0.1
    assert port.state.next_at == pytest.approx(port.now + 0.1)


def test_a_hint_without_a_path_is_nothing_to_follow() -> None:
    port = up()
    port.take(NO_CARRIER)

    assert port.take(Doubted()) is None
    assert port.state.next_at == inf


def test_a_link_that_flaps_is_not_probed_more_than_one_that_is_in_doubt() -> None:
    """Each probe of a metered port costs money."""
    port = up(HealthSettings(interval=30.0, burst_interval=1.0, timeout=3.0))

    for _ in range(100):
        port.now += 0.1
        port.take(NO_CARRIER)
        port.now += 0.1
        port.path()

    assert len([moment for moment in port.sent if moment > port.now - 30.0]) <= 6


def test_addresses_that_change_all_the_time_are_not_probed_more_than_a_port_in_doubt() -> None:
    port = up()

    for number in range(50):
        port.now += 0.01
        port.path(str(number))

    assert len(port.sent) <= 6


def test_a_path_that_came_back_too_soon_is_probed_as_soon_as_it_may_be() -> None:
    port = up(HealthSettings(interval=30.0, burst=0))
    port.now += 1.0
    port.take(NO_CARRIER)
    port.path()

    port.wait()

    assert gaps(port)[-1] == 30.0
    assert port.state.verdict is Verdict.UNKNOWN


# -- over any history ---------------------------------------------------------------------------------

SETTINGS = st.builds(
    HealthSettings,
    interval=st.sampled_from([0.0, 1.0, 5.0]),
    burst_interval=st.sampled_from([0.1, 0.2]),
    burst=st.integers(0, 5),
    down_after=st.integers(1, 4),
    up_after=st.integers(1, 4),
)
PATHS = st.builds(PathChanged, st.sampled_from(["", "", "no carrier", "no address"]), st.sampled_from("ab"))
HAPPENINGS = st.sampled_from(["ok", "ok", "failed", "failed", "late", "tick", "doubt"]) | PATHS


@settings(max_examples=300)
@given(SETTINGS, st.lists(st.tuples(st.floats(0.0, 2.0), HAPPENINGS), max_size=80))
def test_in_every_history_the_verdict_follows_the_results_and_probes_stay_few(
    pace: HealthSettings, history: list[tuple[float, str | PathChanged]]
) -> None:
    port = Port(pace)
    results: list[bool] = []  # since there is a path
    path = PathChanged("not yet")
    for delay, happening in history:
        until = port.now + delay
        while port.state.next_at <= until:  # whoever runs it calls it when it wants to be called
            port.wait()
        port.now = until
        pending = port.state.generation
        if isinstance(happening, PathChanged):
            if happening.obstacle or path.obstacle:
                results = []
            port.take(happening)
            path = happening
        elif happening == "late":
            port.take(ProbeOk(pending - 1, 0.1))
        elif happening == "tick":
            port.take(Tick())
        elif happening == "doubt":
            port.take(Doubted())
        elif port.sent and pace.interval:
            port.answer(happening == "ok")
            if not path.obstacle:
                results.append(happening == "ok")
        check(port, pace, path, results)


def check(port: Port, pace: HealthSettings, path: PathChanged, results: list[bool]) -> None:
    state = port.state
    if path.obstacle:
        assert state.verdict is Verdict.DOWN
    elif not pace.interval:
        assert state.verdict is Verdict.UP
    elif not results:
        assert state.verdict is Verdict.UNKNOWN
    elif len(results) == 1 or results[-pace.up_after :] == [True] * pace.up_after:
        assert state.verdict is (Verdict.UP if results[-1] else Verdict.DOWN)
    elif results[-pace.down_after :] == [False] * pace.down_after:
        assert state.verdict is Verdict.DOWN
    assert (state.next_at < inf) == bool(pace.interval and not path.obstacle), "it would never probe again"
    assert bool(state.reason) == (state.verdict is Verdict.DOWN)
    if pace.interval:
        for start in port.sent:
            assert len([t for t in port.sent if start <= t < start + pace.interval]) <= 1 + pace.burst
    told = [verdict for verdict, _ in port.told]
    assert (told or [Verdict.DOWN])[-1] is state.verdict
    assert all(first is not second for first, second in pairwise(told))
