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
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evenet_core import __version__
from evenet_core.apps.metadata import MetadataRequest, MetadataResponse, MetadataWorld, respond
from evenet_core.apps.numbers import Numbers
from evenet_core.apps.runtime import runtime_document
from evenet_core.apps.vifs import Known
from evenet_core.device.dpclist import same_settings
from evenet_core.device.flatten import CONTROLLER_KEY, dpc_from_config
from evenet_core.device.iomodel import model_errors
from evenet_core.device.lastresort import last_resort
from evenet_core.device.probation import LONGEST, OPERATOR
from evenet_core.device.readiness import PortState
from evenet_core.device.uplinks import Uplink
from evenet_core.device.verification import Phase
from evenet_core.errors import EvenetError
from evenet_core.formats import Document
from evenet_core.linux.hardware import is_pci_device
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.model.facts import HARDWARE, LinkFact, hardware_fact, link_fact, own_route_version, split_route_choice
from evenet_core.model.patches import PortPatch
from evenet_core.model.ports import Port, PortUse, lower_name
from evenet_core.model.resolved import InstancePort
from evenet_core.planning.inputs import Inputs, ObjectNames, gather_inputs, vif_name
from evenet_core.planning.planner import Planner
from evenet_core.planning.routes import probed
from evenet_core.plugins import Plugins
from evenet_core.probing.builtin import builtin_probes
from evenet_core.probing.choice import NOWHERE
from evenet_core.probing.connectivity import PortUnderTest, check_all
from evenet_core.probing.prober import Selected
from evenet_core.probing.verdict import PortVerdict
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from evenet_core.reconciler.views.plan import Plan
from evenet_core.runtime.causes import Causes, troubled_drivers
from evenet_core.runtime.confirmation import Confirmation
from evenet_core.runtime.contact import Contact
from evenet_core.runtime.dpcs import Dpcs
from evenet_core.runtime.explanation import Explanation
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.insight import graph, item_event, leases, problems, refusals, unsettled
from evenet_core.runtime.keeping import Keeping
from evenet_core.runtime.kernel import Kernel
from evenet_core.runtime.localoperator import LocalOperator
from evenet_core.runtime.ports import IP_KINDS, Ports
from evenet_core.runtime.probes import Probes
from evenet_core.runtime.sending import Sending, own_reports, uplinks_of
from evenet_core.runtime.teardown import left_behind
from evenet_core.runtime.witness import Witness
from evenet_core.settings import NodeSettings
from evenet_core.status import View, port_documents, status_document, timestamp, verdict_document

if TYPE_CHECKING:
    from evenet_core.probing.proxies import Proxies
    from evenet_core.uplinks import Uplinks

__all__ = ["DEFAULT_RUN_DIR", "DEFAULT_STATE_DIR", "Node"]

DEFAULT_STATE_DIR = Path("/var/lib/evenet")
DEFAULT_RUN_DIR = Path("/run/evenet")
LAST_RESORT_PATIENCE = 60.0  # seconds in which a first config may come
TRACED = 8  # tests of which every request is remembered
LEASE_PATIENCE = 5.0  # seconds after which nobody is kept waiting for a lease any longer
SETTLED = (Phase.COMMITTED, Phase.FAILED, Phase.IDLE)


