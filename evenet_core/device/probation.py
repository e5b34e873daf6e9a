"""A config on probation: what comes back, and how long it still has, over restarts and clocks that are set. Pure.

While one run of the machine lasts its steady clock counts, which nobody sets. After a power loss only the wall clock is
left. It may be wrong, so it never gives more time than was asked for; and a machine that is started again and again
while the config waits (because of it, perhaps) does not wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan

from evenet_core.model.config import DeviceConfig

__all__ = ["LONGEST", "MAX_BOOTS", "OPERATOR", "Moment", "Wait", "begun", "decided", "left", "resumed"]

LONGEST = 86_400.0  # seconds
MAX_BOOTS = 5  # starts of the machine that a wait survives
OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now, by the clocks of this machine, in seconds."""

    wall: float  # since the epoch; may be set, forwards and backwards
    steady: float  # since the machine was started
    boot: str  # tells this start of the machine from every other; empty = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The present config waits to be confirmed. As it is stored: what earlier versions did not write has a default."""

    previous: DeviceConfig | None  # confirmed last: it comes back; None = there was none
    until: float  # seconds since the epoch, as the wall clock was when the wait began
    seconds: float = LONGEST  # how long it waits at most
    by: str = OPERATOR  # who is to confirm
    boot: str = ""
    steady_until: float = 0.0  # by the steady clock of `boot`
    boots: int = 0  # starts of the machine since


def begun(previous: DeviceConfig | None, seconds: float, by: str, now: Moment) -> Wait:
    """A wait that begins now."""
    return Wait(
        previous=previous,
        until=now.wall + seconds,
        seconds=seconds,
        by=by,
        boot=now.boot,
        steady_until=now.steady + seconds,
    )


def decided(config: DeviceConfig | None) -> Wait:
    """Nothing waits any more: `config` counts, whatever else is stored as the config in use."""
    return Wait(previous=config, until=0.0, seconds=0.0, by="")


def left(wait: Wait, now: Moment) -> float:
    """Seconds until the config before comes back."""
    if now.boot and wait.boot == now.boot:
        rest = wait.steady_until - now.steady
    else:
        rest = wait.until - now.wall if wait.boots < MAX_BOOTS else 0.0
    asked_for = 0.0 if isnan(wait.seconds) else wait.seconds  # what is stored may be damaged
    return max(0.0, min(rest, asked_for, LONGEST))


def resumed(wait: Wait, now: Moment) -> Wait:
    """The same wait as another run of the agent goes on with it."""
    if now.boot and wait.boot == now.boot:
        return wait
    return replace(wait, boot=now.boot, steady_until=now.steady + left(wait, now), boots=wait.boots + 1)
