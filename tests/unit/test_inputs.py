"""What planning starts from: numbers and ranks of adapters and instances, over any change of config and ports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evenet_core.apps.numbers import ExhaustedError, Numbers
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig, Owner
from evenet_core.planning.inputs import Inputs, ObjectNames, gather_inputs
from evenet_core.planning.objects import DEVICE, Objects
from evenet_core.settings import NodeSettings
from tests.support.instances import app, local

SETTINGS = NodeSettings(app_namespaces="/run/netns/{app}", resolv_conf="/run/resolv.conf")


def adapter(ifname: str, cost: int = 0, *, management: bool = True) -> Adapter:
    return Adapter(label=ifname or "modem", ifname=ifname, cost=cost, management=management)


def gathered(
    *adapters: Adapter, config: DeviceConfig | None = None, numbers: Numbers | None = None
) -> tuple[Inputs, Numbers]:
    dpc = Dpc(key="zedagent", adapters=adapters)
    return gather_inputs(config or DeviceConfig(), dpc, numbers or Numbers(), SETTINGS)


def tables(inputs: Inputs) -> dict[str, int]:
    return {one.label: one.table for one in inputs.adapters}


def test_each_adapter_has_a_table_of_its_own_that_it_keeps() -> None:
    before, numbers = gathered(adapter("eth0"), adapter("eth1"))

    after, _ = gathered(adapter("eth1"), adapter("eth2"), numbers=numbers)

    assert tables(before) == {"eth0": 501, "eth1": 502}
    assert tables(after) == {"eth1": 502, "eth2": 503}


def test_a_modem_keeps_its_table_when_its_name_becomes_known() -> None:
    _, numbers = gathered(adapter(""))

    dpc = Dpc(key="zedagent", adapters=(adapter("eth0"), adapter("")))
    inputs, _ = gather_inputs(
        DeviceConfig(), dpc, numbers, SETTINGS, lambda one: replace(one, ifname=one.ifname or "wwan0")
    )

    assert tables(inputs) == {"modem": 501, "eth0": 502}
    assert inputs.adapters[1].ifname == "wwan0"


def test_tables_do_not_run_out_over_the_years() -> None:
    """USB adapters come with a new name each time."""
    numbers = Numbers()
    for number in range(1000):
        inputs, numbers = gathered(adapter("eth0"), adapter(f"enx{number}"), numbers=numbers)

    assert tables(inputs)["eth0"] == 501
    assert 501 < tables(inputs)["enx999"] <= 799


def test_more_adapters_than_tables_are_refused() -> None:
    with pytest.raises(
        ExhaustedError, match="no free number for eth299 in adapter-table: all of 501 to 799 are in use"
    ):
        gathered(*(adapter(f"eth{number}") for number in range(300)))


def test_management_adapters_rank_before_the_others_and_cheap_ones_before_dear_ones() -> None:
    inputs, _ = gathered(
        adapter("apps", management=False), adapter("dear", 9), adapter("first", 1), adapter("second", 1)
    )

    assert {one.label: one.rank for one in inputs.adapters} == {"first": 0, "second": 1, "dear": 2, "apps": 3}
    assert [one.label for one in inputs.adapters] == ["apps", "dear", "first", "second"]


def test_instances_keep_their_numbers_and_new_ones_get_free_ones() -> None:
    one, two, three = local("one"), local("two"), local("three")
    before, numbers = gathered(config=DeviceConfig(network_instances=(one, two)))

    after, _ = gathered(config=DeviceConfig(network_instances=(three, two)), numbers=numbers)

    assert before.instance_numbers == {one.key: 1, two.key: 2}
    assert after.instance_numbers == {three.key: 3, two.key: 2}


def test_numbers_of_instances_that_go_with_this_config_are_there_for_those_that_come() -> None:
    full = [f"old{number}" for number in range(4000)]
    numbers, _ = Numbers().allocate_all("bridge", full, 1, 4000)

    inputs, _ = gathered(config=DeviceConfig(network_instances=(local("new"),)), numbers=numbers)

    assert list(inputs.instance_numbers.values()) == [1]


def test_interfaces_are_decided_with_the_settings_of_this_machine_and_its_identity() -> None:
    config = DeviceConfig(
        owner=Owner(device_uuid="dev-1"),
        network_instances=(local("ni"),),
        apps=(app("web", "ni"),),
        settings={"debug.disable.dhcp.all-ones.netmask": "True"},
    )

    inputs, _ = gathered(config=config)

    [[vif]] = inputs.vifs.values()
    assert (vif.namespace, vif.bridge) == ("/run/netns/web", "bn1")
    assert (inputs.apps.device_uuid, inputs.apps.host_routes_only) == ("dev-1", False)
    assert inputs.resolv_conf == "/run/resolv.conf"


def test_without_a_dpc_there_are_no_adapters() -> None:
    inputs, numbers = gather_inputs(DeviceConfig(), None, Numbers(), SETTINGS)

    assert (inputs.adapters, list(Objects(inputs).values)) == ((), [DEVICE])
    assert numbers == Numbers()


def test_the_same_again_gives_no_new_numbers() -> None:
    config = DeviceConfig(network_instances=(local("ni"),), apps=(app("web", "ni"),))
    first, numbers = gathered(adapter("eth0"), config=config)

    again, after = gathered(adapter("eth0"), config=config, numbers=numbers)

    assert (again, after) == (first, numbers)


def test_objects_have_the_names_that_people_use() -> None:
    config = DeviceConfig(network_instances=(local("ni"),), apps=(app("web", "ni"),))
    [ni], [web] = config.network_instances, config.apps
    called = ObjectNames(config)

    names = [
        called(name)
        for name in (
            DEVICE,
            ("adapter", "eth0"),
            ("instance", ni.key),
            ("vif", web.key, "vif0"),
            ("instance", "gone"),
            ("vif", "gone", "vif0"),
            "text",
        )
    ]

    assert names == [
        "device",
        "adapter eth0",
        "network instance ni",
        "interface web/vif0",
        "network instance gone",
        "interface gone/vif0",
        "text",
    ]
