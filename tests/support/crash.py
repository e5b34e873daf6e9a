"""A kernel that is there no more after so many calls: the process died, or the machine."""

from __future__ import annotations

import os
from typing import Any

import pytest

__all__ = ["Crash", "DyingKernel"]

CALLS = ("open", "fsync", "fchmod", "replace", "rename", "link", "unlink")  # those that change files
FOREVER = 10**9


class Crash(BaseException):
    """Nothing of the process goes on."""


class DyingKernel:
    """Counts the calls that change files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self._last = FOREVER
        for name in CALLS:
            self._wrap(monkeypatch, name)

    def live(self, calls: int = FOREVER) -> None:
        """From now on so many calls are answered."""
        self.calls, self._last = 0, calls

    @property
    def dead(self) -> bool:
        return self.calls > self._last

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.dead:
                raise Crash
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, call)
