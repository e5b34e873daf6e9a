"""802.1X on ports, and where its certificates come from."""

from __future__ import annotations

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.hosts import check_url
from evenet_core.formats.rules.view import View, once, refer
from evenet_core.model.ports import Port, PortKind

__all__ = ["check_access"]


def check_access(view: View) -> None:
    ports = {port.label: port for port in view.config.ports}
    profiles = {profile.name for profile in view.config.enrolments}
    once(view.report, "port", ((("port_access", i, "port"), one.port) for i, one in enumerate(view.config.port_access)))
    for i, access in enumerate(view.config.port_access):
        path: Path = ("port_access", i)
        refer(view.report, (*path, "port"), access.port, ports, "port")
        refer(view.report, (*path, "enrolment"), access.enrolment, profiles, "enrolment profile")
        port = ports.get(access.port)
        if isinstance(port, Port) and port.kind is not PortKind.ETHERNET:
            view.problem((*path, "port"), f"{shown(port.label)} is no Ethernet port", "write an Ethernet port")
        if access.method != "tls":
            view.problem((*path, "method"), f"{shown(access.method)} is not known", "write tls")
    for i, profile in enumerate(view.config.enrolments):
        check_url(view.report, ("enrolments", i, "url"), profile.url)
        if not profile.url:
            view.problem(("enrolments", i, "url"), "is missing", "write the URL of the SCEP server")
