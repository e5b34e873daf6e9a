"""Directories watched without polling: every entry that comes, goes or is written, and what was missed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from evenet_core.linux.inotify import Watcher


def live(story: Callable[[Watcher], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        with Watcher() as watcher:
            async with asyncio.timeout(20):
                await story(watcher)

    asyncio.run(main())


def test_a_file_that_is_written_is_told(tmp_path: Path) -> None:
    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)

        (tmp_path / "a").write_text("x")

        assert await watcher.changes() == {tmp_path / "a"}

    live(story)


def test_entries_that_come_and_go_are_told(tmp_path: Path) -> None:
    (tmp_path / "goes").touch()
    (tmp_path / "moves").touch()

    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)

        (tmp_path / "goes").unlink()
        (tmp_path / "moves").rename(tmp_path / "moved")
        (tmp_path / "comes").mkdir()

        assert await watcher.changes() == {tmp_path / name for name in ("goes", "moves", "moved", "comes")}

    live(story)


def test_of_a_watched_file_it_is_told_when_it_is_written_until_it_is_watched_no_longer(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.touch()
    other.touch()

    async def story(watcher: Watcher) -> None:
        for path in (one, one, other):
            watcher.add_file(path)

        one.write_text("x")
        assert await watcher.changes() == {one}
        watcher.remove(one)
        one.write_text("y")
        other.write_text("y")

        assert await watcher.changes() == {other}

    live(story)


def test_a_file_that_was_made_anew_can_be_watched_anew(tmp_path: Path) -> None:
    path = tmp_path / "setting"
    path.touch()

    async def story(watcher: Watcher) -> None:
        watcher.add_file(path)
        path.unlink()
        path.touch()
        watcher.add_file(path)

        path.write_text("x")

        assert await watcher.changes() == {path}

    live(story)


def test_a_change_that_comes_while_nobody_asks_is_told_later(tmp_path: Path) -> None:
    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)
        (tmp_path / "a").touch()
        await watcher.changes()
        (tmp_path / "b").touch()
        await asyncio.sleep(0)
        (tmp_path / "c").touch()

        assert await watcher.changes() == {tmp_path / "b", tmp_path / "c"}

    live(story)


def test_each_directory_tells_its_own(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        directory.mkdir()

    async def story(watcher: Watcher) -> None:
        watcher.add(one)
        watcher.add(two)
        watcher.add(two)

        (one / "same").touch()
        (two / "same").touch()

        assert await watcher.changes() == {one / "same", two / "same"}

    live(story)


def test_a_directory_that_goes_is_watched_no_more_and_may_come_back(tmp_path: Path) -> None:
    directory = tmp_path / "daemon"
    directory.mkdir()

    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)
        watcher.add(directory)
        directory.rmdir()
        assert await watcher.changes() == {directory}

        directory.mkdir()
        watcher.add(directory)
        (directory / "report").touch()

        assert await watcher.changes() == {directory, directory / "report"}

    live(story)


def test_a_directory_that_goes_unwatched_above_wakes_nobody(tmp_path: Path) -> None:
    directory = tmp_path / "daemon"
    directory.mkdir()

    async def story(watcher: Watcher) -> None:
        watcher.add(directory)
        asking = asyncio.create_task(watcher.changes())
        directory.rmdir()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not asking.done()

        directory.mkdir()
        watcher.add(directory)
        (directory / "report").touch()

        assert await asking == {directory / "report"}

    live(story)


@pytest.mark.parametrize("name", ["ä", "with space", "new\nline", "x" * 255, os.fsdecode(b"\xff\xfe")])
def test_names_come_as_they_are(tmp_path: Path, name: str) -> None:
    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)
        (tmp_path / name).touch()

        assert await watcher.changes() == {tmp_path / name}

    live(story)


def test_a_burst_is_told_to_the_last_entry(tmp_path: Path) -> None:
    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)
        wanted = {tmp_path / f"{number:0100}" for number in range(2000)}
        for path in wanted:
            path.touch()

        found: set[Path] = set()
        while found != wanted:
            found |= await watcher.changes() or set()

        assert found == wanted

    live(story)


def test_more_than_the_kernel_keeps_is_told_as_missed_and_the_rest_goes_on(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    async def story(watcher: Watcher) -> None:
        watcher.add(tmp_path)
        one, two = tmp_path / "one", tmp_path / "two"
        for _ in range(limit // 2 + 10):  # the same event twice in a row is one
            one.write_bytes(b"")
            two.write_bytes(b"")

        missed = False
        while not missed:
            missed = await watcher.changes() is None
        (tmp_path / "later").touch()
        found: set[Path] = set()
        while tmp_path / "later" not in found:
            found |= await watcher.changes() or set()

    live(story)


def test_a_directory_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    async def story(watcher: Watcher) -> None:
        with pytest.raises(FileNotFoundError) as raised:
            watcher.add(tmp_path / "none")

        assert raised.value.filename == str(tmp_path / "none")

    live(story)


def test_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def story(watcher: Watcher) -> None:
        with pytest.raises(NotADirectoryError):
            watcher.add(tmp_path / "file")

    live(story)


def test_the_end_of_a_watch_closes_its_descriptor(tmp_path: Path) -> None:
    async def main() -> int:
        before = len(os.listdir("/proc/self/fd"))
        with Watcher() as watcher:
            watcher.add(tmp_path)
        return len(os.listdir("/proc/self/fd")) - before

    assert asyncio.run(main()) == 0
