"""Health of one port towards one target: when to probe next, and what the answers mean.

Sans-IO. Three rules:

1. A path that cannot carry a probe (no carrier, no address) is down at once, whatever was answered before.
2. The first result after that decides; then `down_after` losses in a row or `up_after` answers in a row turn
   the verdict. So it never contradicts the last results for longer than that.
3. Probes are rare while all results agree with the verdict and quick (a burst) at the first that does not.
   A burst is bought by the regular probe before it: there are never more than `1 + burst` probes an interval,
   however often the link flaps or the addresses change.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import TypeAlias

__all__ = [
    "LINK_ONLY",
    "Doubted",
    "Event",
    "Health",
    "HealthSettings",
    "Heard",
    "PathChanged",
    "ProbeFailed",
    "ProbeOk",
    "SendProbe",
    "Tick",
    "Verdict",
    "paced",
    "step",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How often to probe and how many results turn the verdict. Times in seconds."""

    interval: float = 1.0  # between probes while nothing is in doubt; 0 = never probe, a usable path is up
    burst_interval: float = 0.2
    burst: int = 5  # probes in one burst
    timeout: float = 0.5  # how long one probe waits for its answer, at least
    longest: float = 0.0  # and at most: so long while it is not known how quick answers are
    down_after: int = 3
    up_after: int = 2
    hold_down: float = 10.0  # how long a port that failed must be up before it is returned to
    hold_down_link: float = 5.0  # the same when the cause was plain to see: no carrier or no address


SLOWER = 4  # times the usual latency: an answer that takes longer is late
LINK_ONLY = HealthSettings(interval=0.0)


class Verdict(StrEnum):
    """What the results say."""

    UNKNOWN = "unknown"  # the path is there, nothing has answered or failed yet
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class PathChanged:
    """What a probe needs to leave has changed.

    `obstacle` says why none can leave ("no carrier"); empty = it can. `path` is whatever tells this path
    from another (addresses, gateways): results of probes sent over an earlier one count no more.
    """

    obstacle: str
    path: Hashable = ()


@dataclass(frozen=True, slots=True)
class ProbeOk:
    """A probe of `generation` was answered after `latency` seconds."""

    generation: int
    latency: float


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """A probe of `generation` was refused or not answered in time."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Somebody was answered over this path after `latency` seconds: as good as a probe that was sent now."""

    latency: float


@dataclass(frozen=True, slots=True)
class Doubted:
    """Somebody saw a hint that the verdict may be wrong: probe now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = PathChanged | ProbeOk | ProbeFailed | Heard | Doubted | Tick


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Send one probe; its result carries `generation`."""

    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state. Times are those of the caller's clock, in seconds."""

    settings: HealthSettings = HealthSettings()
    obstacle: str = "not looked at yet"
    path: Hashable = None
    verdict: Verdict = Verdict.DOWN
    reason: str = "not looked at yet"  # why it is down; empty otherwise
    since: float = 0.0  # of the verdict
    settled_at: float = 0.0  # when up: from then on it may be returned to
    latency: float | None = None  # smoothed over the answers since it is up
    good: int = 0  # answers in a row
    lost: int = 0  # losses in a row
    generation: int = 0
    last_sent: float = -inf
    next_at: float = inf  # when it wants a `Tick`
    fast_left: int = 0
    was_up: bool = False  # ever: the hold-down is for ports that failed, not for new ones
    lost_link: bool = False  # the path was gone since it was last up

    @property
    def patience(self) -> float:
        """Seconds that the next probe waits: a path that is slow is not one that is dead."""
        usual = self.settings.longest if self.latency is None else min(self.settings.longest, SLOWER * self.latency)
        return max(self.settings.timeout, usual)

    @property
    def is_shaken(self) -> bool:
        """Up, but the last answer did not come."""
        return self.verdict is Verdict.UP and self.lost > 0

    @property
    def in_doubt(self) -> bool:
        """Whether the results so far do not settle the matter."""
        match self.verdict:
            case Verdict.UNKNOWN:
                return True
            case Verdict.UP:
                return self.lost > 0
            case Verdict.DOWN:
                return self.good > 0 or self.lost < self.settings.down_after


