"""A switch network instance: apps and ports on one segment. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from evenet_core.errors import NotSupported
from evenet_core.linux.link import Bridge, BridgePort
from evenet_core.linux.sysctl import Sysctl
from evenet_core.model.resolved import Instance
from evenet_core.reconciler.item import Item

__all__ = ["FORWARD_LLDP", "plan_switch"]

FORWARD_LLDP = 0x4000  # group_fwd_mask: a bit for each address 01-80-c2-00-00-0X (IEEE 802.1D, table 7-10)


def plan_switch(instance: Instance) -> list[Item]:
    """A bridge of its own with the ports in it; nothing where apps join the bridge of an adapter.

    :raises NotSupported: it asks for access ports.
    """
    if instance.config.access_ports:
        labels = ", ".join(access.port for access in instance.config.access_ports)
        raise NotSupported(f"VLAN access ports ({labels}): bridges do not filter VLANs yet")
    if not instance.own_bridge:
        return []
    name = instance.bridge
    bridge = Bridge(
        name=name,
        mac=instance.mac,
        mtu=instance.mtu,
        stp=len(instance.ports) > 1,
        group_fwd_mask=FORWARD_LLDP if instance.config.forward_lldp else 0,
    )
    return [bridge, *_mute(name), *(BridgePort(port.ifname, name, instance.mtu) for port in instance.ports)]


def _mute(bridge: str) -> Iterable[Item]:
    """The node itself does not speak on a segment that it only switches."""
    return [Sysctl(f"net/ipv6/conf/{bridge}/disable_ipv6", "1", bridge)]
