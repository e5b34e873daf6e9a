"""Subnets side by side: who is at fault, and that nobody else suffers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.conflicts import conflicts
from evenet_core.model.instances import NetworkInstance
from tests.support.instances import local, port, switch


def of(*instances: NetworkInstance, ports: str = "") -> dict[str, str]:
    """By name of the instance; `ports` are addresses of one called wan."""
    found = conflicts(instances, [port("wan", *ports.split())])
    return {instance.name: found[instance.key] for instance in instances if instance.key in found}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("10.50.0.0/24", "10.50.0.0/24"),
        ("10.50.0.0/16", "10.50.9.0/24"),
        ("10.50.9.0/24", "10.50.0.0/16"),
        ("fd50::/64", "fd50::/112"),
    ],
)
def test_of_two_that_overlap_the_later_one_is_at_fault(first: str, second: str) -> None:
    found = of(local("a", first), local("b", second))

    assert found == {"b": f"subnet {second} overlaps with {first} of network instance a"}


@pytest.mark.parametrize(
    ("first", "second"), [("10.50.0.0/24", "10.50.1.0/24"), ("0.0.0.0/0", "::/0"), ("10.50.0.0/25", "10.50.0.128/25")]
)
def test_neighbours_and_families_do_not_touch_each_other(first: str, second: str) -> None:
    assert of(local("a", first), local("b", second)) == {}


@pytest.mark.parametrize(
    ("subnet", "address", "network"),
    [
        ("172.22.0.0/16", "172.22.10.5/24", "172.22.10.0/24"),
        ("172.22.10.128/25", "172.22.10.5/24", "172.22.10.0/24"),
        ("172.22.10.0/24", "172.22.10.5/32", "172.22.10.5/32"),
        ("fd50::/64", "fd50::5/64", "fd50::/64"),
    ],
)
def test_a_ports_network_comes_first(subnet: str, address: str, network: str) -> None:
    found = of(local("a", subnet), ports=address)

    assert found == {"a": f"subnet {subnet} overlaps with {network} of port wan"}


def test_everything_in_the_way_is_told_at_once() -> None:
    others = local("a", "10.50.0.0/24"), local("b", "10.50.1.0/24"), local("far", "10.99.0.0/24")

    found = of(*others, local("all", "10.50.0.0/16"), ports="10.50.7.5/24 10.50.7.6/24")

    assert found["all"].splitlines() == [
        "subnet 10.50.0.0/16 overlaps with 10.50.0.0/24 of network instance a",
        "subnet 10.50.0.0/16 overlaps with 10.50.1.0/24 of network instance b",
        "subnet 10.50.0.0/16 overlaps with 10.50.7.0/24 of port wan",
    ]


def test_what_cannot_be_used_is_in_nobodys_way() -> None:
    found = of(
        local("with-port", "172.22.0.0/16"),
        local("inside", "172.22.99.0/24"),
        ports="172.22.10.5/24",
    )

    assert list(found) == ["with-port"]


@pytest.mark.parametrize(
    "harmless",
    [
        local("a", active=False),
        local("a", gateway=ip_address("10.99.0.1")),  # its gateway is nowhere: it is not built
        switch("a"),
        NetworkInstance(name="a"),
    ],
)
def test_what_is_not_there_is_in_nobodys_way(harmless: NetworkInstance) -> None:
    assert of(harmless, local("b")) == {}


SUBNETS = st.builds(
    lambda number, length: IPv4Network((number << 20, length), strict=False), st.integers(0, 15), st.integers(8, 30)
)


@given(st.lists(SUBNETS, max_size=8), st.lists(SUBNETS, max_size=2))
def test_what_is_accepted_overlaps_with_nothing_and_what_is_refused_does(
    subnets: list[IPv4Network], networks: list[IPv4Network]
) -> None:
    instances = [local(f"n{number}", str(subnet)) for number, subnet in enumerate(subnets)]
    wan = replace(port("wan"), addresses=tuple(ip_interface(str(network)) for network in networks))

    refused = conflicts(instances, [wan])

    accepted = list(networks)
    for instance, subnet in zip(instances, subnets, strict=True):
        in_the_way = any(subnet.overlaps(other) for other in accepted)
        assert (instance.key in refused) == in_the_way
        if not in_the_way:
            accepted.append(subnet)
