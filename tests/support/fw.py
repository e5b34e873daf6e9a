"""A node with two ports, two local instances and three apps, to try a firewall with real packets.

    outside  -- eth0 [ node ] bn1 -- nbu1x1  app1   (10.50.0.2, fd50::2)
    outside2 -- eth1 [      ]     -- nbu1x2  app2   (10.50.0.3, fd50::3)
                     [      ] bn2 -- nbu2x3  app3   (10.51.0.2, fd51::2)

The test's own network namespace is the node; the others are namespaces without a name.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from subprocess import run as run_program

from evenet_firewall import evenet_plan_firewall

from evenet_core.linux.netns import inside, make_namespace
from evenet_core.linux.nftdriver import NftDriver
from evenet_core.model.policy import DevicePolicy, FirewallPolicy, Forward, InstancePolicy, PolicyRule, VifPolicy
from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey
from evenet_core.reconciler.views.plan import diff
from tests.support.kernel import add_address, run

__all__ = ["BRIDGED_FRAMES", "DEVICE", "INSTANCES", "Node", "app", "switched"]

BRIDGED_FRAMES = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
PATIENCE = 5.0  # seconds for what has to arrive
IMPATIENCE = 0.4  # seconds after which a packet has not arrived
MACS = {"app1": "02:00:00:00:01:01", "app2": "02:00:00:00:01:02", "app3": "02:00:00:00:01:03"}
VIFS = {"app1": "nbu1x1", "app2": "nbu1x2", "app3": "nbu2x3"}
BRIDGES = {"app1": "bn1", "app2": "bn1", "app3": "bn2"}
ADDRESSES = {
    "app1": ("10.50.0.2", "fd50::2"),
    "app2": ("10.50.0.3", "fd50::3"),
    "app3": ("10.51.0.2", "fd51::2"),
    "outside": ("172.22.10.1", "fd22::1"),
    "outside2": ("172.22.11.1", "fd23::1"),
    "eth0": ("172.22.10.5", "fd22::5"),
    "eth1": ("172.22.11.5", "fd23::5"),
    "bn1": ("10.50.0.1", "fd50::1"),
    "bn2": ("10.51.0.1", "fd51::1"),
    "far": ("192.0.2.7", "2001:db8::7"),  # beyond outside
    "farther": ("192.0.2.8", "2001:db8::8"),
    "far2": ("203.0.113.9", "2001:db8:2::9"),  # beyond outside2
}
DEVICE = DevicePolicy(ports=(("eth0", 501), ("eth1", 502)))


def _instance(bridge: str, subnet: str, gateway: str) -> InstancePolicy:
    ports = ("eth0", "eth1")
    return InstancePolicy(bridge=bridge, subnet=ip_network(subnet), gateway=ip_address(gateway), masquerade_out=ports)


INSTANCES: tuple[FirewallPolicy, ...] = (
    _instance("bn1", "10.50.0.0/24", "10.50.0.1"),
    _instance("bn1", "fd50::/64", "fd50::1"),
    _instance("bn2", "10.51.0.0/24", "10.51.0.1"),
    _instance("bn2", "fd51::/64", "fd51::1"),
)


def app(name: str, *rules: PolicyRule, forwards: tuple[Forward, ...] = ()) -> VifPolicy:
    """Policy of an app in a local instance."""
    return VifPolicy(
        vif=VIFS[name],
        bridge=BRIDGES[name],
        mac=MACS[name],
        routed=True,
        addresses=tuple(map(ip_address, ADDRESSES[name])),
        gateways=tuple(map(ip_address, ADDRESSES[BRIDGES[name]])),
        rules=rules,
        forwards=forwards,
    )


def switched(name: str, *rules: PolicyRule) -> VifPolicy:
    """Policy of an app in a switch instance."""
    return VifPolicy(vif=VIFS[name], bridge=BRIDGES[name], mac=MACS[name], routed=False, rules=rules)


@dataclass
class Node:
    """The site. `places` are the other namespaces' descriptors."""

    places: dict[str, int] = field(default_factory=dict)
    items: dict[ItemKey, Item] = field(default_factory=dict)
    driver: NftDriver = field(default_factory=NftDriver)

    @classmethod
    @contextmanager
    def up(cls, *, bridged_frames: bool = False) -> Iterator[Node]:
        """:param bridged_frames: somebody has switched on `bridge-nf-call-iptables`, as Docker does."""
        node = cls()
        try:
            for name in BRIDGED_FRAMES:
                if Path("/proc/sys", name).exists():
                    Path("/proc/sys", name).write_text("1" if bridged_frames else "0")
            node._build()
            yield node
        finally:
            for place in node.places.values():
                os.close(place)

    # -- what the firewall is told --------------------------------------------------------------------

    def load(self, *policies: FirewallPolicy) -> None:
        """These policies and no others, on top of the device's and the instances'."""
        planned = [item for policy in (DEVICE, *INSTANCES, *policies) for item in evenet_plan_firewall(policy)]
        wanted = {item.key: Wanted(item, "firewall", "test") for item in planned}
        for wave in diff(self.items, wanted).waves:
            asyncio.run(self._apply([Change(planned.op, planned.before, planned.after) for planned in wave]))
        self.items = {key: one.item for key, one in wanted.items()}

    async def _apply(self, changes: Sequence[Change]) -> None:
        for outcome in await self.driver.apply(changes):
            if outcome.error is not None:
                raise outcome.error

    # -- packets --------------------------------------------------------------------------------------

    @contextmanager
    def server(self, place: str, port: int, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
        """Somebody who listens at a port, for both families."""
        with inside(self.places.get(place)):
            listener = socket.socket(socket.AF_INET6, kind)
        with closing(listener):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                listener.listen()
            listener.settimeout(PATIENCE)
            yield listener

    def connect(self, place: str, to: str, port: int, source: str = "") -> socket.socket | None:
        """A connection, or None if nothing comes back."""
        client = self.socket(place, to, socket.SOCK_STREAM, source)
        try:
            client.connect((to, port))
        except (TimeoutError, OSError):
            client.close()
            return None
        client.settimeout(PATIENCE)
        return client

    def reaches(self, place: str, to: str, port: int, source: str = "") -> bool:
        client = self.connect(place, to, port, source)
        if client is not None:
            client.close()
        return client is not None

    def socket(self, place: str, to: str, kind: int, source: str = "") -> socket.socket:
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        with inside(self.places.get(place)):
            opened = socket.socket(family, kind)
        if source:
            opened.bind((source, 0))
        opened.settimeout(IMPATIENCE)
        return opened

    def sends(self, place: str, to: str, port: int, data: bytes = b"x", source: str = "") -> bool:
        """Whether a datagram arrives at a server that answers nothing: asked at `receiver`'s side by the caller."""
        with closing(self.socket(place, to, socket.SOCK_DGRAM, source)) as client:
            try:
                client.sendto(data, (to, port))
            except OSError:
                return False
            return True

    def pings(self, place: str, to: str, source: str = "") -> bool:
        command = ["ping", "-n", "-c", "1", "-W", str(IMPATIENCE), *(["-I", source] if source else []), to]
        with inside(self.places.get(place)):
            return run_program(command, capture_output=True, check=False).returncode == 0

    def run(self, place: str, *command: str) -> str:
        with inside(self.places.get(place)):
            return run(*command)

    # -- cables ---------------------------------------------------------------------------------------

    def _build(self) -> None:
        _settings("")
        for place in ("app1", "app2", "app3", "outside", "outside2"):
            self.places[place] = make_namespace()
            with inside(self.places[place]):
                _settings(place)
                run("ip", "link", "set", "lo", "up")
        for bridge in ("bn1", "bn2"):
            run("ip", "link", "add", bridge, "type", "bridge")
            _addresses(bridge, bridge)
        for name, vif in VIFS.items():
            self._cable(vif, name, MACS[name])
            run("ip", "link", "set", vif, "master", BRIDGES[name])
        for port, place, far in (("eth0", "outside", "far"), ("eth1", "outside2", "far2")):
            self._cable(port, place, "")
            _addresses(port, port)
            with inside(self.places[place]):
                names = (far, "farther") if far == "far" else (far,)
                for name in names:
                    for address in ADDRESSES[name]:
                        run("ip", "address", "add", address, "dev", "lo")
        self._routes()

    def _cable(self, ours: str, place: str, mac: str) -> None:
        """A link of the node whose other end is `eth0` of a place."""
        target = f"/proc/{os.getpid()}/fd/{self.places[place]}"
        address = ["address", mac] if mac else []
        peer = ["peer", "name", "eth0", *address, "netns", target]
        run("ip", "link", "add", ours, "type", "veth", *peer)
        run("ip", "link", "set", ours, "up")
        with inside(self.places[place]):
            _addresses("eth0", place)
            four, six = ADDRESSES[BRIDGES.get(place) or {"outside": "eth0", "outside2": "eth1"}[place]]
            run("ip", "route", "add", "default", "via", four)
            run("ip", "-6", "route", "add", "default", "via", six)

    def _routes(self) -> None:
        """As evenet has them: the default by eth0, answers to what came by eth1 by eth1."""
        for family, place in (("-4", 0), ("-6", 1)):
            run("ip", family, "route", "add", "default", "via", ADDRESSES["outside"][place])
            run("ip", family, "route", "add", "default", "via", ADDRESSES["outside2"][place], "table", "502")
            run("ip", family, "rule", "add", "priority", "9000", "fwmark", "502/0xffff", "table", "502")


def _settings(place: str) -> None:
    settings = {
        "net/ipv6/conf/default/accept_dad": "0",
        "net/ipv6/conf/all/accept_dad": "0",
        "net/ipv4/ip_forward": "0" if place else "1",
        "net/ipv6/conf/all/forwarding": "0" if place else "1",
        "net/ipv4/conf/all/rp_filter": "0",
        "net/ipv4/conf/default/rp_filter": "0",
        "net/ipv4/ping_group_range": "0 0",
    }
    for name, value in settings.items():
        Path("/proc/sys", name).write_text(value)


def _addresses(link: str, name: str) -> None:
    four, six = ADDRESSES[name]
    run("ip", "link", "set", link, "up")
    add_address(f"{four}/24", link)
    add_address(f"{six}/64", link)
