"""What happened and why, in order, for those who ask later and those who follow."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from evenet_core.runtime.eventfile import EventFile
from evenet_core.runtime.journal import CHUNK, LIMIT, Journal
from evenet_core.runtime.ledger import MOMENT, Ledger
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


# -- over restarts --------------------------------------------------------------------------------------


class Disk:
    """Counts what is written to a real file; `full` refuses."""

    def __init__(self, directory: Path) -> None:
        self.file = EventFile(directory)
        self.writes: list[int] = []
        self.full = False
        self.told: list[Exception | None] = []
        real = self.file.append

        def append(events: Iterable[Mapping[str, Any]]) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            events = list(events)
            self.writes.append(len(events))
            real(events)

        self.file.append = append  # type: ignore[method-assign]
        self.ledger = Ledger(self.told.append)

    def journal(self) -> Journal:
        return Journal(file=self.file, ledger=self.ledger)


def lived(tmp_path: Path, story: Callable[[Disk, Journal], Awaitable[None]]) -> Disk:
    """One run of an agent that is killed at the end of the story."""

    async def main() -> Disk:
        disk = Disk(tmp_path)
        await story(disk, disk.journal())
        return disk

    return run_virtual(main())


def test_events_outlive_the_agent_and_their_numbers_grow_on(tmp_path: Path) -> None:
    async def first(_: Disk, made: Journal) -> None:
        made.add("config", "a", reverted=True)
        made.add("config", "b")
        await asyncio.sleep(2 * MOMENT)
        made.add("config", "told and not written")

    async def second(_: Disk, made: Journal) -> None:
        assert made.latest > 3
        made.add("config", "c")
        found = made.since()
        assert texts(found) == ["a", "b", "c"]
        assert found[0]["reverted"] is True
        assert texts(made.since(1)) == ["b", "c"]
        assert texts(made.since(3)) == ["c"]
        assert await take(made.follow(), 3) == ["a", "b", "c"]
        assert [event["seq"] for event in found] == [1, 2, made.latest]

    lived(tmp_path, first)
    lived(tmp_path, second)


def test_a_burst_is_few_writes_and_none_of_them_is_long(tmp_path: Path) -> None:
    async def story(disk: Disk, made: Journal) -> None:
        for number in range(1000):
            made.add_later("item", partial(dict, text=str(number)))
        assert disk.writes == []
        await asyncio.sleep(5 * MOMENT)
        assert disk.writes == [CHUNK] * (1000 // CHUNK)

    lived(tmp_path, story)


def test_nothing_is_written_and_nothing_wakes_up_while_nothing_happens(tmp_path: Path) -> None:
    async def story(disk: Disk, made: Journal) -> None:
        made.add("config", "a")
        await asyncio.sleep(2 * MOMENT)
        await asyncio.sleep(3600)
        assert disk.writes == [1]
        assert disk.ledger._due is None

    lived(tmp_path, story)


def test_what_the_disk_did_not_take_is_written_when_it_does_but_for_what_is_forgotten(tmp_path: Path) -> None:
    async def story(disk: Disk, made: Journal) -> None:
        disk.full = True
        for number in range(LIMIT + 10):
            made.add("config", str(number))
        await asyncio.sleep(100)
        assert len(disk.told) == 1
        disk.full = False
        await asyncio.sleep(100)
        assert len(disk.told) == 2
        assert [event["seq"] for event in disk.file.read()] == list(range(11, LIMIT + 11))

    lived(tmp_path, story)


def test_the_end_writes_all_that_is_left(tmp_path: Path) -> None:
    async def story(disk: Disk, made: Journal) -> None:
        for number in range(4 * CHUNK):
            made.add("config", str(number))
        disk.ledger.close()
        assert disk.file.last() == 4 * CHUNK

    lived(tmp_path, story)


def test_no_more_events_are_told_than_ever_also_with_those_of_earlier_runs(tmp_path: Path) -> None:
    async def first(disk: Disk, made: Journal) -> None:
        for number in range(LIMIT - 1):
            made.add("config", str(number))
        disk.ledger.close()

    async def second(_: Disk, made: Journal) -> None:
        for number in range(10):
            made.add("config", f"new {number}")
        found = texts(made.since())
        assert len(found) == LIMIT
        assert (found[0], found[-11], found[-1]) == ("9", str(LIMIT - 2), "new 9")

    lived(tmp_path, first)
    lived(tmp_path, second)


def test_an_event_that_cannot_be_told_costs_itself_only(tmp_path: Path) -> None:
    def broken() -> Mapping[str, Any]:
        raise RuntimeError("no description")

    async def story(disk: Disk, made: Journal) -> None:
        made.add_later("item", broken)
        made.add("config", "after")
        await asyncio.sleep(2 * MOMENT)
        assert texts(list(disk.file.read())) == ["something that cannot be told: RuntimeError: no description", "after"]

    lived(tmp_path, story)
