"""An agent with nothing to do: how often it wakes up, and how much memory it holds. NetworkManager beside it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.restarting import converged, resident, start_agent, written_site

__all__ = ["NETWORK_MANAGER", "measure_idle", "measure_idle_network_manager"]

NETWORK_MANAGER = Path("build/networkmanager").resolve()  # where `make bench` unpacks it
LIBRARIES = ":".join(str(NETWORK_MANAGER / place) for place in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
MINUTE = 60.0
REST = 10.0  # seconds after the start until nothing of it is left to be done
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
CONNECTION = """[connection]
id=eth0
type=ethernet
interface-name=eth0
[ipv4]
method=manual
address1=192.0.2.10/24,192.0.2.1
[ipv6]
method=disabled
"""


def measure_idle(instances: int, apps: int) -> dict[str, Any]:
    """Wake-ups in a minute, and megabytes in memory."""
    arguments = written_site(instances, apps)
    with start_agent(*arguments) as process:
        converged(instances)
        return _minute(process.pid)


def measure_idle_network_manager() -> dict[str, Any]:
    """The same with one static uplink; it has no network instances."""
    subprocess.run(("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world"), check=True)
    subprocess.run(("ip", "link", "set", "world", "up"), check=True)
    subprocess.run(("mount", "-o", "remount,ro", "/sys"), check=True)  # else it waits for a udev that is not here
    for directory in ("/run/dbus", "/run/nm/connections", "/var/lib/NetworkManager"):
        Path(directory).mkdir(parents=True)
    Path("/run/bus.conf").write_text(BUS)
    Path("/run/nm/NetworkManager.conf").write_text("[main]\nplugins=keyfile\n[keyfile]\npath=/run/nm/connections\n")
    connection = Path("/run/nm/connections/eth0.nmconnection")
    connection.touch(0o600)
    connection.write_text(CONNECTION)
    subprocess.run(("dbus-daemon", "--config-file", "/run/bus.conf", "--fork"), check=True)
    program = (
        str(NETWORK_MANAGER / "usr/sbin/NetworkManager"),
        "--no-daemon",
        "--config",
        "/run/nm/NetworkManager.conf",
    )
    environment = os.environ | {"LD_LIBRARY_PATH": LIBRARIES}
    with subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL) as process:
        found = _minute(process.pid)
        has = subprocess.run(("ip", "address", "show", "eth0"), check=True, capture_output=True, text=True).stdout
        assert "192.0.2.10" in has, has
        process.terminate()
    return found


def _minute(pid: int) -> dict[str, Any]:
    time.sleep(REST)
    before = _sleeps(pid)
    time.sleep(MINUTE)
    return {"wakeups": _sleeps(pid) - before, "resident": resident(pid)}


def _sleeps(pid: int) -> int:
    """How often its threads went to sleep: as often as they woke up."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    lines = [line for thread in threads for line in (thread / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
