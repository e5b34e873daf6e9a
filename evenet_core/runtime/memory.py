"""What the node remembers over a restart, as documents of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import ValidationError

from evenet_core.apps.numbers import Numbers
from evenet_core.device.dpclist import Candidate
from evenet_core.device.probation import Wait
from evenet_core.device.verification import Phase, Resumed
from evenet_core.model.config import DeviceConfig
from evenet_core.model.patches import PortPatch
from evenet_core.model.plain import from_plain, to_json
from evenet_core.model.values import Moment
from evenet_core.store import Flaw, Store

__all__ = ["LocalChanges", "Memory"]

COPIES = "state"  # directory of the copies, in the run directory


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalChanges:
    """What local operators want of ports: as a DPC of its own, and as an overlay of whatever is in use."""

    manual: tuple[PortPatch, ...] = ()
    manual_at: Moment = datetime(1970, 1, 1, tzinfo=UTC)
    overlay: tuple[PortPatch, ...] = ()
    silent: bool = False  # radio silence


class Memory:
    """Reads and writes the documents that the node lives by. All of them are readable by root only.

    :param run_dir: volatile state, where copies are kept; None = nowhere.
    :raises EvenetError: a newer evenet wrote a document.
    """

    def __init__(self, state_dir: Path, run_dir: Path | None = None) -> None:
        self._store = Store(state_dir, run_dir / COPIES if run_dir else None)
        self._store.refuse_newer()

    @property
    def flaws(self) -> Mapping[str, Flaw]:
        """What is wrong with documents that were read, by name, until they are written anew."""
        return self._store.flaws

    @property
    def found(self) -> Sequence[Flaw]:
        """All that was wrong with documents when they were read."""
        return self._store.found

    @property
    def mendable(self) -> bool:
        """Documents are not as good as their copies."""
        return self._store.mendable

    def mend(self) -> None:
        """Write them anew."""
        self._store.mend()

    def drop_copies(self) -> None:
        """Nothing is left in the kernel of what the copies stand for."""
        self._store.drop_copies()

    def config(self) -> DeviceConfig | None:
        """The device config stored last."""
        config: DeviceConfig | None = self._read("config", DeviceConfig)
        return config

    def save_config(self, config: DeviceConfig | None, *, durable: bool = True) -> None:
        """
        :param durable: not only the copy that a reboot forgets.
        """
        self._store.write("config", to_json(config), durable=durable)

    def candidates(self) -> Resumed:
        """The list of DPCs with their results, and which is in use."""
        stored = self._store.load("dpcs")
        if not isinstance(stored, dict):
            return Resumed()
        candidates = self._decoded("dpcs", stored.get("candidates"), tuple[Candidate, ...]) or ()
        current, phase, since = stored.get("current", -1), stored.get("phase"), stored.get("since")
        return Resumed(
            candidates,
            current if current in range(len(candidates)) else min(0, len(candidates) - 1),
            Phase(phase) if phase in list(Phase) else Phase.COMMITTED,
            float(since) if isinstance(since, int | float) else 0.0,
        )

    def save_candidates(self, candidates: Resumed) -> None:
        self._store.write("dpcs", to_json(candidates))

    def local_changes(self) -> LocalChanges:
        """What local operators changed of ports."""
        return self._read("local", LocalChanges) or LocalChanges()

    def save_local_changes(self, changes: LocalChanges) -> None:
        self._store.write("local", to_json(changes))

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

    def unconfirmed(self) -> Wait | None:
        """What is known of a config that waits to be confirmed.

        An older generation of this is never used: it would take a config back that was confirmed meanwhile.
        """
        stored = self._store.load("unconfirmed", older=False)
        return None if stored is None else self._decoded("unconfirmed", stored, Wait)

    def save_unconfirmed(self, wait: Wait, *, durable: bool = True) -> None:
        """
        :param durable: not only the copy that a reboot forgets.
        """
        self._store.write("unconfirmed", to_json(wait), durable=durable)

    def clear_unconfirmed(self) -> None:
        self._store.save("unconfirmed", None)

    def given(self, kind: str) -> str:
        """Digest of the file of this kind that was taken last."""
        digest = self._store.load(f"given-{kind}")
        return digest if isinstance(digest, str) else ""

    def save_given(self, kind: str, digest: str) -> None:
        self._store.save(f"given-{kind}", digest)

    def _read(self, name: str, type_: type[Any]) -> Any:
        stored = self._store.load(name)
        return None if stored is None else self._decoded(name, stored, type_)

    def _decoded(self, name: str, value: Any, type_: Any) -> Any:
        """A document that cannot be understood must not stop the node."""
        try:
            return from_plain(value, type_)
        except (ValidationError, ValueError, TypeError) as error:
            self._store.note(name, f"state document {name} cannot be understood ({error}); it is left out")
            return None
