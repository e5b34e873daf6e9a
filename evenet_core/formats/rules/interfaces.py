"""Names of network interfaces: what the kernel takes, and none that evenet or the kernel gives to others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from evenet_core.formats.report import Path, Report
from evenet_core.formats.rules.view import once
from evenet_core.formats.words import found
from evenet_core.model.ports import lower_name
from evenet_core.model.values import InterfaceName

__all__ = ["check_interfaces"]

_NAME = get_args(InterfaceName)[1]  # pattern and words
_PATTERN = re.compile(_NAME.pattern)
# loopback; what sysctl calls all interfaces; what bonding brings by itself; bridges and interfaces of apps
_TAKEN = re.compile(r"lo|all|default|bond0|bn\d+|nbu\d+x\d+(-emu)?")


def check_interfaces(report: Report, names: Iterable[tuple[Path, str, bool]]) -> None:
    """
    :param names: each with its path, and whether a bridge takes it; the port below is then called `k<name>`.
    """
    names = [(path, name, bridged) for path, name, bridged in names if name]
    once(report, "interface", ((path, name) for path, name, _ in names))
    by_name = {name: path for path, name, _ in names}
    for path, name, bridged in names:
        if not _PATTERN.search(name):
            report.at(path, f"is {found(name)}", f"write {_NAME.description}")
        elif _TAKEN.fullmatch(name):
            report.at(path, f"{name} is a name that the system or evenet gives to others", "use another name")
        below = lower_name(name)
        if bridged and below in by_name:
            there = report.where(by_name[below])
            report.at(path, f"the port below {name} would be called {below}, as {there} is", "use another name")
