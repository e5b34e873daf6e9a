"""What the plugins of this repository take devices for, from what udev says about real ones."""

from __future__ import annotations

import pytest

from evenet_core.hookspecs import PortDevice, PortIdentity
from evenet_core.model.ports import PortKind
from evenet_core.plugins import Plugins

MAC = "02:16:3e:00:00:01"

NIC = {
    "DEVPATH": "/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/net",
    "ID_BUS": "pci",
    "ID_MODEL_FROM_DATABASE": "82574L Gigabit Network Connection",
    "ID_MODEL_ID": "0x10d3",
    "ID_NET_DRIVER": "e1000e",
    "ID_NET_LINK_FILE": "/usr/lib/systemd/network/99-default.link",
    "ID_NET_NAME": "enp1s0",
    "ID_NET_NAME_MAC": "enx02163e000001",
    "ID_NET_NAME_PATH": "enp1s0",
    "ID_PATH": "pci-0000:01:00.0",
    "ID_PATH_TAG": "pci-0000_01_00_0",
    "ID_VENDOR_FROM_DATABASE": "Intel Corporation",
    "ID_VENDOR_ID": "0x8086",
}
USB = {
    "ID_BUS": "usb",
    "ID_USB_DRIVER": "ax88179_178a",
    "ID_USB_INTERFACE_NUM": "00",
}
USB_NIC = USB | {
    "DEVPATH": "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/net",
    "ID_MODEL": "AX88179",
    "ID_PATH": "pci-0000:00:14.0-usb-0:1.4:1.0",
    "ID_SERIAL": "ASIX_AX88179_00000000000A1B",
    "ID_SERIAL_SHORT": "00000000000A1B",
    "ID_USB_INTERFACES": ":ffff00:",
}
RADIO = {
    "DEVTYPE": "wlan",
    "DEVPATH": "/devices/pci0000:00/0000:00:1c.3/0000:02:00.0/net",
    "ID_NET_DRIVER": "iwlwifi",
    "ID_NET_NAME": "wlp2s0",
    "ID_PATH": "pci-0000:02:00.0",
}
USB_RADIO = USB | {
    "DEVTYPE": "wlan",
    "DEVPATH": "/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/net",
    "ID_SERIAL_SHORT": "00e04c000001",
    "ID_USB_DRIVER": "rtw_8822bu",
    "ID_USB_INTERFACES": ":ffffff:e00101:",
}
HWSIM = {"DEVTYPE": "wlan", "DEVPATH": "/devices/virtual/mac80211_hwsim/hwsim0/net"}
QMI = USB | {
    "DEVTYPE": "wwan",
    "DEVPATH": "/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.1/1-2.1:1.4/net",
    "ID_SERIAL_SHORT": "8f5e0c3b",
    "ID_USB_DRIVER": "qmi_wwan",
    "ID_USB_INTERFACES": ":ffffff:ff0000:ffff30:",
}
PCIE_MODEM = {"DEVTYPE": "wwan", "DEVPATH": "/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/mhi0/wwan/wwan0/net"}
ECM_STICK = USB | {  # shows itself as Ethernet, and has a line for AT commands beside it
    "DEVPATH": "/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.2/net",
    "ID_PATH": "platform-dummy_hcd.0-usb-0:1:1.2",
    "ID_SERIAL": "Lab_Modem_LAB0001",
    "ID_SERIAL_SHORT": "LAB0001",
    "ID_USB_DRIVER": "cdc_ether",
    "ID_USB_INTERFACES": ":020201:0a0000:020600:",
}
ETHERNET, WIFI, CELLULAR = PortKind.ETHERNET, PortKind.WIFI, PortKind.CELLULAR


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins()


@pytest.mark.parametrize(
    ("properties", "identity"),
    [
        pytest.param(NIC, PortIdentity(kind=ETHERNET, pci="0000:01:00.0"), id="nic"),
        pytest.param(USB_NIC, PortIdentity(kind=ETHERNET, usb="2:1.4", serial="00000000000A1B"), id="usb nic"),
        pytest.param({}, PortIdentity(kind=ETHERNET), id="nothing known"),
        pytest.param({"DEVPATH": "/devices/virtual/net"}, PortIdentity(kind=ETHERNET), id="veth"),
        pytest.param(RADIO, PortIdentity(kind=WIFI, pci="0000:02:00.0"), id="radio"),
        pytest.param(USB_RADIO, PortIdentity(kind=WIFI, usb="1:3", serial="00e04c000001"), id="usb radio"),
        pytest.param(HWSIM, PortIdentity(kind=WIFI), id="simulated radio"),
        pytest.param(QMI, PortIdentity(kind=CELLULAR, usb="1:2.1", serial="8f5e0c3b"), id="qmi"),
        pytest.param(PCIE_MODEM, PortIdentity(kind=CELLULAR, pci="0000:03:00.0"), id="pcie modem"),
        pytest.param(ECM_STICK, PortIdentity(kind=CELLULAR, usb="1:1", serial="LAB0001"), id="modem as ethernet"),
    ],
)
def test_a_device_is_what_it_is(plugins: Plugins, properties: dict[str, str], identity: PortIdentity) -> None:
    assert plugins.identify(PortDevice(ifname="port0", properties=properties, mac=MAC)) == identity


def test_a_modem_that_speaks_ip_only_has_no_mac(plugins: Plugins) -> None:
    identity = plugins.identify(PortDevice(ifname="wwan0", properties=QMI))

    assert identity is not None
    assert identity.kind is CELLULAR


def test_what_has_no_mac_and_is_no_modem_is_no_port(plugins: Plugins) -> None:
    assert plugins.identify(PortDevice(ifname="tunl0", properties={"DEVPATH": "/devices/virtual/net"})) is None
