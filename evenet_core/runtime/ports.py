"""The ports of adapters as they can be used at this moment: addresses that the kernel has, and ways from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from evenet_core.linux.address import Address
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import link_fact
from evenet_core.model.resolved import InstancePort
from evenet_core.planning.planner import adapter_port
from evenet_core.probing.connectivity import PortUnderTest
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.item import Item
from evenet_core.reconciler.machine import ItemState, Machine

__all__ = ["IP_KINDS", "Ports", "usable"]

IP_KINDS = ("address", "route", "rule")  # what makes an address of an adapter usable


class Ports:
    """Looks at facts, and at what of them is in the kernel already."""

    def __init__(self, facts: Mapping[str, Any], fragments: Fragments, machine: Machine) -> None:
        self._facts = facts
        self._fragments = fragments
        self._machine = machine

    def port(self, adapter: Adapter) -> InstancePort:
        """As routes and verification see it."""
        machine, keys = self._machine, self._fragments.keys_of(("adapter", adapter.label))
        items = [(wanted.item, machine.state(key)) for key in keys if (wanted := machine.wanted.get(key))]
        known = adapter_port(adapter, Facts(self._facts))
        return usable(known, [(item, state is ItemState.PENDING) for item, state in items if item.kind in IP_KINDS])

    def under_test(self, adapter: Adapter) -> PortUnderTest:
        """As a connectivity test needs it."""
        has = self.port(adapter)
        return PortUnderTest(
            label=adapter.label,
            ifname=adapter.ifname,
            present=link_fact(adapter.ifname) in self._facts,
            carrier=has.carrier,
            addresses=tuple(address.ip for address in has.addresses),
            dns_servers=has.dns,
            error=adapter.config_error,
        )


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
