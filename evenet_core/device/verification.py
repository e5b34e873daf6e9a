"""What verification knows, what it is told, and what it wants done: values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evenet_core.device.dpclist import Candidate
from evenet_core.device.readiness import PortState
from evenet_core.model.adapters import Dpc
from evenet_core.probing.verdict import PortVerdict

__all__ = [
    "Adjusted",
    "Arrived",
    "Asked",
    "Command",
    "Event",
    "Instant",
    "Phase",
    "PortsChanged",
    "Resumed",
    "RunTest",
    "SetTimer",
    "State",
    "StopTest",
    "Timer",
    "Timers",
    "Use",
    "Verdicts",
    "Withdrawn",
]


class Phase(StrEnum):
    """Where the verification of the current DPC stands."""

    IDLE = "none"  # there is no DPC
    WAITING = "waiting"  # no management adapter can be tested yet
    TESTING = "testing"
    COMMITTED = "committed"
    FAILED = "fail"


@dataclass(frozen=True, slots=True)
class Instant:
    """A time by two clocks, in seconds: one that never jumps, by which is waited; and since the epoch, for people."""

    now: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Device properties `timer.port.*`, in seconds."""

    test_duration: float = 30.0
    test_interval: float = 300.0
    better_interval: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that verification knows. `current` -1 = no DPC in use. Times are those of `Instant.now`."""

    candidates: tuple[Candidate, ...] = ()
    current: int = -1
    phase: Phase = Phase.IDLE
    trial: int = 0  # counts trials, so that a late answer is not taken for that of the next candidate
    started: float = 0.0  # when the present DPC came on trial
    ready_at: float | None = None  # when an adapter of it could be tested for the first time, the last of them
    failing_since: float | None = None  # it was committed, and fails
    again: bool = False  # the candidate on trial failed before, and another one works
    ports: tuple[PortState, ...] = ()  # adapters with IP
    test_running: bool = False
    test_again: bool = False  # something changed while a test was running
    timers: Timers = Timers()
    required: int = 1  # management adapters that have to work
    lasting: frozenset[str] = frozenset()  # keys of sources that are never forgotten
    held: str = ""  # why no other DPC is gone over to, whatever tests say; empty = it is

    @property
    def candidate(self) -> Candidate | None:
        return self.candidates[self.current] if self.current >= 0 else None


@dataclass(frozen=True, slots=True)
class Resumed:
    """What an earlier run stored. The candidate in use still is.

    :param since: when it came on trial, since the epoch
    """

    candidates: tuple[Candidate, ...] = ()
    current: int = -1
    phase: Phase = Phase.COMMITTED
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A source handed a DPC over.

    `instead_of` is what it handed over before and nobody confirmed: it is no candidate any more, nor a fallback.
    """

    dpc: Dpc
    instead_of: Dpc | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A source takes back whatever it handed over."""

    key: str


@dataclass(frozen=True, slots=True)
class PortsChanged:
    """All adapters with IP, as they are now: something of them changed."""

    ports: tuple[PortState, ...]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The test that `RunTest` asked for is done."""

    trial: int
    verdicts: tuple[PortVerdict, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The operator wants this candidate to be tried now; empty = the first."""

    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """What verification goes by is different now: see `State`."""

    timers: Timers
    required: int = 1
    lasting: frozenset[str] = frozenset()
    held: str = ""


@dataclass(frozen=True, slots=True)
class Timer:
    """The time that `SetTimer` asked for has come."""


Event = Resumed | Arrived | Withdrawn | PortsChanged | Verdicts | Asked | Adjusted | Timer


@dataclass(frozen=True, slots=True)
class Use:
    """Make this DPC the current one; None = there is none. `PortsChanged` tells how its adapters are."""

    dpc: Dpc | None


@dataclass(frozen=True, slots=True)
class RunTest:
    """Try to reach the controller through every management adapter."""

    trial: int


@dataclass(frozen=True, slots=True)
class StopTest:
    """Nobody waits for the running test any more."""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send `Timer` at this time of `Instant.now`; replaces an earlier one."""

    at: float


Command = Use | RunTest | StopTest | SetTimer
