"""The model of the machine against what is there: who is told what, and when it goes."""

from __future__ import annotations

from dataclasses import replace

from evenet_core.device.iomodel import model_errors
from evenet_core.model.ports import Port, PortKind, PortUse


def other(label: str, **more: str) -> Port:
    return replace(Port(label=label, kind=PortKind.OTHER, use=PortUse.DEDICATED), **more)  # type: ignore[arg-type]


ETH0 = Port(label="ethernet0", interface="eth0", group="eth0")


def errors(*ports: Port, there: tuple[str, ...] = ("eth0",)) -> dict[str, str]:
    return model_errors((ETH0, *ports), lambda port: port.interface in there or port.pci in there)


def test_a_device_that_is_not_there_is_an_error_of_its_own() -> None:
    gpu = other("gpu", pci="0000:99:00.0")
    assert errors(gpu) == {"gpu": "PCI device 0000:99:00.0 does not exist"}
    assert errors(gpu, there=("0000:99:00.0",)) == {}
    assert errors(Port(label="ethernet1", interface="eth1", pci="0000:02:00.0"), there=("eth1",)) == {}


def test_groups_that_are_each_others_parents() -> None:
    found = errors(other("a", group="grpa", parent_group="grpb"), other("b", group="grpb", parent_group="grpa"))
    assert found == {
        "a": "Cycle detected among the parents of group grpa",
        "b": "Cycle detected among the parents of group grpb",
    }


def test_a_group_that_is_its_own_parent_until_it_is_mended() -> None:
    assert errors(other("a", group="grpa", parent_group="grpa")) == {"a": "group grpa is its own parent"}
    assert errors(other("a", group="grpa")) == {}


def test_one_address_in_two_groups_is_told_of_both_once() -> None:
    at = {"pci": "0000:02:00.0"}
    there = ("0000:02:00.0",)
    found = errors(other("a", group="one", **at), other("b", group="two", **at), there=there)
    assert found == {
        "a": "PCI address 0000:02:00.0 is also that of b, in another group",
        "b": "PCI address 0000:02:00.0 is also that of a, in another group",
    }
    assert errors(other("a", group="one", **at), other("b", group="one", **at), there=there) == {}


def test_devices_at_one_usb_controller_collide_by_their_usb_addresses_only() -> None:
    at = {"pci": "0000:00:14.0"}
    there = ("0000:00:14.0",)
    found = errors(other("a", group="one", usb="1:1", **at), other("b", group="two", usb="1:2", **at), there=there)
    assert found == {}
    found = errors(other("a", group="one", usb="1:1", **at), other("b", group="two", usb="1:1", **at), there=there)
    assert found["a"] == "USB address 1:1 is also that of b, in another group"
