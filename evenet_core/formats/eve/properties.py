"""configItems: device properties by name."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.mapping import Field, Place, Table, lookup
from evenet_core.formats.report import shown
from evenet_core.formats.rules.properties import PROPERTY, is_property

__all__ = ["finish_properties"]


def finish_properties(made: dict[str, Any], config: dict[str, Any], place: Place) -> None:
    """A list of keys and values as an object."""
    items, there = lookup(config, "configItems"), place.at(config, "configItems")
    if items is not None and not isinstance(items, list):
        made["settings"] = items
        return
    settings: dict[str, Any] = {}
    for i, item in enumerate(items or ()):
        at = Place(place.report, (*there.source, i), (*place.native, "settings", i))
        found = SETTING.read(item, at)
        if not isinstance(found, dict) or not isinstance(found.get("key"), str):
            at.broken("has no key", "write an object with key and value")
            continue
        if not is_property(found["key"]):
            at.at(item, "key").broken(f"{shown(found['key'])} is no name of a property", PROPERTY)
            continue
        if found["key"] in settings:
            at.notice(f"{found['key']} was given before: the last one counts")
        settings[found["key"]] = _text(found.get("value", ""))
        place.report.origins.note((*place.native, "settings", found["key"]), at.at(item, "value").source)
    made["settings"] = settings


def _text(value: Any) -> Any:
    """Values are text, whatever they were written as."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


SETTING = Table(Field("key", "key"), Field("value", "value"))
