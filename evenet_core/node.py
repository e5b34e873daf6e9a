"""Node: the one object that a device agent imports. It binds every room and owns no decision of its own.

    async with Node() as node:
        await node.apply(formats.read_file("device-config.json"))
        await node.settled(timeout=60)
        print(node.status()["state"])

Leaving the context stops evenet and leaves the network as it is.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from evenet_core import __version__
from evenet_core.apps.numbers import Numbers
from evenet_core.apps.vifs import AppSettings, resolve_vifs
from evenet_core.device.flatten import dpc_from_config
from evenet_core.device.verify import Phase, State, Timers
from evenet_core.formats import Document
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.planning.planner import Inputs, Planner, adapter_port
from evenet_core.plugins import Plugins
from evenet_core.probing.connectivity import PortUnderTest, check
from evenet_core.probing.verdict import PortVerdict, Reason
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.plan import Plan
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.journal import Journal
from evenet_core.runtime.kernel import Kernel
from evenet_core.runtime.memory import Memory
from evenet_core.runtime.probes import Probes
from evenet_core.runtime.verifier import Verifier
from evenet_core.settings import NodeSettings
from evenet_core.status import View, dpc_list, status_document, timestamp

__all__ = ["DEFAULT_RUN_DIR", "DEFAULT_STATE_DIR", "Node"]

DEFAULT_STATE_DIR = Path("/var/lib/evenet")
DEFAULT_RUN_DIR = Path("/run/evenet")


class Node:
    """This machine's networking, kept as its operator asked for.

    :param state_dir: durable state: configs, numbers, results. Ours alone.
    :param run_dir: volatile state: daemons, leases. Ours alone.
    """

    def __init__(
        self,
        *,
        state_dir: Path = DEFAULT_STATE_DIR,
        run_dir: Path = DEFAULT_RUN_DIR,
        settings: NodeSettings | None = None,
    ) -> None:
        self.settings = settings or NodeSettings()
        self._run_dir = run_dir
        self._started = time.time()
        self._memory = Memory(state_dir)
        self._numbers = Numbers()
        self._config = DeviceConfig()
        self.journal = Journal()
        self.plugins = Plugins(disabled=self.settings.disabled_plugins)
        self._planner = Planner(self.plugins)
        self._fragments = Fragments(self._planner.plan)
        self._facts = FactHub(self._facts_changed)
        self._kernel = Kernel(self.plugins, self.settings, run_dir, state_dir)
        self._verifier = Verifier(State(), use=self._use, test=self.test_connectivity, changed=self._verified)
        self._probes = Probes(self._facts)

    # -- life ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Node:
        """Take over what runs: observe the kernel, read what was stored, plan, and repair what differs."""
        self._run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        await self._kernel.open(self._respond_metadata)
        self._engine = Engine(self._kernel.drivers, external=self._kernel.exists, on_event=self._engine_event)
        self._kernel.connect(self._engine)
        await self._engine.start()
        self._recall()
        await self._facts.watch(self._kernel.monitors)
        self._refresh()
        self._probes.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop; the network stays as it is."""
        await self._verifier.stop()
        await self._probes.stop()
        await self._facts.stop()
        await self._engine.stop()
        await self._kernel.close()

    async def teardown(self) -> None:
        """Remove everything that evenet made and give back what it found."""
        await self._verifier.stop()
        await self._probes.stop()
        await self._engine.teardown()

    def _recall(self) -> None:
        """What an earlier run stored: config, candidates with their results, numbers, chosen routes."""
        self._numbers = self._memory.numbers()
        self._config = self._memory.config() or DeviceConfig()
        for name, value in self._memory.route_choices().items():
            self._facts.put(name, value)
        candidates, current = self._memory.candidates()
        if candidates:
            state = State(candidates=candidates, current=current, phase=Phase.TESTING, timers=self._timers())
            self._verifier.resume(state)

    # -- asking -------------------------------------------------------------------------------------

    async def apply(self, document: Document | DeviceConfig) -> None:
        """Take a config over. Returns when it is planned and stored; `settled` waits for the rest.

        A device config counts as the controller's. A DPC (override, usb) counts only while no device
        config was ever stored.
        """
        if isinstance(document, Document) and document.dpc is not None:
            self._apply_dpc(document.dpc)
            return
        config = document if isinstance(document, DeviceConfig) else document.config
        if config is None:
            raise ValueError("this document holds no config of a device")
        self._memory.save_config(config)
        self._config = config
        self.journal.add("config", "a device config was handed over")
        self._verifier.state = replace(self._verifier.state, timers=self._timers())
        self._arrived(dpc_from_config(config))

    def _apply_dpc(self, dpc: Dpc) -> None:
        if self._memory.config() is not None:
            self.journal.add("config", f"DPC {dpc.key} is ignored: the device has a stored device config")
            return
        self._arrived(dpc)

    def _arrived(self, dpc: Dpc) -> None:
        self._verifier.arrived(dpc)
        self._refresh()

    async def plan(self, document: Document | DeviceConfig | None = None) -> Plan:
        """What would change in the system: for `document`, or for the config in use."""
        if document is None:
            return self._engine.plan()
        config = document if isinstance(document, DeviceConfig) else document.config
        dpc = dpc_from_config(config) if config else document.dpc if isinstance(document, Document) else None
        planner = Planner(self.plugins)
        planner.load(self._inputs(config or self._config, dpc)[0])
        fragments = Fragments(planner.plan, facts=self._facts.values)
        fragments.set_objects(planner.inputs.objects())
        return self._engine.plan(fragments.intent)

    async def settled(self, timeout: float | None = None) -> bool:
        """Wait until everything is in sync and the DPC is tested; False when time ran out."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self._engine.settled()
                    if self._verifier.state.phase in (Phase.COMMITTED, Phase.FAILED, Phase.IDLE):
                        return True
                    await self._changed()
        except TimeoutError:
            return False

    def status(self) -> dict[str, Any]:
        """The document of `evenet status --json`."""
        return status_document(self._view())

    def dpcs(self) -> list[dict[str, Any]]:
        """The candidates, first choice first."""
        return dpc_list(self._verifier.state)

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """What happened and why, in order."""
        return self.journal.since(since)

    def follow(self, since: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events as they come."""
        return self.journal.follow(since)

    async def test_connectivity(self) -> Sequence[PortVerdict]:
        """Try to reach the controller through every management adapter, side by side."""
        adapters = [a for a in self._planner.inputs.adapters if a.management and a.has_ip]
        return await asyncio.gather(*(self._test_port(adapter) for adapter in adapters))

    # -- deciding -----------------------------------------------------------------------------------

    def _use(self, dpc: Dpc) -> None:
        self.journal.add("dpc", f"DPC {dpc.key} is in use now")
        self._refresh()

    def _refresh(self) -> None:
        """Plan anew what the config and the decisions changed."""
        candidate = self._verifier.state.candidate
        inputs, numbers = self._inputs(self._config, candidate.dpc if candidate else None)
        if numbers != self._numbers:
            self._numbers = numbers
            self._memory.save_numbers(numbers)
        changed = self._planner.load(inputs)
        self._kernel.write_apps(inputs.config)
        self._engine.update(self._fragments.set_objects(inputs.objects(), changed))
        self._probes.load(self._route_requests())

    def _inputs(self, config: DeviceConfig, dpc: Dpc | None) -> tuple[Inputs, Numbers]:
        """What planning starts from, with every number given that config and DPC need."""
        numbers = self._numbers
        adapters, numbers = _numbered(dpc.adapters if dpc else (), numbers)
        of_instances: dict[str, int] = {}
        for instance in config.network_instances:
            numbers, of_instances[instance.key] = numbers.allocate("bridge", instance.key, 1, 4000)
        apps = self._app_settings(config)
        vifs, numbers = resolve_vifs(config, numbers, apps)
        inputs = Inputs(
            config=config,
            adapters=adapters,
            instance_numbers=of_instances,
            vifs=vifs,
            apps=apps,
            resolv_conf=self.settings.resolv_conf,
        )
        return inputs, numbers

    def _app_settings(self, config: DeviceConfig) -> AppSettings:
        plain = config.settings.get("debug.disable.dhcp.all-ones.netmask", "false").lower() == "true"
        return AppSettings(
            app_namespaces=self.settings.app_namespaces,
            host_routes_only=not plain,
            device_uuid=config.owner.device_uuid,
        )

    def _timers(self) -> Timers:
        given = self._config.settings
        return Timers(
            test_duration=float(given.get("timer.port.testduration", 30)),
            test_interval=float(given.get("timer.port.testinterval", 300)),
            better_interval=float(given.get("timer.port.testbetterinterval", 600)),
        )

    def _facts_changed(self, names: set[str]) -> None:
        self._kernel.facts_changed(names)
        self._engine.update(self._fragments.facts_changed(names))
        self._probes.load(self._route_requests())
        self._verifier.ports_changed(ready=self._ready())

    def _ready(self) -> bool:
        """Some management adapter has an address and a name server."""
        facts = Facts(self._facts.values)
        ports = [adapter_port(a, facts) for a in self._planner.inputs.adapters if a.management and a.has_ip]
        return any(port.carrier and port.addresses and port.dns for port in ports)

    def _verified(self, state: State) -> None:
        self._memory.save_candidates(state.candidates, state.current)
        self._note_change()
