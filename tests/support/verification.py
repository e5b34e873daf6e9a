"""A device in virtual time whose DPCs are verified. Decisions are real, the world is simple."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from evenet_core.device.readiness import PortState, Wait
from evenet_core.device.verification import (
    Command,
    Event,
    Instant,
    Phase,
    PortsChanged,
    Resumed,
    RunTest,
    SetTimer,
    State,
    StopTest,
    Timer,
    Use,
    Verdicts,
)
from evenet_core.device.verify import step
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.networks import IpMode, IpSettings
from evenet_core.probing.verdict import PortVerdict, Reason

__all__ = ["Cable", "World", "dpc", "phase_fits"]

EPOCH = 1_700_000_000.0  # what the wall clock shows at the beginning
LEASE_TIME = 3.0  # seconds until a port that is plugged in has its address
TEST_TIME = 0.5
SPINNING = 1000  # things that happen at one moment
SILENT_TEST_TIME = 15.0  # of a test that nobody answers


def dpc(key: str, segments: dict[str, int], year: int = 2026) -> Dpc:
    """A DPC whose ports, by label, expect to be plugged into these segments."""
    adapters = [
        Adapter(label=label, ifname=label, management=True, cost=segment, ip=IpSettings(mode=IpMode.DHCP))
        for label, segment in segments.items()
    ]
    return Dpc(key=key, time_priority=datetime(year, 1, 1, tzinfo=UTC), adapters=tuple(adapters))


@dataclass
class Cable:
    """Where a port is plugged in; a DPC that expects another segment gets no address or reaches nobody there."""

    segment: int = 0
    carrier: bool = True
    server: bool = True  # answers DHCP


@dataclass
class World:
    """Cables, a controller, and the verification of whoever lives there."""

    cables: dict[str, Cable]
    controller: bool = True
    state: State = field(default_factory=State)
    now: float = 0.0
    set_by: float = 0.0  # seconds by which the wall clock was set
    switches: list[float] = field(default_factory=list)  # when another DPC came into use
    used: Dpc | None = None
    used_at: float = 0.0
    watch: Callable[[World], None] = lambda world: None

    def __post_init__(self) -> None:
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()
        self._timer = self._test = -1

    @property
    def moment(self) -> Instant:
        return Instant(self.now, EPOCH + self.now + self.set_by)

    @property
    def waits_for_something(self) -> bool:
        return any(number in (self._timer, self._test) for _, number, _ in self._queue)

    def happens(self, event: Event) -> None:
        self.state, commands = step(self.state, event, self.moment)
        self._obey(commands)
        self.watch(self)

    def changes(self) -> None:
        """Something of the cables changed: whoever lives there sees it."""
        at = self.used_at
        self.happens(PortsChanged(self._ports()))
        self._later(LEASE_TIME, lambda: self._look(at))

    def restarts(self) -> None:
        """The agent is killed and comes back: it knows what was stored."""
        self._queue.clear()
        self._timer = self._test = -1
        age = max(0.0, self.now - self.state.started)
        stored = Resumed(self.state.candidates, self.state.current, self.state.phase, self.moment.wall - age)
        self.state = State(timers=self.state.timers)
        if stored.candidates:
            self.happens(stored)
        self.changes()

    def lives(self, seconds: float) -> None:
        end, turns = self.now + seconds, 0
        while self._queue and self._queue[0][0] <= end:
            at, _, action = heapq.heappop(self._queue)
            turns = turns + 1 if at <= self.now else 0
            assert turns < SPINNING, "it goes round and round, and no time passes"
            self.now = max(self.now, at)
            action()
        self.now = end

    def works(self, candidate: Dpc) -> bool:
        """Whether it would reach the controller."""
        return self.controller and any(self._reaches(a) and a.management for a in candidate.adapters)

    def _reaches(self, adapter: Adapter) -> bool:
        cable = self.cables[adapter.label]
        return cable.carrier and cable.server and cable.segment == adapter.cost

    def _obey(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Use(used):
                    if used is not self.used:
                        self.switches.append(self.now)
                    self.used, self.used_at = used, self.now
                    at = self.now
                    self._later(0.0, lambda at=at: self._look(at))  # type: ignore[misc]
                    self._later(LEASE_TIME, lambda at=at: self._look(at))  # type: ignore[misc]
                case SetTimer(at):
                    self._drop(self._timer)
                    self._timer = self._later(max(0.0, at - self.now), self._timed)
                case RunTest(trial):
                    assert not self._is_queued(self._test), "two tests at once"
                    time = TEST_TIME if self.used is not None and self.works(self.used) else SILENT_TEST_TIME
                    self._test = self._later(time, lambda trial=trial: self._tested(trial))  # type: ignore[misc]
                case StopTest():
                    self._drop(self._test)

    def _later(self, seconds: float, action: Callable[[], None]) -> int:
        number = next(self._count)
        heapq.heappush(self._queue, (self.now + seconds, number, action))
        return number

    def _drop(self, number: int) -> None:
        self._queue = [entry for entry in self._queue if entry[1] != number]
        heapq.heapify(self._queue)

    def _is_queued(self, number: int) -> bool:
        return any(entry[1] == number for entry in self._queue)

    def _timed(self) -> None:
        self.happens(Timer())

    def _look(self, at: float) -> None:
        if at == self.used_at and (ports := self._ports()) != self.state.ports:
            self.happens(PortsChanged(ports))

    def _tested(self, trial: int) -> None:
        assert self.used is not None
        verdicts = [self._verdict(adapter) for adapter in self.used.adapters]
        self.happens(Verdicts(trial, tuple(verdicts)))

    def _verdict(self, adapter: Adapter) -> PortVerdict:
        if self._reaches(adapter) and self.controller:
            return PortVerdict(label=adapter.label, reason=Reason.SUCCESS)
        return PortVerdict(label=adapter.label, reason=Reason.FAILURE, error=f"{adapter.label}: nobody answers")

    def _ports(self) -> tuple[PortState, ...]:
        return tuple(self._port(adapter) for adapter in (self.used.adapters if self.used is not None else ()))

    def _port(self, adapter: Adapter) -> PortState:
        cable, label = self.cables[adapter.label], adapter.label
        if not cable.carrier:
            return PortState(label=label, wait=Wait.LINK, problem=f"link not up for interface {label}")
        if not cable.server or self.now < self.used_at + LEASE_TIME:
            return PortState(label=label, wait=Wait.ADDRESS, problem=f"interface {label}: no suitable IP address")
        return PortState(label=label)


def phase_fits(state: State) -> bool:
    """The status contradicts nothing that is known."""
    candidate = state.candidate
    match state.phase:
        case Phase.COMMITTED:
            return candidate is not None and (candidate.results.last_succeeded is not None)
        case Phase.FAILED:
            return candidate is not None and candidate.results.has_error
        case Phase.IDLE:
            return candidate is None or not candidate.dpc.adapters
        case _:
            return candidate is not None