class Node:
    """This machine's networking, kept as its operator asked for.

    :param state_dir: durable state: configs, numbers, results, events. Ours alone. A disk that takes nothing, or
        gives nothing back, is a problem of the status; the node runs on.
    :param run_dir: volatile state: daemons, leases, copies of the durable state. Ours alone.
    :raises EvenetError: a newer evenet wrote the state.
    """

    def __init__(
        self,
        *,
        state_dir: Path = DEFAULT_STATE_DIR,
        run_dir: Path = DEFAULT_RUN_DIR,
        settings: NodeSettings | None = None,
    ) -> None:
        self.settings = _of_this_machine(settings or NodeSettings())
        self._run_dir = run_dir
        self._started = time.time()
        self._keeping = Keeping(state_dir, run_dir)
        self._memory, self._ledger = self._keeping.memory, self._keeping.ledger
        self._numbers = Numbers()
        self._known = Known()
        self._confirmation = Confirmation(
            self._memory, self._ledger, ask=self._reached, kept=self._kept, go_back=self._go_back
        )
        self._stored_config = self._memory.config()
        counts = self._confirmation.recall(self._stored_config)
        self._configured = counts is not None
        self._config = counts or DeviceConfig()
        self._names = ObjectNames(self._config)
        self.journal = self._keeping.journal
        self.plugins = Plugins(disabled=self.settings.disabled_plugins)
        self._planner = Planner(self.plugins)
        self._facts = FactHub(self._facts_changed)
        self._fragments = Fragments(self._planner.plan, self._facts.values)
        self._kernel = Kernel(self.plugins, self.settings, run_dir, state_dir)
        self._dpcs = Dpcs(
            self._memory,
            self._ledger,
            self.journal,
            use=self._use,
            test=self.test_connectivity,
            changed=self._verified,
            required=self.settings.controller.required_uplinks,
        )
        self._contact = Contact(self.journal, self.plugins.disconnected)
        self._local = LocalOperator(
            self._dpcs,
            self._planner,
            self._facts,
            self.journal,
            ports=lambda: port_documents(self._view()),
            changed=self._note_change,
        )
        self._ready = False  # facts are complete and planned: from now on every change of a fact counts
        self._used_at = -LEASE_PATIENCE  # when a DPC came into use, by the event loop's clock
        self._change = asyncio.Event()
        self._states: tuple[tuple[PortState, ...], list[InstancePort]] | None = None  # as verification knows them
        self._probed: tuple[Any, ...] | None = None  # what the prober was told of
        self._controller_has_name = self.settings.controller.has_name
        self._proxies: Proxies | None = None
        self._tests: deque[tuple[float, Sequence[PortVerdict]]] = deque(maxlen=TRACED)
        self._looking = False  # a look at the ports is due

    # -- life ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Node:
        """Take over what runs: observe the kernel, read what was stored, plan, and repair what differs."""
        self._run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        self.journal.add("agent", f"evenet {__version__} takes over")
        self._kernel.open(self._respond_metadata, self._facts.values)
        self._engine = Engine(self._kernel.drivers, self._kernel.exists, self._engine_event)
        self._kernel.connect(self._engine)
        self._ports = Ports(self._facts.values, self._fragments, self._engine.machine)
        self._numbers = self._memory.numbers()
        self._probes = Probes(
            self._facts, {**builtin_probes(), **self.plugins.probes()}, self._chosen, self._note_change
        )
        self._witness = Witness(
            self.settings.controller, self._probes, lambda: self._dpcs.state, self._engine, self._management_ports
        )
        self._sending = Sending(self.settings.controller, self._uplinks_now, self._probes)
        self._sending.adjust(self._config.settings)
        self._probes.recall(self._memory.route_choices())
        self._contact.adjust(self._config.settings)
        self._resume_dpcs()
        self._local.resume()
        await self._facts.watch(self._kernel.monitors)
        self._refresh()
        self._ready = True
        await self._engine.start()
        self._confirmation.resume(self._stored_config, self._config if self._configured else None)
        self._keeping.begin()
        self._decide()
        self._local.adjust(self._config)
        self._alone = asyncio.get_running_loop().call_later(LAST_RESORT_PATIENCE, self.use_last_resort)
        return self

    def _resume_dpcs(self) -> None:
        """Go on with the DPC in use. The one that the config asks for is among them, whatever became of their list."""
        self._dpcs.resume(self._config.settings)
        self._agree()

    def _agree(self) -> None:
        """Config and DPCs are written one after the other: what a crash left of another config does not count."""
        found = self._confirmation.found
        first = next((c.dpc for c in self._dpcs.state.candidates if c.key == CONTROLLER_KEY), None)
        if self._configured:
            wanted = dpc_from_config(self._config)
            known = [dpc_from_config(found.previous)] if found is not None and found.previous is not None else []
            if first is None or not same_settings(first, wanted):
                keep = first is None or found is None or any(same_settings(first, dpc) for dpc in known)
                self._dpcs.arrived(wanted, instead_of=None if keep else first)
        elif first is not None and found is not None and found.previous is None:
            self._dpcs.withdrawn(CONTROLLER_KEY)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop; the network stays as it is."""
        await self._stop_deciding()
        await self._facts.stop()
        await self._engine.stop()
        self._keeping.close()
        await self._kernel.close()

    async def teardown(self) -> list[str]:
        """Remove everything that evenet made and give back what it found; what was stored stays, for another start.

        Returns what could not be removed, a line each. Afterwards only `stop` makes sense.
        """
        await self._stop_deciding()
        left = await self._engine.teardown()
        await self._facts.stop()
        self._keeping.close()
        self._memory.drop_copies()
        self._kernel.tidy()
        return left_behind(left)

    async def _stop_deciding(self) -> None:
        """Nobody wants anything of the engine any more."""
        self._ready = False
        self._alone.cancel()
        self._contact.stop()
        self._confirmation.stop()
        await self._local.stop()
        await self._dpcs.stop()
        await self._sending.stop()
        await self._probes.stop()

    # -- asking -------------------------------------------------------------------------------------

    @property
    def configured(self) -> bool:
        """Whether this node has a device config."""
        return self._configured

    def has_taken(self, document: Document, digest: str) -> bool:
        """Whether the file with this digest was the last of its kind, and what it brought is not lost."""
        left = self._configured if document.dpc is None else bool(self._memory.candidates().candidates)
        return left and self._memory.given(document.kind) == digest

    def note_taken(self, document: Document, digest: str) -> None:
        """Remember that this document came from a file with this digest. For `has_taken`, once it is stored."""
        save = partial(self._memory.save_given, document.kind, digest)
        self._ledger.enter(f"given-{document.kind}", save, after=("config", "candidates"))

    async def apply(
        self, document: Document | DeviceConfig, *, confirm: float | None = None, confirm_by: str = OPERATOR
    ) -> None:
        """Take a config over. Returns when it is planned and stored; `settled` waits for the rest.

        A device config counts as the controller's. With `confirm`, the config confirmed last comes back after so
        many seconds, unless `confirm()` is called or the one named by `confirm_by` is reached through the new config:
        `controller`, or a target of a probe such as `icmp://192.0.2.1`, `tcp://192.0.2.1:22`, `https://example.com/`.
        A config that waits already gives way.

        :raises EvenetError: it is no config of a device, or a DPC (override, usb) although a device config is stored,
            or one that is to be confirmed; or nobody could confirm it so; or it cannot be stored.
        """
        wanted = self._accepted(document)
        if isinstance(wanted, DeviceConfig):
            if confirm is not None:
                self._check_confirmation(wanted, confirm, confirm_by)
            self._hand_over(wanted, confirm, confirm_by)
        elif confirm is not None:
            raise EvenetError(f"DPC {wanted.key} is not taken: only a device config can wait to be confirmed")
        else:
            self._planned_once(partial(self._dpcs.arrived, wanted))
        await self._keeping.stored("the config is in use, but cannot be stored; a reboot takes the one before")

    def _check_confirmation(self, wanted: DeviceConfig, seconds: float, by: str) -> None:
        """
        :raises EvenetError: nobody could ever confirm this config so.
        """
        if not 0 < seconds <= LONGEST:
            raise EvenetError(f"{seconds} s is no time in which a config can be confirmed: at most {LONGEST:g}")
        if by != OPERATOR:
            self._witness.check(by, dpc_from_config(wanted))

    def _hand_over(self, wanted: DeviceConfig, confirm: float | None, by: str) -> None:
        gives_way = self._config if self._confirmation.waits is not None else None
        text, told = "a device config was handed over", dict[str, Any]()
        if gives_way is not None:
            text += "; the one that waited to be confirmed gives way"
            told["superseded"] = True
        if confirm is not None:
            self._confirmation.expect(self._config if self._configured else None, confirm, by)
            told |= {"confirm_until": timestamp(self._confirmation.until), "confirm_by": by}
        else:
            self._confirmation.end("another config was applied meanwhile")
        self.journal.add("config", text, **told)
        self._take(wanted, gives_way)

    async def confirm(self) -> bool:
        """Keep the config that waits for it; False when none does, `unconfirmable` says why.

        :raises EvenetError: it stays, but that cannot be stored.
        """
        if not self._confirmation.end("the operator has confirmed already"):
            return False
        self._kept(OPERATOR, "the operator confirmed")
        await self._keeping.stored("the config stays, but that cannot be stored; after a reboot it waits again")
        return True

    @property
    def unconfirmable(self) -> str:
        """Why there is nothing to confirm."""
        return self._confirmation.ended

    async def concluded(self) -> None:
        """Returns when no config waits to be confirmed: it was, or the one before is back, or another one came."""
        while self._confirmation.waits is not None:
            await self._change.wait()

    def _kept(self, by: str, reason: str) -> None:
        self.journal.add("config", f"{reason}: the config stays", confirmed=by)
        self._confirmation.store(self._config)
        self._note_change()

    def _take(self, config: DeviceConfig | None, instead_of: DeviceConfig | None = None) -> None:
        """This config counts from now on; None = none does, as if there had never been one.

        :param instead_of: of one that nobody confirmed: nothing is left of it.
        """
        self._configured = config is not None
        self._config = config or DeviceConfig()
        self._names = ObjectNames(self._config)
        self._dpcs.adjust(self._config.settings)
        self._contact.adjust(self._config.settings)
        self._sending.adjust(self._config.settings)
        if config is not None:
            gone = dpc_from_config(instead_of) if instead_of is not None else None
            self._planned_once(partial(self._dpcs.arrived, dpc_from_config(config), gone))
        else:
            self._planned_once(partial(self._dpcs.withdrawn, CONTROLLER_KEY))
        self._consider_last_resort()
        self._confirmation.store(config)  # after the numbers that go with it
        self._local.adjust(self._config)

    def _go_back(self, previous: DeviceConfig | None, why: str) -> None:
        """To the config that was confirmed last; nothing is left of the present one."""
        self._take(previous, self._config)
        summary = self._engine.plan().summary
        counts = ", ".join(f"{count} to {op}" for op, count in summary.items())
        back = "the config before is back" if previous is not None else "there is no config any more, as before"
        self.journal.add("config", f"{why}; {back} ({counts})", reverted=True, summary=summary)
        self._note_change()

    async def _reached(self, by: str) -> str:
        return await self._witness.reached(by, dpc_from_config(self._config))

    def _accepted(self, document: Document | DeviceConfig) -> DeviceConfig | Dpc:
        """What a document asks of this node.

        :raises EvenetError: nothing that it could take.
        """
        if isinstance(document, DeviceConfig):
            return document
        if document.config is not None:
            return document.config
        if document.dpc is None:
            raise EvenetError(f"a document of kind {document.kind} holds no config of a device")
        if self.configured:
            text = f"DPC {document.dpc.key} is not taken: this node has a device config"
            raise EvenetError(f"{text}; a DPC counts until the first one is stored")
        return document.dpc

    def _planned_once(self, decide: Callable[[], None]) -> None:
        """Config and DPC are planned together, once."""
        ready, self._ready = self._ready, False
        decide()
        self._ready = ready
        self._decide()

    async def plan(self, document: Document | DeviceConfig | None = None) -> Plan:
        """What would change in the system: for `document`, or for the config in use.

        :raises EvenetError: `apply` would not take the document.
        """
        if document is None:
            return replace(self._engine.plan(), problems=refusals(self._planner)).named(self._names)
        wanted = self._accepted(document)
        return self._plan_of(self._config, wanted) if isinstance(wanted, Dpc) else self._plan_of(wanted)

    async def plan_revert(self) -> Plan:
        """What would change if nobody confirmed the config that waits for it.

        :raises EvenetError: none does.
        """
        wait = self._confirmation.waits
        if wait is None:
            raise EvenetError(f"{self._confirmation.ended}, so there is nothing to go back to")
        if wait.previous is not None:
            return self._plan_of(wait.previous)
        left = [c.dpc for c in self._dpcs.state.candidates if c.key != CONTROLLER_KEY]
        return self._plan_of(DeviceConfig(), left[0] if left else Dpc(key=CONTROLLER_KEY))

    def _plan_of(self, config: DeviceConfig, dpc: Dpc | None = None) -> Plan:
        planner = Planner(self.plugins)
        planner.load(self._gather(config, dpc or dpc_from_config(config))[0])
        fragments = Fragments(planner.plan, self._facts.values)
        fragments.set_objects(planner.objects.values)
        plan = replace(self._engine.plan(fragments.intent), problems=refusals(planner))
        return plan.named(ObjectNames(self._config, config))

    async def settled(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Wait until everything is in sync, the DPC is tested, and no answer is expected in a moment.

        False when time ran out.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    changed = self._change
                    await self._engine.settled()
                    at_rest = self._dpcs.state.phase in SETTLED and not self._facts.fresh
                    if at_rest and not self._expects_answers():
                        return True
                    await changed.wait()
        except TimeoutError:
            return False

    def _expects_answers(self) -> bool:
        """Ports that were just plugged together get their leases, routes their first probes."""
        if self._probes.undecided or self._dpcs.state.test_running:
            return True
        if asyncio.get_running_loop().time() >= self._used_at + LEASE_PATIENCE:
            return False
        adapters = [adapter for adapter in self._planner.inputs.adapters if adapter.has_ip]
        works = [self._ports.port(a) for a in adapters if not self._planner.errors.get(("adapter", a.label))]
        return any(port.carrier and not port.addresses for port in works)

    def status(self) -> dict[str, Any]:
        """The document of `evenet status --json`."""
        return status_document(self._view())

    def dpcs(self) -> list[dict[str, Any]]:
        """The candidates, first choice first."""
        return self._dpcs.list()

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """What happened and why, in order."""
        return self.journal.since(since)

    def follow(self, since: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events as they come."""
        return self.journal.follow(since)

    async def test_connectivity(self) -> Sequence[PortVerdict]:
        """Try to reach the controller through every management adapter, side by side."""
        controller = self.settings.controller
        found = await check_all(
            self._management_ports(), controller.url, controller.ca, self._find_proxies(), controller.console
        )
        self._tests.append((time.time(), found))
        return found

    def last_tests(self) -> list[dict[str, Any]]:
        """The last tests of connectivity, request by request; the latest comes last."""
        return [verdict_document(verdict, at) for at, verdicts in self._tests for verdict in verdicts]

    def _find_proxies(self) -> Proxies | None:
        """Made when the first network has any: TLS and HTTP are 12 MB."""
        if self._proxies is None and any(adapter.proxy for adapter in self._planner.inputs.adapters):
            from evenet_core.probing.proxies import Proxies  # noqa: PLC0415

            self._proxies = Proxies()
        return self._proxies

    def explain(self, name: str) -> list[str]:
        """Why an object (adapter, network instance, app) or item is as it is, down to the cause.

        :raises EvenetError: nothing is called so, or several things are.
        """
        explanation = Explanation(
            planner=self._planner,
            machine=self._engine.machine,
            causes=self._causes(),
            facts=self._facts.values,
            status=self.status(),
            plugins=self.plugins.describe(),
            prospects=self._dpcs.outlook(),
            now=asyncio.get_running_loop().time(),
        )
        return explanation.of(name)

    def graph(self) -> dict[str, Any]:
        """Items, what they require and where they stand."""
        return graph(self._engine.machine, self._planner, self._causes())

    def _causes(self) -> Causes:
        drivers = troubled_drivers(self._engine, self._kernel.drivers)
        return Causes(self._planner, self._facts.values, self._facts.since, self._kernel.exists, drivers)

    def leases(self) -> list[dict[str, Any]]:
        """Leases that clients of adapters hold."""
        return leases(self._facts.values)

    @property
    def uplinks(self) -> Uplinks:
        """For sending to the controller, and for downloads. Of a node that runs."""
        return self._sending.uplinks()

    # -- the local operator -------------------------------------------------------------------------

    def set_port(self, patch: PortPatch) -> None:
        """Use these settings of one port in place of those that it has, before every other DPC.

        :raises EvenetError: there is no such port in the DPC in use.
        """
        self._dpcs.set_port(patch)

    def revert_ports(self) -> bool:
        """Take back what `set_port` did; False = nothing."""
        return self._dpcs.revert()

    def try_dpc(self, key: str = "") -> None:
        """Try a candidate now, whatever it did before; without a key the first.

        :raises EvenetError: there is no such candidate.
        """
        self._dpcs.ask(key)

    def lay_over(self, patches: Sequence[PortPatch]) -> None:
        """Settings of ports that allow local changes, in place of those of whatever DPC is in use."""
        self._dpcs.lay_over(patches)

    def use_last_resort(self) -> None:
        """Nobody has a config for this node, so it tries DHCP on every Ethernet port.

        Only for the sake of a controller; and it gives way to whatever is handed over.
        """
        if not self._dpcs.state.candidates:
            self._consider_last_resort(alone=True)

    def _consider_last_resort(self, *, alone: bool = False) -> None:
        if self.settings.last_resort and self.settings.controller.url and (alone or self._dpcs.state.candidates):
            facts = Facts(self._facts.values)
            names = [name.removeprefix(HARDWARE) for name in self._facts.values if name.startswith(HARDWARE)]
            known = {name: port.identity for name in names if (port := self._planner.hardware.port(name, facts))}
            ports = {name: identity for name, identity in known.items() if identity is not None}
            links = {name: link for name in names for name, link in self._links(name)}
            used = [port.interface for port in self._config.ports if port.use in (PortUse.DEDICATED, PortUse.DISABLED)]
            self._dpcs.last_resort(last_resort(ports, links, used))

    def _links(self, name: str) -> Iterator[tuple[str, LinkFact]]:
        for link in (name, lower_name(name)):
            if (found := self._facts.values.get(link_fact(link))) is not None:
                yield link, found

    # -- deciding -----------------------------------------------------------------------------------

    def _use(self) -> None:
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        loop.call_later(LEASE_PATIENCE, self._note_change)
        self._decide()

    def _decide(self) -> None:
        """Plan anew what the config and the decisions changed, and go for it."""
        if self._ready:
            self._refresh()
            self._states = None
            self._look_at_ports()

    def _refresh(self) -> None:
        inputs, self._numbers = self._gather(self._config, self._dpcs.current)
        changed = self._planner.load(inputs)
        self._engine.update(self._fragments.set_objects(self._planner.objects.values, changed))
        self._ledger.enter("numbers", partial(self._memory.save_numbers, self._numbers))
        self._ledger.enter("apps", lambda: self._kernel.write_apps(runtime_document(inputs.config, inputs.vifs)))

    def _gather(self, config: DeviceConfig, dpc: Dpc | None) -> tuple[Inputs, Numbers]:
        def named(adapter: Adapter) -> Adapter:
            return self._planner.hardware.named(adapter, self._facts.values)

        return gather_inputs(config, dpc, self._numbers, self.settings, named, known=self._known)

    def _facts_changed(self, names: set[str]) -> None:
        if not self._ready:
            return
        if any(name.startswith(HARDWARE) for name in names):
            dpc = self._dpcs.current
            if dpc is not None and any(a.pci or a.usb or not a.ifname for a in dpc.adapters):
                self._refresh()  # they may have got their names, or lost them
            self._consider_last_resort()
        delta = self._fragments.facts_changed(names)
        self._engine.update(delta)
        self._engine.external_changed(self._kernel.external_keys(names))
        self._look_at_ports()
        self._note_change()

    def _look_at_ports(self) -> None:
        """Tell the prober and verification how the ports are now."""
        self._looking = False
        if not self._ready:
            return
        adapters = [adapter for adapter in self._planner.inputs.adapters if adapter.has_ip]
        ports = [self._ports.port(adapter) for adapter in adapters]
        inputs = self._planner.inputs
        if (told := (inputs.config.network_instances, inputs.adapters, ports)) != self._probed:
            self._probed = told
            self._probes.load(*probed(inputs, ports, self._probes.choice))
        states = tuple(map(self._state, adapters))
        if (seen := (states, ports)) != self._states:
            self._states = seen
            self._dpcs.ports_changed(states)

    def _state(self, adapter: Adapter) -> PortState:
        errors = self._planner.errors.get(("adapter", adapter.label), ())
        return self._ports.state(adapter, errors, named=self._controller_has_name)

    def _chosen(self, choices: Mapping[str, str], selected: Selected) -> None:
        self._ledger.enter("routes", partial(self._memory.save_route_choices, dict(choices)))
        self._note_change()
        if (version := own_route_version(selected.key)) is not None:
            if NOWHERE in selected.because:
                return  # before the ports are up, and of an IP version that nobody offers
            whose = f"the node's own IPv{version} traffic"
        else:
            key, destination = split_route_choice(selected.key)
            whose = f"{self._names(('instance', key))}: {destination}"
        self.journal.add("route", f"{whose} leaves by {selected.label or 'no port'}: {selected.because}")

    def _uplinks_now(self) -> list[Uplink]:
        return uplinks_of(self._planner.inputs.adapters, self._ports, own_reports(self._probes))

    def _management_ports(self) -> list[PortUnderTest]:
        return [self._ports.under_test(a) for a in self._planner.inputs.adapters if a.management and a.has_ip]

    def _verified(self) -> None:
        state = self._dpcs.state
        if self.settings.controller.url:
            tested = None if state.phase is Phase.IDLE else state.phase is Phase.COMMITTED
            self._contact.seen(reached=tested and state.failing_since is None)
        self._note_change()

    def _note_change(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    # -- telling ------------------------------------------------------------------------------------

    def _engine_event(self, event: EngineEvent | DriftEvent) -> None:
        owner = self._name(event.object) if event.object is not None else None
        kind = "drift" if isinstance(event, DriftEvent) else "item"
        self.journal.add_later(kind, partial(item_event, event, owner))
        if event.item.kind in IP_KINDS and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look_at_ports)

    def _name(self, thing: Any) -> str:
        """As `ObjectNames`; of an interface that is there without a look at all apps."""
        if thing[0] == "vif" and thing in self._planner.objects.values:
            vif = self._planner.objects.vif(thing)
            return vif_name(vif.app, vif.name)
        return self._names(thing)

    def _view(self) -> View:
        counts = self._engine.counts()
        return View(
            agent={
                "pid": os.getpid(),
                "version": __version__,
                "started": timestamp(self._started),
                "writes": self._kernel.writes,
            },
            verification=self._dpcs.state,
            refused=self._dpcs.refused,
            unreachable_since=self._contact.lost_since,
            planner=self._planner,
            facts=self._facts.values,
            counts={
                "wanted": counts.wanted,
                "in_sync": counts.in_sync,
                "pending": counts.pending,
                "failed": counts.failed,
            },
            settled=self._engine.is_settled,
            unconfirmed_until=self._confirmation.until,
            unconfirmed_by=wait.by if (wait := self._confirmation.waits) is not None else None,
            unsettled=unsettled(self._engine.machine),
            problems=(*problems(self._engine, self._fragments, self._planner), *self._keeping.problems()),
            reasons=self._probes.reasons(),
            wpad=self._proxies.found() if self._proxies is not None else {},
            uplinks=own_reports(self._probes),
            model_errors=model_errors(self._config.ports, self._is_there),
            configured=self._configured,
            radio_silence=self._dpcs.is_silent,
            local_server=self._local.status(),
            booted=time.time() - asyncio.get_running_loop().time(),
        )

    def _is_there(self, port: Port) -> bool:
        return hardware_fact(port.interface) in self._facts.values or is_pci_device(port.pci)

    def _respond_metadata(self, request: MetadataRequest) -> MetadataResponse:
        """What an app is told by the metadata service of its network instance."""
        inputs = self._planner.inputs
        world = MetadataWorld(config=inputs.config, instances=self._planner.instances, vifs=inputs.vifs)
        return respond(request, world)


def _of_this_machine(settings: NodeSettings) -> NodeSettings:
    """Where no chronyd is installed, nobody reads time servers."""
    there = bool(settings.time_sources) and Path(settings.time_sources).is_dir()
    return settings if there else replace(settings, time_sources="")
