"""A machine and the system that it manages, in virtual time."""

from __future__ import annotations

from collections.abc import Container

from evenet_core.errors import DriverError
from evenet_core.reconciler.item import Change, ItemKey, Outcome
from evenet_core.reconciler.machine import ItemState, Machine
from tests.support.memory import PORT, System, Thing, want

__all__ = ["APART", "GROUPS", "World"]

GROUPS = {"a": 0, "b": 0, "c": 1, "d": 2}
APART = (2,)


class World:
    """A machine, the system it manages, and a clock that only tests move."""

    def __init__(self, *, retryable: bool = True) -> None:
        self.system = System()
        self.machine = Machine(GROUPS, lambda key: key in self.system.external, jitter=lambda: 0.0, apart=APART)
        self.now = 0.0
        self.apart = APART
        self.retryable = retryable

    def want(self, *things: Thing) -> None:
        wanted, before = want(*things), self.machine.wanted
        gone = [key for key in before if key not in wanted]
        self.machine.update(
            {**dict.fromkeys(gone), **{key: want for key, want in wanted.items() if before.get(key) != want}}
        )

    def ready(self, busy: Container[int] = ()) -> dict[int, list[Change]]:
        batches = self.machine.ready(self.now, busy)
        made = [change.after for batch in batches.values() for change in batch if change.after is not None]
        assert all(batches.values())
        assert PORT in self.system.external or not any(PORT in [r.key for r in item.requires] for item in made)
        return batches

    def run(self, crash_after: int | None = None) -> list[str]:
        """All that can be done without time passing; or so many changes."""
        start = len(self.system.log)
        waves = 0
        while batches := self.ready():
            waves += 1
            assert waves < 200, "it goes round in circles"
            for changes in batches.values():
                outcomes = []
                for change in changes:
                    if crash_after is not None and len(self.system.log) - start == crash_after:
                        return self.system.log[start:]
                    outcomes.append(self.carry_out(change))
                self.machine.finished(outcomes, self.now)
        return self.system.log[start:]

    def start_again(self) -> None:
        """A new agent that knows the intent and what it observes."""
        wanted = self.machine.wanted
        self.machine = Machine(GROUPS, lambda key: key in self.system.external, jitter=lambda: 0.0, apart=APART)
        self.observe()
        self.machine.update(wanted)

    def carry_out(self, change: Change) -> Outcome:
        try:
            self.system.carry_out(change)
        except DriverError as error:
            return Outcome(change, DriverError(str(error), retryable=self.retryable))
        return Outcome(change)

    def observe(self) -> None:
        self.machine.observed(GROUPS, list(self.system.items.values()), self.now)

    def state(self, key: str) -> ItemState:
        return self.machine.state(ItemKey(key.split(":")))
