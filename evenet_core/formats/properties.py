"""Device properties for the first boot: `GlobalConfig/global.json`."""

from __future__ import annotations

from functools import partial
from typing import Any

from evenet_core.formats.document import Document
from evenet_core.formats.mapping import Field, Place, Table, lookup
from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.rules import check_settings
from evenet_core.formats.typed import typed

__all__ = ["read"]

TRI_STATES = {0: "none", 1: "disabled", 2: "enabled"}
ITEM = Table(
    Field("Key"),
    Field("ItemType"),
    Field("IntValue"),
    Field("BoolValue"),
    Field("StrValue"),
    Field("TriStateValue"),
)
FILE = Table(Field("GlobalSettings"), quiet=("AgentSettings",))


def read(document: dict[str, Any], report: Report) -> Document:
    """The properties by name, as text; what is wrong is in the report."""
    top = Place(report)
    FILE.read(document, top)
    there = top.at(document, "GlobalSettings")
    report.origins.search = partial(_search, there=there.source)
    given = lookup(document, "GlobalSettings")
    items = {key: _text(key, item, there.down((key,), (key,))) for key, item in _items(given, there)}
    settings = typed({key: text for key, text in items.items() if text is not None}, dict[str, str], report)
    check_settings(settings, report, ())
    return Document(kind="settings", settings=settings)


def _search(native: Path, there: Path) -> Path:
    return there + native


def _items(given: Any, there: Place) -> list[tuple[str, Any]]:
    if isinstance(given, dict):
        return list(given.items())
    there.broken(f"is {shown(given)}", "write an object")
    return []


def _text(key: str, item: Any, place: Place) -> str | None:
    """The value of one property; None if it has none."""
    if not isinstance(item, dict):
        place.broken(f"is {shown(item)}", "write an object with Key, ItemType and a value")
        return None
    ITEM.read(item, place)
    if lookup(item, "Key") not in (None, "", key):
        place.at(item, "Key").broken(
            f"is {shown(lookup(item, 'Key'))}", f"write {shown(key)}: it stands under that name"
        )
    type_ = lookup(item, "ItemType")
    if isinstance(type_, bool) or not isinstance(type_, int) or type_ not in _VALUES:
        place.at(item, "ItemType").broken(
            f"{shown(type_)} is not known", "one of 1 (int), 2 (bool), 3 (string), 4 (tri-state)"
        )
        return None
    name, words = _VALUES[type_]
    value = lookup(item, name)
    text = _WRITTEN[type_](value)
    if text is None:
        place.at(item, name).broken(f"is {shown(value)}", f"write {words}")
    return text


def _number(value: Any) -> str | None:
    """In Go's JSON a field that is missing is zero."""
    if value is None:
        return "0"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: Any) -> str | None:
    return {None: "false", False: "false", True: "true"}.get(value) if isinstance(value, bool | None) else None


def _string(value: Any) -> str | None:
    return "" if value is None else value if isinstance(value, str) else None


def _tri_state(value: Any) -> str | None:
    return None if isinstance(value, (bool, dict, list)) else TRI_STATES.get(value or 0)


_VALUES = {
    1: ("IntValue", "a whole number"),
    2: ("BoolValue", "true or false"),
    3: ("StrValue", "text"),
    4: ("TriStateValue", "0 (none), 1 (disabled) or 2 (enabled)"),
}
_WRITTEN = {1: _number, 2: _flag, 3: _string, 4: _tri_state}