def paced(state: Health, settings: HealthSettings, now: float) -> Health:
    """The same knowledge, asked for at another pace."""
    after = replace(state, settings=settings)
    return replace(after, next_at=min(state.next_at, _earliest(after, now)))


def step(state: Health, event: Event, now: float) -> tuple[Health, SendProbe | None]:
    """Take one event; answers the new state, and the probe that is due."""
    match event:
        case PathChanged():
            after = _path_changed(state, event, now)
        case ProbeOk(generation, latency) if generation == state.generation and not state.obstacle:
            after = _reschedule(_answered(state, latency, now), now)
        case ProbeFailed(generation, reason) if generation == state.generation and not state.obstacle:
            after = _reschedule(_lost(state, reason, now), now)
        case Heard(latency) if not state.obstacle:
            after = _reschedule(_answered(replace(state, last_sent=now), latency, now), now)
        case Doubted():
            after = replace(state, next_at=min(state.next_at, _earliest(state, now)))
        case _:  # time, or the result of a probe that was sent over a path of the past
            after = state
    if after.next_at > now:
        return after, None
    sent = _sent(after, now)
    return sent, SendProbe(sent.generation)


def _path_changed(state: Health, event: PathChanged, now: float) -> Health:
    if (event.obstacle, event.path) == (state.obstacle, state.path):
        return state
    moved = replace(state, obstacle=event.obstacle, path=event.path, generation=state.generation + 1)
    probing = state.settings.interval > 0
    if event.obstacle:
        moved = replace(moved, good=0, lost=0, next_at=inf, lost_link=True)
        return _down(moved, event.obstacle, now)
    if state.obstacle:
        fresh = replace(moved, good=0, lost=0, reason="", verdict=Verdict.UNKNOWN, since=now)
        return replace(fresh, next_at=_earliest(fresh, now)) if probing else _up(fresh, now)
    # Only the addresses changed: the verdict stays until probes over the new path say otherwise.
    return replace(moved, next_at=min(state.next_at, _earliest(moved, now))) if probing else moved


def _answered(state: Health, latency: float, now: float) -> Health:
    known = latency if state.latency is None else state.latency + (latency - state.latency) / 8  # RFC 6298, 2.3
    counted = replace(state, good=state.good + 1, lost=0, latency=known)
    decisive = state.verdict is Verdict.UNKNOWN or counted.good >= state.settings.up_after
    return _up(counted, now) if decisive and state.verdict is not Verdict.UP else counted


def _lost(state: Health, reason: str, now: float) -> Health:
    counted = replace(state, good=0, lost=state.lost + 1)
    decisive = state.verdict is Verdict.UNKNOWN or counted.lost >= state.settings.down_after
    return _down(counted, reason, now) if decisive or state.verdict is Verdict.DOWN else counted


def _up(state: Health, now: float) -> Health:
    hold = state.settings.hold_down_link if state.lost_link else state.settings.hold_down
    return replace(
        state,
        verdict=Verdict.UP,
        reason="",
        since=now,
        settled_at=now + hold if state.was_up else now,
        was_up=True,
        lost_link=False,
    )


def _down(state: Health, reason: str, now: float) -> Health:
    since = state.since if state.verdict is Verdict.DOWN else now
    return replace(state, verdict=Verdict.DOWN, reason=reason, since=since, latency=None)


def _earliest(state: Health, now: float) -> float:
    """When the next probe may go: soon, or at the regular pace when the burst is spent; never while none can leave."""
    if state.obstacle or state.settings.interval <= 0:
        return inf
    pause = state.settings.burst_interval if state.fast_left else state.settings.interval
    return max(now, state.last_sent + pause)


def _reschedule(state: Health, now: float) -> Health:
    """After a result: hurry if it raised doubt, calm down if it settled the matter."""
    if state.in_doubt:
        return replace(state, next_at=min(state.next_at, _earliest(state, now)))
    return replace(state, next_at=max(now, state.last_sent + state.settings.interval))


def _sent(state: Health, now: float) -> Health:
    early = now < state.last_sent + state.settings.interval
    left = max(0, state.fast_left - 1) if early else state.settings.burst
    pause = state.settings.burst_interval if state.in_doubt and left else state.settings.interval
    return replace(state, last_sent=now, next_at=now + pause, fast_left=left)
