"""evenet plugin: the firewall in nftables.

A policy says what may pass (`evenet_core.model.policy`); this plugin says it in nftables' words. The driver that
loads them is the core's.
"""

from __future__ import annotations

from evenet_core.hookspecs import PluginInfo, hookimpl
from evenet_core.model.policy import DevicePolicy, FirewallPolicy, InstancePolicy, VifPolicy
from evenet_core.reconciler.item import Item
from evenet_firewall.tables import plan_device, plan_instance
from evenet_firewall.vif import plan_vif

__all__ = ["evenet_plan_firewall", "evenet_plugin_info"]


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(
        name="firewall",
        version="0.1.0",
        summary="access rules, port forwards, address translation and protection of the node, by nftables",
        capabilities=("firewall.nftables", "ipv6"),
    )


@hookimpl
def evenet_plan_firewall(policy: FirewallPolicy) -> list[Item]:
    """Items of one policy."""
    match policy:
        case DevicePolicy():
            return plan_device(policy)
        case InstancePolicy():
            return plan_instance(policy)
        case VifPolicy():
            return plan_vif(policy)
