"""Time servers for chronyd(8), as a file in a directory that it reads (`sourcedir`, chrony.conf(5)). Item and driver.

chronyd adds and removes what differs and keeps what it knows of the servers that stay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.linux.files import write_atomic
from evenet_core.linux.process import run
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome

__all__ = ["TimeSources", "TimeSourcesDriver"]

FILE = "evenet.sources"
TIMEOUT = 10.0  # seconds
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TimeSources(Item):
    """chronyd asks these servers."""

    kind: ClassVar[str] = "time-sources"
    directory: str
    servers: tuple[str, ...]

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.directory))

    @property
    def description(self) -> str:
        return f"time servers {', '.join(self.servers)} in {self.directory}"


class TimeSourcesDriver:
    """Writes the file and tells chronyd. One that does not run yet reads it when it starts."""

    kinds: tuple[str, ...] = ("time-sources",)

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    async def observe(self) -> Iterable[Item]:
        try:
            lines = self._file.read_text(errors="replace").splitlines()
        except OSError:
            return []
        found = TimeSources(str(self._file.parent), tuple(line.split()[1] for line in lines if len(line.split()) > 1))
        return [found] if _text(found) == "\n".join([*lines, ""]) else [TimeSources(found.directory, ())]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, await self._carry_out(change)) for change in changes]

    async def _carry_out(self, change: Change) -> DriverError | None:
        try:
            if change.op is Op.DELETE:
                self._file.unlink(missing_ok=True)
            else:
                assert isinstance(change.after, TimeSources)
                write_atomic(self._file, _text(change.after).encode(), 0o644, sync=False)
            told = await run(("chronyc", "reload", "sources"), timeout=TIMEOUT)
        except DriverError as error:
            return error
        except OSError as error:
            return DriverError(f"{self._file}: {error.strerror}", errno=error.errno or 0)
        if told.status:
            log.info("chronyd is not told of its time servers: %s", told.output.decode(errors="replace").strip())
        return None


def _text(item: TimeSources) -> str:
    return "".join(f"server {server} iburst\n" for server in item.servers)
