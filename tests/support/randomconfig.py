"""Configs at random, one small change after the other: each is valid, and differs from the one before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

__all__ = ["APPS", "PORTS", "RandomConfig"]

APPS = tuple(f"app{n}" for n in range(8))
PORTS = 4
INSTANCES = 5
BASE: dict[str, Any] = {
    "evenet": 1,
    "ports": [{"label": f"p{n}", "interface": f"eth{n}"} for n in range(PORTS)],
    "networks": [
        {
            "name": "p0",
            "mtu": 1500,
            "ip": {
                "mode": "static",
                "family": "ipv4",
                "subnet": "10.0.0.0/24",
                "gateway": "10.0.0.1",
                "dns": ["10.0.0.53"],
            },
        },
        {"name": "p1", "ip": {"mode": "dhcp", "family": "ipv4"}},
    ],
    "adapters": [
        {"label": "p0", "network": "p0", "address": "10.0.0.7", "uplink": True},
        {"label": "p1", "network": "p1", "uplink": True, "cost": 3},
        {"label": "p2"},
    ],
    "network_instances": [],
    "apps": [],
}


class RandomConfig:
    """`step` changes something; `text` is the config as it is then."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._config = deepcopy(BASE)
        # how often each, of 100: what starts and stops daemons is rarer
        self._steps: list[tuple[int, Callable[[], bool]]] = [
            (16, self._add_app),
            (10, self._remove_app),
            (22, self._change_rules),
            (12, self._change_forward),
            (5, self._add_instance),
            (4, self._remove_instance),
            (8, self._change_hosts),
            (3, self._change_domain),
            (8, self._change_routes),
            (6, self._change_address),
            (3, self._change_mtu),
            (2, self._change_mode),
            (1, self._change_port),
        ]

    @property
    def text(self) -> str:
        return json.dumps(self._config)

    def step(self) -> str:
        """One change; what kind of."""
        while True:
            [change] = self._random.choices([c for _, c in self._steps], [weight for weight, _ in self._steps])
            before = deepcopy(self._config)
            if change() and self._config != before:
                return change.__name__.strip("_").replace("_", " ")

    # -- apps -----------------------------------------------------------------------------------------

    def _add_app(self) -> bool:
        apps, instances = self._config["apps"], self._config["network_instances"]
        free = sorted(set(APPS) - {app["name"] for app in apps})
        if not free or not instances:
            return False
        mine = self._random.sample(instances, self._random.randint(1, min(2, len(instances))))
        interfaces = [
            {"name": f"if{n}", "network_instance": instance["name"], "rules": self._rules()}
            for n, instance in enumerate(mine)
        ]
        apps.append({"name": self._random.choice(free), "interfaces": interfaces})
        return True

    def _remove_app(self) -> bool:
        apps = self._config["apps"]
        if apps:
            apps.remove(self._random.choice(apps))
        return bool(apps)

    def _change_rules(self) -> bool:
        interface = self._some_interface()
        if interface is not None:
            forwards = [rule for rule in interface["rules"] if "forward" in rule]
            interface["rules"] = [*self._rules(), *forwards]
        return interface is not None

    def _rules(self) -> list[dict[str, Any]]:
        made = []
        for number in range(1, self._random.randint(1, 4)):
            rule: dict[str, Any] = {"id": number, "remote": f"10.{self._random.randint(0, 255)}.0.0/16"}
            if self._random.random() < 0.5:
                rule |= {"protocol": "tcp", "remote_port": self._random.randint(1, 65535)}
            if self._random.random() < 0.2:
                rule["action"] = "drop"
            elif self._random.random() < 0.2:
                rule["limit"] = {"rate": self._random.randint(1, 500), "burst": 100}
            made.append(rule)
        return made

    def _change_forward(self) -> bool:
        """One forward an app at most: each has a port of the node to itself."""
        interface = self._some_interface(local=True)
        if interface is None:
            return False
        others = [rule for rule in interface["rules"] if "forward" not in rule]
        rules = interface["rules"] = others
        if self._random.random() < 0.7:
            number = 2000 + self._random.randint(0, 60000)
            taken = {rule.get("local_port") for _, one in self._interfaces() for rule in one["rules"]}
            if number in taken:
                return False
            forward = {"app_port": self._random.randint(1, 65535)}
            rules.append({"id": 9, "protocol": "tcp", "local_port": number, "forward": forward})
        return True

    def _interfaces(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [(app, interface) for app in self._config["apps"] for interface in app["interfaces"]]

    def _some_interface(self, *, local: bool = False) -> dict[str, Any] | None:
        found = [one for _, one in self._interfaces() if not local or one["network_instance"] != "switch"]
        return self._random.choice(found) if found else None

    # -- network instances ----------------------------------------------------------------------------

    def _add_instance(self) -> bool:
        instances = self._config["network_instances"]
        names = {f"net{n}": f"10.{60 + n}.0.0/24" for n in range(INSTANCES)} | {"switch": ""}
        free = sorted(names.keys() - {instance["name"] for instance in instances})
        if not free:
            return False
        name = self._random.choice(free)
        if name == "switch":
            instances.append({"name": name, "type": "switch", "port": "p2"})
        else:
            port = self._random.choice(["p0", "p1", "uplink", ""])
            instances.append({"name": name, "subnet": names[name], "port": port})
        return True

    def _remove_instance(self) -> bool:
        instances = self._config["network_instances"]
        if len(instances) < 2:
            return False
        gone = self._random.choice(instances)
        instances.remove(gone)
        for app in self._config["apps"]:
            app["interfaces"] = [one for one in app["interfaces"] if one["network_instance"] != gone["name"]]
        self._config["apps"] = [app for app in self._config["apps"] if app["interfaces"]]
        return True

    def _some_local(self) -> dict[str, Any] | None:
        found = [instance for instance in self._config["network_instances"] if "subnet" in instance]
        return self._random.choice(found) if found else None

    def _change_hosts(self) -> bool:
        instance = self._some_local()
        if instance is not None:
            names = self._random.sample(["printer", "scale", "door", "camera"], self._random.randint(0, 3))
            address = instance["subnet"].replace("0/24", str(self._random.randint(10, 99)))
            instance["hosts"] = [{"name": f"{name}.example", "addresses": [address]} for name in names]
        return instance is not None

    def _change_domain(self) -> bool:
        instance = self._some_local()
        if instance is not None:
            instance["domain"] = f"d{self._random.randint(0, 99)}.example"
        return instance is not None

    def _change_routes(self) -> bool:
        instance = self._some_local()
        if instance is None or not instance["port"]:
            return False
        numbers = self._random.sample(range(100, 200), self._random.randint(0, 4))
        port = "p0" if instance["port"] == "uplink" else instance["port"]  # a choice of two would tell of the past
        instance["routes"] = [{"destination": f"10.{n}.0.0/16", "port": port} for n in numbers]
        return True

    # -- adapters -------------------------------------------------------------------------------------

    def _change_address(self) -> bool:
        self._config["adapters"][0]["address"] = f"10.0.0.{self._random.randint(2, 9)}"
        return True

    def _change_mtu(self) -> bool:
        self._config["networks"][0]["mtu"] = self._random.choice([1400, 1450, 1500])
        return True

    def _change_mode(self) -> bool:
        """The second port has a lease, or an address of its own."""
        adapter, network = self._config["adapters"][1], self._config["networks"][1]
        if network["ip"]["mode"] == "dhcp":
            adapter["address"] = "10.0.1.8"
            network["ip"] = {"mode": "static", "family": "ipv4", "subnet": "10.0.1.0/24", "gateway": "10.0.1.1"}
        else:
            del adapter["address"]
            network["ip"] = {"mode": "dhcp", "family": "ipv4"}
        return True

    def _change_port(self) -> bool:
        """One more port is an adapter, or is no longer."""
        adapters = self._config["adapters"]
        more = [adapter for adapter in adapters if adapter["label"] == "p3"]
        if more:
            adapters.remove(more[0])
            self._config["networks"] = [one for one in self._config["networks"] if one["name"] != "p3"]
        else:
            ip = {"mode": "static", "family": "ipv4", "subnet": "10.0.3.0/24"}
            self._config["networks"].append({"name": "p3", "ip": ip})
            adapters.append({"label": "p3", "network": "p3", "address": "10.0.3.7", "cost": 9})
        return True
