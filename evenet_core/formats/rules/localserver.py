"""Rules for the local profile server."""

from __future__ import annotations

from urllib.parse import urlsplit

from evenet_core.formats.report import shown
from evenet_core.formats.rules.view import View

__all__ = ["check_local_server"]


def check_local_server(view: View) -> None:
    server = view.config.local_server
    if server is not None and not _is_place(server.server):
        problem = f"{shown(server.server)} is no host, or its port is no port"
        view.report.at(("local_server", "server"), problem, "write HOST or HOST:PORT")


def _is_place(server: str) -> bool:
    try:
        parts = urlsplit(f"//{server}")
        return bool(parts.hostname) and parts.netloc == server and "@" not in server and parts.port != 0
    except ValueError:
        return False
