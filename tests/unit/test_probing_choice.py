"""Choice of one port among several: order of preference, patience, and stability over any picture (EVE: F)."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.probing.choice import SIGNAL_MARGIN, Candidate, Choice, Standing, choose

NOW = 1000.0
ANSWERS, PARTLY, UNPROBED = Standing.ANSWERS, Standing.PARTLY, Standing.UNPROBED
SILENT, LINK_LOCAL, NO_PATH = Standing.SILENT, Standing.LINK_LOCAL, Standing.NO_PATH


def port(label: str, standing: Standing = ANSWERS, cost: int = 0, **more: Any) -> Candidate:
    return Candidate(label=label, standing=standing, cost=cost, evidence=f"ping of {label}", **more)


def chosen(*ports: Candidate, current: str = "", **how: bool) -> str:
    return choose(ports, current, NOW, **how).label


# -- what counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("better", "worse"), [*zip(list(Standing)[:-1], list(Standing)[1:], strict=True)])
def test_a_port_that_serves_better_is_taken_whatever_it_costs(better: Standing, worse: Standing) -> None:
    assert chosen(port("a", worse), port("b", better, cost=255), current="a", cheaper=True) == "b"


def test_of_ports_that_answer_the_cheapest_is_taken_if_that_is_asked_for() -> None:
    ports = port("a", cost=5), port("b", cost=1), port("c", cost=3)

    assert chosen(*ports, current="a", cheaper=True) == "b"
    assert chosen(*ports, current="a") == "a"


def test_at_one_cost_the_port_where_more_probes_succeed_is_taken() -> None:
    assert chosen(port("a", up=1), port("b", up=2), current="a", cheaper=True) == "b"


def test_the_cost_counts_before_the_number_of_probes() -> None:
    assert chosen(port("a", up=1), port("b", cost=1, up=2), current="b", cheaper=True) == "a"


def test_the_port_in_use_is_kept_among_equals() -> None:
    assert chosen(port("a"), port("b"), port("c"), current="b", cheaper=True) == "b"


@pytest.mark.parametrize(("left", "next_one"), [("a", "b"), ("b", "c"), ("c", "a")])
def test_equals_take_turns_when_one_is_left(left: str, next_one: str) -> None:
    ports = [port(label, SILENT if label == left else ANSWERS) for label in "abc"]

    assert chosen(*ports, current=left) == next_one


def test_a_port_in_use_that_is_no_candidate_any_more_is_left() -> None:
    assert chosen(port("a"), port("b"), current="gone") == "a"


def test_without_candidates_there_is_no_port() -> None:
    assert choose((), "a", NOW) == Choice("", "no port matches")


# -- when nothing works -------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [SILENT, LINK_LOCAL, NO_PATH])
def test_where_none_works_the_port_in_use_is_kept(standing: Standing) -> None:
    assert chosen(port("a", standing), port("b", standing, cost=9), current="b", cheaper=True) == "b"


@pytest.mark.parametrize("standing", [UNPROBED, SILENT, LINK_LOCAL, NO_PATH])
def test_a_fresh_choice_among_ports_that_do_not_answer_is_the_cheapest(standing: Standing) -> None:
    assert chosen(port("a", standing, cost=9), port("b", standing, cost=1)) == "b"


def test_ports_that_cannot_be_asked_and_are_in_use_stay_so() -> None:
    assert chosen(port("a", UNPROBED), port("b", UNPROBED, cost=9), current="b") == "b"
    assert chosen(port("a", UNPROBED), port("b", UNPROBED, cost=9), current="b", cheaper=True) == "a"


# -- signals ------------------------------------------------------------------------------------------


def test_of_cellular_ports_the_one_with_the_stronger_signal_is_taken_if_that_is_asked_for() -> None:
    weak, strong = port("a", signal=-100), port("b", signal=-70)

    assert chosen(weak, strong, current="a", stronger=True) == "b"
    assert chosen(weak, strong, current="a") == "a"


def test_a_signal_that_is_hardly_stronger_moves_nothing() -> None:
    in_use, other = port("a", signal=-80), port("b", signal=-80 + SIGNAL_MARGIN - 1)

    assert chosen(in_use, other, current="a", stronger=True) == "a"
    assert chosen(in_use, replace(other, signal=-80 + SIGNAL_MARGIN), current="a", stronger=True) == "b"


def test_between_two_ports_that_are_not_in_use_the_slightest_difference_counts() -> None:
    assert chosen(port("a", signal=-80), port("b", signal=-79), stronger=True) == "b"


def test_signals_say_nothing_about_ports_without_radio() -> None:
    cable, radio = port("a"), port("b", signal=-50)

    assert chosen(cable, radio, current="a", stronger=True) == "a"
    assert chosen(cable, radio, current="b", stronger=True) == "b"


# -- patience -----------------------------------------------------------------------------------------


def test_a_port_whose_probes_have_not_spoken_is_kept_until_they_do() -> None:
    found = choose([port("a"), port("b", UNPROBED, pending=True)], "b", NOW)

    assert (found.label, found.again_at) == ("b", inf)


def test_a_port_that_works_again_is_returned_to_when_it_has_proved_itself() -> None:
    back, dear = port("a", settled_at=NOW + 7), port("b", cost=5)

    found = choose([back, dear], "b", NOW, cheaper=True)

    assert (found.label, found.again_at) == ("b", NOW + 7)
    assert found.because == "a works again and is returned to if it stays so"
    assert choose([back, dear], "b", NOW + 7, cheaper=True).label == "a"


@pytest.mark.parametrize("standing", [PARTLY, SILENT, NO_PATH])
def test_nobody_waits_on_a_port_that_is_worse_off(standing: Standing) -> None:
    assert chosen(port("a", settled_at=NOW + 7), port("b", standing), current="b", cheaper=True) == "a"


def test_meanwhile_another_port_that_has_proved_itself_may_serve() -> None:
    back, in_use, third = port("a", settled_at=NOW + 7), port("b", cost=9), port("c", cost=5)

    found = choose([back, in_use, third], "b", NOW, cheaper=True)

    assert (found.label, found.again_at) == ("c", NOW + 7)


def test_the_first_choice_waits_for_nothing() -> None:
    assert chosen(port("a", settled_at=NOW + 7), port("b", cost=5), cheaper=True) == "a"


# -- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ports", "current", "because"),
    [
        ([port("a"), port("b", cost=1)], "", "cheapest port that answers: ping of a"),
        ([port("a")], "", "the only port; cheapest port that answers: ping of a"),
        ([port("a", PARTLY), port("b", SILENT)], "", "no port answers everything; here ping of a"),
        ([port("a", UNPROBED), port("b", UNPROBED)], "", "cheapest port with a link"),
        ([port("a", SILENT), port("b", SILENT)], "b", "no port works better; kept: ping of b"),
        ([port("a", SILENT), port("b", NO_PATH)], "", "no port works; cheapest with an address: ping of a"),
        ([port("a", LINK_LOCAL)], "", "the only port; no port works; cheapest with a link-local address: ping of a"),
        ([port("a", NO_PATH), port("b", NO_PATH)], "", "no port has a path: ping of a"),
    ],
)
def test_a_choice_says_why(ports: list[Candidate], current: str, because: str) -> None:
    assert choose(ports, current, NOW, cheaper=True).because == because


def test_a_port_that_answers_partly_does_not_make_a_worse_one_wait_for_a_better_one() -> None:
    ports = [port("a", ANSWERS, settled_at=NOW + 5), port("b", UNPROBED, up=1), port("c", PARTLY)]

    assert choose(ports, "b", NOW).label == "a"


def test_who_asks_for_signal_first_gets_it_also_where_nothing_answers() -> None:
    ports = [port("a", UNPROBED, cost=1, up=1, signal=-50), port("b", UNPROBED, cost=0, up=1, signal=-56)]

    assert choose(ports, "", NOW, stronger=True).label == "a"


# -- over any picture ---------------------------------------------------------------------------------


def possible(candidate: Candidate) -> Candidate:
    """A port that is not asked counts its link; one that was asked and has not answered is pending (tested above)."""
    return replace(candidate, up=1) if candidate.standing is UNPROBED else candidate


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        label=st.sampled_from("abcd"),
        standing=st.sampled_from(Standing),
        cost=st.integers(0, 2),
        up=st.integers(0, 2),
        settled_at=st.sampled_from([0.0, NOW, NOW + 5, NOW + 9]),
        signal=st.none() | st.integers(-110, -50),
    ).map(possible),
    min_size=1,
    max_size=4,
    unique_by=lambda candidate: candidate.label,
)
CURRENT = st.sampled_from(["", "a", "b", "c", "d", "gone"])


@given(CANDIDATES, CURRENT, st.booleans(), st.booleans())
def test_a_choice_is_a_candidate_and_choosing_again_keeps_it(
    ports: list[Candidate], current: str, cheaper: bool, stronger: bool
) -> None:
    first = choose(ports, current, NOW, cheaper=cheaper, stronger=stronger)

    again = choose(ports, first.label, NOW, cheaper=cheaper, stronger=stronger)

    assert first.label in {candidate.label for candidate in ports}
    assert again.label == first.label
    assert first.because
    assert first.again_at > NOW


@given(CANDIDATES, CURRENT, st.booleans())
def test_no_port_is_used_while_a_better_one_has_proved_itself(
    ports: list[Candidate], current: str, cheaper: bool
) -> None:
    found = choose(ports, current, NOW, cheaper=cheaper)

    [use] = [candidate for candidate in ports if candidate.label == found.label]
    for other in ports:
        if other.settled_at <= NOW:
            assert other.standing >= use.standing
            if cheaper and other.standing is use.standing and use.standing <= UNPROBED:
                assert other.cost >= use.cost


@given(CANDIDATES, CURRENT, st.booleans())
def test_a_wait_ends_with_the_port_that_was_waited_for_if_nothing_changes(
    ports: list[Candidate], current: str, cheaper: bool
) -> None:
    choice, now = choose(ports, current, NOW, cheaper=cheaper), NOW
    for _ in range(5):
        if choice.again_at == inf:
            break
        now = choice.again_at
        choice = choose(ports, choice.label, now, cheaper=cheaper)

    assert choice.again_at == inf, "it would wait for ever"
    settled = [replace(candidate, settled_at=0.0) for candidate in ports]
    assert choose(settled, choice.label, now, cheaper=cheaper).label == choice.label
