"""Sites of the acceptance scenarios, as network models; and the configs that their devices get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["adapter", "dhcp", "eve_config", "network", "port_config", "site_model", "static", "write_json"]

DNS = "10.16.16.25"
CONTROLLER = "mydomain.adam"


def site_model(*subnets: str, dhcp_server: bool = True) -> dict[str, Any]:
    """A cable for each of these IPv4 networks, each of which leads to the controller and to a name server."""
    numbers = range(len(subnets))
    return {
        "ports": [{"logicalLabel": f"eveport{n}", "adminUP": True} for n in numbers],
        "bridges": [{"logicalLabel": f"bridge{n}", "ports": [f"eveport{n}"]} for n in numbers],
        "networks": [
            {
                "logicalLabel": f"network{n}",
                "bridge": f"bridge{n}",
                "subnet": subnet,
                "gwIP": subnet.replace("0/24", "1"),
                "dhcp": {"enable": dhcp_server, "domainName": "test", "privateDNS": ["dns"]},
                "router": {"outsideReachability": True, "reachableEndpoints": ["dns"]},
            }
            for n, subnet in enumerate(subnets)
        ],
        "endpoints": {
            "dnsServers": [
                {
                    "logicalLabel": "dns",
                    "fqdn": "dns.test",
                    "subnet": "10.16.16.0/24",
                    "ip": DNS,
                    "staticEntries": [{"fqdn": CONTROLLER, "ip": "adam-ip"}],
                }
            ]
        },
    }


def network(name: str, **ip: Any) -> dict[str, Any]:
    """A network object of a device config: IPv4 only."""
    return {"id": name, "type": 7, "ip": ip}


def dhcp(name: str = "6605d17b-3273-4108-8e6e-4965441ebe01") -> dict[str, Any]:
    return network(name, dhcp=4)


def static(subnet: str, name: str = "6605d17b-3273-4108-8e6e-4965441ebe02") -> dict[str, Any]:
    return network(name, dhcp=1, subnet=subnet, gateway=subnet.replace("0/24", "1"), dns=[DNS])


def adapter(name: str, of: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "uplink": True, "networkUUID": of["id"], **more}


def eve_config(adapters: Sequence[Mapping[str, Any]], *networks: Mapping[str, Any], **items: Any) -> dict[str, Any]:
    """A device config with these adapters, each on the port `ethernetN` of interface `ethN`.

    :param items: device properties, with underscores for the dots of their names
    """
    labels = dict.fromkeys(str(one.get("lowerLayerName", one["name"])) for one in adapters)
    ports = [
        {"ptype": 1, "phylabel": name, "logicallabel": label, "phyaddrs": {"ifname": name}, "usage": 1}
        for label in labels
        if (name := label.replace("ethernet", "eth"))
    ]
    return {
        "deviceIoList": ports,
        "networks": list(networks),
        "systemAdapterList": list(adapters),
        "configItems": [{"key": key.replace("_", "."), "value": str(value)} for key, value in items.items()],
    }


def port_config(*ports: Mapping[str, Any], key: str = "", at: str = "2000-01-01T00:00:00Z") -> dict[str, Any]:
    """A DevicePortConfig of first-boot files."""
    return {"Version": 1, "Key": key, "TimePriority": at, "Ports": list(ports)}


def write_json(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)
