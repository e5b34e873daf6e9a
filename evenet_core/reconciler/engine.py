"""Runs the machine: batches to drivers, side by side; what they say back; time; and words for what happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from evenet_core.errors import DriverError
from evenet_core.reconciler.explain import explain
from evenet_core.reconciler.fragments import Delta, Wanted, name_of
from evenet_core.reconciler.item import Change, Driver, Item, ItemKey, Op, Outcome
from evenet_core.reconciler.machine import BACKOFF_LIMIT, PLAIN_REASONS, Counts, Machine
from evenet_core.reconciler.plan import Plan, diff

__all__ = ["Engine", "EngineEvent"]

DEADLINE = 60.0  # seconds that a driver may take for one batch
DEBOUNCE = 0.05  # seconds that hints of drift are gathered before a kind is observed again
BLIND_FIRST = 1.0  # seconds until a driver that could not observe is asked again; doubles up to BACKOFF_LIMIT
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One change that was made, or failed: what, for whom, why, and when by the engine's clock."""

    op: Op
    item: Item
    object: Hashable
    error: Exception | None = None
    because: str = ""
    at: float = 0.0

    @property
    def text(self) -> str:
        """The change in words, with its reason unless that goes without saying."""
        why = "" if self.because in PLAIN_REASONS else f" ({self.because})"
        return f"{self.op} {self.item.description}{why}" + (f" failed: {self.error}" if self.error is not None else "")


@dataclass(frozen=True, slots=True)
class _Blindness:
    """A driver could not tell what exists."""

    error: str
    since: float
    retry_at: float
    attempts: int


