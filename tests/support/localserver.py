"""A local profile server, as an operator would run it in an app: `python -m tests.support.localserver DIRECTORY`.

In the directory `network.json` and `radio.json` hold what it answers (none: 204; empty: 404); what it is told last
stands in `network.told` and `radio.told`.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from evenet_core.localserver.messages import decode, encode

__all__ = ["PORT"]

PORT = 8888
MESSAGES = {"network": ("NetworkInfo", "LocalNetworkConfig"), "radio": ("RadioStatus", "RadioConfig")}


class Handler(BaseHTTPRequestHandler):
    home: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.removeprefix("/api/v1/")
        told, asked = MESSAGES[name]
        answer, heard = self.home / f"{name}.json", self.home / f"{name}.told"
        status, text = (200, answer.read_text()) if answer.exists() else (204, "")
        data = b""
        if status == 200 and not text:
            status = 404
        elif status == 200:
            data = encode(asked, json.loads(text))
        (new := heard.with_suffix(".new")).write_text(json.dumps(decode(told, body)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        new.replace(heard)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    Handler.home = Path(sys.argv[1])
    ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
