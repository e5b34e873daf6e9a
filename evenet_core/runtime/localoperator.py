"""What a local operator may change by the local profile server, and who asks it, made when a config names one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evenet_core.model.config import DeviceConfig, LocalServer
from evenet_core.model.facts import radio_silence_fact
from evenet_core.model.patches import PortPatch
from evenet_core.model.values import IPAddress
from evenet_core.planning.planner import Planner
from evenet_core.runtime.dpcs import Dpcs
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.journal import Journal

if TYPE_CHECKING:
    from evenet_core.localserver.client import Asking

__all__ = ["LocalOperator"]


class LocalOperator:
    """The node as the local profile server sees it.

    :param ports: as the status has them
    :param changed: something of it did
    """

    def __init__(
        self,
        dpcs: Dpcs,
        planner: Planner,
        facts: FactHub,
        journal: Journal,
        *,
        ports: Callable[[], Sequence[Mapping[str, Any]]],
        changed: Callable[[], None],
    ) -> None:
        self._dpcs, self._planner, self._facts, self._journal = dpcs, planner, facts, journal
        self._ports, self._changed = ports, changed
        self._asked: tuple[LocalServer, Mapping[str, str]] | None = None
        self._asking: Asking | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Radio silence outlives the agent."""
        self._facts.put(radio_silence_fact(), self._dpcs.is_silent or None)

    def adjust(self, config: DeviceConfig) -> None:
        """Ask the server of this config. One that is no longer there wants nothing any more."""
        asked = (config.local_server, config.settings) if config.local_server is not None else None
        if asked == self._asked:
            self.ask_soon()
            return
        gone, self._asked = self._asked, asked
        if self._asking is not None:
            stopping = asyncio.create_task(self._asking.stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
            self._asking = None
        if asked is not None:
            from evenet_core.localserver.client import Asking  # noqa: PLC0415  protocol buffers are 10 MB

            self._asking = Asking(asked[0], self, asked[1])
        elif gone is not None:
            self.lay_over(())
            self.be_silent(False)

    def ask_soon(self) -> None:
        """What the server is told has changed."""
        if self._asking is not None:
            self._asking.ask_soon()

    def status(self) -> dict[str, Any] | None:
        """The server, and why there is no answer of it."""
        if self._asked is None or self._asking is None:
            return None
        errors = dict.fromkeys(self._asking.errors.values())
        return {"server": self._asked[0].server, "error": "; ".join(errors) or None}

    async def stop(self) -> None:
        if self._asking is not None:
            await self._asking.stop()
        await asyncio.gather(*self._stopping, return_exceptions=True)

    # -- what the server may ask and tell -----------------------------------------------------------

    def network_info(self, error: str) -> dict[str, Any]:
        from evenet_core.localserver.told import network_info  # noqa: PLC0415  it is loaded by now

        return network_info(self._dpcs.state, self._dpcs.overlay, self._dpcs.refused, error, self._ports())

    def port_labels(self) -> Collection[str]:
        current = self._dpcs.current
        return [adapter.label for adapter in current.adapters] if current is not None else ()

    def lay_over(self, patches: Sequence[PortPatch]) -> None:
        if tuple(patches) == self._dpcs.overlay:
            return
        self._dpcs.lay_over(patches)
        labels = ", ".join(patch.label for patch in patches)
        text = f"the local operator has settings for {labels}" if labels else "no port has local settings any more"
        self._journal.add("local", "; ".join([text, *self._dpcs.refused.values()]))
        self._changed()
        self.ask_soon()

    def be_silent(self, silent: bool) -> None:
        if silent == self._dpcs.is_silent:
            return
        self._dpcs.be_silent(silent)
        self._facts.put(radio_silence_fact(), silent or None)
        self._journal.add("local", "the local operator imposes radio silence" if silent else "radio silence is over")
        self._changed()

    @property
    def is_silent(self) -> bool:
        return self._dpcs.is_silent

    def addresses_of_app(self, name: str) -> Sequence[IPAddress]:
        interfaces = (vif for vifs in self._planner.inputs.vifs.values() for vif in vifs if vif.app == name)
        return [address for vif in interfaces for address in vif.addresses]
