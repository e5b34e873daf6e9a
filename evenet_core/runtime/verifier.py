"""Runs the verification of DPCs: its commands become tests and timers, their results its events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from evenet_core.device.readiness import PortState
from evenet_core.device.verification import (
    Adjusted,
    Arrived,
    Asked,
    Command,
    Event,
    Instant,
    PortsChanged,
    Resumed,
    RunTest,
    SetTimer,
    State,
    StopTest,
    Timer,
    Use,
    Verdicts,
    Withdrawn,
)
from evenet_core.device.verify import step
from evenet_core.model.adapters import Dpc
from evenet_core.probing.verdict import PortVerdict

__all__ = ["Verifier"]

log = logging.getLogger(__name__)


class Verifier:
    """Owns the state of verification.

    :param use: make a DPC the current one; None = there is none.
    :param test: one verdict for each adapter of the current DPC.
    :param changed: called after every step with the new state.
    """

    def __init__(
        self,
        state: State,
        *,
        use: Callable[[Dpc | None], None],
        test: Callable[[], Awaitable[Sequence[PortVerdict]]],
        changed: Callable[[State], None],
        clock: Callable[[], Instant] | None = None,
    ) -> None:
        self.state = state
        self.since = 0.0  # when the DPC in use came on trial, by the wall clock
        self._use = use
        self._test = test
        self._changed = changed
        self._clock = clock or _clock
        self._events: deque[Event] = deque()
        self._obeying = False
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def resume(self, stored: Resumed) -> None:
        """Go on where an earlier run stopped. What is in use then is `state.candidate`: nobody is told to use it."""
        self._send(stored)
        self.since = stored.since

    @property
    def now(self) -> Instant:
        return self._clock()

    def adjust(self, adjusted: Adjusted) -> None:
        self._send(adjusted)

    def arrived(self, dpc: Dpc, instead_of: Dpc | None = None) -> None:
        self._send(Arrived(dpc, instead_of))

    def withdrawn(self, key: str) -> None:
        self._send(Withdrawn(key))

    def asked(self, key: str = "") -> None:
        self._send(Asked(key))

    def ports_changed(self, ports: tuple[PortState, ...]) -> None:
        self._send(PortsChanged(ports))

    async def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        running = self._running
        self._stop_test()
        if running:
            await asyncio.gather(running, return_exceptions=True)

    def _send(self, event: Event) -> None:
        """One event after the other: to use a DPC is to see its ports."""
        self._events.append(event)
        if self._obeying:
            return
        self._obeying = True
        try:
            while self._events:
                before, at = self.state.trial, self._clock()
                self.state, commands = step(self.state, self._events.popleft(), at)
                if self.state.trial != before:
                    self.since = at.wall
                self._obey(commands)
                self._changed(self.state)
        finally:
            self._obeying = False

    def _obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Use(dpc):
                    self._use(dpc)
                case RunTest(trial):
                    self._running = asyncio.create_task(self._run_test(trial))
                case StopTest():
                    self._stop_test()
                case SetTimer(at):
                    self._set_timer(at)

    def _set_timer(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        delay = max(0.0, at - self._clock().now)
        self._timer = asyncio.get_running_loop().call_later(delay, self._send, Timer())

    def _stop_test(self) -> None:
        if self._running:
            self._running.cancel()
            self._running = None

    async def _run_test(self, trial: int) -> None:
        try:
            verdicts = tuple(await self._test())
        except Exception:
            log.exception("the connectivity test itself failed")
            verdicts = ()
        self._running = None
        self._send(Verdicts(trial, verdicts))


def _clock() -> Instant:
    return Instant(asyncio.get_running_loop().time(), time.time())
