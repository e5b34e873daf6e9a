"""The probes that evenet brings along, by name."""

from __future__ import annotations

from collections.abc import Mapping

from evenet_core.probing.icmp import probe_icmp
from evenet_core.probing.request import Probe
from evenet_core.probing.tcp import probe_tcp

__all__ = ["builtin_probes"]


def builtin_probes() -> Mapping[str, Probe]:
    """What routes ask for; a plugin's probe of the same name takes its place."""
    return {"icmp": probe_icmp, "tcp": probe_tcp}
