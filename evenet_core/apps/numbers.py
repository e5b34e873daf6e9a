"""Numbers that keep their owner: of bridges, apps, interfaces, routing tables. A pure, persistent value.

1. A key has one number in a pool for as long as it is wanted.
2. The number of a key that is gone stays reserved for it: names, addresses and MACs survive a delete and re-create.
3. Only when a pool is exhausted is a reserved number given to another key, the one that was freed first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evenet_core.errors import EvenetError

__all__ = ["ExhaustedError", "Numbers", "Pool"]

Pool = Mapping[str, tuple[int, int]]  # key -> number, and when it was freed: 0 = in use, else a running count


class ExhaustedError(EvenetError):
    """Every number of a pool is in use."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every number given so far, by pool and key."""

    pools: Mapping[str, Pool] = field(default_factory=dict)

    def get(self, pool: str, key: str) -> int | None:
        """The number of a key that has one, in use or reserved."""
        entry = self.pools.get(pool, {}).get(key)
        return entry[0] if entry is not None else None

    def of(self, pools: Iterable[str]) -> list[Pool | None]:
        """These pools; the very same ones as long as nothing in them changes."""
        return [self.pools.get(pool) for pool in pools]

    def allocate(self, pool: str, key: str, low: int, high: int, *, highest: bool = False) -> tuple[Numbers, int]:
        """The key's number within `low`..`high`, a new one if it has none there: the lowest (or highest) free one.

        :raises ExhaustedError: every number is in use.
        """
        numbers, given = self.allocate_all(pool, (key,), low, high, highest=highest)
        if key not in given:
            raise ExhaustedError(f"no free number for {key} in {pool}: all of {low} to {high} are in use")
        return numbers, given[key]

    def allocate_all(
        self, pool: str, keys: Iterable[str], low: int, high: int, *, highest: bool = False
    ) -> tuple[Numbers, dict[str, int]]:
        """Numbers of many keys, in their order. A key for which none is left is not in the answer."""
        before = self.pools.get(pool, {})
        asked, none = dict.fromkeys(keys), (low - 1, 0)
        given = {key: number for key in asked if low <= (number := before.get(key, none)[0]) <= high}
        missing = [key for key in asked if key not in given] if len(given) < len(asked) else []
        entries = dict(before)
        for key in missing:
            entries.pop(key, None)
        entries |= {key: (number, 0) for key, number in given.items() if before[key][1]}
        if missing:
            taken = {number for number, _ in entries.values()}
            order = range(high, low - 1, -1) if highest else range(low, high + 1)
            free = (number for number in order if number not in taken)
            for key in missing:
                fresh = next(free, None)
                if fresh is None:
                    fresh = _steal(entries, low, high)
                if fresh is None:
                    break
                entries[key], given[key] = (fresh, 0), fresh
        return self._with(pool, before, entries), given

    def free(self, pool: str, key: str) -> Numbers:
        """The key is gone; its number stays reserved for it."""
        before = self.pools.get(pool, {})
        return self.keep(pool, [other for other, (_, freed) in before.items() if other != key and not freed])

    def keep(self, pool: str, keys: Collection[str]) -> Numbers:
        """Of the keys of a pool only these are still wanted; the others are gone."""
        before = self.pools.get(pool, {})
        wanted = frozenset(keys)
        missing = before.keys() - wanted
        gone = [key for key in before if key in missing and not before[key][1]] if missing else []
        if not gone:
            return self
        count = max(freed for _, freed in before.values()) + 1
        freed_now = {key: (before[key][0], place) for place, key in enumerate(gone, start=count)}
        return self._with(pool, before, {**before, **freed_now})

    def put(self, pool: str, given: Mapping[str, int]) -> Numbers:
        """Remember numbers that were not chosen here, by key."""
        before = self.pools.get(pool, {})
        return self._with(pool, before, {**before, **{key: (number, 0) for key, number in given.items()}})

    def without(self, pools: Collection[str]) -> Numbers:
        """Whatever was given in these pools is forgotten."""
        kept = {name: pool for name, pool in self.pools.items() if name not in pools}
        return self if len(kept) == len(self.pools) else Numbers(kept)

    def _with(self, pool: str, before: Pool, entries: Pool) -> Numbers:
        return self if entries == before else Numbers({**self.pools, pool: entries})

    def to_json(self) -> dict[str, dict[str, list[int]]]:
        """Plain data for the store."""
        return {pool: {key: list(entry) for key, entry in entries.items()} for pool, entries in self.pools.items()}

    @classmethod
    def from_json(cls, stored: Any) -> Numbers:
        """What `to_json` gave. An entry that cannot be understood is left out: its key gets another number."""
        if not isinstance(stored, dict):
            return cls()
        return cls({str(pool): _entries(entries) for pool, entries in stored.items() if isinstance(entries, dict)})


def _steal(entries: dict[str, tuple[int, int]], low: int, high: int) -> int | None:
    """The reserved number that was freed first; its old key loses it."""
    reserved = [(freed, key) for key, (number, freed) in entries.items() if freed and low <= number <= high]
    if not reserved:
        return None
    _, key = min(reserved)
    return entries.pop(key)[0]


def _entries(stored: Mapping[Any, Any]) -> dict[str, tuple[int, int]]:
    entries: dict[str, tuple[int, int]] = {}
    for key, value in stored.items():
        match value:
            case [int(number), int(freed)] if number >= 0 and freed >= 0:
                entries[str(key)] = (number, freed)
    return entries
