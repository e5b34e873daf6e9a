"""The device: an agent that is started again when it fails, as a service manager would."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from evenet_core.lab.apps import NAMESPACES
from evenet_core.lab.host import ENVIRONMENT, Host, start

__all__ = ["Supervisor", "furnish_device", "start_chronyd"]

RESTART = 0.2  # seconds between the end of an agent and the start of the next
log = logging.getLogger(__name__)

# Time servers come from evenet alone; the machine's clock is nobody's to set.
CHRONY = """\
sourcedir /run/chrony-dhcp
bindcmdaddress /run/chrony/chronyd.sock
pidfile /run/chrony/chronyd.pid
driftfile /var/lib/chrony/drift
"""
SETTINGS = """\
controller:
  url: https://{controller}/api/v2/edgedevice/ping
  ca: /etc/evenet/ca.pem
app_namespaces: {namespaces}/{{app}}
"""


def furnish_device(device: Host, controller: str, ca: bytes, documents: dict[str, bytes]) -> None:
    """Files in the device's /etc/evenet."""
    directory = device.directory / "etc" / "evenet"
    directory.mkdir(parents=True, exist_ok=True)
    settings = SETTINGS.format(controller=controller, namespaces=NAMESPACES)
    for name, data in {"settings.yaml": settings.encode(), "ca.pem": ca, **documents}.items():
        (directory / name).write_bytes(data)
    (device.directory / "etc" / "chrony").mkdir(exist_ok=True)
    (device.directory / "etc" / "chrony" / "lab.conf").write_text(CHRONY)
    for name in ("chrony-dhcp", "chrony"):
        (device.directory / "run" / name).mkdir(mode=0o750 if name == "chrony" else 0o755, exist_ok=True)
    (device.directory / "etc" / "resolv.conf").write_text("# written by the lab\n")
    for name in ("evenet", "dhcpcd", "misc", "chrony"):
        (device.directory / "lib" / name).mkdir(exist_ok=True)


def start_chronyd(device: Host) -> None:
    """The device's time daemon, as a service manager would start it; it never sets the clock."""
    if shutil.which("chronyd", path=ENVIRONMENT["PATH"]):
        argv = ("chronyd", "-d", "-x", "-u", "root", "-f", "/etc/chrony/lab.conf")
        start(device, argv, device.directory / "log")


class Supervisor:
    """Keeps the agent running.

    :param ended: waits for the end of a process
    :param ready: called each time the agent says that it is (sd_notify(3))
    """

    def __init__(
        self, device: Host, arguments: Sequence[str], ended: Callable[[int], Awaitable[int]], ready: Callable[[], None]
    ) -> None:
        self._device = device
        self._arguments = arguments
        self._ended = ended
        self._ready = ready

    async def run(self, log_file: Path) -> None:
        """Runs until the agent has ended because it was told to, or this is cancelled."""
        notices = self._notices()
        argv = ("evenet", "run", *self._arguments)
        environment = ENVIRONMENT | {"NOTIFY_SOCKET": "/run/lab-notify"}
        try:
            while True:
                pid = start(self._device, argv, log_file, environment)
                (self._device.directory / "run" / "agent.pid").write_text(f"{pid}\n")
                status = await self._ended(pid)
                log.info("agent ended with status %d", status)
                if not status:
                    return
                await asyncio.sleep(RESTART)
        finally:
            asyncio.get_running_loop().remove_reader(notices)
            notices.close()

    def _notices(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        opened.bind(str(self._device.directory / "run" / "lab-notify"))
        asyncio.get_running_loop().add_reader(opened, self._take, opened)
        return opened

    def _take(self, opened: socket.socket) -> None:
        while True:
            try:
                said = opened.recv(4096)
            except BlockingIOError:
                return
            if b"READY=1" in said.splitlines():
                self._ready()
