"""A config on probation: the one before comes back unless somebody confirms in time.

Two documents tell what counts, `config` (in use) and `unconfirmed` (a `Wait`). They are read like this:

| `unconfirmed` | `config` | at a start |
|---|---|---|
| nothing, or damaged | any | it counts |
| a wait | what the wait goes back to | it counts: nothing was begun, or all is done |
| a wait with time left | another | it counts for that time |
| a wait without | another | what the wait goes back to counts |

Each step is decided by one write of one document, so a crash in between leaves the state before or after it:

| step | writes, the one that decides in **bold** |
|---|---|
| on probation | unconfirmed = wait for B, back to A; **config = B** |
| another one on probation meanwhile | **unconfirmed = wait for C, back to A**; config = C |
| confirmed | **unconfirmed = back to B at once**; unconfirmed = nothing |
| reverted, or another one for good (X) | **unconfirmed = back to X at once**; config = X; unconfirmed = nothing |
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache, partial
from pathlib import Path

from evenet_core.device.probation import OPERATOR, Moment, Wait, begun, decided, left, resumed
from evenet_core.model.config import DeviceConfig
from evenet_core.probing.request import ProbeError
from evenet_core.probing.witness import CONTROLLER
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import Memory
from evenet_core.status import timestamp

__all__ = ["Confirmation", "moment"]

PAUSE = 2.0  # seconds between two questions to whoever is to confirm
NOTHING = "nothing waits for a confirmation"
log = logging.getLogger(__name__)


def moment() -> Moment:
    """Now."""
    return Moment(wall=time.time(), steady=time.clock_gettime(time.CLOCK_BOOTTIME), boot=_boot_id())


class Confirmation:
    """Knows what waits, and stores it together with the config.

    :param ask: how the one who is to confirm was reached through the config that waits; raises `ProbeError`.
    :param kept: called with the reason when the one asked has confirmed.
    :param go_back: called with the config that was confirmed last (None = there was none) and why it comes back.
    """

    def __init__(
        self,
        memory: Memory,
        ledger: Ledger,
        *,
        ask: Callable[[str], Awaitable[str]],
        kept: Callable[[str, str], None],
        go_back: Callable[[DeviceConfig | None, str], None],
        now: Callable[[], Moment] = moment,
    ) -> None:
        self._memory = memory
        self._ledger = ledger
        self._ask = ask
        self._kept = kept
        self._go_back = go_back
        self._now = now
        self._wait: Wait | None = None
        self._noted = False  # what is stored is a wait
        self._failure = ""  # why the one asked last time was not reached
        self._asked = 0
        self._ended = NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._found: Wait | None = None  # by `recall`

    # -- asking ---------------------------------------------------------------------------------------

    @property
    def waits(self) -> Wait | None:
        """What waits; None = nothing does."""
        return self._wait

    @property
    def until(self) -> float | None:
        """When the config before comes back, in seconds since the epoch as the clock is now; None = it does not."""
        if self._wait is None:
            return None
        now = self._now()
        until = now.wall + left(self._wait, now)
        return until if abs(until - self._wait.until) > 1.0 else self._wait.until  # always the same, unless it was set

    @property
    def ended(self) -> str:
        """Why there is nothing to confirm."""
        return self._ended

    # -- a start --------------------------------------------------------------------------------------

    def recall(self, config: DeviceConfig | None) -> DeviceConfig | None:
        """The config that counts at this start. To be followed by `resume`.

        :param config: the one that is stored
        """
        self._found = self._memory.unconfirmed()
        self._noted = self._found is not None
        if self._found is None or self._found.previous == config:
            return config
        if left(self._found, self._now()) > 0:
            self._wait = resumed(self._found, self._now())
            return config
        return self._found.previous

    @property
    def found(self) -> Wait | None:
        """What an earlier run left behind, until `resume`."""
        return self._found

    def resume(self, stored: DeviceConfig | None, config: DeviceConfig | None) -> None:
        """Go on where an earlier run stopped.

        :param stored: as it was given to `recall`
        :param config: what that answered
        """
        found, self._found = self._found, None
        if self._wait is not None:
            self._note(self._wait)
            self._start()
        elif found is not None:
            self.store(config)
            if config != stored:
                self._reverted(found, "evenet did not run when the time was over" if found.by else "")

    # -- a run ----------------------------------------------------------------------------------------

    def expect(self, config: DeviceConfig | None, seconds: float, by: str = OPERATOR) -> None:
        """The config that comes next has to be confirmed. After several in a row the one before them all comes back.

        :param config: the one in use; None = there is none
        """
        previous = self._wait.previous if self._wait is not None else config
        self._wait = begun(previous, seconds, by, self._now())
        self._note(self._wait)
        self._start()

    def end(self, why: str) -> bool:
        """Whatever config is in use stays, also if it is yet to come; False when none waited for that.

        To be followed by `store`.
        """
        if self._wait is None:
            return False
        self._wait = None
        self._ended = f"{NOTHING}: {why}"
        self.stop()
        return True

    def store(self, config: DeviceConfig | None) -> None:
        """The config in use is this one from now on: enter it, and whether it waits."""
        write = partial(self._write, config, self._wait)
        meanwhile = partial(write, durable=False)
        self._ledger.enter("config", write, after=("numbers", "unconfirmed"), meanwhile=meanwhile)

    def stop(self) -> None:
        """Wait no longer in this run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    # -- what happens ---------------------------------------------------------------------------------

    def _start(self) -> None:
        assert self._wait is not None
        self.stop()
        self._failure, self._asked = "it did not settle", 0
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(left(self._wait, self._now()), self._expired)
        if self._wait.by != OPERATOR:
            self._asking = loop.create_task(self._ask_until_reached(self._wait.by))

    async def _ask_until_reached(self, by: str) -> None:
        while True:
            try:
                reached = await self._ask(by)
                break
            except ProbeError as error:
                self._failure = str(error)
            except Exception as error:
                log.exception("asking %s failed", by)
                self._failure = f"{type(error).__name__}: {error}"
            self._asked += 1
            await asyncio.sleep(PAUSE)
        self.end(reached)
        self._kept(by, reached)

    def _expired(self) -> None:
        wait, self._wait = self._wait, None
        assert wait is not None
        self.stop()
        self._reverted(wait, self._failure if wait.by != OPERATOR else "")

    def _reverted(self, wait: Wait, failure: str) -> None:
        why = _nobody(wait, failure, self._asked)
        at = timestamp(self._now().wall)
        self._ended = f"too late: {why}, and the config before came back at {at}"
        self._go_back(wait.previous, why)

    # -- what is stored -------------------------------------------------------------------------------

    def _note(self, wait: Wait) -> None:
        """To be written before anything that comes with the config."""
        self._ledger.enter("unconfirmed", partial(self._write_wait, wait))

    def _write_wait(self, wait: Wait, durable: bool = True) -> None:
        self._memory.save_unconfirmed(wait, durable=durable)
        self._noted = True

    def _write(self, config: DeviceConfig | None, wait: Wait | None, *, durable: bool = True) -> None:
        """See the table above; what is written already is not written again."""
        try:
            if wait is not None:
                self._write_wait(wait, durable)
            elif self._noted:
                self._write_wait(decided(config), durable)
        except OSError:
            self._memory.save_config(config, durable=False)  # until a reboot it counts all the same
            raise
        self._memory.save_config(config, durable=durable)
        if wait is None and durable:  # not before the DPCs are written, so that none is left of one nobody confirmed
            self._ledger.enter("unconfirmed", self._clear, after=("config",))

    def _clear(self) -> None:
        self._memory.clear_unconfirmed()
        self._noted = False


def _nobody(wait: Wait, failure: str, asked: int) -> str:
    """Why a config was not confirmed."""
    limit = f"in {wait.seconds:g} s"
    if wait.by == OPERATOR:
        return f"nobody confirmed {limit}" + (f"; {failure}" if failure else "")
    who = "the controller" if wait.by == CONTROLLER else wait.by
    tried = {0: "not tried", 1: "tried once"}.get(asked, f"tried {asked} times")
    return f"{who} was not reached through the new config {limit} ({tried}): {failure}"


@cache
def _boot_id() -> str:
    """random(4): a new one with each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
