"""What of a node decides which config counts, on a machine whose clocks and power the test has in hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from evenet_core.device.probation import OPERATOR, Moment
from evenet_core.model.config import DeviceConfig
from evenet_core.probing.request import Cause, ProbeError
from evenet_core.runtime.confirmation import Confirmation
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import Memory

__all__ = ["Agent", "Machine", "config"]


def config(number: int) -> DeviceConfig:
    """Configs that differ."""
    return DeviceConfig(settings={"number": str(number)})


class Machine:
    """Its disk and its clocks; the event loop's time is the true one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.boots = 0
        self._started = 0.0
        self._offset = 1_700_000_000.0
        self.answers: list[str | Exception] = []  # of whoever is asked to confirm, from now on; then it is mute

    def now(self) -> Moment:
        true = asyncio.get_running_loop().time()
        return Moment(wall=true + self._offset, steady=true - self._started, boot=f"boot-{self.boots}")

    def set_clock(self, seconds: float) -> None:
        """Forwards, or backwards."""
        self._offset += seconds

    def lose_power(self) -> None:
        self.boots += 1
        self._started = asyncio.get_running_loop().time()


class Agent:
    """One run. `config` is in use; `back` and `kept` are what was told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.back: list[tuple[DeviceConfig | None, str]] = []
        self.kept: list[tuple[str, str]] = []
        self.asked: list[float] = []
        self.ledger = Ledger(lambda error: None)
        self.memory = Memory(machine.directory)
        self.confirmation = Confirmation(
            self.memory, self.ledger, ask=self._ask, kept=self._keep, go_back=self._go_back, now=machine.now
        )
        stored = self.memory.config()
        self.config = self.confirmation.recall(stored)
        self.confirmation.resume(stored, self.config)

    async def apply(self, wanted: DeviceConfig) -> None:
        if self.confirmation.waits is not None:
            self.confirmation.end("another config was applied meanwhile")
        self._take(wanted)
        await self.ledger.settled()

    async def try_out(self, wanted: DeviceConfig, seconds: float, by: str = OPERATOR) -> None:
        self.confirmation.expect(self.config, seconds, by)
        self._take(wanted)
        await self.ledger.settled()

    async def confirm(self) -> bool:
        if not self.confirmation.end("the operator has confirmed already"):
            return False
        self.confirmation.store(self.config)
        await self.ledger.settled()
        return True

    def stop(self) -> None:
        """As on SIGTERM."""
        self.confirmation.stop()
        self.ledger.close()

    def die(self) -> None:
        """As on SIGKILL: what was not written is lost."""
        self.confirmation.stop()
        self.ledger._cancel()

    def _take(self, wanted: DeviceConfig | None) -> None:
        self.config = wanted
        self.confirmation.store(wanted)

    def _keep(self, by: str, reason: str) -> None:
        self.kept.append((by, reason))
        self.confirmation.store(self.config)

    def _go_back(self, previous: DeviceConfig | None, why: str) -> None:
        self.back.append((previous, why))
        self._take(previous)

    async def _ask(self, by: str) -> str:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        if not self.machine.answers:
            raise ProbeError(Cause.TIMEOUT, "eth0: no answer")
        answer = self.machine.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
