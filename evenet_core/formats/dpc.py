"""DevicePortConfig as JSON, for the first boot: `override.json`, `usb.json`.

Go's JSON: names in any case, enums as numbers, and those of its own, not the API's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import Any

from evenet_core.formats.convert import moment, whole
from evenet_core.formats.document import Document
from evenet_core.formats.dpcport import PORT
from evenet_core.formats.mapping import Field, Place, Table, many
from evenet_core.formats.report import Path, Report
from evenet_core.formats.rules import check_dpc
from evenet_core.formats.typed import typed
from evenet_core.model.adapters import BUILT_IN_LABELS, Adapter, Dpc, Origin, Source, built_in_labels

__all__ = ["read"]

FIRST_VERSION = 0  # in which every port is an uplink, and none costs anything
FILE_WAS_THERE = "1980-01-01T00:00:00Z"  # EVE's priority of a file that gives none
STATUS = (
    "State",
    "ShaFile",
    "ShaValue",
    "LastFailed",
    "LastSucceeded",
    "LastError",
    "LastWarning",
    "LastIPAndDNS",
    "TestResults",
)


def read(document: dict[str, Any], report: Report) -> Document:
    """The DPC; what is wrong with it is in the report."""
    report.origins.search = partial(_search, document=document)
    dpc = typed(FILE.read(document, Place(report)), Dpc, report)
    check_dpc(dpc, report)
    return Document(kind="dpc", dpc=replace(dpc, adapters=tuple(map(_labelled, dpc.adapters))))


def _search(native: Path, document: dict[str, Any]) -> Path:
    return FILE.locate(native, document)


def _labelled(adapter: Adapter) -> Adapter:
    """Labels that adapters get by themselves are decided anew; whoever wrote the file, its origin is `override`."""
    automatic = built_in_labels(management=adapter.management, cost=adapter.cost)
    labels = (adapter.labels - BUILT_IN_LABELS) | automatic
    return replace(adapter, labels=labels, source=Source(origin=Origin.OVERRIDE))


def _finish(made: dict[str, Any], _: dict[str, Any], place: Place) -> None:
    if not made.get("key"):
        made["key"] = PurePath(place.report.file).name.removesuffix(".json") or "override"
    ports = made.get("adapters")
    ports = [port for port in ports if isinstance(port, dict)] if isinstance(ports, list) else []
    if not any(port.get("l3") is True for port in ports):  # the file is older than the field
        for port in ports:
            port.pop("l3", None)
    if made.get("version") == FIRST_VERSION:
        for port in ports:
            port.update(management=True, cost=0)


FILE = Table(
    Field("Version", "version", whole, default=FIRST_VERSION),
    Field("Key", "key"),
    Field("TimePriority", "time_priority", moment, default=FILE_WAS_THERE),
    many("Ports", "adapters", PORT),
    quiet=STATUS,
    finish=_finish,
)
