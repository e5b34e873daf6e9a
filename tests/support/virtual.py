"""An event loop in virtual time: when everything waits, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_virtual"]

T = TypeVar("T")
SPINNING = 20_000  # turns of the loop


class _Selector(selectors.DefaultSelector):
    """Adds up what it is asked to wait for instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.turns = 0  # of the loop, since time passed last

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits and no timer runs: this would hang forever")
        self.passed += math.ceil(max(0.0, timeout) * 1e3) * 1e-3  # as epoll_wait(2) does
        self.turns = 0 if timeout > 0 else self.turns + 1
        if self.turns > SPINNING:
            raise AssertionError("it goes round and round, and no time passes")
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, but hours take no time. Nothing in it may wait for sockets or processes."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
