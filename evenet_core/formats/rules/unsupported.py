"""What is understood and kept but not acted on yet: named once, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evenet_core.formats.report import Path, Report
from evenet_core.formats.rules.view import View
from evenet_core.model.adapters import Dpc
from evenet_core.model.networks import Proxy

__all__ = ["NOT_YET", "tell_unsupported", "tell_unsupported_dpc"]

WIFI = "WiFi is not yet supported: the port is recognised, it joins no network"
CELLULAR = "cellular is not yet supported: the modem is recognised, it does not connect"
ENCRYPTED = "encrypted credentials are not yet supported: they are kept, nobody can read them here"
VLAN = "VLAN adapters are not yet supported: no plugin makes them"
BOND = "bonds are not yet supported: no plugin makes them"
RESTART = "not yet acted on: whoever runs the apps restarts them"

# Paths in evenet's words; each says something when its value is neither empty nor the default.
NOT_YET: Mapping[str, str] = {
    "ports[].virtual_functions": "SR-IOV is not yet supported: evenet makes no virtual functions",
    "ports[].attributes": "attributes of ports are not yet acted on",
    "vlans[]": VLAN,
    "bonds[]": BOND,
    "networks[].wifi.networks": WIFI,
    "networks[].wifi.networks[].cipher_data": ENCRYPTED,
    "networks[].cellular": CELLULAR,
    "networks[].cellular.access_points[].cipher_data": ENCRYPTED,
    "networks[].hosts": "not used: static names count in network instances only",
    "adapters[].alias": "not yet shown anywhere",
    "port_access[]": "802.1X is not yet supported",
    "enrolments[]": "SCEP is not yet supported: no certificate is enrolled",
    "enrolments[].cipher_data": ENCRYPTED,
    "network_instances[].flow_log": "the flow log is not yet supported",
    "network_instances[].bpdu_guard_ports": "BPDU guard is not yet supported",
    "network_instances[].access_ports[]": "access VLANs are not yet supported: bridges do not filter VLANs",
    "network_instances[].routes[].prefer_stronger_signal": "not yet acted on: no modem tells its signal",
    "apps[].adapters[]": "passthrough of devices is not yet supported",
    "apps[].interfaces[].access_vlan": "access VLANs are not yet supported: bridges do not filter VLANs",
    "apps[].interfaces[].allow_discovery": "not yet supported: apps cannot ask for other apps",
    "apps[].interfaces[].rules[].direction": "not acted on: every rule works both ways",
    "apps[].metadata_type": "not acted on: all apps get the same metadata",
    "apps[].stats_address": "not yet supported: no statistics are asked of apps",
    "apps[].restart_counter": RESTART,
    "apps[].purge_counter": RESTART,
}
OF_DPC: Mapping[str, str] = {
    "adapters[].wifi.networks": WIFI,
    "adapters[].wifi.networks[].cipher_data": ENCRYPTED,
    "adapters[].cellular": CELLULAR,
    "adapters[].cellular.access_points[].cipher_data": ENCRYPTED,
    "adapters[].vlan": VLAN,
    "adapters[].bond": BOND,
    "adapters[].alias": NOT_YET["adapters[].alias"],
}
_NOTHING: tuple[object, ...] = (None, False, 0, "", (), {}, "both", Proxy())


def tell_unsupported(view: View) -> None:
    _tell(view.config, NOT_YET, view.report)


def tell_unsupported_dpc(dpc: Dpc, report: Report) -> None:
    _tell(dpc, OF_DPC, report)


def _tell(root: Any, table: Mapping[str, str], report: Report) -> None:
    for pattern, text in table.items():
        for path, value in _found(root, pattern.split("."), ()):
            if value not in _NOTHING:
                report.notice_at(path, text)


def _found(value: Any, steps: list[str], path: Path) -> Iterator[tuple[Path, Any]]:
    """Every place that a pattern means, with its value."""
    if not steps:
        yield path, value
        return
    name = steps[0].removesuffix("[]")
    inner = getattr(value, name, None)
    if name == steps[0]:
        yield from _found(inner, steps[1:], (*path, name))
        return
    for i, element in enumerate(inner or ()):
        yield from _found(element, steps[1:], (*path, name, i))
