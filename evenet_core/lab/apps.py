"""Apps as machines of their own: a namespace with a DHCP client that knows nothing of the node around it.

Which apps there are is what the agent says in `apps.json` (`evenet_core/apps/runtime.py`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evenet_core.lab.build import raise_loopback, write_settings
from evenet_core.lab.host import Host, kill_all, make_host, mount_namespace, start, unmount
from evenet_core.lab.web import Echo
from evenet_core.linux.inotify import Watcher
from evenet_core.linux.rtnl import Rtnl

__all__ = ["NAMESPACES", "Apps"]

NAMESPACES = "/run/netns"  # where the device finds them, as ip-netns(8) has it
log = logging.getLogger(__name__)

# dhcpcd.conf(5), as a small Linux guest has it
CLIENT = """\
nodev
noarp
noipv4ll
nodelay
timeout 0
allowinterfaces eth*
clientid
option classless_static_routes, domain_name_servers, domain_name, domain_search, host_name, interface_mtu, ntp_servers
option dhcp6_name_servers, dhcp6_domain_search
"""
# dhcpcd takes a route without a router (RFC 3442: on the link) for one to a single host; other clients do not.
# A machine is called as its network says, as with cloud images.
HOOK = """\
[ -n "${new_host_name:-}" ] && hostname "$new_host_name"
set -- ${new_classless_static_routes:-}
while [ $# -ge 2 ]; do
    [ "$2" = 0.0.0.0 ] && ip route replace "$1" dev "$interface" src "$new_ip_address"
    shift 2
done
"""
# A gateway app forwards, and what it forwards takes its own address.
GATEWAY = """\
table ip lab {
    chain postrouting { type nat hook postrouting priority 100; iifname "eth*" oifname "eth*" masquerade; }
}
"""


class _App:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.ports: dict[int, list[asyncio.Server]] = {}


class Apps:
    """Starts and stops apps as the agent's document says.

    :param directory: of the lab
    :param device: the host that runs the agent
    :param changed: called when there are other hosts than before
    """

    def __init__(self, directory: Path, device: Host, changed: Callable[[], None]) -> None:
        self._directory = directory
        self._device = device
        self._changed = changed
        self._running: dict[str, _App] = {}

    @property
    def hosts(self) -> dict[str, Host]:
        return {name: app.host for name, app in self._running.items()}

    async def follow(self, document: Path) -> None:
        """Runs until it is cancelled."""
        document.parent.mkdir(parents=True, exist_ok=True)
        with Watcher() as watcher:
            watcher.add(document.parent)
            while True:
                await self._arrange(document)
                await watcher.changes()

    async def _arrange(self, document: Path) -> None:
        try:
            wanted = {str(app["name"]): app for app in json.loads(document.read_bytes())}
        except (OSError, ValueError, TypeError, KeyError):
            return
        for name in self._running.keys() - wanted.keys():
            await self._stop(name)
        for name, app in wanted.items():
            try:
                if name not in self._running:
                    await self._start(name, gateway=bool(app["gateway_to"]))
                await self._serve(self._running[name], app["ports"])
            except OSError as error:
                log.error("app %s: %s", name, error)
        self._changed()

    async def _start(self, name: str, *, gateway: bool) -> None:
        directory = self._directory / f"app-{name}"
        host = make_host(name, directory)
        (directory / "etc" / "resolv.conf").write_text("")
        (directory / "etc" / "dhcpcd.conf").write_text(CLIENT)
        (directory / "etc" / "dhcpcd.exit-hook").write_text(HOOK)
        (directory / "lib" / "dhcpcd").mkdir(exist_ok=True)
        self._running[name] = _App(host)
        rtnl = Rtnl.open(host.net)
        try:
            await raise_loopback(rtnl)
        finally:
            rtnl.close()
        if gateway:
            write_settings(host, {"net/ipv4/ip_forward": "1"})
            (directory / "etc" / "gateway.nft").write_text(GATEWAY)
            start(host, ("nft", "-f", "/etc/gateway.nft"), directory / "log")
        start(host, ("dhcpcd", "-B", "-f", "/etc/dhcpcd.conf"), directory / "log")
        mount_namespace(self._device, host.net, f"{NAMESPACES}/{name}")

    async def _serve(self, app: _App, ports: list[Any]) -> None:
        """Something answers at each port that is forwarded to the app."""
        wanted = {int(entry["port"]) for entry in ports if entry["protocol"] == "tcp"}
        for port in app.ports.keys() - wanted:
            for server in app.ports.pop(port):
                server.close()
        for port in wanted - app.ports.keys():
            app.ports[port] = await Echo(app.host.name).serve(app.host.net, port)

    async def _stop(self, name: str) -> None:
        """As a machine whose power is cut."""
        app = self._running.pop(name)
        for servers in app.ports.values():
            for server in servers:
                server.close()
        kill_all(app.host)
        unmount(self._device, f"{NAMESPACES}/{name}")
        app.host.close()
