"""A node with one uplink to a network with a real dnsmasq, to try leases with the real client.

    network -- eth0 [ node ]

The test's own network namespace is the node; the network is a namespace without a name. What dhcpcd keeps on disk
is private to the test.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evenet_dhcp import evenet_drivers, evenet_monitors, evenet_plan_addressing
from evenet_ethernet import evenet_plan_link

from evenet_core.hookspecs import Context
from evenet_core.linux.address import AddressDriver
from evenet_core.linux.daemondriver import DaemonDriver
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.monitor import NetlinkMonitor
from evenet_core.linux.netns import inside, make_namespace
from evenet_core.linux.route import RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import RuleDriver
from evenet_core.linux.sysctl import SysctlDriver
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import LinkFact, link_fact
from evenet_core.model.ports import lower_name
from evenet_core.reconciler.engine import Engine
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments, Planned
from evenet_core.reconciler.item import Driver, ItemKey
from evenet_core.reconciler.views.events import DriftEvent, EngineEvent
from evenet_core.runtime.facthub import FactHub
from tests.support.kernel import ip, run

__all__ = ["Network", "Node", "own_client_files"]

CLONE_NEWNS = 0x20000
PATIENCE = 40.0  # seconds for what has to happen
CLIENT_DIRECTORIES = ("/run/dhcpcd", "/var/lib/dhcpcd")


@contextmanager
def own_client_files() -> Iterator[None]:
    """dhcpcd's files, which it names by interface, are this test's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.getcwd()
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    for directory in CLIENT_DIRECTORIES:
        Path(directory).mkdir(exist_ok=True)
    try:
        assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        for directory in CLIENT_DIRECTORIES:
            run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", directory)
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.close(home)
        os.chdir(here)


