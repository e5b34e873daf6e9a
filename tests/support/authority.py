"""A certificate authority for tests, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

__all__ = ["Authority"]

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Vouches for servers. Its own certificate is `pem`."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self.pem = str(self._directory / "ca.pem")
        usage = ("-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", f"/CN={name}", *usage)

    def server(self, *names: str, days: int = 2) -> ssl.SSLContext:
        """The server's side of TLS, with a certificate for these names (`DNS:...`, `IP:...`).

        :param days: for which it is valid; negative = it has expired
        """
        (self._directory / "extensions").write_text(f"subjectAltName={','.join(names)}\n")
        self._openssl("req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", "extensions", "-days", str(days))
        self._openssl("x509", "-req", "-in", "server.csr", *signed_by, "-out", "server.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / "server.pem", self._directory / "server.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._directory, check=True, capture_output=True)
