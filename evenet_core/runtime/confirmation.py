"""A config on probation: the one before comes back unless somebody confirms in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from evenet_core.model.config import DeviceConfig
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import Memory

__all__ = ["Confirmation"]

LONGEST = 86_400.0  # seconds; a clock that was set meanwhile must not make it longer


class Confirmation:
    """Remembers the config before, over restarts, too.

    :param go_back: called with it when nobody has confirmed; None = there was none.
    """

    def __init__(
        self,
        memory: Memory,
        ledger: Ledger,
        go_back: Callable[[DeviceConfig | None], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._ledger = ledger
        self._go_back = go_back
        self._now = now
        self._waiting: tuple[DeviceConfig | None, float] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def until(self) -> float | None:
        """When the config before comes back, in seconds since the epoch; None = it does not."""
        return self._waiting[1] if self._waiting is not None else None

    def resume(self) -> None:
        """Go on where an earlier run stopped."""
        self._waiting = self._memory.unconfirmed()
        self._set_timer()

    def expect(self, previous: DeviceConfig | None, seconds: float) -> None:
        """To be called before the new config is entered. After several in a row the one before them all comes back."""
        if self._waiting is not None:
            previous = self._waiting[0]
        self._waiting = previous, self._now() + seconds
        self._ledger.enter("unconfirmed", partial(self._memory.save_unconfirmed, *self._waiting))
        self._set_timer()

    def end(self) -> bool:
        """The present config stays, and is entered already; False when nothing waited for that."""
        waited, self._waiting = self._waiting is not None, None
        clear = self._memory.clear_unconfirmed
        self._ledger.enter("unconfirmed", clear, after=("config",), meanwhile=partial(clear, durable=False))
        self.stop()
        return waited

    def stop(self) -> None:
        """Wait no longer in this run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self.stop()
        if self._waiting is not None:
            delay = min(max(0.0, self._waiting[1] - self._now()), LONGEST)
            self._timer = asyncio.get_running_loop().call_later(delay, self._expired)

    def _expired(self) -> None:
        assert self._waiting is not None
        previous, _ = self._waiting
        self._waiting = None
        self._go_back(previous)
        self.end()
