"""What is written a moment later: the last of each, in order, and nothing gets lost without a word."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Collection
from itertools import pairwise

import pytest

from evenet_core.errors import EvenetError
from evenet_core.runtime.ledger import LAST_RETRY, MOMENT, Ledger
from tests.support.virtual import run_virtual


class Disk:
    """What was written and when it was tried; `full` refuses all, `refused` some."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.tries: list[float] = []
        self.full = False
        self.refused: set[str] = set()
        self.told: list[Exception | None] = []
        self.ledger = Ledger(self.told.append, asyncio.get_running_loop().time)

    def enter(self, name: str, value: str, after: Collection[str] = ()) -> None:
        def write() -> None:
            now = asyncio.get_running_loop().time()
            if now not in self.tries:
                self.tries.append(now)
            if self.full or name in self.refused:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.written.append(value)

        self.ledger.enter(name, write, after=after)


def told(story: Callable[[Disk], Awaitable[None]]) -> Disk:
    async def whole() -> Disk:
        disk = Disk()
        await story(disk)
        return disk

    return run_virtual(whole())


def test_of_each_entry_the_last_one_is_written_in_the_order_of_the_last_ones() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "old")
        disk.enter("numbers", "numbers")
        disk.enter("config", "new")
        assert disk.written == []
        await asyncio.sleep(2 * MOMENT)
        assert disk.written == ["numbers", "new"]

    assert told(story).told == []


def test_who_waits_knows_that_it_is_written() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "new")
        await disk.ledger.settled()
        assert disk.written == ["new"]

    told(story)


def test_who_waits_is_told_of_a_full_disk_and_so_is_the_node_once() -> None:
    async def story(disk: Disk) -> None:
        disk.full = True
        disk.enter("config", "new")
        with pytest.raises(OSError, match="No space left"):
            await disk.ledger.settled()
        with pytest.raises(OSError, match="No space left"):
            await disk.ledger.settled()

    assert len(told(story).told) == 1


def test_what_could_not_be_written_is_tried_again_with_growing_delays_and_then_as_if_nothing_had_been() -> None:
    async def story(disk: Disk) -> None:
        loop = asyncio.get_running_loop()
        disk.full = True
        disk.enter("config", "new")
        await asyncio.sleep(200)
        disk.enter("numbers", "numbers")  # what comes meanwhile waits with it
        await asyncio.sleep(200)
        assert [round(later - former) for former, later in pairwise(disk.tries)] == [
            1,
            2,
            4,
            8,
            16,
            32,
            60,
            60,
            60,
            60,
            60,
        ]

        disk.full = False
        await asyncio.sleep(LAST_RETRY)

        assert disk.written == ["new", "numbers"]
        assert disk.ledger.trouble is None
        [first, over] = disk.told
        assert (isinstance(first, OSError), over) == (True, None)
        disk.full, before = True, loop.time()
        disk.enter("config", "newer")
        await asyncio.sleep(5)
        assert [round(at - before, 2) for at in disk.tries if at > before] == [MOMENT, 1 + MOMENT, 3 + MOMENT]

    told(story)


def test_trouble_tells_why_since_when_and_when_it_is_tried_again() -> None:
    async def story(disk: Disk) -> None:
        disk.full = True
        disk.enter("config", "new")
        await asyncio.sleep(2)
        trouble = disk.ledger.trouble
        assert trouble is not None
        assert str(trouble.error) == "[Errno 28] No space left on device"
        assert (trouble.since, trouble.retry_at) == pytest.approx((MOMENT, 3 + MOMENT))

    told(story)


def test_what_stands_on_an_entry_that_cannot_be_written_waits_for_it_and_the_rest_does_not() -> None:
    """A config that were stored without the word that it is to be confirmed would stay for ever."""

    async def story(disk: Disk) -> None:
        disk.refused = {"unconfirmed"}
        disk.enter("unconfirmed", "unconfirmed")
        disk.enter("apps", "apps")
        disk.enter("config", "config", after=("numbers", "unconfirmed"))
        disk.enter("given", "given", after=("config",))
        await asyncio.sleep(2 * MOMENT)
        assert disk.written == ["apps"]

        disk.refused = set()
        await asyncio.sleep(1)

        assert disk.written == ["apps", "unconfirmed", "config", "given"]

    told(story)


def test_two_entries_that_stand_on_each_other_in_turn_are_both_written() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "config", after=("unconfirmed",))
        disk.enter("unconfirmed", "confirmed", after=("config",))
        await asyncio.sleep(2 * MOMENT)
        assert disk.written == ["config", "confirmed"]

    told(story)


def test_a_document_of_a_newer_evenet_is_trouble_too() -> None:
    async def story(disk: Disk) -> None:
        def write() -> None:
            raise EvenetError("written by a newer evenet")

        disk.ledger.enter("config", write)
        await asyncio.sleep(2 * MOMENT)

    assert [str(error) for error in told(story).told] == ["written by a newer evenet"]


def test_what_is_entered_is_written_also_if_who_waits_goes() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "new")
        waiting = asyncio.ensure_future(disk.ledger.settled())
        await asyncio.sleep(MOMENT / 2)
        waiting.cancel()
        await asyncio.sleep(MOMENT)
        assert disk.written == ["new"]

    told(story)


def test_the_end_writes_what_is_left() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "new")
        disk.ledger.close()
        assert disk.written == ["new"]

    told(story)


def test_a_disk_that_is_still_full_at_the_end_does_not_hold_it_up() -> None:
    async def story(disk: Disk) -> None:
        disk.full = True
        disk.enter("config", "new")
        disk.ledger.close()
        await asyncio.sleep(300)
        assert len(disk.tries) == 1

    told(story)
