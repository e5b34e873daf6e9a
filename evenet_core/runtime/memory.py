"""What the node remembers over a restart, as documents of the store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import ValidationError

from evenet_core.apps.numbers import Numbers
from evenet_core.device.dpclist import Candidate
from evenet_core.model.config import DeviceConfig
from evenet_core.model.plain import from_plain, to_json, to_plain
from evenet_core.store import Store

__all__ = ["Memory"]

log = logging.getLogger(__name__)


class Memory:
    """Reads and writes the documents that the node lives by. All of them are readable by root only."""

    def __init__(self, state_dir: Path) -> None:
        self._store = Store(state_dir)

    def config(self) -> DeviceConfig | None:
        """The device config stored last."""
        config: DeviceConfig | None = self._read("config", DeviceConfig)
        return config

    def save_config(self, config: DeviceConfig | None) -> None:
        self._store.write("config", to_json(config))

    def candidates(self) -> tuple[tuple[Candidate, ...], int]:
        """The list of DPCs with their results, and the index of the one in use (-1 = none)."""
        stored = self._store.load("dpcs")
        if not isinstance(stored, dict):
            return (), -1
        candidates = self._decoded("dpcs", stored.get("candidates"), tuple[Candidate, ...]) or ()
        current = stored.get("current", -1)
        return candidates, current if current in range(len(candidates)) else min(0, len(candidates) - 1)

    def save_candidates(self, candidates: Sequence[Candidate], current: int) -> None:
        self._store.save("dpcs", {"candidates": to_plain(candidates), "current": current})

    def numbers(self) -> Numbers:
        """Every number given so far."""
        stored = self._store.load("numbers")
        return Numbers.from_json(stored) if stored is not None else Numbers()

    def save_numbers(self, numbers: Numbers) -> None:
        self._store.save("numbers", numbers.to_json())

    def route_choices(self) -> dict[str, str]:
        """Port by name of the route-choice fact: what was chosen holds until probes speak again."""
        return self._read("routes", dict[str, str]) or {}

    def save_route_choices(self, choices: Mapping[str, str]) -> None:
        self._store.save("routes", dict(choices))

    def unconfirmed(self) -> tuple[DeviceConfig | None, float] | None:
        """The config that comes back unless the present one is confirmed, and when (seconds since the epoch)."""
        match self._store.load("unconfirmed"):
            case {"previous": None, "until": float(until)}:
                return None, until
            case {"previous": previous, "until": float(until)}:
                config = self._decoded("unconfirmed", previous, DeviceConfig)
                return (config, until) if config is not None else None
        return None

    def save_unconfirmed(self, previous: DeviceConfig | None, until: float) -> None:
        self._store.save("unconfirmed", {"previous": to_plain(previous) if previous else None, "until": until})

    def clear_unconfirmed(self) -> None:
        self._store.save("unconfirmed", None)

    def _read(self, name: str, type_: type[Any]) -> Any:
        stored = self._store.load(name)
        return None if stored is None else self._decoded(name, stored, type_)

    def _decoded(self, name: str, value: Any, type_: Any) -> Any:
        """A document of an older format that cannot be read any more must not stop the node."""
        try:
            return from_plain(value, type_)
        except (ValidationError, ValueError, TypeError) as error:
            log.error("state document %s cannot be understood (%s); it is left out", name, error)
            return None
