"""What of a port can be used already: addresses that the kernel has, with a way that begins there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from evenet_core.linux.address import Address
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.model.resolved import InstancePort
from evenet_core.reconciler.item import Item

__all__ = ["usable"]


def usable(port: InstancePort, items: Iterable[tuple[Item, bool]]) -> InstancePort:
    """The port with the addresses that count.

    :param items: of its adapter, each with whether it is still to come. A route more or less is no reason to
        leave a port: only while all its routes are to come there is no way.
    """
    coming = set()
    ways, ways_coming = 0, 0
    for item, pending in items:
        match item:
            case Address() if pending:
                coming.add(ip_address(item.address))
            case Rule() if pending and item.source:
                coming.add(ip_network(item.source).network_address)
            case Route():
                ways, ways_coming = ways + 1, ways_coming + pending
    if ways and ways == ways_coming:
        return replace(port, addresses=())
    return replace(port, addresses=tuple(a for a in port.addresses if a.ip not in coming))