class Engine:
    """Keeps the system as the intent says.

    :param drivers: each kind has one driver.
    :param external: whether something that nobody plans is there.
    :param on_event: called for every change made or failed.
    :param naming: what people call an object.
    """

    def __init__(
        self,
        drivers: Sequence[Driver],
        external: Callable[[ItemKey], bool] = lambda key: False,
        on_event: Callable[[EngineEvent], None] = lambda event: None,
        *,
        naming: Callable[[Hashable], str] = name_of,
        now: Callable[[], float] | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._drivers = list(drivers)
        self._now = now or asyncio.get_running_loop().time
        self._on_event = on_event
        self._naming = naming
        self._deadline = deadline
        groups = {kind: number for number, driver in enumerate(self._drivers) for kind in driver.kinds}
        self.machine = Machine(groups, external)
        self._groups = groups
        self._external = external
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by group: a batch or an observation
        self._suspects: set[int] = set()
        self._observed: set[int] = set()  # groups that told once what exists; others change nothing
        self._blind: dict[int, _Blindness] = {}
        self._hints: dict[ItemKey, Item | None] = {}  # what monitors saw of changes in flight
        self._pumping = False
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._debounce: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Observe everything; from then on changes are made.

        A driver that cannot observe is asked again later; until then nothing of its kinds is changed.
        """
        await asyncio.gather(*(self._observe(group) for group in range(len(self._drivers))))
        self._running = True
        self._pump_soon()

    async def stop(self) -> None:
        """Change nothing more; the batches that run are finished, within their deadline. The system stays."""
        self._running = False
        for timer in (self._timer, self._debounce):
            if timer is not None:
                timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._deadline)
        self._settled.set()

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
        found = item if present else None
        if self.machine.is_flying(item.key):
            self._hints[item.key] = found  # judged when the change is done
        elif self.machine.actual.get(item.key) != found:
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

    @property
    def is_settled(self) -> bool:
        """Whether nothing more can be done without time or the world."""
        return self._settled.is_set()

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
        for group, blindness in self._blind.items():
            kinds = self._drivers[group].kinds
            error = f"{blindness.error}; what exists of {', '.join(kinds)} is not known"
            found.append(
                {"key": ItemKey(kinds[:1]), "error": error, "since": blindness.since, "retry_at": blindness.retry_at}
            )
        for key in self.machine.unclaimed():
            error = f"no installed plugin brings a driver for items of kind {key.kind}"
            found.append({"key": key, "error": error, "since": None, "retry_at": None})
        for ring in self.machine.cycles():
            for place, key in enumerate(ring):
                error = f"requires itself: {' -> '.join(map(str, (*ring[place:], *ring[: place + 1])))}"
                found.append({"key": key, "error": error, "since": None, "retry_at": None})
        return [self._attributed(problem) for problem in found]

    def explain(self, keys: Iterable[ItemKey]) -> list[str]:
        """Why these items are as they are, a line a step."""
        return explain(self.machine, keys, self._now(), self._naming)

    def _attributed(self, problem: dict[str, Any]) -> dict[str, Any]:
        key = problem["key"]
        wanted = self.machine.owner(key)
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
        now = self._now()
        self._suspects |= {
            group for group in self._blind.keys() - self._tasks.keys() if self._blind[group].retry_at <= now
        }
        for group in [group for group in self._suspects if group not in self._tasks]:
            self._suspects.discard(group)
            self._run(group, self._observe(group))
        unknown = set(range(len(self._drivers))) - self._observed
        for group, changes in self.machine.ready(now, busy=self._tasks.keys() | unknown).items():
            self._run(group, self._apply(group, changes))
        self._set_timer()
        if not self._tasks and not self._suspects and self.machine.idle(unknown):
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
        times = [blindness.retry_at for group, blindness in self._blind.items() if group not in self._tasks]
        if (at := self.machine.wake_at()) is not None:
            times.append(at)
        if times:
            delay = max(0.0, min(times) - self._now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._pump_soon)

    def _look_again(self) -> None:
        self._debounce = None
        self._pump_soon()

    async def _observe(self, group: int) -> None:
        driver = self._drivers[group]
        try:
            items = await self._answer(driver.observe, driver, "observe")
            for item in items:
                if not isinstance(item, Item):
                    raise DriverError(f"driver {_name(driver)} observed a {type(item).__name__}, which is no item")
            self._take(driver, items)
        except DriverError as error:
            self._cannot_observe(group, str(error))
            return
        self._blind.pop(group, None)
        self._observed.add(group)

    def _take(self, driver: Driver, items: Sequence[Item]) -> None:
        try:
            self.machine.observed(driver.kinds, items)
        except Exception as error:  # an item whose key or requirements cannot be told
            log.exception("driver %s observed a broken item", _name(driver))
            raise DriverError(f"driver {_name(driver)} observed a broken item: {error}") from error

    def _cannot_observe(self, group: int, error: str) -> None:
        """What is known stays known; ask again later."""
        before, now = self._blind.get(group), self._now()
        attempts = before.attempts + 1 if before is not None else 1
        delay = min(BACKOFF_LIMIT, BLIND_FIRST * 2.0 ** min(attempts - 1, 16))
        self._blind[group] = _Blindness(error, before.since if before else now, now + delay, attempts)

    async def _apply(self, group: int, changes: list[Change]) -> None:
        reasons = [self.machine.reason(change) for change in changes]
        outcomes = await self._outcomes(self._drivers[group], changes)
        for outcome, reason in zip(outcomes, reasons, strict=True):
            self._tell(outcome, reason)
        self.machine.finished(group, outcomes, self._now())
        failed = any(outcome.error is not None for outcome in outcomes)
        hints = [(key, self._hints.pop(key)) for change in changes if (key := change.key) in self._hints]
        if failed or any(self.machine.actual.get(key) != seen for key, seen in hints):
            self._suspects.add(group)  # a failed change may have been carried out in part

    async def _outcomes(self, driver: Driver, changes: list[Change]) -> list[Outcome]:
        """One outcome a change whatever the driver does: its faults are its items' faults."""
        try:
            outcomes = await self._answer(lambda: driver.apply(changes), driver, "apply")
            if [outcome.change for outcome in outcomes if isinstance(outcome, Outcome)] == changes:
                return outcomes
            what = f"something else than an outcome for each of {len(changes)} changes, in their order"
            raise DriverError(f"driver {_name(driver)} answered {what}")
        except DriverError as error:
            return [Outcome(change, error) for change in changes]

    async def _answer(self, ask: Callable[[], Awaitable[Iterable[T]]], driver: Driver, call: str) -> list[T]:
        """What a driver answers, in time. Whatever else it does is a DriverError."""
        try:
            async with asyncio.timeout(self._deadline):
                return list(await ask())
        except TimeoutError:
            raise DriverError(f"driver {_name(driver)} did not answer {call} within {self._deadline:g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise DriverError(f"driver {_name(driver)} was cancelled in {call}") from None
        except Exception as error:
            log.exception("driver %s failed in %s", _name(driver), call)
            raise DriverError(f"driver {_name(driver)} failed: {type(error).__name__}: {error}") from error

    def _tell(self, outcome: Outcome, because: str) -> None:
        change = outcome.change
        owner = self.machine.owner(change.key)
        event = EngineEvent(
            change.op, change.item, owner.object if owner else None, outcome.error, because, self._now()
        )
        try:
            self._on_event(event)
        except Exception:
            log.exception("whoever listens to the engine failed at %s %s", change.op, change.key)


def _name(driver: Driver) -> str:
    return type(driver).__name__
