"""Runs the machine: batches to drivers, side by side; what they say back; time; and words for what happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenet_core.errors import DriverError
from evenet_core.reconciler.explain import explain
from evenet_core.reconciler.fragments import Delta, Wanted
from evenet_core.reconciler.item import Change, Driver, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.machine import Counts, Machine
from evenet_core.reconciler.plan import Plan, diff

__all__ = ["Engine", "EngineEvent"]

DEADLINE = 60.0  # seconds that a driver may take for one batch
DEBOUNCE = 0.05  # seconds that hints of drift are gathered before a kind is observed again
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One change that was made, or failed."""

    op: Op
    item: Item
    object: Hashable
    error: Exception | None = None


class Engine:
    """Keeps the system as the intent says.

    :param drivers: each kind has one driver.
    :param external: whether something that nobody plans is there.
    :param on_event: called for every change made or failed.
    """

    def __init__(
        self,
        drivers: Sequence[Driver],
        external: Callable[[ItemKey], bool] = lambda key: False,
        on_event: Callable[[EngineEvent], None] = lambda event: None,
        *,
        now: Callable[[], float] | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._drivers = list(drivers)
        self._now = now or asyncio.get_running_loop().time
        self._on_event = on_event
        self._deadline = deadline
        groups = {kind: number for number, driver in enumerate(self._drivers) for kind in driver.kinds}
        self.machine = Machine(groups, external)
        self._groups = groups
        self._external = external
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by group: a batch or an observation
        self._suspects: set[int] = set()
        self._pumping = False
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._debounce: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Observe everything; from then on changes are made."""
        await asyncio.gather(*(self._observe(group) for group in range(len(self._drivers))))
        self._running = True
        self._pump_soon()

    async def stop(self) -> None:
        """Change nothing more; the batches that run are finished."""
        self._running = False
        for timer in (self._timer, self._debounce):
            if timer is not None:
                timer.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def teardown(self) -> None:
        """Remove everything, then stop."""
        self.update(dict.fromkeys(self.machine.wanted))
        await self.settled()
        await self.stop()

    # -- what happens ---------------------------------------------------------------------------------

    def update(self, delta: Delta) -> None:
        """The intent changed."""
        if delta:
            self.machine.update(delta)
            self._pump_soon()

    def external_changed(self, keys: Iterable[ItemKey]) -> None:
        """Something that nobody plans came or went."""
        self.machine.external_changed(keys)
        self._pump_soon()

    def seen(self, item: Item, present: bool) -> None:
        """A monitor saw an item of ours come, change or go. Our own changes confirm what is known."""
        known = self.machine.actual.get(item.key)
        if known != (item if present else None):
            self.suspect(item.kind)

    def suspect(self, kind: str) -> None:
        """Items of this kind may not be what they were: observe them again, soon."""
        group = self._groups.get(kind)
        if group is None:
            return
        self._suspects.add(group)
        self._settled.clear()
        if self._debounce is None:
            self._debounce = asyncio.get_running_loop().call_later(DEBOUNCE, self._look_again)

    async def settled(self) -> None:
        """Returns when nothing more can be done without time or the world: all in sync, or held up."""
        while True:
            await self._settled.wait()
            await asyncio.sleep(0)
            if self._settled.is_set():
                return

    # -- asking ---------------------------------------------------------------------------------------

    def plan(self, intent: Mapping[ItemKey, Wanted] | None = None) -> Plan:
        """What would change for this intent (default: the present one)."""
        known = {**self.machine.former, **self.machine.wanted}
        return diff(self.machine.actual, self.machine.wanted if intent is None else intent, self._external, known)

    def counts(self) -> Counts:
        return self.machine.counts()

    def problems(self) -> list[dict[str, Any]]:
        """Everything that does not work, with whom it holds up. Times are those of `now`."""
        found = [
            {
                "key": key,
                "error": str(failure.error),
                "since": failure.since,
                "retry_at": failure.retry_at,
            }
            for key, failure in self.machine.failures.items()
        ]
        for key in self.machine.unclaimed():
            error = f"no installed plugin brings a driver for items of kind {key.kind}"
            found.append({"key": key, "error": error, "since": None, "retry_at": None})
        for ring in self.machine.cycles():
            for place, key in enumerate(ring):
                error = f"requires itself: {' -> '.join(map(str, (*ring[place:], *ring[: place + 1])))}"
                found.append({"key": key, "error": error, "since": None, "retry_at": None})
        return [self._attributed(problem) for problem in found]

    def explain(self, key: ItemKey) -> list[str]:
        """Why this item is as it is, a line a step."""
        return explain(self.machine, key, self._now())

    def _attributed(self, problem: dict[str, Any]) -> dict[str, Any]:
        key = problem["key"]
        wanted = self.machine.wanted.get(key)
        item = wanted.item if wanted is not None else self.machine.actual.get(key)
        return problem | {
            "item": item.description if item is not None else str(key),
            "object": wanted.object if wanted is not None else None,
            "plugin": wanted.plugin if wanted is not None else None,
            "blocks": [str(above) for above in self.machine.blocked_by(key)],
        }

    # -- running --------------------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        self._settled.clear()
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start all that may be started now."""
        self._pumping = False
        if not self._running:
            return
        for group in [group for group in self._suspects if group not in self._tasks]:
            self._suspects.discard(group)
            self._run(group, self._observe(group))
        for group, changes in self.machine.ready(self._now(), busy=self._tasks).items():
            self._run(group, self._apply(group, changes))
        self._set_timer()
        if not self._tasks and self.machine.idle and not self._suspects:
            self._settled.set()

    def _run(self, group: int, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks[group] = task
        task.add_done_callback(lambda _: self._done(group))

    def _done(self, group: int) -> None:
        del self._tasks[group]
        self._pump_soon()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.machine.wake_at()
        if at is not None:
            delay = max(0.0, at - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._pump_soon)

    def _look_again(self) -> None:
        self._debounce = None
        self._pump_soon()

    async def _observe(self, group: int) -> None:
        driver = self._drivers[group]
        try:
            async with asyncio.timeout(self._deadline):
                items = list(await driver.observe())
        except Exception:
            # What is known stays known; the next hint of drift asks again.
            log.exception("driver %s cannot observe", type(driver).__name__)
            return
        self.machine.observed(driver.kinds, items)

    async def _apply(self, group: int, changes: list[Change]) -> None:
        outcomes = await self._outcomes(self._drivers[group], changes)
        for outcome in outcomes:
            self._tell(outcome)
        if any(outcome.error is not None for outcome in outcomes):
            self._suspects.add(group)  # a failed change may have been carried out in part
        self.machine.finished(group, outcomes, self._now())

    async def _outcomes(self, driver: Driver, changes: list[Change]) -> list[Outcome]:
        """One outcome a change whatever the driver does: its faults are its items' faults."""
        name = type(driver).__name__
        try:
            async with asyncio.timeout(self._deadline):
                outcomes = list(await driver.apply(changes))
            if [outcome.change for outcome in outcomes] == changes:
                return outcomes
            error: Exception = DriverError(f"driver {name} answered {len(outcomes)} of {len(changes)} changes")
        except TimeoutError:
            error = DriverError(f"driver {name} did not answer within {self._deadline:.0f} s")
        except Exception as failure:
            log.exception("driver %s failed", name)
            error = DriverError(f"driver {name} failed: {type(failure).__name__}: {failure}")
        return [Outcome(change, error) for change in changes]

    def _tell(self, outcome: Outcome) -> None:
        wanted = self.machine.wanted.get(outcome.change.key)
        owner = wanted.object if wanted is not None else None
        self._on_event(EngineEvent(outcome.change.op, outcome.change.item, owner, outcome.error))
