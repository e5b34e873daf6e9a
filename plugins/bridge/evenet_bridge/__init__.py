"""evenet plugin: network instances on Linux bridges, routed (local) or bridged (switch)."""

from __future__ import annotations

from evenet_bridge.local import plan_local
from evenet_bridge.switch import plan_switch
from evenet_bridge.vif import plan_vif
from evenet_core.hookspecs import PluginInfo, hookimpl
from evenet_core.model.instances import InstanceType
from evenet_core.model.resolved import Instance, Vif
from evenet_core.reconciler.item import Item, Requires

__all__ = ["evenet_plan_network_instance", "evenet_plan_vif", "evenet_plugin_info"]


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(
        name="bridge",
        version="0.1.0",
        summary="local and switch network instances on Linux bridges, addresses and names by dnsmasq",
        capabilities=("ni.local", "ni.switch", "ipv6"),
    )


@hookimpl(trylast=True)
def evenet_plan_network_instance(instance: Instance) -> list[Item]:
    """Items of one network instance."""
    return plan_local(instance) if instance.config.type is InstanceType.LOCAL else plan_switch(instance)


@hookimpl(trylast=True)
def evenet_plan_vif(instance: Instance, vif: Vif, needs: tuple[Requires, ...]) -> list[Item]:
    """Items of one app's interface."""
    return plan_vif(instance, vif, needs)
