"""A driver under supervision: asked in time, held to its contract, left alone for a while when it breaks.

Whatever a driver does (raises, hangs, cancels itself, answers nonsense) comes out as a DriverError. A batch on which
it breaks is given to it again change by change, so that only the one at fault fails. If it breaks on several items
and works for none in between, nothing is asked of it for a while (a circuit breaker).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from evenet_core.errors import DriverError
from evenet_core.reconciler.failures import backoff
from evenet_core.reconciler.item import Change, Driver, Item, ItemKey, Outcome

__all__ = ["Supervised", "Trouble"]

FAULTS = 3  # items on which a driver broke and none between on which it worked: it is left alone for a while
REST_FIRST = 4  # the first rest is as long as the wait after so many attempts that failed
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a driver, since when, and when it is asked again."""

    error: str
    since: float
    attempts: int
    retry_at: float


class Supervised:
    """One driver.

    :param deadline: seconds that it may take for one call.
    """

    def __init__(self, driver: Driver, deadline: float, now: Callable[[], float]) -> None:
        self.driver = driver
        self.kinds = tuple(driver.kinds)
        self.side_by_side = bool(getattr(driver, "side_by_side", False))
        self.name = type(driver).__name__
        self.known = False  # it told once what exists; before that nothing is changed
        self.blind: Trouble | None = None  # it cannot tell what exists
        self.broken: Trouble | None = None  # it breaks on everything
        self._guilty: set[ItemKey] = set()  # on which it broke since it last worked
        self._logged = ""
        self._deadline = deadline
        self._now = now

    async def observe(self) -> list[Item]:
        """All that exists of its kinds.

        :raises DriverError: it cannot tell. It is to be asked again at `blind.retry_at`.
        """
        try:
            items = await self._answer(self.driver.observe, "observe")
            for item in items:
                if not isinstance(item, Item):
                    raise DriverError(f"driver {self.name} observed a {type(item).__name__}, which is no item")
        except DriverError as error:
            self.cannot_tell(str(error))
            raise
        self.known, self.blind = True, None
        return items

    def cannot_tell(self, error: str) -> None:
        """What is known stays known; it is asked again later."""
        kinds = ", ".join(self.kinds)
        self.blind = self._trouble(self.blind, f"{error}; what exists of {kinds} is not known", first=0)

    async def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """One outcome a change whatever the driver does.

        It gets all at once. If it breaks on that, it gets them one by one.
        """
        if self.broken is None and len(changes) > 1:
            try:
                outcomes = await self._all(changes)
            except DriverError:
                log.info("driver %s gets %d changes one by one", self.name, len(changes))
            else:
                self._guilty.clear()
                return outcomes
        return [await self._one(change) for change in changes]

    async def _one(self, change: Change) -> Outcome:
        if self.broken is not None and self.rests_until() is not None:
            return Outcome(change, DriverError(self.broken.error))
        try:
            [outcome] = await self._all([change])
        except DriverError as error:
            self._broke(change.key, error)
            return Outcome(change, error)
        self._guilty.clear()
        self.broken = None
        return outcome

    async def _all(self, changes: Sequence[Change]) -> list[Outcome]:
        """
        :raises DriverError: it broke.
        """
        outcomes = await self._answer(lambda: self.driver.apply(changes), "apply")
        if [outcome.change for outcome in outcomes if isinstance(outcome, Outcome)] != changes:
            what = f"something else than an outcome for each of {len(changes)} changes, in their order"
            raise DriverError(f"driver {self.name} answered {what}")
        return outcomes

    def _broke(self, key: ItemKey, error: DriverError) -> None:
        """One item may be bad; if several are, it is the driver."""
        self._guilty.add(key)
        if len(self._guilty) >= FAULTS:
            self.broken = self._trouble(self.broken, str(error), first=REST_FIRST - 1)

    def rests_until(self) -> float | None:
        """When changes may be given to it again; None = now."""
        resting = self.broken is not None and self.broken.retry_at > self._now()
        return self.broken.retry_at if resting and self.broken is not None else None

    def troubles(self) -> list[Trouble]:
        """What is wrong with it as a whole."""
        troubles = [self.blind] if self.blind is not None else []
        if self.broken is not None and self.rests_until() is not None:
            text = f"{self.broken.error}; it breaks on one item after the other, is left alone"
            troubles.append(replace(self.broken, error=text))
        return troubles

    def _trouble(self, before: Trouble | None, error: str, first: int) -> Trouble:
        now = self._now()
        attempts = before.attempts + 1 if before is not None else 1
        delay = backoff(max(1, attempts + first))
        return Trouble(error, before.since if before is not None else now, attempts, now + delay)

    async def _answer(self, ask: Callable[[], Awaitable[Iterable[T]]], call: str) -> list[T]:
        """What the driver answers, in time. Whatever else it does is a DriverError."""
        try:
            async with asyncio.timeout(self._deadline):
                return list(await ask())
        except TimeoutError:
            raise DriverError(f"driver {self.name} did not answer {call} within {self._deadline:g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise DriverError(f"driver {self.name} was cancelled in {call}") from None
        except Exception as error:
            text = f"driver {self.name} failed: {type(error).__name__}: {error}"
            if text != self._logged:  # not the same again at every try
                log.exception("driver %s failed in %s", self.name, call)
            self._logged = text
            raise DriverError(text) from error
