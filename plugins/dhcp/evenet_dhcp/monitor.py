"""Leases as facts: the reports that dhcpcd's hooks leave in the directories of the daemons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from evenet_core.linux.inotify import Watcher
from evenet_core.linux.l3 import offered
from evenet_core.model.addressing import Lease, LeaseSource
from evenet_core.model.facts import lease_fact
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_dhcp.client import CLIENT_PREFIX, CLIENT_PREFIX6, REPORT_PREFIX, ClientSettings
from evenet_dhcp.report import MAX_REPORT, parse_report

__all__ = ["SETTINGS_FACT", "LeaseMonitor"]

SETTINGS_FACT = "dhcp:settings"
_REPORTS = {  # of each client
    CLIENT_PREFIX: (f"{REPORT_PREFIX}dhcp", LeaseSource.DHCP4),
    CLIENT_PREFIX6: (f"{REPORT_PREFIX}dhcp6", LeaseSource.DHCP6),
}


class LeaseMonitor:
    """Facts `lease:IFNAME/SOURCE` and `dhcp:settings`.

    A client that is removed takes its reports, and so its leases, along. A lease also ends by the clock: its client
    may be dead, or silent because the carrier is lost.
    """

    def __init__(self, daemons: Path, settings: ClientSettings | None = None) -> None:
        self._daemons = daemons
        self._settings = settings or ClientSettings()
        self._gateways: dict[str, Collection[IPAddress]] = {}  # by fact
        self._ends: dict[str, float] = {}  # when leases end by the boot clock, by fact

    async def facts(self) -> AsyncIterator[FactChange]:
        self._daemons.mkdir(parents=True, exist_ok=True, mode=0o755)
        yield FactChange(SETTINGS_FACT, self._settings)
        with Watcher() as watcher:
            watcher.add(self._daemons)
            for change in self._everything(watcher):
                yield change
            yield FULL_PICTURE
            while True:
                for change in await self._next(watcher):
                    yield change

    async def _next(self, watcher: Watcher) -> list[FactChange]:
        """What is new, or the leases that ended meanwhile."""
        patience = min(self._ends.values()) - _now() if self._ends else None
        try:
            async with asyncio.timeout(patience):
                paths = await watcher.changes()
        except TimeoutError:
            return [FactChange(name, None) for name in self._ended()]
        return list(self._everything(watcher) if paths is None else self._some(watcher, paths))

    def _ended(self) -> list[str]:
        names = [name for name, end in self._ends.items() if end <= _now()]
        for name in names:
            del self._ends[name]
        return names

    def _everything(self, watcher: Watcher) -> Iterable[FactChange]:
        for directory in sorted(self._daemons.iterdir()):
            if _whose(directory) is not None:
                yield from self._client(watcher, directory)

    def _some(self, watcher: Watcher, paths: set[Path]) -> Iterable[FactChange]:
        for path in sorted(paths):
            if path.parent != self._daemons:
                yield from self._report(path)
            elif _whose(path) is not None:
                yield from self._client(watcher, path)

    def _client(self, watcher: Watcher, directory: Path) -> Iterable[FactChange]:
        """The report of a client that is new, or gone."""
        with suppress(FileNotFoundError, NotADirectoryError):
            watcher.add(directory)
        yield from self._report(directory / _REPORTS[_prefix(directory)][0])

    def _report(self, path: Path) -> Iterable[FactChange]:
        """What a file says now; a file that cannot be read or believed says nothing of a lease."""
        whose = _whose(path.parent)
        if whose is not None and path.name == _REPORTS[_prefix(path.parent)][0]:
            ifname, source = whose
            name = lease_fact(ifname, source)
            lease = self._lease(name, path, source)
            self._gateways[name] = offered(lease) if lease is not None else ()
            yield FactChange(name, lease)

    def gateways(self, ifname: str) -> Collection[IPAddress]:
        """Default routers that a DHCP server named."""
        return self._gateways.get(lease_fact(ifname, LeaseSource.DHCP4), ())

    def _lease(self, name: str, path: Path, source: LeaseSource) -> Lease | None:
        self._ends.pop(name, None)
        try:
            with open(path, "rb") as file:
                report = parse_report(file.read(MAX_REPORT + 1))
        except OSError:
            return None
        if report is None or report.source is not source or (report.ends is not None and report.ends <= _now()):
            return None
        if report.lease is not None and report.ends is not None:
            self._ends[name] = report.ends
        return report.lease


def _prefix(directory: Path) -> str:
    return directory.name.partition("-")[0] + "-"


def _whose(directory: Path) -> tuple[str, LeaseSource] | None:
    """Interface and kind of a client, by its directory; None = it is another daemon's."""
    prefix = _prefix(directory)
    return (directory.name.removeprefix(prefix), _REPORTS[prefix][1]) if prefix in _REPORTS else None


def _now() -> float:
    """Seconds since boot, time asleep included: nobody sets this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
