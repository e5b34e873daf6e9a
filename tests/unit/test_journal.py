"""What happened and why, in order, for those who ask later and those who follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from evenet_core.runtime.journal import LIMIT, Journal
from tests.support.virtual import run_virtual


def journal(*texts: str) -> Journal:
    made = Journal(now=lambda: 1767225600.25)
    for text in texts:
        made.add("config", text)
    return made


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events]


def test_an_event_has_a_number_a_time_a_kind_and_its_words() -> None:
    made = journal()

    made.add("item", "create link eth0", item="link:eth0", error=None)

    assert made.since() == [
        {
            "seq": 1,
            "time": "2026-01-01T00:00:00.250Z",
            "kind": "item",
            "text": "create link eth0",
            "item": "link:eth0",
            "error": None,
        }
    ]


def test_events_are_told_in_order_from_any_place_on() -> None:
    made = journal("a", "b", "c")

    assert texts(made.since()) == ["a", "b", "c"]
    assert texts(made.since(2)) == ["c"]
    assert (made.since(3), made.since(99), made.latest) == ([], [], 3)


def test_a_journal_without_events_is_at_zero() -> None:
    assert (journal().latest, journal().since()) == (0, [])


def test_the_oldest_events_are_forgotten_and_no_number_is_given_twice() -> None:
    made = journal(*map(str, range(LIMIT + 10)))

    events = made.since()

    assert len(events) == LIMIT
    assert (events[0]["seq"], events[-1]["seq"]) == (11, LIMIT + 10)


async def take(events: AsyncIterator[dict[str, Any]], count: int) -> list[str]:
    return [(await anext(events))["text"] for _ in range(count)]


def test_a_follower_gets_what_was_and_what_comes() -> None:
    async def main() -> list[str]:
        made = journal("old", "a", "b")
        loop = asyncio.get_running_loop()
        loop.call_later(5, made.add, "config", "c")
        loop.call_later(6, made.add, "config", "d")
        return await take(made.follow(1), 4)

    assert run_virtual(main()) == ["a", "b", "c", "d"]


def test_a_follower_misses_nothing_that_happens_while_it_looks_away() -> None:
    async def main() -> list[str]:
        made = journal("a")
        following = made.follow()
        first = await take(following, 1)
        made.add("config", "b")
        made.add("config", "c")
        await asyncio.sleep(1)
        made.add("config", "d")
        return first + await take(following, 3)

    assert run_virtual(main()) == ["a", "b", "c", "d"]


def test_many_may_follow_and_each_gets_everything() -> None:
    async def main() -> list[list[str]]:
        made = journal("a")
        followers = [asyncio.create_task(take(made.follow(), 3)) for _ in range(5)]
        await asyncio.sleep(1)
        made.add("config", "b")
        made.add("config", "c")
        return await asyncio.gather(*followers)

    assert run_virtual(main()) == [["a", "b", "c"]] * 5


def test_a_follower_that_is_too_slow_goes_on_with_what_is_left() -> None:
    async def main() -> list[str]:
        made = journal("a")
        following = made.follow()
        await take(following, 1)
        for number in range(LIMIT + 1):
            made.add("config", str(number))
        return await take(following, 1)

    assert run_virtual(main()) == ["1"]