class Network:
    """What is at the other end of the cable: 172.22.10.1 and fd22::1, with or without a server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.namespace = make_namespace()
        self._server: subprocess.Popen[bytes] | None = None
        self._hostile: subprocess.Popen[str] | None = None
        run("ip", "link", "add", "eth0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "world0")
        self._move("world0")
        with inside(self.namespace):
            run("ip", "link", "set", "lo", "up")
            run("ip", "address", "add", "192.0.2.7/32", "dev", "lo")
            run("ip", "address", "add", "2001:db8::7/128", "dev", "lo")
        self.plug(True)

    def _move(self, link: str) -> None:
        run("ip", "link", "set", link, "netns", f"/proc/{os.getpid()}/fd/{self.namespace}")

    def plug(self, plugged: bool) -> None:
        """The cable; the kernel forgets IPv6 addresses of a link that goes down."""
        with inside(self.namespace):
            run("ip", "link", "set", "world0", "up" if plugged else "down")
            for address in ("172.22.10.1/24", "fd22::1/64"):
                if plugged:
                    run("ip", "address", "replace", address, "dev", "world0", "nodad")

    def add(self, address: str, link: str, *options: str) -> None:
        """One more host in the network."""
        with inside(self.namespace):
            run("ip", "address", "add", address, "dev", link, *options)

    def remove(self, address: str, link: str) -> None:
        """One host less."""
        with inside(self.namespace):
            run("ip", "address", "del", address, "dev", link)

    @property
    def mac(self) -> str:
        """Of its hosts."""
        with inside(self.namespace):
            [link] = ip("link", "show", "dev", "world0")
        return str(link["address"])

    def serve(self, *options: str, authoritative: bool = True) -> None:
        """Start dnsmasq, or start it anew with other options; it remembers no leases.

        :param authoritative: it refuses leases that it does not know
        """
        self.serve_no_more()
        with inside(self.namespace):
            self._server = subprocess.Popen(
                [
                    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"),
                    *("--interface=world0", "--except-interface=lo", "--bind-interfaces", "--no-ping", "--pid-file"),
                    f"--dhcp-leasefile={self._directory}/leases",
                    *(["--dhcp-authoritative"] if authoritative else []),
                    *options,
                ],
                stderr=subprocess.DEVNULL,
            )

    def misbehave(self, how: str, **what: Any) -> subprocess.Popen[str]:
        """Start a server or routers that mean no good; returns when they do."""
        with inside(self.namespace):
            command = [sys.executable, "-m", "tests.support.hostile", how, "world0", json.dumps(what)]
            self._hostile = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._hostile.stdout is not None
        assert self._hostile.stdout.readline()
        return self._hostile

    def behave(self) -> None:
        """End what `misbehave` began."""
        if self._hostile is not None:
            self._hostile.kill()
            self._hostile.communicate()
            self._hostile = None

    def send(self, frame: bytes) -> None:
        """One Ethernet frame into the network."""
        with inside(self.namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
            opened.bind(("world0", 0))
            opened.send(frame)

    def hears_discovery(self) -> None:
        """Returns when a client looks for any server (DHCPDISCOVER)."""
        with inside(self.namespace):
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            opened.bind(("", 67))
            opened.settimeout(PATIENCE)
            while b"\x35\x01\x01" not in opened.recv(4096):
                pass

    def serve_no_more(self, *, forget: bool = True) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            if forget:
                (self._directory / "leases").unlink(missing_ok=True)
            self._server = None

    def close(self) -> None:
        self.serve_no_more()
        self.behave()
        os.close(self.namespace)


class Node:
    """Plugins, drivers, monitors and the engine for one adapter, without the rest of the node."""

    def __init__(self, directory: Path, adapter: Adapter, settings: dict[str, Any] | None = None) -> None:
        self.adapter: Adapter | None = adapter
        self.directory = directory
        self.past: list[tuple[str, Any]] = []  # every value that a fact ever had
        self.events: list[EngineEvent | DriftEvent] = []
        self._settings = settings or {}
        self._news = asyncio.Event()

    async def __aenter__(self) -> Node:
        self._rtnl, self._listener = Rtnl.open(), Rtnl.open()
        self._daemons = DaemonDriver(self.directory, lambda _: self.engine.suspect("daemon"))
        self.hub = FactHub(self._changed)
        self._fragments = Fragments(self._plan, self.hub.values)
        context = Context(rtnl=self._rtnl, run_dir=self.directory, state_dir=self.directory, settings=self._settings)
        drivers: list[Driver] = [
            LinkDriver(self._rtnl),
            AddressDriver(self._rtnl),
            RouteDriver(self._rtnl),
            RuleDriver(self._rtnl),
            SysctlDriver(self.directory),
            self._daemons,
            *evenet_drivers(context),
        ]
        self.engine = Engine(drivers, self._exists, self._event)
        monitor = NetlinkMonitor(self._listener, self.engine.seen, self._lost)
        await self.hub.watch([monitor, *evenet_monitors(context)])
        self.engine.update(self._fragments.set_objects(["uplink"]))
        await self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left, whatever the test did."""
        try:
            await self.use(None)
            await self.engine.settled()
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Stop as an agent stops: the network stays."""
        await self.hub.stop()
        await self.engine.stop()
        await self._daemons.close()
        self._rtnl.close()
        self._listener.close()

    async def use(self, adapter: Adapter | None) -> None:
        """From now on the adapter is to be like this."""
        self.adapter = adapter
        self.engine.update(self._fragments.set_objects(["uplink"], ["uplink"]))

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Returns when the condition holds; it is asked whenever anything happened."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain: {what}; {self.hub.values}; {self.engine.problems()}") from None

    async def has(self, *addresses: str) -> None:
        """Wait until the adapter has exactly these addresses, and all that belongs to them."""

        def there() -> bool:
            wanted = {str(key[2]) for key in self._fragments.intent if key[0] == "address"}
            return wanted == set(addresses)

        await self.until(there, f"addresses {addresses}")
        await self.engine.settled()

    def values(self, name: str) -> list[Any]:
        """All that a fact ever was."""
        return [value for changed, value in self.past if changed == name]

    def client(self) -> int:
        """Pid of the client of eth0."""
        return int(json.loads((self.directory / "daemons/dhcpcd-eth0/state.json").read_bytes())["pid"])

    def signal_client(self, number: signal.Signals) -> None:
        os.kill(self.client(), number)

    def _plan(self, _: Any, facts: Facts) -> list[Planned]:
        if self.adapter is None:
            return []
        link = evenet_plan_link(self.adapter, facts) or []
        return [Planned(item, "test") for item in (*link, *(evenet_plan_addressing(self.adapter, facts) or []))]

    def _changed(self, names: set[str]) -> None:
        self.past += [(name, self.hub.values.get(name)) for name in sorted(names)]
        links = [name.removeprefix("link:") for name in names if name.startswith("link:")]
        self.engine.external_changed(
            [ItemKey((k, n)) for link in links for k in ("link", "port") for n in (link, link[1:])]
        )
        self.engine.update(self._fragments.facts_changed(names))
        self._news.set()

    def _exists(self, key: ItemKey) -> bool:
        name = str(key[1])
        candidates = (name, lower_name(name)) if key[0] == "port" else ()
        found = [self.hub.values.get(link_fact(candidate)) for candidate in candidates]
        return any(isinstance(link, LinkFact) and link.kind != "bridge" for link in found)

    def _event(self, event: EngineEvent | DriftEvent) -> None:
        self.events.append(event)
        self._news.set()

    def _lost(self, kinds: tuple[str, ...]) -> None:
        for kind in kinds:
            self.engine.suspect(kind)
