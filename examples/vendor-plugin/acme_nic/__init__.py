"""What Acme knows about its network cards and nobody can read from them.

A hook here is pure: it looks at what it is given and answers with a value. It reads no file, asks no device and
changes nothing; evenet does all that.
"""

from __future__ import annotations

from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, PortQuirks, hookimpl
from evenet_core.model.ports import PortKind

__version__ = "1.0.0"

DRIVERS = frozenset({"acme100g"})  # name of the kernel's driver: `ethtool -i eth0`
OUI = "02:ac:3e:"  # first half of the MAC address of cards that other drivers serve

QUIRKS = PortQuirks(
    reason="cards of revision A send broken TCP segments larger than 4 kB (Acme erratum 17)",
    offloads_off=("tso", "tx-udp-segmentation"),
    settle_seconds=1.5,
    max_virtual_functions=8,
)


@hookimpl
def evenet_plugin_info() -> PluginInfo:
    return PluginInfo(name="acme-nic", version=__version__, summary="quirks of Acme network cards")


@hookimpl
def evenet_port_quirks(device: PortDevice, identity: PortIdentity) -> PortQuirks | None:
    """None = not one of ours."""
    if identity.kind is not PortKind.ETHERNET:
        return None
    ours = device.driver in DRIVERS or device.mac.startswith(OUI)
    return QUIRKS if ours else None
