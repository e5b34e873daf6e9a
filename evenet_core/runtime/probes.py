"""Runs the prober: probes and timers that it asks for, and its selections as facts that planning reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf

from evenet_core.probing.namecache import NameCache
from evenet_core.probing.prober import (
    Command,
    ProbedPort,
    ProbedRoute,
    RouteProber,
    RouteReport,
    RunProbe,
    Selected,
    SetTimer,
)
from evenet_core.probing.request import Probe, ProbeError, ProbeRequest
from evenet_core.runtime.facthub import FactHub

__all__ = ["Probes"]

GRACE = 1.0  # seconds after its time that a probe may take to say so itself
log = logging.getLogger(__name__)


class Probes:
    """Keeps watch over the ports of routes that may leave by several.

    A route's key is the name of the fact on its choice.

    :param probes: by name, as the prober asks for them.
    :param chosen: called with all choices when one has changed.
    :param decided: called when every port has answered its first probe, or failed to.
    """

    def __init__(
        self,
        facts: FactHub,
        probes: Mapping[str, Probe],
        chosen: Callable[[Mapping[str, str], Selected], None],
        decided: Callable[[], None] = lambda: None,
    ) -> None:
        self._facts = facts
        self._probes = probes
        self._chosen = chosen
        self._decided = decided
        self._prober = RouteProber()
        self._names = NameCache()
        self._choices: dict[str, str] = {}
        self._loaded: tuple[Sequence[ProbedPort], Sequence[ProbedRoute]] = ((), ())
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def recall(self, choices: Mapping[str, str]) -> None:
        """Choices of an earlier run: they hold until the probes speak."""
        self._choices = dict(choices)
        for key, label in choices.items():
            self._facts.put(key, label)

    def load(self, ports: Sequence[ProbedPort], routes: Sequence[ProbedRoute]) -> None:
        """The ports as they are now, and every route that needs a choice."""
        if (ports, routes) == self._loaded:
            return
        self._loaded = (ports, routes)
        for gone in self._choices.keys() - {route.key for route in routes}:
            del self._choices[gone]
            self._facts.put(gone, None)
        self._obey(self._prober.configure(ports, routes, self._now()))

    @property
    def names(self) -> Collection[str]:
        """Names of the probes that there are."""
        return self._probes.keys()

    async def ask(self, name: str, request: ProbeRequest) -> tuple[float | None, str]:
        """Seconds until the answer; or None, and why there was none."""
        try:
            async with asyncio.timeout(request.timeout + GRACE):
                return _seconds(await self._probes[name](request)), ""
        except ProbeError as error:
            return None, str(error) or f"probe {name} failed"
        except (Exception, SystemExit) as error:  # a probe of a plugin: its fault is a failed probe
            log.exception("probe %s failed", name)
            return None, f"probe {name} failed: {error or type(error).__name__}"

    @property
    def undecided(self) -> bool:
        """A choice may become another one as soon as the first answers are there."""
        return self._prober.undecided

    def answered(self, ifname: str, version: int, latency: float) -> None:
        """Somebody beyond the gateway answered the node over this port, within so many seconds."""
        self._obey(self._prober.answered(ifname, version, latency, self._now()))

    def doubt(self, ifname: str) -> None:
        """Something over this port failed that should not: look at it now."""
        self._obey(self._prober.doubt(ifname, self._now()))

    def reports(self) -> list[RouteReport]:
        """Every route with the ports that it may use, and how they stand."""
        return self._prober.reports()

    def reasons(self) -> dict[str, str]:
        """Why each route uses the port it uses, by the route's key."""
        return {report.key: report.because for report in self._prober.reports()}

    def choice(self, key: str) -> str:
        """Label chosen for a route, as an earlier run or this one knows it; empty = none."""
        return self._choices.get(key, "")

    async def stop(self) -> None:
        """End all probes. Choices stay."""
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case RunProbe():
                    task = asyncio.create_task(self._run(command))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case SetTimer(at):
                    self._set_timer(at)
                case Selected(key, label):
                    self._choices[key] = label
                    self._facts.put(key, label)
                    self._chosen(self._choices, command)

    async def _run(self, command: RunProbe) -> None:
        try:
            latency, reason = await self.ask(command.name, await self._names.addressed(command.request))
        except ProbeError as error:
            latency, reason = None, str(error)
        before = self.undecided
        self._obey(self._prober.result(command, latency, reason, self._now()))
        if before and not self.undecided:
            self._decided()

    def _set_timer(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._tick) if at < inf else None

    def _tick(self) -> None:
        self._obey(self._prober.tick(self._now()))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _seconds(answer: object) -> float:
    """What a probe answered.

    :raises TypeError: it is no time.
    """
    if not isinstance(answer, int | float) or not 0 <= answer < inf:
        raise TypeError(f"it answered {answer!r}, which is no number of seconds")
    return float(answer)
