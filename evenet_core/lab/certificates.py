"""The lab's own certificate authority, made by openssl(1)."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from evenet_core.errors import EvenetError
from evenet_core.model.values import IPAddress

__all__ = ["make_authority", "make_certificate"]

DAYS = "3650"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(directory: Path) -> Path:
    """Certificate of a new authority in PEM; its key is beside it."""
    certificate = directory / "ca.pem"
    subject = ("-subj", "/CN=evenet lab CA", "-days", DAYS)
    use = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", "-x509", *_KEY, *subject, *use, "-keyout", f"{directory}/ca.key", "-out", str(certificate))
    return certificate


def make_certificate(directory: Path, name: str, hosts: Sequence[str], addresses: Sequence[IPAddress]) -> Path:
    """A server's certificate and key in one PEM file, signed by the authority of this directory."""
    names = ",".join([*(f"DNS:{host}" for host in hosts), *(f"IP:{address}" for address in addresses)])
    chain, key = directory / f"{name}.pem", directory / f"{name}.key"
    signer = ("-CA", f"{directory}/ca.pem", "-CAkey", f"{directory}/ca.key")
    use = ("-addext", f"subjectAltName={names}", "-addext", "basicConstraints=CA:FALSE", "-days", DAYS)
    _openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", *use, *signer, "-keyout", str(key), "-out", str(chain))
    chain.write_bytes(chain.read_bytes() + key.read_bytes())
    chain.chmod(0o600)
    return chain


def _openssl(*arguments: str) -> None:
    done = subprocess.run(("openssl", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise EvenetError(f"openssl {arguments[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
