"""Where devices sit, from the paths that the kernel and udev give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.hookspecs import PortDevice
from evenet_core.linux.bus import pci_address, usb_address


def at(path: str = "", id_path: str = "") -> tuple[str, str]:
    """PCI and USB address of a device with these paths."""
    properties = {name: value for name, value in (("DEVPATH", path), ("ID_PATH", id_path)) if value}
    device = PortDevice(ifname="eth0", properties=properties)
    return pci_address(device), usb_address(device)


@pytest.mark.parametrize(
    ("path", "pci", "usb"),
    [
        ("/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/net", "0000:01:00.0", ""),
        ("/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/net/enp1s0", "0000:01:00.0", ""),
        ("/devices/pci0000:00/0000:00:03.0/virtio2/net", "0000:00:03.0", ""),
        ("/devices/pci10000:e0/10000:e0:06.0/10000:e1:00.0/net", "10000:e1:00.0", ""),
        ("/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.1/1-2.1:1.0/net", "", "1:2.1"),
        ("/devices/pci0000:00/0000:00:14.0/usb3/3-4/3-4:1.12/net", "", "3:4"),
        ("/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.2/net", "", "1:1"),
        ("/devices/platform/soc/30be0000.ethernet/net", "", ""),
        ("/devices/virtual/net", "", ""),
        ("/devices/virtual/mac80211_hwsim/hwsim0/net", "", ""),
        ("/devices/platform/soc/i2c-0/0-0050/net", "", ""),
        ("", "", ""),
    ],
)
def test_the_kernels_path_has_the_address(path: str, pci: str, usb: str) -> None:
    assert at(path) == (pci, usb)


@pytest.mark.parametrize(
    ("id_path", "pci"),
    [
        ("pci-0000:01:00.0", "0000:01:00.0"),
        ("virtio-pci-0000:00:03.0", "0000:00:03.0"),
        ("pci-0000:00:14.0-usb-0:2.1:1.0", ""),  # the controller's address, not the device's
        ("pci-0000:00:14.0-usbv2-0:2.1:1.0", ""),
        ("platform-dummy_hcd.0-usb-0:1:1.0", ""),
        ("pci-0000:01:00.8", ""),
        ("pci-0000:01:00.0\n", ""),
    ],
)
def test_udevs_path_has_it_where_the_kernels_is_not_known(id_path: str, pci: str) -> None:
    assert at(id_path=id_path) == (pci, "")  # and no USB address: udev leaves the number of the bus out


def test_where_both_are_known_the_kernel_is_believed() -> None:
    assert at("/devices/pci0000:00/0000:00:03.0/net", "pci-0000:01:00.0") == ("0000:00:03.0", "")


@given(
    st.text(st.sampled_from("/0123456789abcdef:.-usbpcinet\n")), st.text(st.sampled_from("0123456789abcdef:.-pciusb"))
)
def test_whatever_the_paths_are_an_address_is_one_or_none(path: str, id_path: str) -> None:
    pci, usb = at(path, id_path)

    assert set(pci) <= set("0123456789abcdef:.")
    assert set(usb) <= set("0123456789:.")
    assert not (pci and usb)
