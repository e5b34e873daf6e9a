"""What is written a moment later: the last of each, in order, and nothing gets lost without a word."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable

import pytest

from evenet_core.runtime.ledger import MOMENT, Ledger
from tests.support.virtual import run_virtual


class Disk:
    """What was written; `full` refuses."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.full = False
        self.errors: list[OSError] = []
        self.ledger = Ledger(self.errors.append)

    def enter(self, name: str, value: str) -> None:
        def write() -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.written.append(value)

        self.ledger.enter(name, write)


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

    assert told(story).errors == []


def test_who_waits_knows_that_it_is_written() -> None:
    async def story(disk: Disk) -> None:
        disk.enter("config", "new")
        await disk.ledger.settled()
        assert disk.written == ["new"]

    told(story)


def test_who_waits_is_told_of_a_full_disk_and_others_are_told_by_the_node() -> None:
    async def story(disk: Disk) -> None:
        disk.full = True
        disk.enter("config", "new")
        with pytest.raises(OSError, match="No space left"):
            await disk.ledger.settled()
        assert disk.errors == []

        disk.enter("numbers", "numbers")
        await asyncio.sleep(2 * MOMENT)
        assert len(disk.errors) == 2

    told(story)


def test_what_could_not_be_written_is_tried_again_with_the_next() -> None:
    async def story(disk: Disk) -> None:
        disk.full = True
        disk.enter("config", "new")
        await asyncio.sleep(2 * MOMENT)
        disk.full = False
        disk.enter("numbers", "numbers")
        await asyncio.sleep(2 * MOMENT)
        assert disk.written == ["new", "numbers"]

    told(story)


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
