"""Which format a document is in, told by its keys."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.document import Kind
from evenet_core.formats.mapping import plain
from evenet_core.formats.report import Report

__all__ = ["kind_of"]

# Keys that stand in one format only, case and underscores left out.
_EVE = {"deviceiolist", "systemadapterlist", "networkinstances", "configitems", "datastores", "contentinfo", "pnacs"}
_EVE_OR_NATIVE = {"networks", "apps", "vlans", "bonds"}
_NATIVE = {"adapters", "portaccess", "enrolments"}
_MODEL = {"bridges", "endpoints"}  # of a network model for the lab


def kind_of(document: dict[str, Any], report: Report) -> Kind:
    """
    :raises Unreadable: it is in none that can be read here.
    """
    names = {plain(name) for name in document}
    if "evenet" in names:
        return "native"
    if "globalsettings" in names:
        return "settings"
    if "ports" in names and names & _MODEL:
        raise report.stop("this is a network model", "it describes the site: see `evenet lab up`")
    if "network_instances" in document or names & _NATIVE:
        raise report.stop("the key evenet is missing", "begin with 'evenet: 1', the version of the format")
    if names & _EVE:
        return "eve"
    if "ports" in names:
        return "dpc"
    if names & _EVE_OR_NATIVE:
        return "eve"
    raise report.stop(
        "this is no format that evenet knows",
        "it reads its own (evenet: 1), EVE's device config, DevicePortConfig and GlobalConfig",
    )
