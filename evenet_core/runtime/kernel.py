"""This machine, as the node reaches it: drivers that change it, monitors that listen to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evenet_core.hookspecs import Context
from evenet_core.linux.address import AddressDriver
from evenet_core.linux.daemondriver import DaemonDriver
from evenet_core.linux.files import write_atomic
from evenet_core.linux.hardware import HardwareMonitor
from evenet_core.linux.lastword import LastWord
from evenet_core.linux.link import namespace_key
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.metadata import MetadataDriver, Respond
from evenet_core.linux.monitor import NetlinkMonitor
from evenet_core.linux.neighbour import NeighbourDriver
from evenet_core.linux.nftdriver import PROGRAM, NftDriver
from evenet_core.linux.nftmonitor import NftMonitor
from evenet_core.linux.nsmonitor import NamespaceMonitor
from evenet_core.linux.offload import OffloadDriver
from evenet_core.linux.resolvconf import ResolvConfDriver
from evenet_core.linux.route import RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import RuleDriver
from evenet_core.linux.sysctl import SysctlDriver
from evenet_core.linux.sysctlmonitor import SysctlMonitor
from evenet_core.linux.timesources import TimeSourcesDriver
from evenet_core.model.facts import LinkFact, link_fact, namespace_fact
from evenet_core.model.ports import lower_name
from evenet_core.plugins import Plugins
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Monitor
from evenet_core.reconciler.item import Driver, Item, ItemKey
from evenet_core.settings import NodeSettings

__all__ = ["Kernel"]

APPS = "apps.json"


class Kernel:
    """Opens and closes everything that touches the system."""

    def __init__(self, plugins: Plugins, settings: NodeSettings, run_dir: Path, state_dir: Path) -> None:
        self._plugins = plugins
        self._settings = settings
        self._run_dir = run_dir
        self._state_dir = state_dir
        self._engine: Engine | None = None
        self.drivers: list[Driver] = []
        self.monitors: list[Monitor] = []

    def open(self, respond: Respond, facts: Mapping[str, Any]) -> None:
        """Open sockets and make drivers. `respond` answers metadata requests of apps.

        :raises OSError: the kernel refuses (no privileges).
        :raises PluginError: two drivers for one kind of item.
        """
        self._facts = facts
        self.rtnl = Rtnl.open()
        self._listener = Rtnl.open()  # dumps of the monitor do not mix with batches of drivers
        self._daemons = DaemonDriver(self._run_dir, lambda _: self._suspect("daemon"))
        self._nft = NftDriver(self._run_dir)
        self._metadata = MetadataDriver(respond)
        self._last_word = LastWord()
        settings = SysctlMonitor(self._seen, lambda: self._suspect("sysctl"))
        core: list[Driver] = [
            self._nft,  # first: its process lists the tables while the others look at the kernel
            LinkDriver(self.rtnl),
            AddressDriver(self.rtnl),
            RouteDriver(self.rtnl),
            RuleDriver(self.rtnl),
            NeighbourDriver(self.rtnl),
            SysctlDriver(self._run_dir, watch=settings),
            OffloadDriver(self.rtnl, self._run_dir),
            self._daemons,
            self._metadata,
        ]
        if self._settings.resolv_conf:
            core.append(ResolvConfDriver(Path(self._settings.resolv_conf), self._state_dir))
        if self._settings.time_sources:
            core.append(TimeSourcesDriver(Path(self._settings.time_sources)))
        self.drivers = self._plugins.drivers(self._context, core)
        hardware = HardwareMonitor(self._listener, lambda: self._suspect("offload"))
        self.monitors = [
            NetlinkMonitor(self._listener, self._seen, self._lost, watcher=hardware, ours=[self.rtnl.port]),
            hardware,
            settings,
            NftMonitor(PROGRAM, lambda by: self._suspect("nft", by)),
            *self._plugins.monitors(self._context),
        ]
        if self._settings.app_namespaces:
            self.monitors.append(NamespaceMonitor(str(Path(self._settings.app_namespaces).parent)))

    def connect(self, engine: Engine) -> None:
        """Tell this engine from now on what monitors notice."""
        self._engine = engine

    async def close(self) -> None:
        """Close sockets and stop serving; daemons and the kernel's state stay."""
        self._last_word.close()
        await self._daemons.close()
        self._nft.close()
        await self._metadata.close()
        self.rtnl.close()
        self._listener.close()

    def tidy(self) -> None:
        """After a teardown: remove our files in the run directory. Where a daemon is left, its directory stays."""
        self._nft.close()
        (self._run_dir / APPS).unlink(missing_ok=True)
        (self._run_dir / PROGRAM).unlink(missing_ok=True)
        with suppress(OSError):
            (self._run_dir / "daemons").rmdir()

    def exists(self, key: ItemKey) -> bool:
        """Whether something that nobody plans is there: a port under its own name or as the lower part of an
        adapter, a link that somebody else made, an app's network namespace."""
        kind, name = key[0], str(key[1])
        if kind == "port":
            return any(self._is_port(candidate) for candidate in (name, lower_name(name)))
        if kind == "namespace":
            return namespace_fact(name) in self._facts
        return kind == "link" and link_fact(name) in self._facts

    def _is_port(self, name: str) -> bool:
        link = self._facts.get(link_fact(name))
        return isinstance(link, LinkFact) and link.kind != "bridge"

    def external_keys(self, names: set[str]) -> list[ItemKey]:
        """What may have come or gone outside of the intent when these facts changed."""
        keys = []
        for name in names:
            if name.startswith("link:"):
                ifname = name.removeprefix("link:")
                keys += [ItemKey(("link", ifname)), ItemKey(("port", ifname))]
                keys += [ItemKey(("port", upper)) for upper in self._above(ifname)]
            if name.startswith("namespace:"):
                keys.append(namespace_key(name.removeprefix("namespace:")))
        return keys

    def _above(self, ifname: str) -> list[str]:
        """The adapters whose port is called so."""
        if not ifname.startswith("k"):
            return []
        links = [fact.removeprefix("link:") for fact in self._facts if fact.startswith("link:")]
        return [name for name in links if lower_name(name) == ifname]

    @property
    def writes(self) -> int:
        """Change requests sent to the kernel so far."""
        return self.rtnl.writes

    def write_apps(self, document: Sequence[Mapping[str, Any]]) -> None:
        """What whoever runs the apps has to know (`apps/runtime.py`): `<run dir>/apps.json`."""
        path = self._run_dir / APPS
        data = json.dumps(document).encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data, 0o644, sync=False)

    def _context(self, plugin: str) -> Context:
        return Context(
            rtnl=self.rtnl,
            run_dir=self._run_dir,
            state_dir=self._state_dir,
            settings=self._settings.of_plugin(plugin),
        )

    def _seen(self, item: Item, present: bool, by: str = "") -> None:
        if self._engine is not None:
            self._engine.seen(item, present, by)

    def _lost(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            self._suspect(kind)

    def _suspect(self, kind: str, by: str = "") -> None:
        if self._engine is not None:
            self._engine.suspect(kind, by)
