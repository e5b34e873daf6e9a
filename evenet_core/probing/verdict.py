"""The verdict of a connectivity test on one port."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from evenet_core.model.values import IPAddress

__all__ = ["Attempt", "PortVerdict", "Reason"]


class Reason(StrEnum):
    """Class of a verdict (EVE: spec of device connectivity, D.2)."""

    SUCCESS = "success"
    REMOTE_TEMPORARY = "remote-temporary-failure"  # the controller's trouble: the config is good
    NOT_READY = "port-not-ready"  # no address, no name server yet
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request of a test, or why there was none. Times in milliseconds."""

    via: str = ""  # the proxy; empty = directly
    source: str = ""  # own address
    address: str = ""  # that answered
    name_ms: float | None = None
    tcp_ms: float | None = None
    tls_ms: float | None = None
    http_ms: float | None = None
    status: int | None = None  # of HTTP
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortVerdict:
    """What the test of one port said; nothing of any other port went into it."""

    label: str
    reason: Reason
    error: str = ""
    warning: str = ""
    addresses: tuple[IPAddress, ...] = ()  # of the controller, as the port's own name servers told them
    unnamed: bool = False  # they answered that they do not know it
    attempts: tuple[Attempt, ...] = field(default=(), compare=False)  # in their order

    @property
    def good(self) -> bool:
        """The port's config works: it got an answer, or only the controller is out of order."""
        return self.reason in (Reason.SUCCESS, Reason.REMOTE_TEMPORARY)
