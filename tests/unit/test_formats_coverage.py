"""No field is dropped in silence: each is acted on, or kept and named, or not evenet's business and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from evenet_core.formats import Document, read
from evenet_core.formats.rules.properties import ACTED_ON
from evenet_core.formats.rules.properties import NOT_YET as PROPERTIES_NOT_YET
from evenet_core.formats.rules.unsupported import NOT_YET
from evenet_core.model.config import DeviceConfig
from evenet_core.model.plain import to_plain

EVERYTHING: dict[str, Any] = json.loads((Path(__file__).parents[1] / "support" / "everything.json").read_text())

# Fields of EVE's API that the spec of formats names in its part B.
NAMED_TEXT = """
id uuid version apps networks datastores reboot counter desiredState opsTime configItems key value systemAdapterList
deviceIoList networkInstances cipherContexts contentInfo volumes controllerEpoch globalProfile localProfileServer
profileServerToken vlans bonds shutdown deviceName enterpriseId configTimestamp locConfig pnacs scepProfiles ptype
phylabel logicallabel phyaddrs Ifname pcilong usbaddr serial irq ioports assigngrp parentassigngrp usage usagePolicy
freeUplink cbattr vflist vfCount data index mac vlanId interfaceName lowerLayerName lowerLayerNames bondMode
lacpRate mii interval updelay downdelay arp ipTargets type ip dns HostName Address entProxy wireless mtu dhcp subnet
gateway domain ntp moreNtp dhcpRange start end dhcpOptionsIgnore ntpServerExclusively ipAddressesExclusively
dnsConfigExclusively gatewaysExclusively networkProxyEnable proxies proto server port exceptions pacfile
networkProxyURL proxyCertPEM wifiCfg wifiSSID keyScheme identity password crypto priority cipherData cellularCfg APN
probe disable customProbe locationTracking accessPoints simSlot apn authProtocol preferredPlmns forbidRoaming
preferredRats ipType attachApn attachIpType attachAuthProtocol activatedSimSlot name uplink networkUUID addr alias
cost sharedLabels allowLocalModifications uuidandversion displayname instType activate cfg propagateConnectedRoutes
staticRoutes destinationNetwork enableGwPing gwPingMaxCost probeMethod probeEndpoint host preferLowerCost
preferStrongerWwanSignal disableFlowlog stp portsWithBpduGuard vlanAccessPorts accessPort forwardLldp fixedresources
memory vcpus virtualizationMode enforceNetworkInterfaceOrder interfaces adapters ethVf interfaceOrder restart purge
userData metaDataType profileList startDelayInSeconds volumeRefList generationCount mount_dir collectStatsIPAddr
networkId macAddress acls accessVlanId allowToDiscover dir matches actions drop limit limitrate limitunit limitburst
portmap appPort eapIdentity eapMethod certEnrollmentProfileName profileName scepUrl useControllerProxy
scepChallengePassword caCertPem csrProfile commonName keyType
"""

# Parts of the config that something in evenet acts on, or that say only what something is called.
ACTED_TEXT = """
adapters[].allow_local_changes local_server.server local_server.token
evenet owner timestamp settings other ports[].label ports[].kind ports[].interface ports[].pci ports[].usb
ports[].printed_label ports[].use ports[].group ports[].parent_group networks[].name networks[].ip networks[].mtu
networks[].proxy
adapters[].label adapters[].lower adapters[].network adapters[].uplink adapters[].address adapters[].cost
adapters[].labels network_instances[].name network_instances[].uuid network_instances[].type
network_instances[].active network_instances[].port network_instances[].family network_instances[].subnet
network_instances[].gateway network_instances[].dhcp_range network_instances[].domain network_instances[].dns
network_instances[].ntp network_instances[].hosts network_instances[].propagate_connected_routes
network_instances[].mtu network_instances[].forward_lldp network_instances[].routes[].destination
network_instances[].routes[].gateway network_instances[].routes[].port network_instances[].routes[].probe
network_instances[].routes[].prefer_lower_cost apps[].name apps[].uuid apps[].active apps[].enforce_interface_order
apps[].other apps[].interfaces[].name apps[].interfaces[].network_instance apps[].interfaces[].address
apps[].interfaces[].mac apps[].interfaces[].order apps[].interfaces[].rules[].id apps[].interfaces[].rules[].name
apps[].interfaces[].rules[].remote apps[].interfaces[].rules[].host apps[].interfaces[].rules[].instance_members
apps[].interfaces[].rules[].protocol apps[].interfaces[].rules[].local_port apps[].interfaces[].rules[].remote_port
apps[].interfaces[].rules[].remote_port_end apps[].interfaces[].rules[].adapter apps[].interfaces[].rules[].action
apps[].interfaces[].rules[].limit apps[].interfaces[].rules[].forward
"""
NAMED = set(NAMED_TEXT.split())
ACTED = set(ACTED_TEXT.split())


def reading(document: dict[str, Any]) -> Document:
    return read(json.dumps(document).encode(), "config.json")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every value that holds no other."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in inner:
        if isinstance(member, (dict, list)) and member:
            yield from leaves(member, (*path, step))
        else:
            yield (*path, step)


def names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names(member)


def without(path: tuple[str | int, ...]) -> dict[str, Any]:
    document = deepcopy(EVERYTHING)
    value: Any = document
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]
    return document


def is_empty(value: Any, path: tuple[str | int, ...]) -> bool:
    for step in path:
        value = value[step]
    return value in ("", 0, [], {})


def patterns(info: inspect.Type, path: str = "") -> Iterator[str]:
    """Paths of the model, down to what NOT_YET and ACTED know."""
    if path in NOT_YET or path.removesuffix("[]") in ACTED:
        yield path
        return
    match info:
        case inspect.UnionType():
            yield from patterns(next(t for t in info.types if not isinstance(t, inspect.NoneType)), path)
        case inspect.VarTupleType() if isinstance(info.item_type, inspect.DataclassType):
            yield from patterns(info.item_type, f"{path}[]")
        case inspect.DataclassType():
            for field in info.fields:
                yield from patterns(field.type, f"{path}.{field.encode_name}".removeprefix("."))
        case _:
            yield path


def test_the_example_has_every_field_that_the_spec_names() -> None:
    assert set(names(EVERYTHING)) >= NAMED
    assert reading(EVERYTHING).config is not None


# What is so by default, or follows from what stands beside it; and what holds no setting of its own.
NO_DIFFERENCE = {"version", "type", "dhcp", "freeUplink", "eapMethod", "ipType", "vfCount"}


@pytest.mark.parametrize("path", list(leaves(EVERYTHING)), ids=lambda path: ".".join(map(str, path)))
def test_each_field_changes_what_is_read_or_is_named(path: tuple[str | int, ...]) -> None:
    whole = reading(EVERYTHING)

    try:
        rest = reading(without(path))
    except ValueError:
        return  # it cannot even be missing

    assert rest.config is not None
    assert whole.config is not None
    changed = to_plain(rest.config) != to_plain(whole.config)
    named = {notice.path for notice in whole.notices} - {notice.path for notice in rest.notices}
    assert changed or named or path[-1] in NO_DIFFERENCE or is_empty(EVERYTHING, path)


def test_each_part_of_the_model_is_acted_on_or_named() -> None:
    known = {*ACTED, *NOT_YET}

    unknown = [path for path in patterns(inspect.type_info(DeviceConfig)) if path.removesuffix("[]") not in known]

    assert [path for path in unknown if path not in known] == []


@pytest.mark.parametrize("pattern", NOT_YET)
def test_what_is_not_acted_on_is_named_once(pattern: str) -> None:
    told = [str(notice) for notice in reading(EVERYTHING).notices]

    saying = [line for line in told if NOT_YET[pattern] in line]

    assert 1 <= len(saying) <= max(2, list(NOT_YET.values()).count(NOT_YET[pattern]))


def test_properties_are_acted_on_or_named() -> None:
    items = [{"key": key, "value": "not the default"} for key in PROPERTIES_NOT_YET]

    told = [notice.text for notice in reading({"configItems": items}).notices]

    assert set(told) >= {f"not yet acted on: {key}" for key in PROPERTIES_NOT_YET}
    assert not ACTED_ON & PROPERTIES_NOT_YET.keys()


def test_a_field_that_nobody_knows_is_named_wherever_it_stands() -> None:
    document = deepcopy(EVERYTHING)
    document["somethingNew"] = {"a": 1}
    document["apps"][0]["somethingNew"] = 5
    document["deviceIoList"][0]["somethingNew"] = True
    document["networks"][0]["ip"]["somethingNew"] = "text"
    document["apps"][0]["interfaces"][0]["acls"][0]["matches"][0]["somethingNew"] = 1
    document["apps"][0]["interfaces"][0]["acls"][0]["actions"][0]["somethingNew"] = 1

    found = reading(document)

    assert found.config is not None
    assert found.config.other["somethingNew"] == {"a": 1}
    assert found.config.apps[0].other["somethingNew"] == 5
    assert {str(notice) for notice in found.notices if "somethingNew" in notice.path} == {
        "somethingNew: unknown field, kept but not acted on",
        "apps[0].somethingNew: unknown field, kept but not acted on",
        "deviceIoList[0].somethingNew: unknown field, ignored",
        "networks[0].ip.somethingNew: unknown field, ignored",
        "apps[0].interfaces[0].acls[0].matches[0].somethingNew: unknown field, ignored",
        "apps[0].interfaces[0].acls[0].actions[0].somethingNew: unknown field, ignored",
    }


def test_the_whole_example_is_the_same_in_evenets_own_format() -> None:
    config = reading(EVERYTHING).config

    again = read(json.dumps(to_plain(config)).encode(), "native.json")

    assert again.config == config
