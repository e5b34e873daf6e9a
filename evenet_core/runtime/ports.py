"""The ports of adapters as they can be used at this moment: addresses that the kernel has, and ways from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from evenet_core.device.readiness import PortState, Wait
from evenet_core.linux.address import Address
from evenet_core.linux.l3 import addressing
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import link_fact
from evenet_core.model.ports import PortKind, lower_name
from evenet_core.model.resolved import InstancePort
from evenet_core.planning.planner import adapter_port
from evenet_core.probing.connectivity import PortUnderTest
from evenet_core.probing.ways import Proxied
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

    def state(self, adapter: Adapter, errors: Sequence[str] = (), *, named: bool = True) -> PortState:
        """As verification sees it.

        :param errors: why it cannot be planned
        :param named: the controller is known by a name that has to be looked up
        """
        wait, problem = self._lacks(adapter, errors, named=named)
        return PortState(label=adapter.label, management=adapter.management, wait=wait, problem=problem)

    def _lacks(self, adapter: Adapter, errors: Sequence[str], *, named: bool) -> tuple[Wait, str]:
        """What it waits for, and that in EVE's words."""
        interface = f"interface {adapter.ifname or f'of {adapter.label}'}"
        if errors or adapter.config_error:
            return Wait.CONFIG, "; ".join(errors) or adapter.config_error
        if not any(name in self._facts for name in (link_fact(adapter.ifname), link_fact(lower_name(adapter.ifname)))):
            missing = Wait.MODEM if adapter.kind is PortKind.CELLULAR else Wait.INTERFACE
            return missing, f"{interface} is missing"
        has = self.port(adapter)
        if not has.carrier:
            return Wait.LINK, f"link not up for {interface}"
        if not has.addresses:
            if adapter_port(adapter, Facts(self._facts)).addresses:
                return Wait.ITEMS, f"{interface}: its addresses and routes are being made"
            return Wait.ADDRESS, f"{interface}: no suitable IP address available"
        if adapter.management and named and not has.dns and not _has_proxy_by_address(adapter):
            return Wait.ADDRESS, f"{interface}: no DNS server available"
        return Wait.NOTHING, ""

    def _proxied(self, adapter: Adapter) -> Proxied | None:
        if adapter.proxy is None:
            return None
        told = addressing(adapter, Facts(self._facts))
        return Proxied(adapter.proxy, told.domain, told.wpad)

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
            proxied=self._proxied(adapter),
            error=adapter.config_error,
        )


def _has_proxy_by_address(adapter: Adapter) -> bool:
    """Whoever is asked through it looks names up by itself."""
    return adapter.proxy is not None and any(_is_address(server.server) for server in adapter.proxy.servers)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


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
