"""What the plugins know of the devices behind ports: what each is, and what vendors say about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evenet_core.linux.offload import Offload
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import HARDWARE, hardware_fact
from evenet_core.model.hardware import PortDevice, PortIdentity, PortQuirks
from evenet_core.model.ports import Port, PortKind
from evenet_core.plugins import Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Planned

__all__ = ["Hardware", "KnownPort", "mismatch"]


@dataclass(frozen=True, slots=True)
class KnownPort:
    """A port's device as a monitor describes it, and what the plugins make of it."""

    device: PortDevice
    identity: PortIdentity | None = None  # None = no plugin knows it
    quirks: tuple[tuple[str, PortQuirks], ...] = ()  # each with the plugin that knows it


class Hardware:
    """Asks the plugins about a device once, and again when it is described differently."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._known: dict[str, KnownPort] = {}

    def port(self, ifname: str, facts: Facts) -> KnownPort | None:
        """The port of this name; None = there is none, or nobody describes it."""
        device = facts.get(hardware_fact(ifname))
        if not isinstance(device, PortDevice):
            self._known.pop(ifname, None)
            return None
        known = self._known.get(ifname)
        if known is None or known.device != device:
            identity = self._plugins.identify(device)
            quirks = tuple(self._plugins.quirks(device, identity)) if identity is not None else ()
            known = self._known[ifname] = KnownPort(device, identity, quirks)
        return known

    def offloads(self, adapter: Adapter, facts: Facts) -> Iterator[Planned]:
        """What vendors want switched off on an adapter's port; planned in the name of the plugin that says so."""
        if adapter.vlan or adapter.bond:
            return
        known = self.port(adapter.ifname, facts)
        for plugin, quirks in known.quirks if known is not None else ():
            for feature in quirks.offloads_off:
                yield Planned(Offload(adapter.ifname, feature, quirks.reason), plugin)

    def named(self, adapter: Adapter, facts: Mapping[str, Any]) -> Adapter:
        """An adapter with the name of the device at its PCI or USB address, if there is none of the configured name.

        Of several names at one address the first is taken: a modem's others are for further connections.
        """
        if not (adapter.pci or adapter.usb) or hardware_fact(adapter.ifname) in facts:
            return adapter
        names = sorted(name.removeprefix(HARDWARE) for name in facts if name.startswith(HARDWARE))
        here = (name for name in names if self._sits_at(adapter, self.port(name, Facts(facts))))
        found = next(here, "")
        return replace(adapter, ifname=found, configured_ifname=adapter.ifname) if found else adapter

    @staticmethod
    def _sits_at(adapter: Adapter, known: KnownPort | None) -> bool:
        identity = known.identity if known is not None else None
        if identity is None or identity.kind is not adapter.kind:
            return False
        return adapter.usb == identity.usb if adapter.usb else adapter.pci.lower() == identity.pci

    def place(self, port: Port, facts: Mapping[str, Any]) -> str:
        """Name of the device that a port is: as configured, or else of the one at its PCI or USB address."""
        like = Adapter(label=port.label, ifname=port.interface, kind=port.kind, pci=port.pci, usb=port.usb)
        return self.named(like, facts).ifname


def mismatch(kind: PortKind, pci: str, usb: str, known: KnownPort | None) -> str:
    """How a port differs from what the config says of it; empty = not at all, as far as is known."""
    identity = known.identity if known is not None else None
    if known is None or identity is None or "DEVPATH" not in known.device.properties:
        return ""  # described by its MAC address and driver alone: that tells no radio from a cable
    if kind is not PortKind.OTHER and identity.kind is not kind:
        driver = f" (driver {known.device.driver})" if known.device.driver else ""
        return f"{known.device.ifname} is {identity.kind} hardware{driver}, and {kind} in the config"
    for bus, configured, found in (("PCI", pci.lower(), identity.pci), ("USB", usb, identity.usb)):
        if configured and found and configured != found:
            return f"{known.device.ifname} is at {bus} address {found}, and at {configured} in the config"
    return ""
