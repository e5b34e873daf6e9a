"""Asks somebody outside through each management adapter: who answers has seen that the config works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from evenet_core.device.dpclist import same_settings
from evenet_core.device.verification import State
from evenet_core.errors import EvenetError
from evenet_core.model.adapters import Dpc
from evenet_core.probing.connectivity import PortUnderTest, check
from evenet_core.probing.prober import Target
from evenet_core.probing.request import Cause, Egress, ProbeError, ProbeRequest
from evenet_core.probing.verdict import Reason
from evenet_core.probing.witness import CONTROLLER, HTTP, parse_target
from evenet_core.reconciler.engine import Engine
from evenet_core.runtime.probes import Probes
from evenet_core.settings import Controller

__all__ = ["Witness"]

TIMEOUT = 5.0  # seconds for one answer: the next question may find the network better


class Witness:
    """Whoever was chosen to confirm a config.

    :param probes: those of the node, by name.
    :param state: what verification knows.
    :param ports: the management adapters as they are now.
    """

    def __init__(
        self,
        controller: Controller,
        probes: Probes,
        state: Callable[[], State],
        engine: Engine,
        ports: Callable[[], Iterable[PortUnderTest]],
    ) -> None:
        self._controller = controller
        self._probes = probes
        self._state = state
        self._engine = engine
        self._ports = ports

    def check(self, by: str, dpc: Dpc) -> None:
        """
        :raises EvenetError: by this name nobody can be asked, or not through this DPC.
        """
        if by != CONTROLLER:
            self._check_target(by)
        elif not self._controller.url:
            raise EvenetError("the controller cannot confirm: the settings of evenet name none (controller.url)")
        if not any(adapter.management and adapter.has_ip for adapter in dpc.adapters):
            raise EvenetError(f"{by} cannot confirm: no adapter of the config is an uplink to reach it through")

    def _check_target(self, by: str) -> None:
        try:
            target = parse_target(by)
        except ValueError as error:
            raise EvenetError(str(error)) from error
        if target.kind not in (known := {*HTTP, *self._probes.names}):
            raise EvenetError(
                f"there is no probe {target.kind} to ask {by} with; there are: {', '.join(sorted(known))}"
            )

    async def reached(self, by: str, dpc: Dpc) -> str:
        """How it was reached, now, through this DPC and no other.

        :raises ProbeError: it was not.
        """
        await self._engine.settled()
        trial = self._trial(dpc)
        reached = await self._by_any_port(by)
        if self._trial(dpc) != trial:
            raise ProbeError(Cause.OTHER, "another DPC was in use meanwhile")
        return reached

    def _trial(self, dpc: Dpc) -> int:
        """Number of the trial in which the DPC is.

        :raises ProbeError: another one is in use.
        """
        state = self._state()
        if state.candidate is None or not same_settings(state.candidate.dpc, dpc):
            error = state.candidates[0].results.last_error if state.candidates else ""
            raise ProbeError(Cause.OTHER, f"the node went back to another DPC{error and f': {error}'}")
        return state.trial

    async def _by_any_port(self, by: str) -> str:
        """
        :raises ProbeError: by none; the text says why, port by port.
        """
        asked = [asyncio.create_task(self._through(by, port)) for port in self._ports()]
        failures: list[str] = []
        try:
            for done in asyncio.as_completed(asked):
                try:
                    return await done
                except ProbeError as error:
                    failures.append(str(error))
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        raise ProbeError(Cause.OTHER, "; ".join(failures) or "there is no management adapter to reach it through")

    async def _through(self, by: str, port: PortUnderTest) -> str:
        if by == CONTROLLER:
            await self._get(port, self._controller.url)
            return f"the controller was reached through {port.ifname}"
        target = parse_target(by)
        if target.kind in HTTP:
            await self._get(port, target.host)
        else:
            await self._probe(port, target)
        return f"{by} was reached through {port.ifname}"

    async def _get(self, port: PortUnderTest, url: str) -> None:
        """That only the server is out of order is good enough for a port, but confirms nothing."""
        verdict = await check(port, url, self._controller.ca, timeout=TIMEOUT)
        if verdict.reason is not Reason.SUCCESS:
            raise ProbeError(Cause.OTHER, verdict.error)

    async def _probe(self, port: PortUnderTest, target: Target) -> None:
        egress = Egress(port.ifname, port.addresses, port.dns_servers)
        request = ProbeRequest(egress=egress, hosts=(target.host,), port=target.port, timeout=TIMEOUT)
        _, failure = await self._probes.ask(target.kind, request)
        if failure:
            raise ProbeError(Cause.OTHER, failure)
