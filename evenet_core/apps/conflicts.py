"""Subnets that cannot be used side by side: the node routes by address, whoever uses it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.resolved import InstancePort
from evenet_core.model.values import IPNetwork

__all__ = ["conflicts"]


def conflicts(instances: Iterable[NetworkInstance], ports: Sequence[InstancePort]) -> dict[str, str]:
    """By key of a local instance: with what its subnet overlaps (spec, B.4, for both IP versions).

    Of two instances the later one is at fault. Instances without a conflict are not in the answer.
    """
    networks = [(ip_network(address.network), port.label) for port in ports for address in port.addresses]
    found: dict[str, str] = {}
    accepted: list[tuple[IPNetwork, str]] = []
    for instance in instances:
        subnet = instance.subnet
        if instance.type is not InstanceType.LOCAL or not instance.active or subnet is None:
            continue
        problems = [
            f"subnet {subnet} overlaps with {other} of network instance {name}"
            for other, name in accepted
            if _overlap(subnet, other)
        ]
        problems += [
            f"subnet {subnet} overlaps with {network} of port {label}"
            for network, label in networks
            if _overlap(subnet, network)
        ]
        if problems:
            found[instance.key] = "\n".join(problems)
        else:
            accepted.append((subnet, instance.name))
    return found


def _overlap(a: IPNetwork, b: IPNetwork) -> bool:
    return a.version == b.version and a.overlaps(b)
