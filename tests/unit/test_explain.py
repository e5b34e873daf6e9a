"""What an explanation says: the walk to the cause, what things are called, drivers that do not work."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from evenet_core.errors import DriverError, EvenetError
from evenet_core.model.instances import App, AppInterface, NetworkInstance
from evenet_core.planning.planner import Planner
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.item import Item, ItemKey, Op, Outcome
from evenet_core.reconciler.machine import Machine
from evenet_core.reconciler.views.explain import World as Surroundings
from evenet_core.reconciler.views.explain import told, trace
from evenet_core.runtime.causes import troubled_drivers
from evenet_core.runtime.things import find
from tests.support.memory import MemoryDriver, System, Thing, thing, want
from tests.support.planning import ETH0, World
from tests.support.virtual import run_virtual

X, Y, Z = (ItemKey(("a", "x")), ItemKey(("b", "y")), ItemKey(("c", "z")))


def machine(*items: Thing, external: Callable[[ItemKey], bool] = lambda key: False) -> Machine:
    made = Machine({"a": 0, "b": 1, "c": 2}, external, jitter=lambda: 1.0)
    made.update(want(*items))
    return made


class Clocked(Surroundings):
    """A driver of one kind rests; ports are known by name."""

    def __init__(self, resting: str = "") -> None:
        self._resting = resting

    def thing(self, key: ItemKey) -> str:
        return f"port {key[1]}"

    def absence(self, key: ItemKey) -> str:
        return "is not there since 10:02:11"

    def since(self, at: float) -> str:
        return f" since {at:.0f}"

    def driver(self, kind: str) -> str:
        return "driver Links did not answer" if kind == self._resting else ""


def lines(made: Machine, key: ItemKey, world: Surroundings) -> list[str]:
    [step], _ = trace(made, [key], 10.0, world)
    return list(told(step, world))


def test_the_way_ends_at_what_is_not_there_outside() -> None:
    made = machine(thing("b:y", "p:eth2"), thing("c:z", "b:y"))

    [step], _ = trace(made, [Z], 0.0, Clocked())

    assert [one.title for one in step.way] == ["c:z", "b:y", "port eth2"]
    assert step.way[-1].verdict == "is not there since 10:02:11"


def test_a_failure_is_told_with_its_age_its_attempts_and_the_next_try() -> None:
    made = machine(thing("a:x"))
    for now in (3.0, 5.0):
        [change] = made.ready(now)[0]
        made.finished([Outcome(change, DriverError("the kernel says no"))], now)

    assert lines(made, X, Clocked()) == [
        "a:x: failed (for test, plugin test)",
        "  create failed 2 times since 3: the kernel says no; next try in 0 s",
    ]


def test_a_driver_that_rests_is_named_where_its_items_wait_for_it() -> None:
    made = machine(thing("a:x"), thing("b:y", "a:x"))

    [step], _ = trace(made, [Y], 0.0, Clocked(resting="a"))

    assert step.way[-1].verdict == "waits for its driver: driver Links did not answer"


def test_a_cause_that_many_wait_for_is_told_in_full_once() -> None:
    made = machine(thing("a:x"), thing("b:y", "a:x"), thing("b:w", "a:x"), thing("c:z", "b:y", "b:w"))
    [change] = made.ready(0.0)[0]
    made.finished([Outcome(change, DriverError("no"))], 0.0)

    found = lines(made, Z, Clocked())

    assert sum("create failed" in line for line in found) == 1
    assert sum("see above" in line for line in found) == 1


def test_what_is_being_made_says_so() -> None:
    made = machine(thing("a:x"))
    [change] = made.ready(0.0)[0]
    assert change.op is Op.CREATE

    [step], _ = trace(made, [X], 0.0, Clocked())

    assert step.verdict == "is being made at this moment"


# -- names --------------------------------------------------------------------------------------------


@pytest.fixture
def planner() -> Planner:
    world = World(ETH0)
    interface = AppInterface(name="lan", network_instance="ni0")
    world.load(
        NetworkInstance(name="shop", uuid="ni0", port="eth0"),
        NetworkInstance(name="web", uuid="ni1"),
        apps=(App(name="web", interfaces=(interface,)), App(name="idle", active=False, interfaces=(interface,))),
    )
    return world.planner


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("eth0", "adapter eth0"),
        ("adapter eth0", "adapter eth0"),
        ("shop", "network instance shop"),
        ("ni0", "network instance shop"),
        ("web/lan", "interface web/lan"),
        ("nbu1x1", "interface web/lan"),
        ("app web", "app web"),
        ("network instance web", "network instance web"),
        ("device", "device"),
        ("a:x", "a:x"),
        ("x", "x"),
    ],
)
def test_a_thing_is_found_by_every_name_that_it_has(planner: Planner, name: str, title: str) -> None:
    assert find(name, planner, machine(thing("a:x"))).title == title


def test_a_name_of_two_things_is_answered_with_both(planner: Planner) -> None:
    with pytest.raises(EvenetError, match=r"2 things .*: ask for 'network instance web' or 'app web'"):
        find("web", planner, machine())


@pytest.mark.parametrize(("name", "near"), [("shpo", "shop"), ("WEB/LAN", "web/lan"), ("eth", "eth0")])
def test_a_wrong_name_is_answered_with_those_that_are_near(planner: Planner, name: str, near: str) -> None:
    with pytest.raises(EvenetError, match=f"did you mean .*{near}"):
        find(name, planner, machine())


def test_a_name_that_is_near_to_nothing_is_answered_with_what_there_is(planner: Planner) -> None:
    with pytest.raises(EvenetError, match="there are eth0, "):
        find("?", planner, machine())


def test_an_app_that_is_not_active_needs_no_further_explanation(planner: Planner) -> None:
    assert find("idle/lan", planner, machine()).idle == "its app is not active in the config"


# -- drivers ------------------------------------------------------------------------------------------


def test_a_driver_that_cannot_tell_is_what_items_of_all_its_kinds_wait_for() -> None:
    class Blind(MemoryDriver):
        async def observe(self) -> list[Item]:
            raise DriverError("the socket is closed")

    async def story() -> None:
        blind, well = Blind(System(), "a", "b"), MemoryDriver(System(), "c")
        engine = Engine([blind, well])
        await engine.start()

        troubles = troubled_drivers(engine, [blind, well])

        assert troubles.keys() == {"a", "b"}
        assert troubles["a"].startswith("driver Blind failed: DriverError: the socket is closed; ")
        assert re.search(r"; it is asked again in \d+ s$", troubles["a"])
        await engine.stop()

    run_virtual(story())
