"""Why an item is as it is: its own state, then what it waits for, down to the cause. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from evenet_core.reconciler.failures import DriftError, Failure
from evenet_core.reconciler.fragments import Wanted, name_of
from evenet_core.reconciler.item import ItemKey, Op
from evenet_core.reconciler.machine import ItemState, Machine

__all__ = ["Step", "World", "explain", "others", "told", "trace"]

DEEPEST = 12  # levels; the cause of a pending item is rarely further away
DONE = {Op.CREATE: "made", Op.UPDATE: "changed", Op.DELETE: "removed"}


class World:
    """What an explanation knows besides the machine. By itself nothing."""

    def called(self, name: Hashable) -> str:
        """What people call an object."""
        return name_of(name)

    def thing(self, key: ItemKey) -> str:
        """What people call something that nobody plans."""
        return str(key)

    def absence(self, key: ItemKey) -> str:
        """That it is not there: a verb, and what is known besides."""
        return "is not there and nothing plans it"

    def since(self, at: float) -> str:
        """` since 10:02:11`, where the time of day is known."""
        return ""

    def driver(self, kind: str) -> str:
        """What is wrong with whoever makes items of this kind; empty = nothing."""
        return ""


@dataclass(slots=True)
class Step:
    """An item, or something that nobody plans, on the way down to the cause.

    :param verdict: why it is not as it is wanted, beginning with a verb; empty where what it needs says why.
    :param details: the same in full, lines of their own.
    """

    key: ItemKey
    title: str
    wanted: Wanted | None = None
    state: ItemState | None = None
    because: str = ""  # why the one above needs it
    verdict: str = ""
    details: list[str] = field(default_factory=list)
    needs: list[Step] = field(default_factory=list)

    @property
    def way(self) -> list[Step]:
        """From here to the first cause."""
        way = [self]
        while way[-1].needs:
            way.append(way[-1].needs[0])
        return way


def explain(machine: Machine, keys: Iterable[ItemKey], now: float, world: World | None = None) -> list[str]:
    """Lines for people, indented by how far down the cause is."""
    world = world or World()
    steps, more = trace(machine, keys, now, world)
    return [line for step in steps for line in told(step, world)] + others(len(steps), more)


def others(told: int, more: int) -> list[str]:
    """What is only counted."""
    return [f"{more} more items wait for {'these' if told > 1 else 'this one'}"] if more else []


def told(step: Step, world: World, depth: int = 0) -> Iterator[str]:
    """A line a step, indented by its depth, and its details."""
    indent, wanted = "  " * depth, step.wanted
    title = f"waits for {step.title}" if depth else step.title
    if step.because:
        title = f"{title} ({step.because})"
    if wanted is None or step.state is None:
        yield f"{indent}{title}: {step.verdict}"
        return
    yield f"{indent}{title}: {step.state} (for {world.called(wanted.object)}, plugin {wanted.plugin})"
    yield from (f"{indent}  {line}" for line in step.details)
    for need in step.needs:
        yield from told(need, world, depth + 1)


def trace(machine: Machine, keys: Iterable[ItemKey], now: float, world: World) -> tuple[list[Step], int]:
    """Steps to the causes, and how many more of these items wait for those that are told."""
    asked = dict.fromkeys(keys)
    waiting = [key for key in asked if any(need in asked for need in machine.missing(key))]
    causes = [key for key in asked if key not in waiting] or waiting[:1]  # a ring has no beginning
    tracer = _Tracer(machine, now, world)
    return [tracer.step(key, "") for key in causes], len(asked) - len(causes)


class _Tracer:
    def __init__(self, machine: Machine, now: float, world: World) -> None:
        self._machine = machine
        self._now = now
        self._world = world
        self._told: set[ItemKey] = set()
        self._way: list[ItemKey] = []  # from the item asked about down to this one

    def step(self, key: ItemKey, because: str) -> Step:
        wanted = self._machine.wanted.get(key)
        if wanted is None:
            return self._unplanned(key, because)
        if key in self._way:
            text = "see above, they require each other"
            return Step(key, wanted.item.description, because=because, verdict=text)
        step = Step(key, wanted.item.description, wanted, self._machine.state(key), because)
        step.verdict, step.details = self._trouble(key)
        if key in self._told and step.state is not ItemState.IN_SYNC:
            step.verdict, step.details = step.verdict or "waits too: see above", ["see above"]
        elif step.state is not ItemState.IN_SYNC and len(self._way) < DEEPEST:
            self._told.add(key)
            self._descend(key, wanted, step)
            if not step.needs and not step.verdict:
                step.verdict = self._awaits(key)
                step.details = [step.verdict]
        return step

    def _unplanned(self, key: ItemKey, because: str) -> Step:
        actual = self._machine.actual.get(key)
        if actual is not None:
            return Step(key, actual.description, because=because, verdict="exists and is to be removed")
        return Step(key, self._world.thing(key), because=because, verdict=self._world.absence(key))

    def _descend(self, key: ItemKey, wanted: Wanted, step: Step) -> None:
        self._way.append(key)
        reasons = {requirement.key: requirement.because for requirement in wanted.item.requires}
        step.needs = [self.step(need, reasons.get(need, "")) for need in self._machine.missing(key)]
        self._way.pop()

    def _trouble(self, key: ItemKey) -> tuple[str, list[str]]:
        """What is wrong with the item itself, or with whoever makes it."""
        if not self._machine.is_claimed(key):
            text = f"no installed plugin brings a driver for items of kind {key.kind}"
            return f"cannot be made: {text}", [text]
        failure, driver = self._machine.failures.get(key), self._world.driver(key.kind)
        if failure is not None:
            verb = "does not stay" if isinstance(failure.error, DriftError) else f"cannot be {DONE[failure.op]}"
            details = [self._failed(failure), *([driver] if driver else [])]
            return f"{verb}{self._world.since(failure.since)}: {failure.error}", details
        return (f"waits for its driver: {driver}", [driver]) if driver else ("", [])

    def _failed(self, failure: Failure) -> str:
        wait = max(0.0, failure.retry_at - self._now)
        times = f"{failure.attempts} times" if failure.attempts > 1 else "once"
        since = self._world.since(failure.since)
        return f"{failure.op} failed {times}{since}: {failure.error}; next try in {wait:.0f} s"

    def _awaits(self, key: ItemKey) -> str:
        """Why what could be made is not made yet."""
        if self._machine.is_flying(key):
            return "is being made at this moment"
        return "is to be removed first, it exists otherwise" if key in self._machine.leaving else "is next"
