"""Where a device sits, in addresses that stay when its name does not: on PCI or on USB. Pure.

The kernel's own path (DEVPATH) comes first: it is always there and has the number of the USB bus, which udev's
ID_PATH has not (`usb-0:2.1` whatever the bus). A device on USB has no PCI address: that would be its controller's.
"""

from __future__ import annotations

import re

from evenet_core.model.hardware import PortDevice

__all__ = ["pci_address", "usb_address"]

# /devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.1/1-2.1:1.0/net/wwan0
_PCI = re.compile(r"/([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?=/)", re.ASCII)
_USB = re.compile(r"/(\d{1,4})-(\d{1,3}(?:\.\d{1,3}){0,6})(?=/)", re.ASCII)
# pci-0000:01:00.0   virtio-pci-0000:00:03.0   pci-0000:00:14.0-usb-0:2.1:1.0   platform-dummy_hcd.0-usb-0:1:1.0
_ID_PATH = re.compile(r"(?:[a-z]+-)?pci-([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.ASCII)


def pci_address(device: PortDevice) -> str:
    """`0000:02:00.0`; empty = it is no PCI device, or nobody says."""
    path = device.properties.get("DEVPATH", "")
    if path:
        found = _PCI.findall(path)
        return str(found[-1]) if found and not _USB.search(path) else ""
    known = _ID_PATH.fullmatch(device.properties.get("ID_PATH", ""))
    return known[1] if known else ""


def usb_address(device: PortDevice) -> str:
    """`bus:port.port`, as in a device config; empty = it is no USB device, or nobody says."""
    found = _USB.findall(device.properties.get("DEVPATH", ""))
    return "{}:{}".format(*found[-1]) if found else ""
