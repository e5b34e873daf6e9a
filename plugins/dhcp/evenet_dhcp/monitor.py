"""Leases as facts: the reports that dhcpcd's hooks leave in the directories of the daemons."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

from evenet_core.linux.inotify import Watcher
from evenet_core.model.addressing import LeaseSource
from evenet_core.model.facts import lease_fact
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_dhcp.client import CLIENT_PREFIX, REPORT_PREFIX
from evenet_dhcp.report import MAX_REPORT, parse_report

__all__ = ["LeaseMonitor"]

_SOURCES = {"dhcp": LeaseSource.DHCP4, "dhcp6": LeaseSource.DHCP6, "ra": LeaseSource.RA}


class LeaseMonitor:
    """Facts `lease:IFNAME/SOURCE`. A client that is removed takes its reports, and so its leases, along."""

    def __init__(self, daemons: Path) -> None:
        self._daemons = daemons

    async def facts(self) -> AsyncIterator[FactChange]:
        self._daemons.mkdir(parents=True, exist_ok=True, mode=0o755)
        with Watcher() as watcher:
            watcher.add(self._daemons)
            for change in self._everything(watcher):
                yield change
            yield FULL_PICTURE
            while True:
                paths = await watcher.changes()
                found = self._everything(watcher) if paths is None else self._some(watcher, paths)
                for change in found:
                    yield change

    def _everything(self, watcher: Watcher) -> Iterable[FactChange]:
        for directory in sorted(self._daemons.glob(f"{CLIENT_PREFIX}*")):
            yield from self._client(watcher, directory)

    def _some(self, watcher: Watcher, paths: set[Path]) -> Iterable[FactChange]:
        for path in sorted(paths):
            if path.parent == self._daemons and path.name.startswith(CLIENT_PREFIX):
                yield from self._client(watcher, path)
            elif path.name.startswith(REPORT_PREFIX):
                yield from _report(path)

    def _client(self, watcher: Watcher, directory: Path) -> Iterable[FactChange]:
        """All reports of a client that is new, or gone."""
        with suppress(FileNotFoundError):
            watcher.add(directory)
        for protocol in _SOURCES:
            yield from _report(directory / f"{REPORT_PREFIX}{protocol}")


def _report(path: Path) -> Iterable[FactChange]:
    source = _SOURCES.get(path.name.removeprefix(REPORT_PREFIX))
    if source is None:
        return
    name = lease_fact(path.parent.name.removeprefix(CLIENT_PREFIX), source)
    try:
        with open(path, "rb") as file:
            parsed = parse_report(file.read(MAX_REPORT + 1))
    except OSError:
        yield FactChange(name, None)
        return
    if parsed is not None and parsed[0] is source:
        yield FactChange(name, parsed[1])
