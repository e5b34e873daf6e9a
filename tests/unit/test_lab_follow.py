"""A lab that does not come up says why, and soon."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evenet_core.errors import EvenetError
from evenet_core.lab.follow import follow
from evenet_core.lab.registry import Lab


def refusal(directory: Path, keeper: Callable[[int], None]) -> tuple[list[str], str]:
    """What is told of a lab that fails, and why it did. `keeper` gets the descriptor that the keeper writes to."""
    progress, told = os.pipe()
    heard: list[str] = []
    keeper(told)
    with pytest.raises(EvenetError) as caught:
        follow(Lab(directory), progress, heard.append, configured=True)
    return heard, str(caught.value)


def test_a_keeper_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "keeper.log").write_text("a traceback\nOSError: mount /: Invalid argument\n")

    def dies(told: int) -> None:
        os.write(told, b"built\nserving\n")
        os.close(told)

    heard, error = refusal(tmp_path, dies)

    assert heard == ["the site stands", "its services answer"]
    assert error == "the lab did not come up: OSError: mount /: Invalid argument"


def test_an_agent_that_never_starts_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenet_core.lab.follow.AGENT_PATIENCE", 0.05)
    (tmp_path / "agent.log").write_text("evenet: No such file or directory\n" * 3)

    heard, error = refusal(tmp_path, lambda told: None)

    assert heard == []
    assert error == "the device's agent does not start: evenet: No such file or directory"


def test_who_says_nothing_is_told_to_have_said_nothing(tmp_path: Path) -> None:
    _, error = refusal(tmp_path, os.close)

    assert error == "the lab did not come up: its keeper died without a word"
