"""Labels, names and UUIDs: each says one thing only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.interfaces import check_interfaces
from evenet_core.formats.rules.view import View, once
from evenet_core.model.adapters import BUILT_IN_LABELS

__all__ = ["check_identity"]

_PATH_STEP = re.compile(r"\.{0,2}\Z|.*/")


def check_identity(view: View) -> None:
    config, report = view.config, view.report
    once(report, "label", (((*path, "label"), layer.label) for path, layer in view.each_layer()))
    once(report, "label", ((("adapters", i, "label"), a.label) for i, a in enumerate(config.adapters)))
    for part in ("networks", "network_instances", "apps", "enrolments"):
        once(report, "name", (((part, i, "name"), one.name) for i, one in enumerate(getattr(config, part))))
    _check_uuids(view)
    _check_app_names(view)
    _check_labels(view)
    check_interfaces(report, _interfaces(view))


def _check_uuids(view: View) -> None:
    """Keys of instances and apps: UUIDs, and no name of another one."""
    for part in ("network_instances", "apps"):
        objects = getattr(view.config, part)
        once(view.report, "UUID", (((part, i, "uuid"), one.uuid) for i, one in enumerate(objects)))
        names = {one.name: i for i, one in enumerate(objects)}
        for i, one in enumerate(objects):
            if one.uuid and not _is_uuid(one.uuid):
                view.problem((part, i, "uuid"), f"is {shown(one.uuid)}", "write a UUID in lower case")
            elif one.uuid and names.get(one.uuid, i) != i:
                view.problem((part, i, "uuid"), "is the name of another one", "use another name there")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _check_app_names(view: View) -> None:
    """An app's name is that of its network namespace, and of nothing else in the file system."""
    for a, app in enumerate(view.config.apps):
        if app.name and _PATH_STEP.match(app.name):
            view.problem(("apps", a, "name"), f"is {shown(app.name)}", "write a name that is no path")
        interfaces = (((("apps", a, "interfaces", i, "name")), one.name) for i, one in enumerate(app.interfaces))
        once(view.report, "interface", interfaces)


def _check_labels(view: View) -> None:
    """Shared labels and labels of adapters stand in one place: routes and instances refer to both."""
    own = {adapter.label for adapter in view.config.adapters}
    for i, adapter in enumerate(view.config.adapters):
        if adapter.label in BUILT_IN_LABELS:
            view.problem(("adapters", i, "label"), f"{adapter.label} is a label of evenet's own", "use another one")
        for n, label in enumerate(adapter.labels):
            path: Path = ("adapters", i, "labels", n)
            if label in BUILT_IN_LABELS:
                view.problem(path, f"{label} is a label of evenet's own", "leave it out: adapters get it by themselves")
            elif label in own and label:
                view.problem(path, f"{shown(label)} is the label of an adapter", "use another shared label")


def _interfaces(view: View) -> Iterator[tuple[Path, str, bool]]:
    """Every interface name, and whether a bridge takes it."""
    bridged = {adapter.lower or adapter.label for adapter in view.config.adapters if view.has_ip(adapter)}
    for path, layer in view.each_layer():
        yield (*path, "interface"), layer.interface, layer.label in bridged
