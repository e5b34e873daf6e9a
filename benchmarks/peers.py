"""The same networks for the same apps by netavark with aardvark-dns, and by the CNI plugins.

Each is called as container engines call it. They do less: neither has access rules of apps, CNI has no names either.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from benchmarks.arena import NAMESPACES, make_app_namespaces
from benchmarks.sites import app_name, device_config, host_port, namespaces, subnet

__all__ = ["measure_cni", "measure_netavark"]

NETAVARK, AARDVARK = "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns"
CNI = Path("/usr/lib/cni")
EXTRA = 3  # endpoints added one by one at the end

Connect = Callable[[int, int], None]  # the app of this number to the instance of this number


def measure_netavark(instances: int, apps: int) -> dict[str, Any]:
    """Seconds for all, and for each app added afterwards."""
    config = Path("/run/netavark")
    config.mkdir()

    def connect(instance: int, app: int) -> None:
        container = app_name(instance, app)
        network = {
            "name": f"ni{instance}",
            "id": f"{instance:064x}",
            "driver": "bridge",
            "network_interface": f"podman{instance}",
            "subnets": [{"subnet": subnet(instance), "gateway": _address(instance, 1)}],
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": True,
            "ipam_options": {"driver": "host-local"},
        }
        forward = {"container_port": 22, "host_port": host_port(instance, app), "host_ip": "", "protocol": "tcp"}
        asked = {
            "container_id": f"{instance:032x}{app:032x}",
            "container_name": container,
            "networks": {
                network["name"]: {
                    "interface_name": "eth0",
                    "static_ips": [_address(instance, app + 2)],
                    "aliases": [container],
                }
            },
            "network_info": {network["name"]: network},
            "port_mappings": [forward | {"range": 1}],
        }
        command = (NETAVARK, "--config", str(config), "-a", AARDVARK, "setup", str(NAMESPACES / container))
        _call(command, asked)

    return _measure(instances, apps, connect)


def measure_cni(instances: int, apps: int) -> dict[str, Any]:
    """Seconds for all, and for each app added afterwards: bridge, portmap and firewall, one after the other."""

    def connect(instance: int, app: int) -> None:
        container = app_name(instance, app)
        environment = {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": container,
            "CNI_NETNS": str(NAMESPACES / container),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(CNI),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        common = {"cniVersion": "0.4.0", "name": f"ni{instance}"}
        ipam = {
            "type": "host-local",
            "subnet": subnet(instance),
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/run/cni",
        }
        forward = {"hostPort": host_port(instance, app), "containerPort": 22, "protocol": "tcp"}
        bridge = {"type": "bridge", "bridge": f"cni{instance}", "isGateway": True, "ipMasq": True, "ipam": ipam}
        portmap = {
            "type": "portmap",
            "capabilities": {"portMappings": True},
            "runtimeConfig": {"portMappings": [forward]},
        }
        result: dict[str, Any] = {}
        for plugin in (bridge, portmap, {"type": "firewall", "backend": "iptables"}):
            given = {"prevResult": result} if result else {}
            result = _call((str(CNI / str(plugin["type"])),), {**common, **plugin, **given}, environment)

    return _measure(instances, apps, connect)


def _measure(instances: int, apps: int, connect: Connect) -> dict[str, Any]:
    make_app_namespaces(namespaces(device_config(instances, apps, EXTRA)))
    start = time.perf_counter()
    for instance in range(instances):
        for app in range(apps):
            connect(instance, app)
    whole = time.perf_counter() - start
    one_more = []
    for app in range(apps, apps + EXTRA):
        start = time.perf_counter()
        connect(0, app)
        one_more.append(time.perf_counter() - start)
    for instance in range(instances):
        _reaches_its_gateway(instance, apps - 1)
    return {"whole": whole, "one_more": one_more}


def _reaches_its_gateway(instance: int, app: int) -> None:
    ping = ("ping", "-c", "1", "-W", "5", _address(instance, 1))
    subprocess.run(("ip", "netns", "exec", app_name(instance, app), *ping), check=True, stdout=subprocess.DEVNULL)


def _call(command: tuple[str, ...], asked: Any, environment: dict[str, str] | None = None) -> Any:
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout or "{}")


def _address(instance: int, host: int) -> str:
    return str(ip_network(subnet(instance))[host])
