"""Subnets that cannot stand side by side: the node routes by address, whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evenet_core.formats.report import Path
from evenet_core.formats.rules.view import View
from evenet_core.model.values import IPNetwork

__all__ = ["check_overlaps"]

MOST_TOLD = 16  # subnets around one that are named: thousands would say no more


@dataclass(frozen=True, slots=True)
class _Used:
    """A subnet in use: by a port, or by the instance of that number."""

    subnet: IPNetwork
    path: Path
    instance: int  # -1 = a port's: a network of the site is never at fault

    @property
    def first(self) -> int:
        return int(self.subnet.network_address)

    @property
    def last(self) -> int:
        return int(self.subnet.broadcast_address)


def check_overlaps(view: View) -> None:
    """Active local instances, each with all others and with the static subnets of ports; the later one is at fault.

    Of two subnets that overlap one contains the other: in this order it comes first, and stays open until its end.
    """
    for version in (4, 6):
        used = sorted((u for u in _used(view) if u.subnet.version == version), key=lambda u: (u.first, -u.last))
        around: list[_Used] = []
        for one in used:
            while around and around[-1].last < one.first:
                around.pop()
            for other in around[-MOST_TOLD:]:
                _tell(view, *sorted((other, one), key=lambda u: u.instance))
            around.append(one)


def _used(view: View) -> Iterator[_Used]:
    for i, adapter in enumerate(view.config.adapters):
        network = view.network_of(adapter) if view.has_ip(adapter) and view.in_use(adapter) else None
        if adapter.address is not None and network is not None and network.ip.subnet is not None:
            yield _Used(network.ip.subnet, ("adapters", i), -1)
    for path, instance in view.local():
        if instance.active and instance.subnet is not None:
            yield _Used(instance.subnet, (*path, "subnet"), int(path[1]))


def _tell(view: View, other: _Used, guilty: _Used) -> None:
    if guilty.instance >= 0:
        there = view.report.where(other.path)
        view.problem(
            guilty.path, f"{guilty.subnet} overlaps with {other.subnet}", f"that is of {there}; use another one"
        )
