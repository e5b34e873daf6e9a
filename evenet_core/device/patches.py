"""What a local operator wants of single adapters in place of what their DPC says. Pure.

Addresses of hardware, labels, use, cost, and what an adapter stands on are never the operator's (EVE: B.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evenet_core.model.adapters import Adapter, Dpc, Origin, Source
from evenet_core.model.patches import PortPatch
from evenet_core.model.values import Moment

__all__ = ["patched", "patches_all"]


def patched(
    dpc: Dpc, patches: Sequence[PortPatch], origin: Origin, at: Moment | None = None, *, permitted: bool = False
) -> tuple[Dpc, dict[str, str]]:
    """The DPC with these patches, and by label why some are not in it.

    :param at: when the operator decided so
    :param permitted: whether the adapters are asked for permission no more
    """
    by_label = {patch.label: patch for patch in patches}
    refused = {label: f'there is no port "{label}"' for label in by_label.keys() - {a.label for a in dpc.adapters}}
    adapters = []
    for adapter in dpc.adapters:
        patch = by_label.get(adapter.label)
        why = _refusal(adapter, patch, permitted=permitted) if patch is not None else ""
        if why:
            refused[adapter.label] = why
        source = Source(origin=origin, submitted_at=at)
        adapters.append(adapter if patch is None or why else replace(_patched(adapter, patch), source=source))
    return replace(dpc, adapters=tuple(adapters)), refused


def patches_all(dpc: Dpc, patches: Sequence[PortPatch]) -> bool:
    """Whether every management adapter goes by patches: then who wrote them answers for the node's connectivity."""
    labels = {patch.label for patch in patches}
    management = [adapter for adapter in dpc.adapters if adapter.management and adapter.has_ip]
    taken = [a for a in management if a.label in labels and not _refusal(a, PortPatch(label=a.label), permitted=False)]
    return bool(management) and taken == management


def _refusal(adapter: Adapter, patch: PortPatch, *, permitted: bool) -> str:
    if not (permitted or adapter.allow_local_changes):
        return f'local modifications not permitted for port "{adapter.label}"'
    if (patch.wifi is not None and adapter.wifi is None) or (patch.cellular is not None and adapter.cellular is None):
        return f'port "{adapter.label}" is {adapter.kind}, the local settings are for another medium'
    return ""


def _patched(adapter: Adapter, patch: PortPatch) -> Adapter:
    if patch.ip is not None:
        adapter = replace(adapter, ip=patch.ip, addresses=patch.addresses)
    given = {name: getattr(patch, name) for name in ("mtu", "proxy", "wifi", "cellular")}
    return replace(adapter, config_error="", **{name: value for name, value in given.items() if value is not None})
