"""What a probe is asked, and how it says that it failed: the contract of `evenet_probes`.

A probe is an async callable `(ProbeRequest) -> seconds`; it raises `ProbeError` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from evenet_core.errors import EvenetError
from evenet_core.model.values import IPAddress

__all__ = ["Cause", "Egress", "Probe", "ProbeError", "ProbeRequest"]


@dataclass(frozen=True, slots=True)
class Egress:
    """One port as a way out. A probe uses its addresses, its device and its DNS servers and nothing else."""

    ifname: str
    sources: tuple[IPAddress, ...]
    dns: tuple[IPAddress, ...] = ()

    def source_for(self, target: IPAddress) -> IPAddress | None:
        """The first own address that can reach `target`: same family, link-local only for link-local."""
        same = [source for source in self.sources if source.version == target.version]
        scoped = [source for source in same if source.is_link_local == target.is_link_local]
        if target.is_link_local:  # a routed address reaches a link-local neighbour too
            scoped += [source for source in same if source not in scoped]
        return scoped[0] if scoped else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """Ask `hosts` over `egress`; the first to answer is enough. Times in seconds."""

    egress: Egress
    hosts: tuple[str, ...]  # addresses or names
    port: int = 0
    version: int = 0  # 4 or 6; 0 = either
    timeout: float = 1.0


class Cause(StrEnum):
    """What went wrong, as far as anybody decides by it."""

    NO_SOURCE = "no-source"  # no own address of the family
    SOURCE_GONE = "source-gone"  # EADDRNOTAVAIL
    NO_DNS = "no-dns"  # no server to ask
    PROXY = "proxy"  # a proxy refuses
    NAME_TEMPORARY = "name-temporary"  # a server answered that it cannot answer now
    NAME_TIMEOUT = "name-timeout"
    NAME_UNKNOWN = "name-unknown"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    DEVICE = "device"  # the interface is gone or down
    CERTIFICATE_DATE = "certificate-date"  # expired or not yet valid
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"  # what came is not TLS or not HTTP
    STATUS = "status"  # HTTP status that is no success
    SERVER_ERROR = "server-error"  # HTTP 500-511
    OTHER = "other"


class ProbeError(EvenetError):
    """The probe got no good answer: `cause` decides, the text is for people."""

    def __init__(self, cause: Cause, text: str) -> None:
        self.cause = cause
        super().__init__(text)


class Probe(Protocol):
    """A connectivity probe."""

    async def __call__(self, request: ProbeRequest) -> float:
        """Seconds until the answer; raises `ProbeError`."""
        ...
