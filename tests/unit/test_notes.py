"""What drivers note before they change something: on disk if that takes it, else in memory, and never in the way."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from evenet_core.linux.notes import Notes


def test_notes_are_there_for_the_next_agent(tmp_path: Path) -> None:
    Notes(tmp_path / "notes.json").save({"net/one": ["7", ""]})

    assert Notes(tmp_path / "notes.json").load() == {"net/one": ["7", ""]}


def test_without_notes_there_are_none(tmp_path: Path) -> None:
    assert Notes(tmp_path / "notes.json").load() == {}


def test_what_the_disk_does_not_take_is_known_and_written_with_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "missing" / "notes.json"
    notes = Notes(path)

    with caplog.at_level(logging.ERROR):
        notes.save({"a": 1})
    assert notes.load() == {"a": 1}
    assert f"{path} cannot be written (No such file or directory)" in caplog.text

    path.parent.mkdir()
    notes.save({"a": 1, "b": 2})
    assert Notes(path).load() == {"a": 1, "b": 2}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_notes_that_are_damaged_are_none_and_that_is_told_once(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    notes = Notes(path)

    with caplog.at_level(logging.ERROR):
        assert notes.load() == {}
        assert notes.load() == {}

    assert caplog.text.count(f"{path} cannot be read") == 1
