"""Fragments: what is planned again when, and the difference that comes out. The plan in words."""

from __future__ import annotations

import gc
from typing import Any

from evenet_core.model.networks import Secret
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments, Planned
from evenet_core.reconciler.item import Item, ItemKey
from evenet_core.reconciler.views.plan import diff, public_values
from tests.support.memory import Thing, thing, want


class Planner:
    """Plans an object as the facts called like it say; counts."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.planned: list[str] = []

    def __call__(self, name: str, facts: Facts) -> list[Planned]:
        self.planned.append(name)
        return [Planned(item, "test") for item in facts.get(name) or ()]


def keys(delta: Any) -> dict[str, Item | None]:
    return {str(key): wanted.item if wanted else None for key, wanted in delta.items()}


def test_a_fact_plans_exactly_the_objects_that_read_it() -> None:
    planner = Planner({"one": [thing("a:x")], "two": [thing("a:y")]})
    fragments = Fragments(planner, planner.facts)
    fragments.set_objects(["one", "two"])
    planner.planned.clear()

    planner.facts["two"] = [thing("a:y", size=1)]
    delta = fragments.facts_changed({"two", "unknown"})

    assert planner.planned == ["two"]
    assert keys(delta) == {"a:y": thing("a:y", size=1)}


def test_planning_the_same_again_changes_nothing() -> None:
    planner = Planner({"one": [thing("a:x", "b:z")]})
    fragments = Fragments(planner, planner.facts)
    fragments.set_objects(["one"])

    assert fragments.set_objects(["one"], ["one"]) == {}
    assert fragments.facts_changed({"one"}) == {}


def test_an_object_that_goes_takes_its_items_along_but_not_shared_ones() -> None:
    shared = thing("a:shared")
    planner = Planner({"one": [shared, thing("a:x")], "two": [shared]})
    fragments = Fragments(planner, planner.facts)
    fragments.set_objects(["one", "two"])

    delta = fragments.set_objects(["two"])

    assert keys(delta) == {"a:shared": shared, "a:x": None}
    assert {str(key): wanted.object for key, wanted in fragments.intent.items()} == {"a:shared": "two"}


def test_of_two_objects_that_want_one_item_differently_the_first_has_it_and_the_other_is_named() -> None:
    planner = Planner({"one": [thing("a:x")], "two": [thing("a:x", size=1)]})
    fragments = Fragments(planner, planner.facts)
    fragments.set_objects(["one", "two"])

    [conflict] = fragments.conflicts()

    assert (conflict.object, conflict.holder) == ("two", "one")
    assert fragments.intent[ItemKey(("a", "x"))].item == thing("a:x")


def test_a_plan_goes_from_the_top_down_and_then_from_the_ground_up() -> None:
    actual: list[Thing] = [thing("a:old"), thing("b:old", "a:old"), thing("a:same"), thing("c:changed")]
    wanted = want(thing("b:new", "a:new"), thing("a:new"), thing("a:same"), thing("c:changed", size=2))

    plan = diff({item.key: item for item in actual}, wanted)

    assert plan.describe() == ["- b:old", "- a:old", "~ c:changed (size: 0 -> 2)", "+ a:new", "+ b:new"]
    assert plan.summary == {"create": 2, "update": 1, "delete": 2}
    assert plan.to_json()["changes"][4]["because"] == ["it is wanted so", "after a:new: it stands on it"]


def test_a_plan_is_what_would_be_done_dependents_of_what_is_replaced_included() -> None:
    actual = {item.key: item for item in (thing("a:ground"), thing("b:top", "a:ground"))}
    wanted = want(thing("a:ground", shape=1), thing("b:top", "a:ground"))

    plan = diff(actual, wanted)

    assert plan.describe() == ["- b:top", "- a:ground", "+ a:ground", "+ b:top"]
    assert [change.because[0] for change in plan.changes[:2]] == [
        "what it stands on goes: a:ground",
        "it has to be made anew",
    ]
    assert [len(wave) for wave in plan.waves] == [1, 1, 1, 1]


def test_a_plan_tells_what_waits_for_a_port_that_is_not_there() -> None:
    wanted = want(thing("a:bridge", "c:port"), thing("b:address", "a:bridge"), thing("a:other"))

    plan = diff({}, wanted, external=lambda key: False)

    assert plan.describe() == ["+ a:other", "+ a:bridge, once c:port is there", "+ b:address"]


def test_what_is_in_sync_plans_nothing() -> None:
    items = [thing("a:ground"), thing("b:top", "a:ground")]

    plan = diff({item.key: item for item in items}, want(*items))

    assert plan.changes == ()


def test_a_plan_shows_no_secret() -> None:
    item = Thing(name=Secret("hunter2"))

    assert public_values(item)["name"] == "***"


def test_a_plan_leaves_nothing_that_only_a_search_for_circles_would_free() -> None:
    wanted = want(thing("a:1"), thing("b:1", "a:1"), thing("c:1", "a:1", "b:1"))
    gc.collect()
    gc.disable()
    try:
        assert len(diff({}, wanted).changes) == len(wanted)
        assert gc.collect() == 0
    finally:
        gc.enable()
