"""Facts in one place: the full picture, bursts as one change, and monitors that fail. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_core.runtime.facthub import PATIENCE, RESTART_FIRST, RESTART_LIMIT, FactHub
from tests.support.virtual import run_virtual


class Script:
    """A monitor that does as it is told: facts, pauses (numbers), errors; one list for each time it is started."""

    def __init__(self, *runs: list[Any]) -> None:
        self._runs = list(runs)
        self.starts = 0

    async def facts(self) -> AsyncIterator[Any]:
        self.starts += 1
        for step in self._runs.pop(0) if self._runs else [FULL_PICTURE, 1e9]:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, (int, float)):
                await asyncio.sleep(step)
            else:
                yield step


def fact(name: str, value: Any = True) -> FactChange:
    return FactChange(name, value)


class Hub:
    def __init__(self) -> None:
        self.told: list[set[str]] = []
        self.hub = FactHub(self.told.append)

    def live(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            try:
                await story()
            finally:
                await self.hub.stop()

        run_virtual(main())


@pytest.fixture
def it() -> Hub:
    return Hub()


# -- values -------------------------------------------------------------------------------------------


def test_a_fact_has_its_latest_value(it: Hub) -> None:
    async def story() -> None:
        it.hub.put("a", 1)
        it.hub.put("a", 2)

        assert it.hub.values == {"a": 2}

    it.live(story)


def test_a_fact_that_holds_no_longer_is_gone(it: Hub) -> None:
    async def story() -> None:
        it.hub.put("a", 1)
        it.hub.put("a", None)
        it.hub.put("b", None)

        assert it.hub.values == {}

    it.live(story)


def test_a_burst_is_one_change(it: Hub) -> None:
    async def story() -> None:
        for number in range(100):
            it.hub.put(f"fact{number % 3}", number)
        assert it.told == []
        await asyncio.sleep(0)

        assert it.told == [{"fact0", "fact1", "fact2"}]

    it.live(story)


def test_what_comes_later_is_another_change(it: Hub) -> None:
    async def story() -> None:
        it.hub.put("a", 1)
        await asyncio.sleep(0)
        it.hub.put("b", 1)
        await asyncio.sleep(0)

        assert it.told == [{"a"}, {"b"}]

    it.live(story)


def test_the_same_value_again_is_no_change(it: Hub) -> None:
    async def story() -> None:
        it.hub.put("a", (1, 2))
        await asyncio.sleep(0)
        it.hub.put("a", (1, 2))
        it.hub.put("b", None)
        await asyncio.sleep(0)

        assert it.told == [{"a"}]

    it.live(story)


def test_a_change_made_while_one_is_told_is_told_next(it: Hub) -> None:
    told: list[set[str]] = []

    def changed(names: set[str]) -> None:
        told.append(names)
        if "a" in names:
            it.hub.put("b", 1)

    it.hub = FactHub(changed)

    async def story() -> None:
        it.hub.put("a", 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert told == [{"a"}, {"b"}]

    it.live(story)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 2), st.booleans()), max_size=40))
def test_whoever_listens_knows_every_value(steps: list[tuple[str, int | None, bool]]) -> None:
    known: dict[str, int] = {}
    hub: FactHub

    def changed(names: set[str]) -> None:
        for name in names:
            known.pop(name, None)
            if name in hub.values:
                known[name] = hub.values[name]

    async def main() -> None:
        nonlocal hub
        hub = FactHub(changed)
        for name, value, pause in steps:
            hub.put(name, value)
            if pause:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    run_virtual(main())

    assert known == hub.values


# -- monitors -----------------------------------------------------------------------------------------


def test_watching_begins_when_every_monitor_has_told_all_that_holds(it: Hub) -> None:
    async def story() -> None:
        quick = Script([fact("a"), FULL_PICTURE, 1e9])
        slow = Script([5, fact("b"), 5, fact("c"), FULL_PICTURE, 1e9])

        await it.hub.watch([quick, slow])

        assert it.hub.values == {"a": True, "b": True, "c": True}
        assert asyncio.get_running_loop().time() == 10

    it.live(story)


def test_facts_go_on_coming_after_the_full_picture(it: Hub) -> None:
    async def story() -> None:
        await it.hub.watch([Script([FULL_PICTURE, 3, fact("a"), 3, fact("a", None), 1e9])])
        await asyncio.sleep(4)
        assert it.hub.values == {"a": True}
        await asyncio.sleep(4)

        assert it.hub.values == {}

    it.live(story)


@pytest.mark.parametrize("error", [RuntimeError("boom"), OSError(1, "no"), SystemExit(3)])
def test_a_monitor_that_fails_is_started_again(it: Hub, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        monitor = Script([fact("a"), FULL_PICTURE, 1, error], [fact("a"), fact("b"), FULL_PICTURE, 1e9])
        await it.hub.watch([monitor])
        await asyncio.sleep(1 + RESTART_FIRST + 1)

        assert (monitor.starts, it.hub.values) == (2, {"a": True, "b": True})

    with caplog.at_level(logging.ERROR):
        it.live(story)

    assert "monitor Script failed" in caplog.text


def test_a_monitor_that_ends_is_started_again(it: Hub) -> None:
    async def story() -> None:
        monitor = Script([FULL_PICTURE], [FULL_PICTURE], [FULL_PICTURE, 1e9])
        await it.hub.watch([monitor])
        await asyncio.sleep(10)

        assert monitor.starts == 3

    it.live(story)


def test_what_went_while_a_monitor_was_blind_is_gone_when_it_sees_again(it: Hub) -> None:
    async def story() -> None:
        monitor = Script(
            [fact("stays"), fact("goes"), FULL_PICTURE, fact("comes late"), 1, RuntimeError("boom")],
            [fact("stays"), 5, fact("new"), FULL_PICTURE, 1e9],
        )
        await it.hub.watch([monitor])
        await asyncio.sleep(1 + RESTART_FIRST + 1)
        assert it.hub.values.keys() == {"stays", "goes", "comes late"}, "it had not told everything yet"
        await asyncio.sleep(10)

        assert it.hub.values.keys() == {"stays", "new"}

    it.live(story)


def test_a_monitor_that_fails_costs_the_facts_of_no_other(it: Hub) -> None:
    async def story() -> None:
        it.hub.put("of nobody", 1)
        failing = Script([fact("a"), FULL_PICTURE, RuntimeError("boom")], [FULL_PICTURE, 1e9])
        await it.hub.watch([failing, Script([fact("b"), FULL_PICTURE, 1e9])])
        await asyncio.sleep(10)

        assert it.hub.values == {"of nobody": 1, "b": True}

    it.live(story)


def test_a_monitor_that_never_sees_everything_does_not_keep_the_node_from_starting(
    it: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with caplog.at_level(logging.ERROR):
            await it.hub.watch([Script([fact("a"), 1e9]), Script([fact("b"), FULL_PICTURE, 1e9])])

        assert it.hub.values == {"a": True, "b": True}
        assert asyncio.get_running_loop().time() == PATIENCE

    it.live(story)

    assert "monitor Script has not told everything" in caplog.text


def test_a_monitor_that_fails_at_once_does_not_keep_the_node_from_starting(it: Hub) -> None:
    async def story() -> None:
        await it.hub.watch([Script([RuntimeError("boom")])])

        assert asyncio.get_running_loop().time() < PATIENCE

    it.live(story)


def test_what_is_no_fact_is_passed_over(it: Hub) -> None:
    async def story() -> None:
        await it.hub.watch([Script(["nonsense", None, fact("a"), FULL_PICTURE, 1e9])])

        assert it.hub.values == {"a": True}

    it.live(story)


def test_a_hub_that_stops_leaves_nothing_running() -> None:
    async def main() -> None:
        hub = FactHub(lambda names: None)
        await hub.watch([Script([FULL_PICTURE, 1e9]), Script([RuntimeError("boom")])])

        await hub.stop()

        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_a_monitor_that_always_fails_is_tried_ever_less_often_and_told_of_once_at_length(
    it: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Script(*[[RuntimeError("no udev")] for _ in range(1000)])

    async def story() -> None:
        await it.hub.watch([monitor])
        await asyncio.sleep(600)

    it.live(story)

    assert 10 < monitor.starts < 10 + 600 / RESTART_LIMIT
    assert sum(record.exc_info is not None for record in caplog.records) == 1


def test_a_monitor_that_ran_well_for_long_is_started_again_soon(it: Hub) -> None:
    monitor = Script(*[[FULL_PICTURE, 2 * RESTART_LIMIT, RuntimeError("gone")] for _ in range(5)])

    async def story() -> None:
        await it.hub.watch([monitor])
        await asyncio.sleep(5 * (2 * RESTART_LIMIT + RESTART_FIRST) + 1)

    it.live(story)

    assert monitor.starts == 6
