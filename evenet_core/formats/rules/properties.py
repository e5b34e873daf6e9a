"""Device properties by their EVE names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evenet_core.formats.report import Path, Report, shown
from evenet_core.model.timers import TIMERS, Timer

__all__ = ["ACTED_ON", "NOT_YET", "PROPERTY", "check_settings", "is_property"]

PROPERTY = "write letters, digits, dots and hyphens"
LONGEST = 128
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

FLAGS = ("debug.disable.dhcp.all-ones.netmask", "app.enable.tcp.mss.clamping")
SWITCHES = ("network.fallback.any.eth",)  # `enabled` or `disabled`
ACTED_ON = frozenset((*TIMERS, *FLAGS, *SWITCHES, "network.download.max.cost"))
# Of networking, understood, and without effect so far; with the value that says how evenet behaves.
NOT_YET: Mapping[str, str] = {
    "timer.port.timeout": "",
    "timer.port.georedo": "",
    "timer.port.georetry": "",
    "timer.send.timeout": "",
    "timer.dial.timeout": "",
    "timer.ntpsources.interval": "",
    "network.switch.enable.arpsnoop": "false",
    "network.local.legacy.mac.address": "false",
    "dhcp.enable.vendorclassid": "true",
    "diag.probe.remote.http.endpoint": "",
    "diag.probe.remote.https.endpoint": "",
    "pnac.dhcp.reacquire.max.retries": "",
    "scep.retry.interval": "",
    "airgap.mode": "disabled",
    "netdump.enable": "false",
    "debug.enable.ssh": "",
}


def is_property(key: str) -> bool:
    """Whether this may be the name of a device property."""
    return len(key) <= LONGEST and _KEY.fullmatch(key) is not None


def check_settings(settings: Mapping[str, str], report: Report, path: Path) -> None:
    for key, value in settings.items():
        here: Path = (*path, key)
        if not is_property(key):
            report.at(here, f"{shown(key)} is no name of a property", PROPERTY)
        elif key in NOT_YET and value.lower() != NOT_YET[key]:
            report.notice_at(here, f"not yet acted on: {key}")
        elif (timer := TIMERS.get(key)) is not None:
            _check_timer(timer, value, report, here)
        elif key in SWITCHES and value.lower() not in ("enabled", "disabled"):
            report.notice_at(here, f"{shown(value)} is neither enabled nor disabled: the latter counts")
        elif key in FLAGS and value.lower() not in ("true", "false"):
            report.notice_at(here, f"{shown(value)} is neither true nor false: the default counts")


def _check_timer(timer: Timer, value: str, report: Report, path: Path) -> None:
    if not timer.is_seconds(value):
        report.notice_at(path, f"{shown(value)} is no number of seconds: the default counts")
    elif timer.is_too_short(value):
        report.notice_at(path, f"{value} s is too short: {timer.least} s count")
