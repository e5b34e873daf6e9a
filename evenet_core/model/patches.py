"""What a local operator wants of a single adapter, in place of what its DPC says."""

from __future__ import annotations

from dataclasses import dataclass

from evenet_core.model.networks import Cellular, IpSettings, Proxy, Wifi
from evenet_core.model.values import IPInterface, Label, Mtu

__all__ = ["PortPatch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPatch:
    """Settings of one adapter; None = as its DPC says."""

    label: Label
    ip: IpSettings | None = None
    addresses: tuple[IPInterface, ...] = ()  # that go with `ip`
    mtu: Mtu | None = None
    proxy: Proxy | None = None
    wifi: Wifi | None = None
    cellular: Cellular | None = None
