"""Runs the machine: batches to drivers, side by side; what they say back; time; and words for what happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from evenet_core.errors import DriverError
from evenet_core.reconciler.audit import Audits
from evenet_core.reconciler.failures import Drift
from evenet_core.reconciler.fragments import Delta, Wanted
from evenet_core.reconciler.item import Change, Driver, Item, ItemKey, Outcome
from evenet_core.reconciler.machine import Counts, Machine
from evenet_core.reconciler.supervised import Supervised
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from evenet_core.reconciler.views.plan import Plan, diff
from evenet_core.reconciler.views.problems import Problem, attributed, problems

__all__ = ["Engine"]

DEADLINE = 60.0  # seconds that a driver may take for one call
PERSISTENCE = 15.0  # seconds for which teardown tries again what cannot be removed
TEARDOWN_LIMIT = 75.0  # seconds after which teardown leaves what is left; systemd's own patience is 90 s
PATIENCE = 1.0  # seconds in which a change that is not wanted any more may end by itself
DEBOUNCE = 0.05  # seconds that hints of drift are gathered before a kind is observed again
log = logging.getLogger(__name__)


class Engine:
    """Keeps the system as the intent says.

    :param drivers: each kind has one driver.
    :param external: whether something that nobody plans is there.
    :param on_event: called for every change made or failed, and for every drift.
    :param deadline: seconds that a driver may take for one call.
    """

    def __init__(
        self,
        drivers: Sequence[Driver],
        external: Callable[[ItemKey], bool] = lambda key: False,
        on_event: Callable[[EngineEvent | DriftEvent], None] = lambda event: None,
        *,
        now: Callable[[], float] | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._now = now or asyncio.get_running_loop().time
        self._drivers = [Supervised(driver, deadline, self._now) for driver in drivers]
        self._on_event = on_event
        self._deadline = deadline
        self._numbered = list(enumerate(self._drivers))
        self._groups = {kind: number for number, driver in self._numbered for kind in driver.kinds}
        apart = {number for number, driver in self._numbered if driver.side_by_side}
        self.machine = Machine(self._groups, external, apart=apart)
        self._external = external
        self._batches: set[asyncio.Task[None]] = set()
        self._making: dict[ItemKey, asyncio.Task[None]] = {}  # changes of drivers that make them side by side
        self._looking: dict[int, asyncio.Task[None]] = {}  # observations, by group
        self._auditing: set[int] = set()  # those that nobody waits for
        self._touched: dict[int, set[ItemKey]] = {}  # what was changed while its group is observed
        self._suspects: dict[int, str] = {}  # groups to observe again, and by whose hand they changed
        self._audits = Audits(len(self._drivers), self._now())
        self._hints: dict[ItemKey, tuple[Item | None, str]] = {}  # what monitors saw of changes in flight
        self._given_up: set[ItemKey] = set()  # cannot be removed: teardown goes on as if it was gone
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
        if tasks := [*self._batches, *self._looking.values()]:
            await asyncio.wait(tasks, timeout=self._deadline)
        self._settled.set()

    async def teardown(self) -> list[Problem]:
        """Remove everything, then stop. Returns what could not be removed, as `problems` does.

        What fails is tried again for a while. Then what it stands on goes all the same: a port shall have its name back
        although a setting of its bridge does not. It takes `TEARDOWN_LIMIT` at most.
        """
        if not self._running:
            return self._left(self.problems())
        self.update(dict.fromkeys(self.machine.wanted))
        known: list[Problem] = []
        try:
            async with asyncio.timeout(TEARDOWN_LIMIT):
                await self._persist(self._now() + PERSISTENCE)
                known = self.problems()
                await self._give_up()
                self._running = False
                await self._look_once_more()
        except TimeoutError:
            for task in (*self._batches, *self._looking.values()):
                task.cancel()
        await self.stop()
        return self._left([*known, *self.problems()])

    async def _persist(self, until: float) -> None:
        """Returns when all is removed, or nothing that is left will be tried again before `until`."""
        await self.settled()
        while (at := min(self._tries(), default=until)) < until:
            await asyncio.sleep(max(0.0, at - self._now()))
            self._pump_soon()
            await self.settled()

    async def _give_up(self) -> None:
        """Remove what is left as if what cannot be removed was gone."""
        resting = {kind for driver in self._drivers if driver.rests_until() is not None for kind in driver.kinds}
        there = self.machine.actual
        self._given_up = {key for key in there if key in self.machine.failures or key.kind in resting}
        for driver in self._drivers if self._given_up else ():
            left = [item for key, item in there.items() if key.kind in driver.kinds and key not in self._given_up]
            self.machine.observed(driver.kinds, left)
        self._pump_soon()
        await self.settled()
        self._given_up = set()

    async def _look_once_more(self) -> None:
        for task in self._looking.values():
            task.cancel()
        await asyncio.gather(*self._looking.values(), return_exceptions=True)
        await asyncio.gather(*(self._observe(group) for group in range(len(self._drivers))))

    def _left(self, problems: Iterable[Problem]) -> list[Problem]:
        there = self.machine.actual.keys()
        unseen = {ItemKey(driver.kinds[:1]) for driver in self._drivers if driver.blind}
        found = {problem["key"]: problem for problem in problems if problem["key"] in there | unseen}
        still = [attributed(self.machine, key, "it is still there") for key in there - found.keys()]
        return [*found.values(), *still]

    # -- what happens ---------------------------------------------------------------------------------

    def update(self, delta: Delta) -> None:
        """The intent changed. What is being made and is not wanted any more is interrupted, where it can be."""
        if delta:
            self.machine.update(delta)
            for key in self.machine.obsolete & self._making.keys():
                asyncio.get_running_loop().call_later(PATIENCE, self._interrupt, key, self._making[key])
            self._pump_soon()

    def _interrupt(self, key: ItemKey, task: asyncio.Task[None]) -> None:
        if self._making.get(key) is task and key in self.machine.obsolete:
            del self._making[key]
            task.cancel()

    def external_changed(self, keys: Iterable[ItemKey]) -> None:
        """Something that nobody plans came or went."""
        self.machine.external_changed(keys)
        self._pump_soon()

    def seen(self, item: Item, present: bool, by: str = "") -> None:
        """A monitor saw an item of ours come, change or go. Our own changes confirm what is known.

        :param by: whose hand it was, where that is known.
        """
        key, found = item.key, item if present else None
        if self.machine.is_flying(key):
            self._hints[key] = found, by  # judged when the change is done
        elif self.machine.actual.get(key) != found and (group := self._groups.get(key.kind)) is not None:
            self._note_touched(group, [item])
            drift = self.machine.saw(key, found, self._now(), by)
            self._tell_drifts([drift] if drift is not None else [])
            self._pump_soon()

    def suspect(self, kind: str, by: str = "") -> None:
        """Items of this kind may not be what they were: observe them again, soon."""
        group = self._groups.get(kind)
        if group is None:
            return
        self._suspects[group] = by
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

    def problems(self) -> list[Problem]:
        """Everything that does not work, with whom it holds up. Times are those of `now`."""
        return problems(self.machine, self._drivers)

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
        self._look_around(now)
        idle = {g for g, driver in self._numbered if not driver.known or driver.rests_until() is not None}
        barred = {group for group in self._looking if not self._drivers[group].side_by_side}
        for group, changes in self.machine.ready(now, idle | barred).items():
            self._start(group, changes)
        self._set_timer(now)
        awaited = self._looking.keys() - self._auditing
        if not self._batches and not awaited and not self._suspects and self.machine.idle(idle | self._auditing):
            self._settled.set()

    def _look_around(self, now: float) -> None:
        """Observe what may have changed, what could not be observed, and what is to be audited; changes go first."""
        for group in [group for group in self._auditing if self.machine.has_work(group)]:
            self._looking[group].cancel()
        blind = [g for g, driver in self._numbered if driver.blind and driver.blind.retry_at <= now]
        audits = [group for group in self._audits.due(now) if not self.machine.has_work(group)]
        for group in dict.fromkeys((*self._suspects, *blind, *audits)):
            if group not in self._looking and not self.machine.is_engaged(group):
                if group in audits and group not in self._suspects:
                    self._auditing.add(group)
                self._look(group, self._suspects.pop(group, ""))

    def _look(self, group: int, by: str) -> None:
        task = asyncio.create_task(self._observe(group, by))
        self._looking[group] = task
        task.add_done_callback(lambda _: self._looked(group))

    def _looked(self, group: int) -> None:
        del self._looking[group]
        self._auditing.discard(group)
        self._pump_soon()

    def _start(self, group: int, changes: list[Change]) -> None:
        if self._drivers[group].side_by_side:
            for change in changes:
                self._making[change.key] = self._run(self._make(group, change))
        else:
            self._run(self._apply(group, changes))

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._batches.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._pump_soon()

    def _set_timer(self, now: float) -> None:
        """Until something may be done though nothing happens; what is due now was seen to."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if later := [at for at in (*self._tries(), *self._audits.times) if at > now]:
            self._timer = asyncio.get_running_loop().call_later(min(later) - self._now(), self._pump_soon)

    def _tries(self) -> list[float]:
        """When something that failed is tried again."""
        times = [self.machine.wake_at(), *(driver.rests_until() for driver in self._drivers)]
        times += [driver.blind.retry_at for driver in self._drivers if driver.blind]
        return [at for at in times if at is not None]

    def _look_again(self) -> None:
        self._debounce = None
        self._pump_soon()

    async def _observe(self, group: int, by: str = "") -> None:
        driver, began = self._drivers[group], self._now()
        touched: set[ItemKey] = set()
        self._touched[group] = touched
        try:
            items = await driver.observe()
        except asyncio.CancelledError:
            self._audits.changed(group, self._now())  # an audit that gave way to changes
            raise
        except DriverError:
            self._audits.done(group, self._now(), 0.0)  # it is asked again as it was blind
            return
        finally:
            del self._touched[group]
        self._audits.done(group, self._now(), self._now() - began)
        try:
            drifts = self.machine.observed(driver.kinds, items, self._now(), by, but=touched | self._given_up)
        except Exception as error:  # an item whose key or requirements cannot be told
            log.exception("driver %s observed a broken item", driver.name)
            driver.cannot_tell(f"driver {driver.name} observed a broken item: {error}")
        else:
            self._tell_drifts(drifts)

    async def _apply(self, group: int, changes: list[Change]) -> None:
        """One batch, to its end."""
        reasons = [self.machine.reason(change) for change in changes]
        outcomes = await self._drivers[group].apply(changes)
        self._tell_outcomes(outcomes, reasons)
        self._note_touched(group, changes)
        self.machine.finished(outcomes, self._now())
        self._audits.changed(group, self._now())
        others = self._others(changes) if self._hints else []
        if others or any(error is not None for _, error in outcomes):
            self._suspects[group] = "".join(others[:1])  # what failed may have been carried out in part

    def _others(self, changes: list[Change]) -> list[str]:
        """By whose hands these items became something else while they were changed."""
        hints = [(change.key, *self._hints.pop(change.key)) for change in changes if change.key in self._hints]
        return [by for key, found, by in hints if self.machine.actual.get(key) != found]

    async def _make(self, group: int, change: Change) -> None:
        """One change by itself. Interrupted, it leaves what its driver observes then."""
        try:
            await self._apply(group, [change])
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or change.key not in self.machine.obsolete:
                raise
            task.uncancel()
            await self._interrupted(group, change)
        finally:
            self._making.pop(change.key, None)

    async def _interrupted(self, group: int, change: Change) -> None:
        self._tell_outcomes([Outcome(change, DriverError("interrupted: it is not wanted so any more"))], [""])
        found = change.before
        try:
            found = next((item for item in await self._drivers[group].observe() if item.key == change.key), None)
        except DriverError:
            self._suspects[group] = ""
        self._hints.pop(change.key, None)
        self._note_touched(group, [change])
        self.machine.interrupted(change, found)

    def _note_touched(self, group: int, things: Iterable[Change | Item]) -> None:
        """An observation that is under way may have seen these before."""
        if group in self._touched:
            self._touched[group].update(thing.key for thing in things)

    # -- telling --------------------------------------------------------------------------------------

    def _tell_outcomes(self, outcomes: Iterable[Outcome], reasons: Iterable[str]) -> None:
        now, wanted, former = self._now(), self.machine.wanted, self.machine.former
        for ((op, before, after, key), error), reason in zip(outcomes, reasons, strict=True):
            item, owner = after or before, wanted.get(key) or former.get(key)
            assert item is not None
            self._tell(EngineEvent(op, item, owner.object if owner is not None else None, error, reason, now))

    def _tell_drifts(self, drifts: Iterable[Drift]) -> None:
        for drift in drifts:
            owner = self.machine.owner(drift.before.key)
            self._tell(DriftEvent(drift, owner.object if owner else None))

    def _tell(self, event: EngineEvent | DriftEvent) -> None:
        try:
            self._on_event(event)
        except Exception:
            log.exception("whoever listens to the engine failed at %s", event.item.key)
