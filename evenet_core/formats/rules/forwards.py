"""Port forwards: one port of the node leads to one app."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.view import View
from evenet_core.model.instances import AclRule, InstanceType, NetworkInstance

__all__ = ["check_forwards"]


Meaning = tuple[str, str]  # label of the instance's ports, label that the rule asks for


def check_forwards(view: View) -> None:
    """Forwards of active apps to the same number of the same protocol; on each port the first one has it."""
    same: dict[tuple[str, int], list[tuple[Path, Meaning]]] = defaultdict(list)
    for path, rule, instance in _forwards(view):
        same[rule.protocol, rule.local_port or 0].append((path, (instance.port, rule.adapter)))
    for (protocol, port), forwards in same.items():
        if len(forwards) > 1:
            _check_same(view, f"{protocol} port {port}", forwards)


def _check_same(view: View, what: str, forwards: list[tuple[Path, Meaning]]) -> None:
    holders: dict[str, Path] = {}
    for path, meaning in forwards:
        labels = _ports(view, *meaning)
        taken = next((label for label in labels if label in holders), None)
        if taken is not None:
            there = view.report.where(holders[taken])
            text = f"{what} of {shown(taken)} is forwarded already"
            view.problem((*path, "local_port"), text, f"{there} does it; use another port")
        for label in labels:
            holders.setdefault(label, path)


def _forwards(view: View) -> Iterator[tuple[Path, AclRule, NetworkInstance]]:
    for path, interface, instance in view.interfaces:
        if not view.config.apps[int(path[1])].active or instance.type is not InstanceType.LOCAL:
            continue
        for r, rule in enumerate(interface.rules):
            if rule.forward is not None and rule.local_port:
                yield (*path, "rules", r), rule, instance


def _ports(view: View, instance: str, rule: str) -> list[str]:
    """Labels of the adapters that a forward listens on."""
    mine = [adapter.label for adapter in view.answering(instance)]
    if not rule:
        return mine
    meant = {adapter.label for adapter in view.answering(rule)}
    return [label for label in mine if label in meant]
