"""Broken configs: the files of `tests/bad-configs`, and what must be said of each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

__all__ = ["BAD_CONFIGS", "expected"]

BAD_CONFIGS = Path(__file__).parents[1] / "bad-configs"


def expected() -> dict[str, list[tuple[str, str]]]:
    """By name of the file: path and a phrase of every problem."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in Path(__file__).with_name("bad-configs.expected").read_text().splitlines():
        if not line.startswith("#"):
            file, path, phrase = line.split(" | ", 2)
            found[file].append((path, phrase))
    return dict(found)
