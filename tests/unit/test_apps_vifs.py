"""Interfaces of apps: order and names, addresses that stay, and what is refused to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.apps.numbers import Numbers
from evenet_core.apps.vifs import AppSettings, Known
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, App, AppInterface, NetworkInstance
from evenet_core.model.resolved import Vif
from evenet_core.model.values import DhcpRange
from tests.support.instances import SETTINGS, app, local, switch, vifs_of

MAC = "02:16:3e:00:00:01"


def config(*apps: App, instances: tuple[NetworkInstance, ...] = ()) -> DeviceConfig:
    return DeviceConfig(network_instances=instances or (local("ni"),), apps=apps)


def resolved(wanted: DeviceConfig, numbers: Numbers | None = None, how: AppSettings = SETTINGS) -> dict[str, Vif]:
    """By app and interface name."""
    found, _ = vifs_of(wanted, numbers, how)
    return {f"{vif.app}/{vif.name}": vif for vifs in found.values() for vif in vifs}


def card(name: str, instance: str = "ni", **more: Any) -> AppInterface:
    return AppInterface(name=name, network_instance=instance, **more)


def static(name: str, address: str, **more: Any) -> AppInterface:
    return card(name, address=ip_address(address), **more)


def addresses(vifs: Mapping[str, Vif]) -> dict[str, str]:
    return {name: " ".join(map(str, vif.addresses)) for name, vif in vifs.items()}


def errors(vifs: Mapping[str, Vif]) -> dict[str, str]:
    return {name: vif.error for name, vif in vifs.items() if vif.error}


# -- names and order ----------------------------------------------------------------------------------


def test_names_are_made_of_the_place_in_the_app_and_the_apps_number() -> None:
    vifs = resolved(config(app("one", "ni"), app("two", "ni", "ni")))

    assert {name: (vif.ifname, vif.guest_ifname, vif.bridge) for name, vif in vifs.items()} == {
        "one/vif0": ("nbu1x1", "eth0", "bn1"),
        "two/vif0": ("nbu1x2", "eth0", "bn1"),
        "two/vif1": ("nbu2x2", "eth1", "bn1"),
    }


def test_an_enforced_order_beats_the_one_in_the_config() -> None:
    given_app = app("a", card("late", order=7), card("soon", order=3), enforce_interface_order=True)

    vifs = resolved(config(given_app))

    assert {name: vif.guest_ifname for name, vif in vifs.items()} == {"a/late": "eth1", "a/soon": "eth0"}


def test_without_an_enforced_order_the_first_rule_with_an_id_decides() -> None:
    rules = {
        "third": (AclRule(id=0), AclRule(id=9), AclRule(id=1)),
        "second": (AclRule(id=4),),
        "first": (),  # no rule counts as 0
    }
    given_app = app("a", *(card(name, rules=given, order=1) for name, given in rules.items()))

    vifs = resolved(config(given_app))

    assert {vif.name: vif.guest_ifname for vif in vifs.values()} == {"first": "eth0", "second": "eth1", "third": "eth2"}


def test_equals_stay_in_the_order_of_the_config() -> None:
    vifs = resolved(config(app("a", card("x"), card("b"), card("m"))))

    assert [vif.ifname for vif in (vifs["a/x"], vifs["a/b"], vifs["a/m"])] == ["nbu1x1", "nbu2x1", "nbu3x1"]


def test_an_instance_is_meant_by_its_name_or_its_uuid() -> None:
    instance = local("ni", uuid="c7a4a2c0-0000-4000-8000-000000000001")

    vifs = resolved(config(app("a", "ni", instance.key), instances=(instance,)))

    assert {vif.instance for vif in vifs.values()} == {instance.key}
    assert len(vifs) == 2


def test_a_uuid_means_its_instance_even_if_another_is_called_like_it() -> None:
    meant = local("ni", uuid="c7a4a2c0-0000-4000-8000-000000000001")
    called = local(meant.key, "10.60.0.0/24", uuid="c7a4a2c0-0000-4000-8000-000000000002")

    vifs = resolved(config(app("a", meant.key), instances=(meant, called)))

    assert [vif.instance for vif in vifs.values()] == [meant.key]


def test_an_interface_in_an_unknown_instance_is_nowhere_and_its_place_stays_free() -> None:
    vifs = resolved(config(app("a", "nowhere", "ni")))

    assert {name: vif.ifname for name, vif in vifs.items()} == {"a/vif1": "nbu2x1"}


def test_an_app_that_is_switched_off_has_no_interfaces_and_later_its_old_names_and_addresses() -> None:
    one, two = app("one", "ni"), app("two", "ni")
    _, numbers = vifs_of(config(one, two))

    off, numbers = vifs_of(config(replace(one, active=False), two, app("three", "ni")), numbers)
    on = resolved(config(one, two, app("three", "ni")), numbers)

    assert [vif.app for vifs in off.values() for vif in vifs] == ["two", "three"]
    assert addresses(on) == {"one/vif0": "10.50.0.128", "two/vif0": "10.50.0.129", "three/vif0": "10.50.0.130"}
    assert on["one/vif0"].ifname == "nbu1x1"


def test_an_app_that_is_switched_off_keeps_the_last_address_from_nobody() -> None:
    only = DhcpRange(start=ip_address("10.50.0.2"), end=ip_address("10.50.0.2"))
    instances = (local("ni", dhcp_range=only),)
    one, two = app("one", "ni"), app("two", "ni")
    _, numbers = vifs_of(config(one, instances=instances))

    vifs = resolved(config(replace(one, active=False), two, instances=instances), numbers)

    assert addresses(vifs) == {"two/vif0": "10.50.0.2"}


def test_more_apps_than_numbers_leaves_the_last_one_out_with_the_reason() -> None:
    numbers, _ = Numbers().allocate_all("app", [f"other{n}" for n in range(65535)], 1, 65535)
    others = tuple(App(name=f"other{n}", uuid=f"other{n}") for n in range(65535))

    vifs = resolved(config(*others, app("last", "ni")), numbers)

    assert errors(vifs) == {"last/vif0": "no number is left for app last: 65535 apps have one"}


# -- namespaces ---------------------------------------------------------------------------------------


def test_an_app_is_the_namespace_of_its_name() -> None:
    assert resolved(config(app("web-1", "ni")))["web-1/vif0"].namespace == "/run/netns/web-1"


def test_with_a_hypervisor_there_is_no_namespace() -> None:
    vifs = resolved(config(app("../../etc", "ni")), how=AppSettings())

    assert vifs["../../etc/vif0"].namespace == ""
    assert errors(vifs) == {}


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "../etc", "", "a\nb", "a\0b", "x" * 129])
def test_no_name_of_an_app_leads_out_of_the_directory_of_namespaces(name: str) -> None:
    vifs = resolved(config(app(name, "ni")))

    assert errors(vifs) == {f"{name}/vif0": f"app name {name!r} cannot be the name of a network namespace"}
    assert vifs[f"{name}/vif0"].namespace == ""


# -- MACs ---------------------------------------------------------------------------------------------


def test_a_configured_mac_is_the_interfaces() -> None:
    assert resolved(config(app("a", card("x", mac=MAC))))["a/x"].mac == MAC


def test_of_two_interfaces_with_one_mac_in_one_network_the_later_one_is_refused() -> None:
    vifs = resolved(config(app("a", card("x", mac=MAC)), app("b", card("y", mac=MAC))))

    assert errors(vifs) == {"b/y": f"MAC {MAC} is already that of x of a"}


def test_the_same_mac_in_two_networks_is_no_trouble() -> None:
    instances = (local("ni"), local("other", "10.60.0.0/24"))

    vifs = resolved(config(app("a", card("x", mac=MAC), card("y", "other", mac=MAC)), instances=instances))

    assert errors(vifs) == {}


def test_an_app_that_is_not_active_keeps_its_mac_from_nobody() -> None:
    """The way to replace one app by another: the old one is switched off."""
    old, new = app("old", card("x", mac=MAC), active=False), app("new", card("x", mac=MAC))

    assert errors(resolved(config(old, new))) == {}


def test_an_interface_that_is_refused_keeps_its_mac_from_nobody() -> None:
    vifs = resolved(config(app("../bad", card("x", mac=MAC)), app("good", card("x", mac=MAC))))

    assert list(errors(vifs)) == ["../bad/x"]


# -- addresses ----------------------------------------------------------------------------------------


def test_addresses_are_the_start_of_the_range_and_the_lowest_free_number() -> None:
    vifs = resolved(config(app("a", "ni", "ni"), app("b", "ni")))

    assert addresses(vifs) == {"a/vif0": "10.50.0.128", "a/vif1": "10.50.0.129", "b/vif0": "10.50.0.130"}


def test_a_configured_address_is_the_interfaces_and_takes_none_of_the_range() -> None:
    vifs = resolved(config(app("a", static("x", "10.50.0.9")), app("b", "ni")))

    assert addresses(vifs) == {"a/x": "10.50.0.9", "b/vif0": "10.50.0.128"}


def test_on_a_switch_addresses_are_not_evenets_business() -> None:
    vifs = resolved(config(app("a", static("x", "10.50.0.9", instance="sw")), instances=(switch("sw"),)))

    assert addresses(vifs) == {"a/x": ""}
    assert errors(vifs) == {}


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("10.60.0.9", "address 10.60.0.9 is outside of subnet 10.50.0.0/24"),
        ("fd00::9", "address fd00::9 is outside of subnet 10.50.0.0/24"),
        ("10.50.0.128", "address 10.50.0.128 is inside of DHCP range 10.50.0.128-10.50.0.254"),
        ("10.50.0.254", "address 10.50.0.254 is inside of DHCP range 10.50.0.128-10.50.0.254"),
        ("10.50.0.1", "address 10.50.0.1 is that of network instance ni itself"),
        ("10.50.0.0", "address 10.50.0.0 stands for the whole of subnet 10.50.0.0/24: no app can have it"),
        ("10.50.0.255", "address 10.50.0.255 stands for the whole of subnet 10.50.0.0/24: no app can have it"),
    ],
)
def test_an_address_that_an_app_cannot_have_is_refused(address: str, problem: str) -> None:
    vifs = resolved(config(app("a", static("x", address))))

    assert errors(vifs) == {"a/x": problem}
    assert addresses(vifs) == {"a/x": ""}


def test_the_last_address_of_an_ipv6_subnet_is_one_like_any_other() -> None:
    instances = (local("ni", "fd50::/64"),)

    vifs = resolved(config(app("a", static("x", "fd50::ffff:ffff:ffff:ffff")), instances=instances))

    assert errors(vifs) == {}


def test_of_two_apps_with_one_address_the_later_one_is_refused() -> None:
    vifs = resolved(config(app("a", static("x", "10.50.0.9")), app("b", static("y", "10.50.0.9"))))

    assert errors(vifs) == {"b/y": "address 10.50.0.9 is already that of x of a"}
    assert addresses(vifs) == {"a/x": "10.50.0.9", "b/y": ""}


def test_an_app_that_is_not_active_keeps_its_address_from_nobody() -> None:
    old, new = app("old", static("x", "10.50.0.9"), active=False), app("new", static("y", "10.50.0.9"))

    assert errors(resolved(config(old, new))) == {}


def test_an_interface_that_is_refused_keeps_its_address_from_nobody() -> None:
    twins = app("a", card("x", mac=MAC)), app("b", static("y", "10.50.0.9", mac=MAC))

    vifs = resolved(config(*twins, app("c", static("z", "10.50.0.9"))))

    assert list(errors(vifs)) == ["b/y"]
    assert addresses(vifs)["c/z"] == "10.50.0.9"


def test_the_one_address_left_goes_to_the_first_app_and_to_the_next_when_that_is_gone() -> None:
    """Acceptance scenario `one-address-left`."""
    only = DhcpRange(start=ip_address("10.11.12.2"), end=ip_address("10.11.12.2"))
    instances = (local("n", "10.11.12.0/30", dhcp_range=only),)
    first, second = app("app1", "n"), app("app2", "n")

    found, numbers = vifs_of(config(first, second, instances=instances))
    both = {vif.app: vif for vifs in found.values() for vif in vifs}
    alone = resolved(config(second, instances=instances), numbers)

    assert both["app1"].addresses == (ip_address("10.11.12.2"),)
    assert both["app2"].error == ("no free IP addresses in DHCP range 10.11.12.2-10.11.12.2 of network instance n")
    assert addresses(alone) == {"app2/vif0": "10.11.12.2"}
    assert errors(alone) == {}


def test_an_app_that_returns_has_its_old_address() -> None:
    _, numbers = vifs_of(config(app("a", "ni"), app("b", "ni")))
    _, numbers = vifs_of(config(), numbers)
    numbers = Numbers.from_json(json.loads(json.dumps(numbers.to_json())))

    assert addresses(resolved(config(app("b", "ni")), numbers)) == {"b/vif0": "10.50.0.129"}


def test_an_instance_whose_subnet_cannot_be_served_gives_no_addresses_and_forgets_none() -> None:
    good, bad = (local("ni"),), (local("ni", gateway=ip_address("10.99.0.1")),)
    _, numbers = vifs_of(config(app("a", "ni"), app("b", "ni"), instances=good))

    found, numbers = vifs_of(config(app("b", "ni"), app("a", "ni"), instances=bad), numbers)

    assert [vif.addresses for vifs in found.values() for vif in vifs] == [(), ()]
    assert addresses(resolved(config(app("b", "ni"), app("a", "ni"), instances=good), numbers)) == {
        "a/vif0": "10.50.0.128",
        "b/vif0": "10.50.0.129",
    }


def test_another_range_gives_addresses_of_that_range() -> None:
    _, numbers = vifs_of(config(app("a", "ni"), app("b", "ni")))
    moved = DhcpRange(start=ip_address("10.50.0.20"), end=ip_address("10.50.0.30"))

    vifs = resolved(config(app("a", "ni"), app("b", "ni"), instances=(local("ni", dhcp_range=moved),)), numbers)

    assert addresses(vifs) == {"a/vif0": "10.50.0.20", "b/vif0": "10.50.0.21"}


# -- addresses that pass on ---------------------------------------------------------------------------


def test_an_address_that_goes_to_another_mac_is_counted() -> None:
    only = DhcpRange(start=ip_address("10.50.0.2"), end=ip_address("10.50.0.2"))
    instances = (local("ni", dhcp_range=only),)
    _, numbers = vifs_of(config(app("a", "ni"), instances=instances))

    found, numbers = vifs_of(config(app("b", "ni"), instances=instances), numbers)
    again = resolved(config(app("b", "ni"), instances=instances), numbers)
    back = resolved(config(app("a", "ni"), instances=instances), numbers)

    assert [vif.passed_on for vifs in found.values() for vif in vifs] == [1]
    assert again["b/vif0"].passed_on == 1
    assert back["a/vif0"].passed_on == 2


def test_a_new_mac_of_the_same_app_passes_its_address_on() -> None:
    _, numbers = vifs_of(config(app("a", card("x"))))

    assert resolved(config(app("a", card("x", mac=MAC))), numbers)["a/x"].passed_on == 1


def test_an_interface_that_cannot_work_takes_no_address_over() -> None:
    """`b` has the MAC of `a/x`, and asks for the address that `a/y` has."""
    wanted = config(
        app("a", card("x", mac=MAC), card("y")), app("b", card("x", mac=MAC, address=ip_address("10.50.0.129")))
    )
    _, numbers = vifs_of(wanted)

    assert vifs_of(wanted, numbers)[1] == numbers


# -- over any history ---------------------------------------------------------------------------------

INSTANCES = (
    local("left", "10.50.0.0/28"),  # seven addresses
    local("right", "fd50::/64"),
    switch("sw"),
)
CARDS = st.builds(
    AppInterface,
    name=st.sampled_from(["a", "b", "c"]),
    network_instance=st.sampled_from(["left", "right", "sw"]),
    order=st.integers(0, 3),
    mac=st.sampled_from(["", "", MAC]),
    address=st.sampled_from(
        [None, None, None, ip_address("10.50.0.3"), ip_address("10.50.0.9"), ip_address("fd50::9")]
    ),
)
APPS = st.builds(
    App,
    name=st.sampled_from(["one", "two", "three", "four"]),
    active=st.booleans(),
    enforce_interface_order=st.booleans(),
    interfaces=st.lists(CARDS, max_size=3, unique_by=lambda one: one.name).map(tuple),
)
CONFIGS = st.lists(APPS, max_size=4, unique_by=lambda one: one.name).map(
    lambda apps: DeviceConfig(network_instances=INSTANCES, apps=tuple(apps))
)


@given(CONFIGS)
def test_whatever_is_asked_no_two_interfaces_that_work_have_anything_in_common(wanted: DeviceConfig) -> None:
    found, _ = vifs_of(wanted)

    for instance in INSTANCES:
        working = [vif for vif in found[instance.key] if not vif.error]
        macs = [vif.mac for vif in working]
        given_addresses = [address for vif in working for address in vif.addresses]
        assert len(macs) == len(set(macs))
        assert len(given_addresses) == len(set(given_addresses))
        for vif in working:
            assert len(vif.addresses) == (instance.subnet is not None)
            assert all(instance.subnet is not None and address in instance.subnet for address in vif.addresses)
    names = [vif.ifname for vifs in found.values() for vif in vifs]
    assert len(names) == len(set(names))


@settings(max_examples=200)
@given(st.lists(CONFIGS, min_size=2, max_size=6))
def test_over_any_history_an_interface_that_stays_keeps_its_address(history: list[DeviceConfig]) -> None:
    """Fewer interfaces are wanted at any time than there are addresses: nothing has to be taken away."""
    numbers = Numbers()
    known: dict[tuple[str, str, str], object] = {}
    for wanted in history:
        found, numbers = vifs_of(wanted, numbers)
        members = {(a.key, i.name): i for a in wanted.apps for i in a.interfaces}
        present = {
            (vif.instance, vif.app_key, vif.name): vif.addresses[0]
            for vifs in found.values()
            for vif in vifs
            if vif.addresses and members[vif.app_key, vif.name].address is None
        }
        for key, address in present.items():
            assert known.get(key, address) == address, "an address was lost"
        known = {k: a for k, a in {**known, **present}.items() if k in present}


@settings(max_examples=200)
@given(st.lists(st.tuples(CONFIGS, st.booleans()), min_size=2, max_size=6))
def test_over_any_history_what_is_remembered_changes_no_decision(history: list[tuple[DeviceConfig, bool]]) -> None:
    known, numbers = Known(), Numbers()
    for wanted, only_planned in history:
        afresh, expected = vifs_of(wanted, numbers)

        found, after = vifs_of(wanted, numbers, known=known)

        assert (found, after) == (afresh, expected)
        if only_planned:
            continue
        numbers = after
        again, _ = vifs_of(wanted, numbers, known=known)
        assert all(again[key] is found[key] for key in found)


@given(CONFIGS)
def test_deciding_twice_changes_nothing(wanted: DeviceConfig) -> None:
    first, numbers = vifs_of(wanted)

    second, after = vifs_of(wanted, numbers)

    assert (second, after) == (first, numbers)


@given(CONFIGS)
def test_the_place_of_an_interface_is_its_place_in_the_apps_order(wanted: DeviceConfig) -> None:
    found, _ = vifs_of(wanted)
    places = {(vif.app, vif.name): int(vif.guest_ifname.removeprefix("eth")) for vifs in found.values() for vif in vifs}

    for one in wanted.apps:
        if one.active:
            order = sorted(one.interfaces, key=lambda i: i.order) if one.enforce_interface_order else one.interfaces
            assert [places[one.name, interface.name] for interface in order] == list(range(len(order)))
