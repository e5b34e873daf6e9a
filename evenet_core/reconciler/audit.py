"""When everything of a group is observed once more though nothing was noticed: a net below monitors and drivers.

Soon after changes, so that a driver that did not do what it said is found out, and rarely otherwise. An audit costs
at most a twentieth of the time, and those of several groups do not fall together.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Audits"]

SOON = 2.0  # seconds after the last change
RARE = 600.0  # seconds
SPREAD = 5.0  # seconds from one group to the next
SHARE = 20.0  # of the time, at most one part in so many


class Audits:
    """The times of all groups."""

    def __init__(self, groups: int, now: float) -> None:
        self._took = [0.0] * groups
        self._at = [now + RARE + SPREAD * group for group in range(groups)]

    @property
    def times(self) -> list[float]:
        """When each is due."""
        return self._at

    def due(self, now: float) -> Iterable[int]:
        """Groups whose time has come."""
        return [group for group, at in enumerate(self._at) if at <= now]

    def changed(self, group: int, now: float) -> None:
        """A group was changed, or its audit was put off."""
        self._at[group] = now + max(SOON, SHARE * self._took[group])

    def done(self, group: int, now: float, took: float) -> None:
        """A group was observed, in so many seconds."""
        self._took[group] = took
        self._at[group] = now + max(RARE, SHARE * took) + SPREAD * group
