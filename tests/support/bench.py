"""An engine over a system in memory, with what it told."""

from __future__ import annotations

import asyncio

from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.item import Driver
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from tests.support.memory import MemoryDriver, System, Thing, want

__all__ = ["Bench"]


class Bench:
    """An engine over a system in memory: one driver for kinds a and b, another for c."""

    def __init__(self, other: Driver | None = None, system: System | None = None) -> None:
        self.system = system or System()
        self.events: list[EngineEvent | DriftEvent] = []
        self.driver = MemoryDriver(self.system, "a", "b")
        drivers = [self.driver, other or MemoryDriver(self.system, "c")]
        self.engine = Engine(drivers, lambda key: key in self.system.external, self.events.append)

    async def __aenter__(self) -> Bench:
        await self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()

    def want(self, *things: Thing) -> None:
        """This is all that is wanted from now on."""
        before, wanted = self.engine.machine.wanted, want(*things)
        gone = dict.fromkeys(key for key in before if key not in wanted)
        self.engine.update({**gone, **{key: one for key, one in wanted.items() if before.get(key) != one}})

    async def settle(self, *things: Thing) -> None:
        """The same, once it is so."""
        self.want(*things)
        await self.engine.settled()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def changes(self) -> list[EngineEvent]:
        """Changes made or failed since last time."""
        events, self.events[:] = self.events[:], []
        return [event for event in events if isinstance(event, EngineEvent)]

    def told(self) -> list[tuple[str, ...]]:
        """What they say."""
        return [(str(event.op), str(event.item.key), str(event.object), event.because) for event in self.changes()]
