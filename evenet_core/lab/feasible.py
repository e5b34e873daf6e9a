"""What of a model this lab cannot simulate: on this kernel, or at all. Said before anything starts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from evenet_core.lab.model import Bridge, EndpointKind, NetworkModel
from evenet_core.lab.plan import DEVICE, OUTSIDE, ROUTER
from evenet_core.linux import netlink
from evenet_core.linux.links import link_message
from evenet_core.linux.netns import make_namespace
from evenet_core.linux.rtnl import Rtnl

__all__ = ["limits", "missing_kinds"]

MACHINE = "a machine with its own kernel can: docs/how-to/machine-lab.md"
_LINKINFO, _INFO_KIND = 18, 1
_NOT_YET = {
    EndpointKind.TRANSPARENT_PROXY: "transparent proxies",
    EndpointKind.NETBOOT: "network boot servers",
}


def limits(model: NetworkModel, kernel_lacks: frozenset[str]) -> list[str]:
    """One sentence for each thing that the model asks for and this lab does not have. Pure.

    :param kernel_lacks: `missing_kinds`
    """
    return list(dict.fromkeys(_limits(model, kernel_lacks)))


def _limits(model: NetworkModel, lacks: frozenset[str]) -> Iterator[str]:
    for label in model.bonds:
        yield _kernel(f"bond {label}", "bond", "link aggregation (CONFIG_BONDING)", lacks)
    for i, network in enumerate(model.networks):
        if network.vlan:
            what = f"networks[{i}] {network.label}: VLAN {network.vlan}"
            yield _kernel(what, "vlan", "VLANs (CONFIG_VLAN_8021Q, CONFIG_BRIDGE_VLAN_FILTERING)", lacks)
        elif network.bridge in [other.bridge for other in model.networks[:i] if not other.vlan]:
            yield f"networks[{i}] {network.label}: bridge {network.bridge} has an untagged network already"
    for i, port in enumerate(model.ports):
        if port.traffic is not None:
            yield f"ports[{i}] {port.label}: trafficControl is not simulated yet"
    for endpoint in model.endpoints:
        if endpoint.kind in _NOT_YET:
            yield f"endpoint {endpoint.label}: {_NOT_YET[endpoint.kind]} are not simulated yet"
        if endpoint.vlan:
            yield f"endpoint {endpoint.label}: access ports of a VLAN are not simulated yet"
        if endpoint.label in (DEVICE, ROUTER, OUTSIDE):
            yield f"endpoint {endpoint.label}: a host of the lab itself has this name; choose another label"
    yield from (_twice(bridge, model) for bridge in model.bridges if _twice(bridge, model))


def _kernel(what: str, kind: str, feature: str, lacks: frozenset[str]) -> str:
    if kind in lacks:
        return f"{what}: this kernel has no {feature}; {MACHINE}"
    return f"{what}: not simulated yet"


def _twice(bridge: Bridge, model: NetworkModel) -> str:
    others = {label: other.label for other in model.bridges if other is not bridge for label in other.ports}
    shared = [label for label in bridge.ports if label in others]
    return f"bridge {bridge.label}: port {shared[0]} is one of bridge {others[shared[0]]} as well" if shared else ""


async def missing_kinds() -> frozenset[str]:
    """Types of links that this kernel does not know. Tried in a network namespace that vanishes again."""
    namespace = make_namespace()
    try:
        rtnl = Rtnl.open(namespace)
        try:
            kinds = ("bond", "vlan")
            messages = [link_message(kind, name=f"try-{kind}", create=True, info=_info(kind)) for kind in kinds]
            errors = await rtnl.send(messages)
        finally:
            rtnl.close()
    finally:
        os.close(namespace)
    unknown = {errno.EOPNOTSUPP, errno.ENODEV}
    return frozenset(k for k, error in zip(kinds, errors, strict=True) if error is not None and error.errno in unknown)


def _info(kind: str) -> bytes:
    return netlink.nested(_LINKINFO, netlink.text(_INFO_KIND, kind))
