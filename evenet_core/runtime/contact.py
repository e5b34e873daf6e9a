"""Since when the controller is not reached, and what follows: events, and at last a call of the plugins.

evenet itself never restarts a machine. What is stored is kept up without any controller: the only way to it may lead
through one of the apps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from evenet_core.model.timers import DISCONNECT
from evenet_core.runtime.journal import Journal
from evenet_core.status import time_of_day, timestamp

__all__ = ["Contact"]

MOMENT = 60.0  # seconds without contact that are worth an event: a test more or less is not


class Contact:
    """Told whether the controller is reached, it counts the time without.

    :param gave_up: called once when the property's time is over, with the seconds without contact
    """

    def __init__(self, journal: Journal, gave_up: Callable[[float], None]) -> None:
        self._journal = journal
        self._gave_up = gave_up
        self._limit = DISCONNECT.seconds(None)
        self._lost: tuple[float, float] | None = None  # by the event loop's clock, and since the epoch
        self._told = False
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def lost_since(self) -> float | None:
        """Since the epoch; None = it is reached, or nobody asks."""
        return self._lost[1] if self._lost is not None else None

    def adjust(self, settings: Mapping[str, str]) -> None:
        """Go by these device properties."""
        limit = DISCONNECT.seconds(settings.get(DISCONNECT.name))
        if limit != self._limit:
            self._limit = limit
            self._wait()

    def seen(self, *, reached: bool | None) -> None:
        """
        :param reached: None = there is nothing to reach it by
        """
        if reached is False and self._lost is None:
            self._lost = asyncio.get_running_loop().time(), time.time()
            self._wait()
        elif reached is not False and self._lost is not None:
            if self._told:
                self._journal.add("controller", f"the controller is reached again, after {self._seconds():.0f} s")
            self._lost, self._told = None, False
            self._wait()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._lost[0] if self._lost is not None else 0.0

    def _wait(self) -> None:
        self.stop()
        if self._lost is not None:
            loop = asyncio.get_running_loop()
            if not self._told:
                self._timers.append(loop.call_at(self._lost[0] + MOMENT, self._tell))
            self._timers.append(loop.call_at(self._lost[0] + self._limit, self._give_up))

    def _tell(self) -> None:
        if self._lost is not None:
            self._told = True
            text = f"the controller is not reached since {time_of_day(self._lost[1])}"
            self._journal.add("controller", text, unreachable_since=timestamp(self._lost[1]))

    def _give_up(self) -> None:
        seconds = self._seconds()
        text = f"the controller was not reached for {seconds:.0f} s; plugins may act on it"
        self._journal.add("controller", text, disconnected=round(seconds))
        self._gave_up(seconds)
