"""A question of an app to the metadata service, and its answer: the contract of server and content."""

from __future__ import annotations

from dataclasses import dataclass

from evenet_core.model.values import IPAddress

__all__ = ["MetadataRequest", "MetadataResponse"]


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """One HTTP request that came in at the service of a network instance."""

    method: str
    path: str
    source_address: IPAddress
    instance_key: str


@dataclass(frozen=True, slots=True)
class MetadataResponse:
    """Status 204 has neither type nor body."""

    status: int
    content_type: str = ""
    body: bytes = b""
