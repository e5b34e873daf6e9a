"""All rules for a device config, in the order of its parts."""

from __future__ import annotations

from evenet_core.formats.report import Report
from evenet_core.formats.rules.access import check_access
from evenet_core.formats.rules.acls import check_acls
from evenet_core.formats.rules.adapters import check_adapters
from evenet_core.formats.rules.apps import check_apps
from evenet_core.formats.rules.forwards import check_forwards
from evenet_core.formats.rules.identity import check_identity
from evenet_core.formats.rules.instances import check_instances
from evenet_core.formats.rules.layers import check_layers
from evenet_core.formats.rules.limits import check_limits
from evenet_core.formats.rules.localserver import check_local_server
from evenet_core.formats.rules.networks import check_networks
from evenet_core.formats.rules.overlaps import check_overlaps
from evenet_core.formats.rules.properties import check_settings
from evenet_core.formats.rules.unsupported import tell_unsupported
from evenet_core.formats.rules.view import View
from evenet_core.model.config import DeviceConfig

__all__ = ["check_config"]

RULES = (
    check_limits,
    check_identity,
    check_layers,
    check_networks,
    check_adapters,
    check_access,
    check_instances,
    check_overlaps,
    check_apps,
    check_acls,
    check_forwards,
    check_local_server,
    tell_unsupported,
)


def check_config(config: DeviceConfig, report: Report) -> None:
    """Everything wrong with the meaning of a config, and everything that has no effect."""
    view = View(config, report)
    for rule in RULES:
        rule(view)
    check_settings(config.settings, report, ("settings",))
