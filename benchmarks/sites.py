"""The work that is measured: N local network instances with M apps each (one veth, ACL rules and a forward each)."""

from __future__ import annotations

from typing import Any

__all__ = ["app_name", "device_config", "host_port", "namespaces", "subnet"]


def device_config(instances: int, apps: int, extra: int = 0) -> dict[str, Any]:
    """evenet's own format; `extra` apps more in the first instance."""
    return {
        "evenet": 1,
        "ports": [{"label": "eth0", "interface": "eth0"}],
        "networks": [{"name": "wan", "ip": _STATIC}],
        "adapters": [{"label": "eth0", "network": "wan", "uplink": True, "address": "192.0.2.10"}],
        "network_instances": [_instance(i) for i in range(instances)],
        "apps": [_app(i, j) for i in range(instances) for j in range(apps + (extra if i == 0 else 0))],
    }


def subnet(instance: int) -> str:
    return f"10.{100 + instance // 250}.{instance % 250}.0/24"


def app_name(instance: int, app: int) -> str:
    """Also the name of its network namespace."""
    return f"app{instance}-{app}"


def host_port(instance: int, app: int) -> int:
    """Port of the node that leads to the app."""
    return 10000 + instance * 100 + app


def namespaces(config: dict[str, Any]) -> list[str]:
    """Names of the apps' network namespaces."""
    return [app["name"] for app in config["apps"]]


_STATIC = {"mode": "static", "subnet": "192.0.2.0/24", "gateway": "192.0.2.1", "dns": ["192.0.2.1"]}


def _instance(number: int) -> dict[str, Any]:
    return {"name": f"ni{number}", "port": "eth0", "subnet": subnet(number)}


def _app(instance: int, number: int) -> dict[str, Any]:
    rules: list[dict[str, Any]] = [
        {"id": 1, "remote": "198.51.100.0/24"},
        {"id": 2, "protocol": "tcp", "remote": "0.0.0.0/0", "remote_port": 443},
        {"id": 3, "protocol": "udp", "remote": "203.0.113.0/24", "remote_port": 5000, "remote_port_end": 5100},
        {
            "id": 4,
            "protocol": "tcp",
            "local_port": host_port(instance, number),
            "forward": {"app_port": 22},
        },
    ]
    return {
        "name": app_name(instance, number),
        "interfaces": [{"name": "if0", "network_instance": f"ni{instance}", "rules": rules}],
    }
