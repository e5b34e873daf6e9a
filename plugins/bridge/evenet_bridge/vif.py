"""An app's interface: a veth pair into the app's namespace, or a hypervisor's tap. Pure."""

from __future__ import annotations

from evenet_bridge.dnsmasq import service_name
from evenet_core.errors import NotSupported
from evenet_core.linux.daemon import daemon_key
from evenet_core.linux.link import BridgePort, Veth
from evenet_core.model.instances import InstanceType
from evenet_core.model.resolved import Instance, Vif
from evenet_core.reconciler.item import Item, Requires

__all__ = ["plan_vif"]


def plan_vif(instance: Instance, vif: Vif, needs: tuple[Requires, ...]) -> list[Item]:
    """Items of one app's interface.

    :raises NotSupported: it asks for an access VLAN; without one it would see what it must not see.
    """
    if instance.config.type is InstanceType.SWITCH and vif.access_vlan > 1:
        raise NotSupported(f"access VLAN {vif.access_vlan} of {vif.name}: bridges do not filter VLANs yet")
    local = instance.config.type is InstanceType.LOCAL
    service = Requires(daemon_key(service_name(instance.bridge)), "an app asks for its address at once")
    needs = (service, *needs) if local else needs
    if not vif.namespace:
        return [BridgePort(vif.ifname, instance.bridge, instance.mtu, needs)]
    return [
        Veth(
            name=vif.ifname,
            master=instance.bridge,
            mtu=instance.mtu,
            namespace=vif.namespace,
            peer=vif.guest_ifname,
            peer_mac=vif.mac,
            addresses=",".join(map(str, vif.addresses)),
            needs=needs,
        )
    ]
