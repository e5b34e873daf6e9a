"""Numbers keep their owner: over deletion and return, over a restart, and as long as there are any left."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from evenet_core.apps.numbers import ExhaustedError, Numbers

LOW, HIGH = 1, 4
POOL = "bridge"


def numbers_of(*keys: str) -> Numbers:
    numbers, _ = Numbers().allocate_all(POOL, keys, LOW, HIGH)
    return numbers


def test_the_lowest_free_number_is_given() -> None:
    numbers = numbers_of("a", "b")

    numbers, given_to_c = numbers.allocate(POOL, "c", LOW, HIGH)

    assert [numbers.get(POOL, key) for key in "abc"] == [1, 2, 3]
    assert given_to_c == 3


def test_the_highest_free_number_is_given_on_request() -> None:
    numbers, first = Numbers().allocate(POOL, "a", LOW, HIGH, highest=True)
    numbers, second = numbers.allocate(POOL, "b", LOW, HIGH, highest=True)

    assert (first, second) == (4, 3)


def test_asking_again_gives_the_same_number() -> None:
    numbers = numbers_of("a", "b")

    again, number = numbers.allocate(POOL, "b", LOW, HIGH)

    assert number == 2
    assert again is numbers


def test_a_key_that_returns_has_its_old_number_although_lower_ones_are_free() -> None:
    numbers = numbers_of("a", "b", "c").keep(POOL, [])

    numbers, number = numbers.allocate(POOL, "c", LOW, HIGH)

    assert number == 3


def test_a_new_key_leaves_reserved_numbers_alone_while_others_are_free() -> None:
    numbers = numbers_of("a", "b").free(POOL, "a")

    numbers, number = numbers.allocate(POOL, "c", LOW, HIGH)

    assert number == 3


def test_an_exhausted_pool_gives_away_what_was_freed_first() -> None:
    numbers = numbers_of(*"abcd").free(POOL, "c").free(POOL, "a")

    numbers, for_e = numbers.allocate(POOL, "e", LOW, HIGH)
    numbers, for_f = numbers.allocate(POOL, "f", LOW, HIGH)

    assert (for_e, for_f) == (3, 1)
    assert numbers.get(POOL, "c") is None


def test_what_returned_in_between_counts_as_freed_only_now() -> None:
    numbers = numbers_of(*"abcd").free(POOL, "a").free(POOL, "b")
    numbers, _ = numbers.allocate(POOL, "a", LOW, HIGH)
    numbers = numbers.free(POOL, "a")

    _, number = numbers.allocate(POOL, "e", LOW, HIGH)

    assert number == 2


def test_a_pool_that_is_in_use_completely_says_so() -> None:
    numbers = numbers_of(*"abcd")

    with pytest.raises(ExhaustedError, match="no free number for e in bridge: all of 1 to 4 are in use"):
        numbers.allocate(POOL, "e", LOW, HIGH)


def test_of_many_keys_the_first_get_what_is_left() -> None:
    numbers, given_numbers = numbers_of("a", "b").allocate_all(POOL, ["c", "a", "d", "e"], LOW, HIGH)

    assert given_numbers == {"a": 1, "c": 3, "d": 4}
    assert numbers.get(POOL, "e") is None


def test_a_number_below_a_new_range_is_replaced() -> None:
    _, given_numbers = numbers_of("a", "b", "c").allocate_all(POOL, ["c", "b", "a"], 2, 4)

    assert given_numbers == {"c": 3, "b": 2, "a": 4}


def test_a_number_above_a_new_range_is_replaced() -> None:
    _, given_numbers = numbers_of("a", "b", "c").keep(POOL, "c").allocate_all(POOL, ["c"], 1, 2)

    assert given_numbers == {"c": 1}


def test_pools_know_nothing_of_each_other() -> None:
    numbers, number = numbers_of("a").allocate("app", "b", LOW, HIGH)

    assert number == 1
    assert numbers.free("app", "b").get(POOL, "a") == 1


def test_a_number_chosen_elsewhere_is_remembered() -> None:
    assert Numbers().put("holder", {"10.50.0.2": 7}).get("holder", "10.50.0.2") == 7


def test_a_value_that_changes_leaves_the_one_before_as_it_was() -> None:
    before = numbers_of("a")

    before.free(POOL, "a")
    before.allocate(POOL, "b", LOW, HIGH)

    assert before == numbers_of("a")


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {POOL: []},
        {POOL: {"a": None}},
        {POOL: {"a": [1]}},
        {POOL: {"a": ["1", 0]}},
        {POOL: {"a": [-1, 0]}},
        {POOL: {"a": [1, -1]}},
        {POOL: {"a": [1, 0, 0]}},
    ],
)
def test_an_entry_that_cannot_be_understood_costs_its_key_the_number_only(stored: Any) -> None:
    _, number = Numbers.from_json(stored).allocate(POOL, "a", LOW, HIGH)

    assert number == 1


def test_one_bad_entry_does_not_touch_the_others() -> None:
    numbers = Numbers.from_json({POOL: {"a": "?", "b": [2, 0]}, "app": {"x": [9, 3]}})

    assert numbers.get(POOL, "b") == 2
    assert numbers.get("app", "x") == 9


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_no_stored_value_whatsoever_stops_the_node(stored: Any) -> None:
    Numbers.from_json(stored).allocate(POOL, "a", LOW, HIGH)


class Owners(RuleBasedStateMachine):
    """Any history of wanting, leaving and restarting, beside a plain record of who wants what."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = Numbers()
        self.wanted: dict[str, int] = {}
        self.left: dict[str, int] = {}  # key: at which turn it left
        self.turn = 0

    keys = st.sampled_from("abcdefg")

    @rule(keys=st.lists(keys), highest=st.booleans())
    def want(self, keys: list[str], highest: bool) -> None:
        self.numbers, given_numbers = self.numbers.allocate_all(POOL, keys, LOW, HIGH, highest=highest)

        for key, number in given_numbers.items():
            assert self.wanted.get(key, number) == number, "a wanted key lost its number"
            assert LOW <= number <= HIGH
        refused = set(keys) - given_numbers.keys()
        self.wanted |= given_numbers
        self.left = {key: turn for key, turn in self.left.items() if key not in given_numbers}
        assert not refused or len(self.wanted) == HIGH - LOW + 1, "refused although there was one left"

    @rule(key=keys)
    def leave(self, key: str) -> None:
        self.numbers = self.numbers.free(POOL, key)

        self._gone({key})

    @rule(keys=st.sets(keys))
    def keep(self, keys: set[str]) -> None:
        self.numbers = self.numbers.keep(POOL, keys)

        self._gone(self.wanted.keys() - keys)

    def _gone(self, keys: Set[str]) -> None:
        self.turn += 1
        self.left |= {key: self.turn for key in keys if self.wanted.pop(key, None) is not None}

    @rule()
    def restart(self) -> None:
        self.numbers = Numbers.from_json(json.loads(json.dumps(self.numbers.to_json())))

    @invariant()
    def whoever_wants_a_number_has_its_own(self) -> None:
        assert {key: self.numbers.get(POOL, key) for key in self.wanted} == self.wanted

    @invariant()
    def no_number_has_two_owners(self) -> None:
        known = [number for number, _ in self.numbers.pools.get(POOL, {}).values()]
        assert len(known) == len(set(known))

    @invariant()
    def the_last_to_leave_is_the_last_to_lose_its_number(self) -> None:
        forgotten = [turn for key, turn in self.left.items() if self.numbers.get(POOL, key) is None]
        remembered = [turn for key, turn in self.left.items() if self.numbers.get(POOL, key) is not None]
        assert max(forgotten, default=0) <= min(remembered, default=self.turn)


TestOwners = Owners.TestCase
TestOwners.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_pools_can_be_forgotten() -> None:
    numbers, _ = Numbers().allocate("vif/one", "a", 1, 9)
    numbers, _ = numbers.allocate("vif/two", "b", 1, 9)

    assert numbers.without({"vif/one", "vif/none"}).to_json() == {"vif/two": {"b": [1, 0]}}
    assert numbers.without(()) is numbers
