"""The device config as a whole, and what no single object says."""

from __future__ import annotations

from functools import partial
from typing import Any

from evenet_core.formats.convert import moment, uuid
from evenet_core.formats.document import Document
from evenet_core.formats.eve.access import ENROLMENT, PORT_ACCESS
from evenet_core.formats.eve.adapters import ADAPTER, finish_adapters
from evenet_core.formats.eve.apps import APP
from evenet_core.formats.eve.instances import INSTANCE
from evenet_core.formats.eve.networks import NETWORK
from evenet_core.formats.eve.ports import BOND, PORT, VLAN
from evenet_core.formats.eve.properties import finish_properties
from evenet_core.formats.mapping import Field, Place, Table, inside, many
from evenet_core.formats.report import Path, Report
from evenet_core.formats.rules import check_config
from evenet_core.formats.typed import typed
from evenet_core.model.config import DeviceConfig

__all__ = ["read"]

# What else the API knows, none of it about networking: kept, and nothing said of it.
QUIET = (
    "datastores",
    "contentInfo",
    "volumes",
    "reboot",
    "backup",
    "shutdown",
    "cipherContexts",
    "controllerEpoch",
    "globalProfile",
    "maintenance",
    "maintenanceMode",
    "productName",
    "manufacturer",
    "baseos",
    "base",
    "schedule",
    "storage",
    "disks",
    "edgeview",
    "edgeNodeCluster",
    "patchEnvelopes",
    "controllercertConfighash",
)


def read(document: dict[str, Any], report: Report) -> Document:
    """The device config; what is wrong with it is in the report."""
    report.origins.search = partial(_search, document=document)
    config = typed(CONFIG.read(document, Place(report)), DeviceConfig, report)
    check_config(config, report)
    return Document(kind="eve", config=config, settings=config.settings)


def _search(native: Path, document: dict[str, Any]) -> Path:
    return CONFIG.locate(native, document)


def _finish(made: dict[str, Any], config: dict[str, Any], place: Place) -> None:
    finish_adapters(made, config)
    finish_properties(made, config, place)
    made["evenet"] = 1


CONFIG = Table(
    inside("id", Field("uuid", "owner.device_uuid", uuid), Field("version")),
    Field("deviceName", "owner.device_name"),
    Field("projectId", "owner.project_uuid"),
    Field("projectName", "owner.project_name"),
    Field("enterpriseId", "owner.enterprise_uuid"),
    Field("enterpriseName", "owner.enterprise_name"),
    Field("configTimestamp", "timestamp", moment),
    many("deviceIoList", "ports", PORT),
    many("vlans", "vlans", VLAN),
    many("bonds", "bonds", BOND),
    many("networks", "networks", NETWORK),
    many("systemAdapterList", "adapters", ADAPTER),
    many("networkInstances", "network_instances", INSTANCE),
    many("apps", "apps", APP),
    many("pnacs", "port_access", PORT_ACCESS),
    many("scepProfiles", "enrolments", ENROLMENT),
    Field("configItems"),
    Field("localProfileServer", "local_server.server"),
    Field("profileServerToken", "local_server.token"),
    Field("locConfig", "other.locConfig", notice="not yet supported: no local operator console is asked"),
    other="other",
    quiet=QUIET,
    unknown="unknown field, kept but not acted on",
    finish=_finish,
)
