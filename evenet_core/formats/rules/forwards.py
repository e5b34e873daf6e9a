"""Port forwards: one port of the node leads to one app."""

from __future__ import annotations

from collections.abc import Iterator

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.view import View
from evenet_core.model.instances import AclRule, InstanceType, NetworkInstance

__all__ = ["check_forwards"]


def check_forwards(view: View) -> None:
    """Forwards of active apps by port of the node, protocol and number; the first one has it."""
    holders: dict[tuple[str, str, int], Path] = {}
    for path, rule, instance in _forwards(view):
        for label in _ports(view, rule, instance):
            holder = holders.setdefault((label, rule.protocol, rule.local_port or 0), path)
            if holder != path:
                there = view.report.where(holder)
                text = f"{rule.protocol} port {rule.local_port} of {shown(label)} is forwarded already"
                view.problem((*path, "local_port"), text, f"{there} does it; use another port")
                break


def _forwards(view: View) -> Iterator[tuple[Path, AclRule, NetworkInstance]]:
    for path, interface, instance in view.interfaces:
        if not view.config.apps[int(path[1])].active or instance.type is not InstanceType.LOCAL:
            continue
        for r, rule in enumerate(interface.rules):
            if rule.forward is not None and rule.local_port:
                yield (*path, "rules", r), rule, instance


def _ports(view: View, rule: AclRule, instance: NetworkInstance) -> list[str]:
    """Labels of the adapters that a forward listens on."""
    mine = [adapter.label for adapter in view.answering(instance.port)]
    if not rule.adapter:
        return mine
    meant = {adapter.label for adapter in view.answering(rule.adapter)}
    return [label for label in mine if label in meant]
