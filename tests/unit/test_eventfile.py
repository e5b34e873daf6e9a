"""Events on disk: bounded, whole, and readable whatever a crash or a bad disk made of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.runtime.eventfile import FILE_SIZE, LINE_SIZE, EventFile


def event(seq: int, text: str = "create link eth0", **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "time": "2026-01-01T00:00:00.250Z", "kind": "item", "text": text, **fields}


def sequence(file: EventFile) -> list[int]:
    return [found["seq"] for found in file.read()]


@pytest.fixture
def file(tmp_path: Path) -> EventFile:
    return EventFile(tmp_path / "state")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.jsonl"


def test_events_come_back_as_they_were(file: EventFile) -> None:
    events = [event(1, "a", error=None, op="create"), event(2, "b\nc \N{SNOWMAN}", reverted=True)]

    file.append(events[:1])
    file.append(events[1:])

    assert list(file.read()) == events
    assert file.last() == 2


def test_without_a_file_there_are_none(file: EventFile) -> None:
    assert (list(file.read()), file.last()) == ([], 0)


def test_they_are_for_root_only(file: EventFile, path: Path) -> None:
    file.append([event(1)])

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "rubbish",
    [
        b'{"seq": 3, "time": "2026-01-0',
        b"\0" * 5000,
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"seq": 3}',
        b'{"seq": true, "time": "", "kind": "", "text": ""}',
        b'{"seq": 0, "time": "", "kind": "", "text": ""}',
        b'{"seq": 1e400, "time": "", "kind": "", "text": ""}',
        b'{"seq": 99999999999999999999, "time": "", "kind": "", "text": ""}',
        b"null",
    ],
)
@pytest.mark.parametrize("ended", [b"", b"\n"])
def test_what_a_crash_left_at_the_end_is_passed_over_and_spoils_nothing(
    file: EventFile, path: Path, rubbish: bytes, ended: bytes
) -> None:
    file.append([event(1), event(2)])
    with path.open("ab") as spoilt:
        spoilt.write(rubbish + ended)

    assert file.last() == 2
    file.append([event(3)])

    assert sequence(file) == [1, 2, 3]


@given(st.binary(max_size=300))
def test_no_content_whatsoever_stops_the_agent(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.getbasetemp() / "events"
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_bytes(data)
    file = EventFile(directory)

    file.last()
    file.append([event(7)])

    assert sequence(file)[-1] == 7


def test_two_files_are_kept_and_no_more(file: EventFile, path: Path) -> None:
    text = "x" * 1000
    for first in range(1, 12_000, 500):
        file.append(event(seq, text) for seq in range(first, first + 500))

    files = list(path.parent.iterdir())
    assert {found.name for found in files} <= {"events.jsonl", "events.jsonl.previous"}
    assert sum(found.stat().st_size for found in files) < 2 * FILE_SIZE + 500 * 1200
    numbers = sequence(file)
    assert numbers == list(range(numbers[0], 12_001))
    assert file.last() == 12_000


def test_five_thousand_events_of_items_are_kept_at_least(file: EventFile) -> None:
    long = event(1, "create route to 10.50.0.0/24 via 10.0.0.1 on bn1 in table 801", item="x" * 60, object="y" * 40)
    for first in range(1, 40_000, 250):
        file.append(long | {"seq": seq} for seq in range(first, first + 250))
        assert first < 5000 or len(sequence(file)) >= 5000


def test_an_event_of_any_length_takes_a_bounded_line(file: EventFile, path: Path) -> None:
    file.append([event(1, "x" * (1 << 20), error="y" * (1 << 20), blocks=["z"] * (1 << 16))])

    assert path.stat().st_size < LINE_SIZE
    [found] = file.read()
    assert found["text"] == "x" * 1000


def test_half_a_character_costs_itself_only(file: EventFile) -> None:
    """A file's name may hold any byte."""
    file.append([event(1, "cannot read \udcff.pem")])

    assert [found["text"] for found in file.read()] == ["cannot read ?.pem"]


def test_a_disk_that_takes_half_of_them_takes_none(
    file: EventFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.append([event(1)])
    before = path.read_bytes()
    real = os.write

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: real(descriptor, data[: len(data) // 2]))
        with pytest.raises(OSError, match="No space left") as refused:
            file.append([event(2), event(3)])

    assert refused.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    file.append([event(2), event(3)])
    assert sequence(file) == [1, 2, 3]


def test_a_file_that_is_far_too_long_is_read_from_its_end(file: EventFile, path: Path) -> None:
    file.append([event(1)])
    with path.open("ab") as spoilt:
        spoilt.truncate(1 << 30)  # a hole of a GiB
    file.append([event(2)])

    assert file.last() == 2
