"""Runs the verification of DPCs: its commands become tests and timers, their results its events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from evenet_core.device.dpclist import Candidate
from evenet_core.device.verify import (
    ADDRESS_BUDGET,
    Arrived,
    Event,
    Phase,
    PortsChanged,
    RunTest,
    SetTimer,
    State,
    Timer,
    Timers,
    Use,
    Verdicts,
    Withdrawn,
    step,
)
from evenet_core.model.adapters import Dpc
from evenet_core.probing.verdict import PortVerdict

__all__ = ["Verifier"]

log = logging.getLogger(__name__)


class Verifier:
    """Owns the state of verification.

    :param use: make a DPC the current one; None = there is none.
    :param test: one verdict for each management adapter of the current DPC.
    :param changed: called after every step with the new state.
    """

    def __init__(
        self,
        state: State,
        *,
        use: Callable[[Dpc | None], None],
        test: Callable[[], Awaitable[Sequence[PortVerdict]]],
        changed: Callable[[State], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._use = use
        self._test = test
        self._changed = changed
        self._now = now
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def resume(self, candidates: tuple[Candidate, ...], current: int, timers: Timers) -> None:
        """Go on where an earlier run stopped: the candidate in use is tested once more."""
        now = self._now()
        self.state = State(
            candidates=candidates, current=current, phase=Phase.WAITING, trial=1, started=now, timers=timers
        )
        if any(candidate.dpc.adapters for candidate in candidates):
            self._set_timer(now + ADDRESS_BUDGET * timers.test_duration)
        else:  # somebody else cares for the node's uplink
            self.state = replace(self.state, phase=Phase.IDLE)

    def arrived(self, dpc: Dpc, instead_of: Dpc | None = None) -> None:
        self._send(Arrived(dpc, instead_of))

    def withdrawn(self, key: str) -> None:
        self._send(Withdrawn(key))

    def ports_changed(self, *, ready: bool) -> None:
        self._send(PortsChanged(ready))

    async def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _send(self, event: Event) -> None:
        self.state, commands = step(self.state, event, self._now())
        for command in commands:
            match command:
                case Use(dpc):
                    self._use(dpc)
                case RunTest(trial):
                    self._running = asyncio.create_task(self._run_test(trial))
                case SetTimer(at):
                    self._set_timer(at)
        self._changed(self.state)

    def _set_timer(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        delay = max(0.0, at - self._now())
        self._timer = asyncio.get_running_loop().call_later(delay, self._send, Timer())

    async def _run_test(self, trial: int) -> None:
        try:
            verdicts = tuple(await self._test())
        except Exception:
            log.exception("the connectivity test itself failed")
            verdicts = ()
        self._send(Verdicts(trial, verdicts))
