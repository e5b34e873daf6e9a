"""Subnets that cannot be used side by side: the node routes by address, whoever uses it. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.resolved import InstancePort
from evenet_core.model.subnets import subnet_problem
from evenet_core.model.values import IPNetwork

__all__ = ["conflicts"]


def conflicts(instances: Iterable[NetworkInstance], ports: Sequence[InstancePort]) -> dict[str, str]:
    """By key of a local instance: with what its subnet overlaps (spec, B.4, for both IP versions).

    Of two instances the later one is at fault; one that cannot be built anyway is in nobody's way. Instances
    without a conflict are not in the answer.
    """
    networks = [(ip_network(address.network), port.label) for port in ports for address in port.addresses]
    found: dict[str, str] = {}
    accepted = {4: _Taken(), 6: _Taken()}
    for instance in instances:
        subnet = instance.subnet
        if instance.type is not InstanceType.LOCAL or not instance.active or subnet is None or subnet_problem(instance):
            continue
        taken = accepted[subnet.version]
        problems = [
            f"subnet {subnet} overlaps with {other} of network instance {name}" for other, name in taken.by(subnet)
        ]
        problems += [
            f"subnet {subnet} overlaps with {network} of port {label}"
            for network, label in networks
            if network.version == subnet.version and subnet.overlaps(network)
        ]
        if problems:
            found[instance.key] = "\n".join(dict.fromkeys(problems))
        else:
            taken.add(subnet, instance.name)
    return found


class _Taken:
    """Subnets of one IP version, none of which overlaps with another: so those in the way stand side by side."""

    def __init__(self) -> None:
        self._subnets: list[tuple[int, int, IPNetwork, str]] = []  # last and first address, whose

    def by(self, subnet: IPNetwork) -> Iterator[tuple[IPNetwork, str]]:
        """Those that overlap with this one."""
        first, last = int(subnet.network_address), int(subnet.broadcast_address)
        place = bisect_left(self._subnets, first, key=_last)
        while place < len(self._subnets) and self._subnets[place][1] <= last:
            _, _, other, name = self._subnets[place]
            yield other, name
            place += 1

    def add(self, subnet: IPNetwork, name: str) -> None:
        insort(self._subnets, (int(subnet.broadcast_address), int(subnet.network_address), subnet, name), key=_last)


def _last(taken: tuple[int, int, IPNetwork, str]) -> int:
    return taken[0]
