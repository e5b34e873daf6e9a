"""What is around a node in the present network namespace: cables, a world behind them, apps, and what is others'."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from evenet_core.linux.netns import inside, make_namespace
from tests.support.kernel import run
from tests.support.uplink import own_client_files

__all__ = ["Surroundings", "adopted_orphans", "members", "surroundings"]

PR_SET_CHILD_SUBREAPER = 36

FOREIGN = """
    ip link add foreign0 type bridge && ip link set foreign0 up alias mine mtu 1480
    ip address add 10.99.0.1/24 dev foreign0 noprefixroute
    ip route add 10.98.0.0/16 via 10.99.0.2 dev foreign0 onlink table 502 proto static
    ip rule add from 10.99.0.0/24 lookup 77 priority 12345
    nft 'add table inet other; add chain inet other c { type filter hook forward priority 0; }'
    nft 'add rule inet other c counter comment "not yours"'
"""


class Surroundings:
    """Ports `eth0`, `eth1` ... with cables to a world that is 10.0.N.1 and leases 10.0.N.100; apps' namespaces.

    :param home: directory of state, run directory and whatever else the node has.
    """

    def __init__(self, home: Path, ports: int, apps: Sequence[str]) -> None:
        self.home = home
        self.apps = home / "apps"
        self.apps.mkdir()
        self._namespaces = [make_namespace()]
        self._daemons: list[subprocess.Popen[bytes]] = []
        for number in range(ports):
            self._cable(number)
        self._serve(ports)
        for app in apps:
            self._app(app)
        (home / "resolv.conf").write_text("nameserver 192.0.2.53\n")
        (home / "settings.yaml").write_text(
            f"resolv_conf: {home}/resolv.conf\napp_namespaces: {home}/apps/{{app}}\n", encoding="utf-8"
        )

    def others(self) -> int:
        """Things that are not evenet's, a dnsmasq among them. Its pid."""
        run("sh", "-ec", FOREIGN)
        daemon = subprocess.Popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"),
                *("--interface=foreign0", "--bind-interfaces", "--dhcp-range=10.99.0.10,10.99.0.20", "--pid-file"),
                f"--dhcp-leasefile={self.home}/foreign-leases",
            ],
            stderr=subprocess.DEVNULL,
        )
        self._daemons.append(daemon)
        return daemon.pid

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        for namespace in self._namespaces:
            os.close(namespace)

    def _cable(self, number: int) -> None:
        mac = f"02:00:00:00:00:{number + 1:02x}"
        peer = ("peer", "name", f"world{number}", "netns", f"/proc/{os.getpid()}/fd/{self._namespaces[0]}")
        run("ip", "link", "add", f"eth{number}", "address", mac, "type", "veth", *peer)
        with inside(self._namespaces[0]):
            run("ip", "address", "add", f"10.0.{number}.1/24", "dev", f"world{number}")
            run("ip", "link", "set", f"world{number}", "up")

    def _serve(self, ports: int) -> None:
        """DHCP on every cable; a port gets the same address every time."""
        ranges = [f"--dhcp-range=10.0.{n}.100,10.0.{n}.100,255.255.255.0,1h" for n in range(ports)]
        with inside(self._namespaces[0]):
            daemon = subprocess.Popen(
                [
                    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"),
                    *("--bind-dynamic", "--no-ping", "--dhcp-authoritative", "--pid-file", *ranges),
                    *(f"--dhcp-leasefile={self.home}/leases", "--dhcp-option=6,10.0.0.53"),
                ],
                stderr=subprocess.DEVNULL,
            )
        self._daemons.append(daemon)

    def _app(self, name: str) -> None:
        namespace = make_namespace()
        self._namespaces.append(namespace)
        (self.apps / name).touch()
        run("mount", "--bind", f"/proc/{os.getpid()}/fd/{namespace}", str(self.apps / name))


@contextmanager
def surroundings(home: Path, ports: int = 3, apps: Sequence[str] = ()) -> Iterator[Surroundings]:
    """Whatever happens inside, no process of the namespace and no file of a DHCP client outlives it."""
    with own_client_files():
        around = Surroundings(home, ports, apps)
        try:
            yield around
        finally:
            around.close()
            _end_all()
            for name in apps:
                run("umount", str(around.apps / name))


@contextmanager
def adopted_orphans() -> Iterator[None]:
    """Inside, whoever has lost its parent is this process's child, and is buried by it at the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        bury()


def _end_all() -> None:
    """Kill every process of this namespace but ourselves."""
    deadline = monotonic() + 20
    while found := members():
        assert monotonic() < deadline, f"these do not die: {found}"
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sleep(0.01)
        bury()


def bury() -> None:
    """Orphans that died: tests come one after the other, and nobody waits for another child meanwhile."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def members() -> list[int]:
    """Processes of the present network namespace, without this one."""
    mine = os.stat("/proc/thread-self/ns/net").st_ino
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if os.stat(f"{entry.path}/ns/net").st_ino == mine:
                    found.append(int(entry.name))
    return found
