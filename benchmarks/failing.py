"""Two uplinks, the cheaper one fails: how long the node's own traffic is cut off. evenet, NetworkManager, dhcpcd.

    node  eth0 -- world0   192.0.2.1      behind both: a server at 203.0.113.10, port 80
          eth1 -- world1   198.51.100.1

Traffic is a connection every 20 ms that nobody binds to a port, each with 150 ms of patience.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.idling import BUS, LIBRARIES, NETWORK_MANAGER
from benchmarks.restarting import AGENT

__all__ = ["FAILURES", "LIMIT", "MANAGERS", "measure_failing"]

SERVER, PORT = "203.0.113.10", 80
SIDES = {"eth0": ("192.0.2.10", "192.0.2.1"), "eth1": ("198.51.100.10", "198.51.100.1")}
LIMIT = 45.0  # seconds; who needs longer is not waited for
PATIENCE, PAUSE = 0.15, 0.02  # seconds
READY = 60.0
ANSWERS = f"""
import socket
server = socket.create_server(("{SERVER}", {PORT}), backlog=128)
print("listens", flush=True)
while True:
    server.accept()[0].close()
"""
EVENET = {
    "evenet": 1,
    "ports": [{"label": name, "interface": name} for name in SIDES],
    "networks": [
        {"name": name, "ip": {"mode": "static", "subnet": f"{gateway[:-1]}0/24", "gateway": gateway}}
        for name, (_, gateway) in SIDES.items()
    ],
    "adapters": [
        {"label": name, "network": name, "address": address, "uplink": True, "cost": cost}
        for cost, (name, (address, _)) in enumerate(SIDES.items())
    ],
}
CONNECTION = """[connection]
id={name}
type=ethernet
interface-name={name}
[ipv4]
method=manual
address1={address}/24,{gateway}
route-metric={metric}
[ipv6]
method=disabled
"""


def measure_failing(manager: str, failure: str) -> dict[str, Any]:
    """Seconds without connection; `LIMIT` = at least so long.

    :param failure: `cable`, `gateway` (silent, the carrier stays) or `beyond` (what is behind the gateway is)
    """
    with _world() as world, MANAGERS[manager]():
        _until(lambda: _connects() == SIDES["eth0"][0])
        time.sleep(3.0)  # all that follows from the start has happened
        match failure:
            case "cable":
                _in(world, "ip", "link", "set", "world0", "down")
            case "gateway":
                hook = "type filter hook ingress device world0 priority 0; policy drop;"
                _in(world, "nft", f"add table netdev quiet; add chain netdev quiet in {{ {hook} }}")
            case "beyond":
                hook = "type filter hook input priority 0;"
                rule = f"add rule inet quiet in iifname world0 ip daddr {SERVER} drop"
                _in(world, "nft", f"add table inet quiet; add chain inet quiet in {{ {hook} }}; {rule}")
        failed = time.monotonic()
        while (passed := time.monotonic() - failed) < LIMIT:
            began = time.monotonic()
            if _connects() == SIDES["eth1"][0]:
                return {"seconds": began - failed}
            time.sleep(PAUSE)
    return {"seconds": passed}


def _connects() -> str:
    """Own address of a connection to the server; empty = there is none."""
    with closing(socket.socket()) as sock, suppress(OSError):
        sock.settimeout(PATIENCE)
        sock.connect((SERVER, PORT))
        return str(sock.getsockname()[0])
    return ""


def _until(done: Any) -> None:
    deadline = time.monotonic() + READY
    while not done():
        assert time.monotonic() < deadline, "it does not get ready"
        time.sleep(PAUSE)


@contextmanager
def _world() -> Iterator[int]:
    """A namespace with both routers and the server; the pid of a process in it."""
    with subprocess.Popen(("unshare", "-n", "sleep", "infinity")) as keeper:
        here = os.stat("/proc/self/ns/net").st_ino
        _until(lambda: os.stat(f"/proc/{keeper.pid}/ns/net").st_ino != here)
        _in(keeper.pid, "ip", "link", "set", "lo", "up")
        _in(keeper.pid, "ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        for number, (name, (_, gateway)) in enumerate(SIDES.items()):
            peer = ("peer", "name", f"world{number}", "netns", str(keeper.pid))
            subprocess.run(("ip", "link", "add", name, "type", "veth", *peer), check=True)
            _in(keeper.pid, "ip", "address", "add", f"{gateway}/24", "dev", f"world{number}")
            _in(keeper.pid, "ip", "link", "set", f"world{number}", "up")
        command = ("nsenter", "-n", "-t", str(keeper.pid), sys.executable, "-c", ANSWERS)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            try:
                yield keeper.pid
            finally:
                server.kill()
                keeper.kill()


def _in(pid: int, *command: str) -> None:
    subprocess.run(("nsenter", "-n", "-t", str(pid), *command), check=True)


@contextmanager
def _evenet() -> Iterator[None]:
    config, settings = Path("/run/config.json"), Path("/run/settings.yaml")
    config.write_text(json.dumps(EVENET))
    settings.write_text(json.dumps({"resolv_conf": "", "controller": {"url": f"http://{SERVER}/"}}))
    arguments = ("--settings", str(settings), "--config", str(config))
    with subprocess.Popen((*AGENT, *arguments), stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


@contextmanager
def _network_manager() -> Iterator[None]:
    _without_udev()
    for directory in ("/run/dbus", "/run/nm/connections", "/var/lib/NetworkManager"):
        Path(directory).mkdir(parents=True)
    Path("/run/bus.conf").write_text(BUS)
    Path("/run/nm/NetworkManager.conf").write_text(
        "[main]\nplugins=keyfile\n[keyfile]\npath=/run/nm/connections\n"
        f"[connectivity]\nuri=http://{SERVER}/\ninterval=300\n"  # as Debian sets it
    )
    for number, (name, (address, gateway)) in enumerate(SIDES.items()):
        connection = Path(f"/run/nm/connections/{name}.nmconnection")
        connection.touch(0o600)
        metric = 100 * (number + 1)
        connection.write_text(CONNECTION.format(name=name, address=address, gateway=gateway, metric=metric))
    subprocess.run(("dbus-daemon", "--config-file", "/run/bus.conf", "--fork"), check=True)
    program = str(NETWORK_MANAGER / "usr/sbin/NetworkManager")
    environment = os.environ | {"LD_LIBRARY_PATH": LIBRARIES}
    command = (program, "--no-daemon", "--config", "/run/nm/NetworkManager.conf")
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


@contextmanager
def _dhcpcd() -> Iterator[None]:
    _without_udev()
    lines = ["nodev", "noipv6", "nohook resolv.conf, hostname, timesyncd"]
    for number, (name, (address, gateway)) in enumerate(SIDES.items()):
        metric = 100 * (number + 1)
        lines += [
            f"interface {name}",
            f"metric {metric}",
            f"static ip_address={address}/24",
            f"static routers={gateway}",
        ]
    Path("/run/dhcpcd").mkdir(exist_ok=True)
    Path("/run/dhcpcd.conf").write_text("\n".join(lines) + "\n")
    command = ("dhcpcd", "-B", "-f", "/run/dhcpcd.conf", *SIDES)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def _without_udev() -> None:
    """Who sees a /sys that can be written waits for a udev that is not here."""
    subprocess.run(("mount", "-o", "remount,ro", "/sys"), check=True)


FAILURES = ("cable", "gateway", "beyond")
MANAGERS = {"evenet": _evenet, "NetworkManager": _network_manager, "dhcpcd": _dhcpcd}
