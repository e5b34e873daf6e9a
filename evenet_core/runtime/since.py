"""Since when things are as they are: times of facts, so that whoever asks for a cause hears how long it has been one.

Times are the event loop's and are not stored: what was so when evenet started has been so for longer than is known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Since"]

KEPT = 1024  # facts that hold no longer whose times are kept: strangers may make links without end


class _Times(NamedTuple):
    changed: float
    presence: float  # when it came or went
    carrier: float  # when the carrier of a link came or went


class Since:
    """Times by name of the fact; `began` is when all that holds at the start was told."""

    def __init__(self) -> None:
        self.began = 0.0
        self._times: dict[str, _Times] = {}
        self._gone: dict[str, None] = {}  # in the order in which they went

    def note(self, name: str, before: Any, value: Any, now: float) -> None:
        """A fact changed; None = it did not hold, or holds no longer."""
        last = self._times.get(name)
        if last is None or (before is None) != (value is None):
            self._times[name] = _Times(now, now, now)
        else:
            same = getattr(before, "carrier", None) == getattr(value, "carrier", None)
            self._times[name] = _Times(now, last.presence, last.carrier if same else now)
        self._gone.pop(name, None)
        if value is None:
            self._gone[name] = None
            if len(self._gone) > KEPT:
                oldest = next(iter(self._gone))
                del self._gone[oldest], self._times[oldest]

    def changed(self, name: str) -> float | None:
        """When its value changed last; None = not since the start."""
        return self._times[name].changed if name in self._times else None

    def presence(self, *names: str) -> float | None:
        """When the last of these facts came to hold or ceased to; None = not since the start."""
        return max((self._times[name].presence for name in names if name in self._times), default=None)

    def carrier(self, name: str) -> float | None:
        """When this link got its carrier, or lost it; None = not since the start."""
        return self._times[name].carrier if name in self._times else None
