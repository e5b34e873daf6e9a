"""From the description of a device to items and status, by way of what plugins know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from evenet_ethernet import evenet_plan_link

from evenet_core.device.flatten import dpc_from_config
from evenet_core.device.verification import State
from evenet_core.errors import NotSupported
from evenet_core.hookspecs import PluginInfo, PortDevice, PortIdentity, PortQuirks, hookimpl
from evenet_core.linux.link import PortBridge, link_key
from evenet_core.linux.offload import Offload
from evenet_core.model.adapters import Adapter, SystemAdapter
from evenet_core.model.config import DeviceConfig
from evenet_core.model.facts import hardware_fact
from evenet_core.model.networks import IpMode, IpSettings, Network
from evenet_core.model.ports import Bond, Port, PortKind, PortUse, Vlan
from evenet_core.planning.hardware import Hardware
from evenet_core.planning.inputs import Inputs
from evenet_core.planning.planner import Planner
from evenet_core.plugins import Found, Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.fragments import Fragments
from evenet_core.reconciler.item import Item
from evenet_core.status import View, status_document

ADAPTER = Adapter(label="uplink0", ifname="eth0", ip=IpSettings(mode=IpMode.STATIC))
CARD = PortDevice(
    ifname="eth0",
    properties={"DEVPATH": "/devices/pci0000:00/0000:02:00.0/net"},
    driver="acmenic",
    mac="02:ac:3e:00:00:01",
)
OTHER = replace(CARD, driver="e1000e")
LOSES = PortQuirks(reason="acme cards lose frames", offloads_off=("tso", "rx-gro"))
HANGS = PortQuirks(reason="acme cards hang", offloads_off=("tso",), settle_seconds=2.5, max_virtual_functions=4)


class Ethernet:
    """Cables and radios, told apart as the kernel does."""

    asked = 0

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name="ethernet", version="1")

    @hookimpl
    def evenet_identify_port(self, device: PortDevice) -> PortIdentity:
        self.asked += 1
        radio = device.properties.get("DEVTYPE") == "wlan"
        return PortIdentity(
            kind=PortKind.WIFI if radio else PortKind.ETHERNET,
            pci=device.properties.get("pci", "0000:02:00.0" if "DEVPATH" in device.properties else ""),
            usb=device.properties.get("usb", ""),
        )

    @hookimpl
    def evenet_plan_link(self, adapter: Adapter, facts: Facts) -> list[Item] | None:
        if adapter.kind is PortKind.WIFI:
            raise NotSupported("no radio")
        return evenet_plan_link(adapter, facts) or [PortBridge(adapter.ifname)]

    @hookimpl
    def evenet_plan_addressing(self, adapter: Adapter) -> list[Item]:
        return []

    @hookimpl
    def evenet_plan_firewall(self) -> list[Item]:
        return []


class Vendor:
    """Knows one card."""

    def __init__(self, name: str, quirks: PortQuirks) -> None:
        self._name = name
        self._quirks = quirks

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name=self._name, version="1")

    @hookimpl
    def evenet_port_quirks(self, device: PortDevice) -> PortQuirks | None:
        return self._quirks if device.driver == "acmenic" else None


def plugins(*vendors: tuple[str, PortQuirks], ethernet: Ethernet | None = None) -> Plugins:
    found = [Found("ethernet", ethernet or Ethernet(), "e 1")]
    return Plugins((), found + [Found(name, Vendor(name, quirks), f"{name} 1") for name, quirks in vendors])


def planner(adapter: Adapter, *vendors: tuple[str, PortQuirks]) -> Planner:
    found = Planner(plugins(*vendors))
    found.load(Inputs(adapters=(adapter,)))
    return found


def offloads(planner: Planner, *devices: PortDevice) -> list[tuple[Item, str]]:
    facts = Facts({hardware_fact(device.ifname): device for device in devices})
    planned = planner.plan(("adapter", "uplink0"), facts)
    return [(one.item, one.plugin) for one in planned if isinstance(one.item, Offload)]


def port(config: DeviceConfig, facts: Mapping[str, Any], *vendors: tuple[str, PortQuirks]) -> dict[str, Any]:
    """The one port of a config in the status."""
    planner = Planner(plugins(*vendors))
    adapters = [planner.hardware.named(adapter, facts) for adapter in dpc_from_config(config).adapters]
    planner.load(Inputs(config=config, adapters=tuple(adapters)))
    view = View(
        agent={},
        verification=State(),
        planner=planner,
        facts=facts,
        counts={"wanted": 0, "in_sync": 0, "pending": 0, "failed": 0},
        problems=(),
    )
    [found] = status_document(view)["ports"]
    assert isinstance(found, dict)
    return found


# -- items ------------------------------------------------------------------------------------------------


def test_what_a_vendor_wants_off_is_planned_in_the_vendors_name() -> None:
    found = offloads(planner(ADAPTER, ("acme", LOSES)), CARD)

    assert found == [(Offload("eth0", "tso"), "acme"), (Offload("eth0", "rx-gro"), "acme")]
    item = found[0][0]
    assert item.description == "offload tso off on eth0 (acme cards lose frames)"
    assert [need.key for need in item.requires] == [link_key("eth0")]


def test_other_hardware_is_left_alone() -> None:
    assert offloads(planner(ADAPTER, ("acme", LOSES)), OTHER) == []
    assert offloads(planner(ADAPTER, ("acme", LOSES))) == []


def test_of_two_plugins_that_want_the_same_the_first_has_it() -> None:
    found = planner(ADAPTER, ("acme", LOSES), ("acme2", HANGS))
    fragments = Fragments(found.plan, {hardware_fact("eth0"): CARD})
    fragments.set_objects([("adapter", "uplink0")])

    wanted = {key[-1]: wanted.plugin for key, wanted in fragments.intent.items() if key.kind == "offload"}

    assert wanted == {"tso": "acme2", "rx-gro": "acme"}
    assert fragments.conflicts() == []


def test_only_the_adapter_whose_hardware_changed_is_planned_again() -> None:
    adapters = (ADAPTER, replace(ADAPTER, label="uplink1", ifname="eth1"))
    found = Planner(plugins(("acme", LOSES)))
    found.load(Inputs(adapters=adapters))
    facts: dict[str, Any] = {hardware_fact("eth0"): OTHER}
    planned = []

    def plan(name: Any, facts: Facts) -> Any:
        planned.append(name)
        return found.plan(name, facts)

    fragments = Fragments(plan, facts)
    fragments.set_objects(found.objects.values)
    planned.clear()

    facts[hardware_fact("eth0")] = CARD
    delta = fragments.facts_changed({hardware_fact("eth0")})

    assert planned == [("adapter", "uplink0")]
    assert {str(key) for key in delta} == {"offload:eth0:tso", "offload:eth0:rx-gro"}


@pytest.mark.parametrize(
    "adapter",
    [
        replace(ADAPTER, kind=PortKind.WIFI),  # no plugin brings it up
        replace(ADAPTER, config_error="port uplink0 is disabled"),
        replace(ADAPTER, vlan=Vlan(label="uplink0", interface="eth0", lower="x", id=7)),  # no port: it is on one
        replace(ADAPTER, bond=Bond(label="uplink0", interface="eth0", lower=("x", "y"))),
    ],
)
def test_without_a_link_of_its_own_nothing_is_switched_off(adapter: Adapter) -> None:
    assert offloads(planner(adapter, ("acme", LOSES)), CARD) == []


def test_plugins_are_asked_once_about_a_device_and_again_when_it_is_described_differently() -> None:
    ethernet = Ethernet()
    hardware = Hardware(plugins(("acme", LOSES), ethernet=ethernet))
    facts = {hardware_fact("eth0"): CARD}

    first = hardware.port("eth0", Facts(facts))
    assert hardware.port("eth0", Facts(facts)) is first
    assert ethernet.asked == 1

    facts[hardware_fact("eth0")] = OTHER
    changed = hardware.port("eth0", Facts(facts))
    assert ethernet.asked == 2
    assert changed is not None
    assert changed.quirks == ()


# -- ports without a name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ({"pci": "0000:02:00.0"}, "eth0"),
        ({"usb": "1:2.1"}, "eth7"),
        ({"usb": "1:2"}, ""),
        ({"pci": "0000:02:00.0", "usb": "1:9"}, ""),  # the PCI address is that of the USB controller
        ({}, ""),
    ],
)
def test_a_port_known_by_its_address_gets_the_name_of_what_is_there(address: dict[str, Any], name: str) -> None:
    hardware = Hardware(plugins())
    stick = [PortDevice(ifname=ifname, properties={"usb": "1:2.1"}) for ifname in ("eth8", "eth7")]
    facts = {hardware_fact(device.ifname): device for device in (CARD, *stick)}

    assert hardware.named(Adapter(label="x", ifname="", **address), facts).ifname == name


def test_a_port_of_another_kind_at_the_same_address_is_not_meant() -> None:
    hardware = Hardware(plugins())
    modem = Adapter(label="x", ifname="", pci="0000:02:00.0", kind=PortKind.CELLULAR)

    assert hardware.named(modem, {hardware_fact("eth0"): CARD}).ifname == ""


def test_a_port_under_another_name_is_found_by_its_place_and_works_with_a_warning() -> None:
    hardware = Hardware(plugins())
    facts = {hardware_fact("eth0"): CARD}
    wrong = Adapter(label="x", ifname="enp2s0", pci="0000:02:00.0")

    found = hardware.named(wrong, facts)

    assert (found.ifname, found.configured_ifname) == ("eth0", "enp2s0")
    away = {hardware_fact("enp2s0"): replace(CARD, ifname="enp2s0")} | facts
    assert hardware.named(wrong, away) == wrong, "what is called so is meant"
    told = port(config(interface="enp2s0", pci="0000:02:00.0"), facts)
    assert told["ifname"] == "eth0"
    assert told["warning"] == "interface is eth0, and enp2s0 in the config: found by its place"


# -- status -----------------------------------------------------------------------------------------------

STATIC = Network(name="static", ip=IpSettings(mode=IpMode.STATIC))


def config(**port: Any) -> DeviceConfig:
    return DeviceConfig(
        ports=(Port(label="uplink0", **({"interface": "eth0"} | port)),),
        networks=(STATIC,),
        adapters=(SystemAdapter(label="uplink0", network="static"),),
    )


def test_the_status_tells_the_hardware_of_a_port_and_what_is_known_about_it() -> None:
    found = port(config(), {hardware_fact("eth0"): CARD}, ("acme", HANGS))

    assert (found["kind"], found["pci"], found["usb"], found["driver"], found["warning"]) == (
        "ethernet",
        "0000:02:00.0",
        None,
        "acmenic",
        None,
    )
    assert found["quirks"] == [
        {
            "plugin": "acme",
            "reason": "acme cards hang",
            "offloads_off": ["tso"],
            "settle_seconds": 2.5,
            "max_virtual_functions": 4,
            "not_acted_on": ["settle_seconds", "max_virtual_functions"],
        }
    ]


def test_what_the_hardware_does_not_tell_is_as_configured() -> None:
    found = port(config(pci="0000:05:00.0"), {})

    assert (found["pci"], found["driver"], found["quirks"], found["warning"]) == ("0000:05:00.0", None, [], None)


@pytest.mark.parametrize(
    ("configured", "device", "warning"),
    [
        ({"kind": PortKind.WIFI}, CARD, "eth0 is ethernet hardware (driver acmenic), and wifi in the config"),
        (
            {},
            replace(CARD, properties={**CARD.properties, "DEVTYPE": "wlan"}, driver=""),
            "eth0 is wifi hardware, and ethernet in the config",
        ),
        (
            {"pci": "0000:05:00.0"},
            CARD,
            "eth0 is at PCI address 0000:02:00.0, and at 0000:05:00.0 in the config",
        ),
        ({"kind": PortKind.WIFI}, replace(CARD, properties={}), None),  # nobody knows more than its MAC address
        ({"pci": "0000:05:00.0"}, replace(CARD, properties={}), None),
        ({"kind": PortKind.OTHER}, CARD, None),
        ({"pci": "0000:02:00.0".upper()}, CARD, None),
    ],
)
@pytest.mark.parametrize("use", [PortUse.MANAGEMENT_AND_APPS, PortUse.DEDICATED])
def test_hardware_that_is_not_what_the_config_says_is_a_warning(
    configured: dict[str, Any], device: PortDevice, warning: str | None, use: PortUse
) -> None:
    """For ports in use and for others alike."""
    given = config(use=use, **configured)
    if use is PortUse.DEDICATED:
        given = replace(given, adapters=())

    assert port(given, {hardware_fact("eth0"): device})["warning"] == warning
