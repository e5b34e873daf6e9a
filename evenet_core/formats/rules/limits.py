"""How many of each thing a config may have. What a number is given to is limited by the numbers there are."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from evenet_core.formats.report import Path
from evenet_core.formats.rules.view import View

__all__ = ["check_limits"]

LIMITS = {
    "ports": 1024,
    "vlans": 256,
    "bonds": 64,
    "networks": 1024,
    "adapters": 256,  # routing tables 501 to 799
    "network_instances": 4000,  # routing tables from 801 on
    "apps": 65535,  # a number each, in names of their interfaces
    "port_access": 256,
    "enrolments": 64,
    "settings": 1024,
}
INTERFACES = 64  # of one app
RULES = 10_000  # of one interface
ROUTES = 1000  # of one network instance
LIST = 1000  # any other list


def check_limits(view: View) -> None:
    for path, values, most in _lists(view):
        if len(values) > most:
            view.problem(path, f"holds {len(values)}", f"at most {most} are possible")


def _lists(view: View) -> Iterator[tuple[Path, Sized, int]]:
    config = view.config
    yield from (((name,), getattr(config, name), most) for name, most in LIMITS.items())
    for n, network in enumerate(config.networks):
        yield from ((("networks", n, "ip", name), getattr(network.ip, name), LIST) for name in ("dns", "ntp"))
    for i, instance in enumerate(config.network_instances):
        path: Path = ("network_instances", i)
        yield (*path, "routes"), instance.routes, ROUTES
        for name in ("dns", "ntp", "hosts", "access_ports"):
            yield (*path, name), getattr(instance, name), LIST
    for a, app in enumerate(config.apps):
        yield ("apps", a, "interfaces"), app.interfaces, INTERFACES
        for i, interface in enumerate(app.interfaces):
            yield ("apps", a, "interfaces", i, "rules"), interface.rules, RULES
