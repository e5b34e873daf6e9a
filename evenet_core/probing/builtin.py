"""The probes that evenet brings along, by name."""

from __future__ import annotations

from collections.abc import Mapping

from evenet_core.probing.icmp import probe_icmp
from evenet_core.probing.request import Probe, ProbeRequest
from evenet_core.probing.tcp import probe_tcp

__all__ = ["builtin_probes"]


def builtin_probes() -> Mapping[str, Probe]:
    """`icmp`, `tcp` and `http`, for an `evenet_probes` hook and for `ProbeLoop`."""
    return {"icmp": probe_icmp, "tcp": probe_tcp, "http": _probe_http}


async def _probe_http(request: ProbeRequest) -> float:
    # HTTP brings TLS, h11 and the resolver: 7 MB that are loaded when first needed.
    from evenet_core.probing.http import probe_http  # noqa: PLC0415

    return await probe_http(request)
