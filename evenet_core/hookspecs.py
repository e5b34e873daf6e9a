"""Every hook that a plugin may implement.

Hooks are synchronous, pure and quick: they return frozen values. I/O belongs to drivers and monitors.
An implementation may take fewer arguments than the specification names. A planner that is not in
charge of an object returns None, and the next plugin is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from evenet_core.model.adapters import Adapter
from evenet_core.model.hardware import PortDevice, PortIdentity, PortQuirks
from evenet_core.model.policy import FirewallPolicy
from evenet_core.model.resolved import Instance, Vif
from evenet_core.reconciler.facts import Facts, Monitor
from evenet_core.reconciler.item import Driver, Item, Requires

if TYPE_CHECKING:
    from evenet_core.linux.rtnl import Rtnl

__all__ = [
    "API_VERSION",
    "Context",
    "PluginInfo",
    "PortDevice",
    "PortIdentity",
    "PortQuirks",
    "hookimpl",
    "hookspec",
]

API_VERSION = 1  # grows when a hook changes incompatibly

hookspec = pluggy.HookspecMarker("evenet")
hookimpl = pluggy.HookimplMarker("evenet")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What a plugin says of itself."""

    name: str
    version: str
    api_version: int = API_VERSION
    summary: str = ""
    capabilities: tuple[str, ...] = ()  # link.ethernet, ni.switch, firewall.nftables, ipv6 ...
    settings_schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What drivers and monitors are given to work with."""

    rtnl: Rtnl
    run_dir: Path  # volatile, ours alone: daemons, lease files
    state_dir: Path  # durable, ours alone
    settings: Mapping[str, Any] = field(default_factory=dict)  # of this plugin


class EvenetSpec:
    """The hooks, prefix `evenet_`."""

    @hookspec
    def evenet_plugin_info(self) -> PluginInfo:
        """Name, version, API version it was written for, capabilities."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def evenet_identify_port(self, device: PortDevice) -> PortIdentity | None:
        """What is this device: Ethernet, WiFi, cellular, and its stable addresses?

        Asked once about each device, and again when it is described differently. A port that becomes part of an
        adapter keeps its description. `evenet_core.linux.bus` reads addresses from it.
        """

    @hookspec
    def evenet_port_quirks(self, device: PortDevice, identity: PortIdentity) -> PortQuirks | None:
        """What must be known about this piece of hardware? The answers of all plugins count.

        See `examples/vendor-plugin`.
        """

    @hookspec(firstresult=True)
    def evenet_plan_link(self, adapter: Adapter, facts: Facts) -> list[Item] | None:
        """Items that bring this adapter's link up. The link's name is `adapter.ifname`."""

    @hookspec(firstresult=True)
    def evenet_plan_addressing(self, adapter: Adapter, facts: Facts) -> list[Item] | None:
        """Items that give this adapter addresses and routes."""

    @hookspec(firstresult=True)
    def evenet_plan_network_instance(self, instance: Instance, facts: Facts) -> list[Item] | None:
        """Items of this network instance, except those of its VIFs."""

    @hookspec(firstresult=True)
    def evenet_plan_vif(
        self, instance: Instance, vif: Vif, facts: Facts, needs: tuple[Requires, ...]
    ) -> list[Item] | None:
        """Items of one app's interface. Its link requires `needs`: what must be in force before it can be used."""

    @hookspec(firstresult=True)
    def evenet_plan_firewall(self, policy: FirewallPolicy, facts: Facts) -> list[Item] | None:
        """Items of the firewall in use that realise this policy.

        Of a `VifPolicy` the last item is the one that opens the interface: whatever the policy becomes, its key stays,
        and the interface is made after it, so that no packet of the app meets a closed door.
        """

    @hookspec
    def evenet_probes(self) -> Mapping[str, Any]:
        """Connectivity probes by name, in place of evenet's own (`icmp`, `tcp`): see `evenet_core.probing`."""
        raise NotImplementedError

    @hookspec
    def evenet_disconnected(self, seconds: float) -> None:
        """The controller was not reached for so long (property `timer.reboot.no.network`). Called once each time.

        Whoever runs the machine may decide that a restart helps; evenet never does.
        """

    @hookspec
    def evenet_drivers(self, context: Context) -> Sequence[Driver]:
        """The drivers this plugin brings."""
        raise NotImplementedError

    @hookspec
    def evenet_monitors(self, context: Context) -> Sequence[Monitor]:
        """The monitors this plugin brings."""
        raise NotImplementedError
