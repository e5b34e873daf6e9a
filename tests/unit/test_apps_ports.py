"""Which ports a network instance may have, and who is at fault where two want one (EVE: B.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.portuse import refused_ports
from evenet_core.model.adapters import Adapter
from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.networks import IpMode, IpSettings
from evenet_core.model.ports import PortKind, Vlan
from tests.support.instances import local, switch


def adapter(label: str, *labels: str, l3: bool = True, **more: Any) -> Adapter:
    """With IP unless it says otherwise."""
    usual: dict[str, Any] = {
        "label": label,
        "ifname": label,
        "labels": frozenset(("all", *labels)),
        "ip": IpSettings(mode=IpMode.DHCP if l3 else IpMode.NONE),
    }
    return Adapter(**(usual | more))


def flat(label: str, *labels: str, **more: Any) -> Adapter:
    return adapter(label, *labels, l3=False, **more)


def refused(instances: list[NetworkInstance], *adapters: Adapter) -> dict[str, list[str]]:
    """Reasons by name of the instance."""
    found = refused_ports(instances, adapters)
    return {instance.name: list(found[instance.key].values()) for instance in instances if instance.key in found}


VLAN_ON_ETH0 = adapter("vlan100", vlan=Vlan(label="vlan100", interface="eth0.100", lower="eth0", id=100))


@pytest.mark.parametrize(
    ("instance", "adapters", "reason"),
    [
        (
            local(port="eth0"),
            [adapter("eth0", config_error="port eth0 is disabled")],
            "port eth0: port eth0 is disabled",
        ),
        (switch(port="eth0"), [flat("eth0", config_error="bad")], "port eth0: bad"),
        (local(port="wwan0"), [adapter("wwan0", ifname="")], "port wwan0 has no interface name"),
        (switch(port="wwan0"), [flat("wwan0", ifname="")], "port wwan0 has no interface name"),
        (
            local(port="eth0"),
            [flat("eth0")],
            "port eth0 has no IP configuration: a local network instance cannot use it",
        ),
        (
            switch(port="wlan0"),
            [adapter("wlan0", kind=PortKind.WIFI)],
            "port wlan0 is wireless: a switch cannot use it",
        ),
        (
            switch(port="wwan0"),
            [adapter("wwan0", kind=PortKind.CELLULAR)],
            "port wwan0 is wireless: a switch cannot use it",
        ),
        (
            switch(port="all"),
            [adapter("eth0"), flat("eth1")],
            "port eth0 has an IP configuration: it cannot be one of several in a switch",
        ),
        (
            switch(port="some"),
            [flat("eth0", "some"), flat("eth1", "some"), VLAN_ON_ETH0],
            "port eth0 carries VLANs of its own: it cannot be one of several in a switch",
        ),
    ],
)
def test_a_port_that_is_not_fit_for_the_instance_is_refused(
    instance: NetworkInstance, adapters: list[Adapter], reason: str
) -> None:
    assert refused([instance], *adapters) == {instance.name: [reason]}


@pytest.mark.parametrize(
    ("instance", "adapters"),
    [
        (local(port="all"), [adapter("eth0"), adapter("wlan0", kind=PortKind.WIFI)]),
        (switch(port="eth0"), [adapter("eth0")]),  # apps join the bridge of the adapter
        (switch(port="eth0"), [flat("eth0"), VLAN_ON_ETH0]),
        (switch(port="all"), [flat("eth0"), flat("eth1")]),
        (local(port=""), [flat("eth0")]),
        (local(port="nowhere"), [flat("eth0")]),
    ],
)
def test_a_port_that_is_fit_is_not(instance: NetworkInstance, adapters: list[Adapter]) -> None:
    assert refused([instance], *adapters) == {}


ETH0, ETH1 = adapter("eth0", "some"), flat("eth1", "other")
BOTH_FLAT = flat("eth0", "both"), flat("eth1", "both")


@pytest.mark.parametrize(
    ("first", "second", "adapters", "kept"),
    [
        (local("a", port="eth0"), local("b", "10.60.0.0/24", port="eth0"), [ETH0], True),
        (local("a", port="eth0"), switch("b", port="eth0"), [ETH0], True),
        (switch("a", port="eth0"), local("b", port="eth0"), [ETH0], True),
        (switch("a", port="eth0"), switch("b", port="some"), [ETH0], False),
        (switch("a", port="both"), switch("b", port="eth0"), [*BOTH_FLAT], False),
        (switch("a", port="eth0"), switch("b", port="both"), [*BOTH_FLAT], False),
        (switch("a", port="both"), switch("b", port="all"), [*BOTH_FLAT], False),
        (switch("a", port="eth1"), switch("b", port="eth0"), [*BOTH_FLAT], True),
    ],
)
def test_two_instances_share_a_port_only_where_they_do_not_exclude_each_other(
    first: NetworkInstance, second: NetworkInstance, adapters: list[Adapter], kept: bool
) -> None:
    found = refused([first, second], *adapters)

    assert (found == {}) is kept
    assert set(found) <= {"b"}
    assert all(reason.endswith("is already used by network instance a") for reason in found.get("b", ()))


def test_an_instance_that_is_not_active_keeps_its_port_from_nobody() -> None:
    assert refused([switch("a", port="eth0", active=False), switch("b", port="eth0")], ETH0) == {}


def test_an_instance_that_was_refused_a_port_keeps_it_from_nobody() -> None:
    first, second, third = switch("a", port="eth0"), switch("b", port="eth0"), local("c", port="eth0")

    assert list(refused([first, second, third], ETH0)) == ["b"]


ADAPTERS = st.builds(
    adapter,
    st.sampled_from(["p0", "p1", "p2"]),
    st.sampled_from(["x", "y"]),
    l3=st.booleans(),
    kind=st.sampled_from([PortKind.ETHERNET, PortKind.WIFI]),
)
INSTANCES = st.builds(
    lambda name, kind, port: NetworkInstance(name=name, type=kind, port=port),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(InstanceType),
    st.sampled_from(["", "all", "x", "y", "p0", "p1"]),
)


@given(
    st.lists(INSTANCES, max_size=4, unique_by=lambda one: one.name),
    st.lists(ADAPTERS, max_size=3, unique_by=lambda one: one.label),
)
def test_no_port_ever_serves_two_switches_and_the_first_that_is_fit_has_it(
    instances: list[NetworkInstance], adapters: list[Adapter]
) -> None:
    found = refused_ports(instances, adapters)

    for one in adapters:
        users = [i for i in instances if i.port and one.answers_to(i.port)]
        granted = [i for i in users if one.label not in found.get(i.key, {})]
        assert len([i for i in granted if i.type is InstanceType.SWITCH]) <= 1
        taken = [i for i in users if "already used" in found.get(i.key, {}).get(one.label, "")]
        assert not taken or (granted and instances.index(granted[0]) < instances.index(taken[0]))
