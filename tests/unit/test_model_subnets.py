"""What a local instance's config leaves open, filled in as EVE does it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.model.instances import NetworkInstance
from evenet_core.model.subnets import MAX_RANGE, dhcp_range, gateway, gateway_interface, subnet_problem
from evenet_core.model.values import DhcpRange, IPAddress, IPNetwork
from tests.support.instances import local


def between(start: str, end: str) -> DhcpRange:
    return DhcpRange(start=ip_address(start), end=ip_address(end))


def shown(instance: NetworkInstance) -> str:
    found = dhcp_range(instance)
    return f"{found.start}-{found.end}"


@pytest.mark.parametrize(
    ("subnet", "own", "handed_out"),
    [
        ("10.50.0.0/30", "10.50.0.1", "10.50.0.2-10.50.0.2"),
        ("10.50.0.0/29", "10.50.0.1", "10.50.0.2-10.50.0.6"),
        ("10.50.0.0/28", "10.50.0.1", "10.50.0.8-10.50.0.14"),  # from 16 addresses on, half is for static ones
        ("10.50.0.0/24", "10.50.0.1", "10.50.0.128-10.50.0.254"),
        ("10.50.0.64/26", "10.50.0.65", "10.50.0.96-10.50.0.126"),
        ("10.0.0.0/8", "10.0.0.1", "10.128.0.0-10.128.255.255"),  # never more than 65536
        ("fd50::/64", "fd50::1", "fd50::2-fd50::1:1"),
        ("fd50::/126", "fd50::1", "fd50::2-fd50::2"),
    ],
)
def test_gateway_and_range_follow_from_the_subnet(subnet: str, own: str, handed_out: str) -> None:
    instance = local(subnet=subnet)

    assert gateway_interface(instance) == ip_interface(f"{own}/{subnet.partition('/')[2]}")
    assert shown(instance) == handed_out
    assert subnet_problem(instance) == ""


@pytest.mark.parametrize(
    ("given_range", "own", "corrected"),
    [
        (between("10.50.0.10", "10.50.0.20"), None, "10.50.0.10-10.50.0.20"),
        (between("10.50.0.0", "10.50.0.20"), None, "10.50.0.2-10.50.0.20"),  # network and gateway are passed over
        (between("10.50.0.1", "10.50.0.20"), None, "10.50.0.2-10.50.0.20"),
        (between("10.50.0.0", "10.50.0.20"), "10.50.0.99", "10.50.0.1-10.50.0.20"),
        (between("10.50.0.99", "10.50.0.200"), "10.50.0.99", "10.50.0.100-10.50.0.200"),
        (between("10.50.0.10", "10.50.0.255"), None, "10.50.0.10-10.50.0.254"),  # broadcast
    ],
)
def test_a_range_is_corrected_at_its_ends(given_range: DhcpRange, own: str | None, corrected: str) -> None:
    instance = local(dhcp_range=given_range, gateway=ip_address(own) if own else None)

    assert shown(instance) == corrected
    assert subnet_problem(instance) == ""


def test_a_range_of_one_address_is_one() -> None:
    instance = local(subnet="10.11.12.0/30", dhcp_range=between("10.11.12.2", "10.11.12.2"))

    assert shown(instance) == "10.11.12.2-10.11.12.2"
    assert subnet_problem(instance) == ""


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"subnet": "10.50.0.0/31"}, "subnet 10.50.0.0/31 is too small; it needs at least 4 addresses"),
        ({"subnet": "10.50.0.0/32"}, "subnet 10.50.0.0/32 is too small; it needs at least 4 addresses"),
        ({"subnet": "fd50::/127"}, "subnet fd50::/127 is too small; it needs at least 4 addresses"),
        ({"gateway": ip_address("10.60.0.1")}, "gateway 10.60.0.1 is outside of subnet 10.50.0.0/24"),
        ({"gateway": ip_address("fd50::1")}, "gateway fd50::1 is outside of subnet 10.50.0.0/24"),
        (
            {"gateway": ip_address("10.50.0.200")},
            "gateway 10.50.0.200 is inside of DHCP range 10.50.0.128-10.50.0.254",
        ),
        (
            {"gateway": ip_address("10.50.0.0")},
            "gateway 10.50.0.0 stands for the whole of subnet 10.50.0.0/24: no host can have it",
        ),
        (
            {"gateway": ip_address("10.50.0.255")},
            "gateway 10.50.0.255 stands for the whole of subnet 10.50.0.0/24: no host can have it",
        ),
        (
            {"dhcp_range": between("10.60.0.2", "10.60.0.9")},
            "DHCP range 10.60.0.2-10.60.0.9 is outside of subnet 10.50.0.0/24",
        ),
        (
            {"dhcp_range": between("10.50.0.20", "10.51.0.9")},
            "DHCP range 10.50.0.20-10.51.0.9 is outside of subnet 10.50.0.0/24",
        ),
        (
            {"dhcp_range": between("fd50::2", "fd50::9")},
            "DHCP range fd50::2-fd50::9 is outside of subnet 10.50.0.0/24",
        ),
        (
            {"dhcp_range": between("10.50.0.2", "fd50::9")},
            "DHCP range 10.50.0.2-fd50::9 is outside of subnet 10.50.0.0/24",
        ),
        (
            {"dhcp_range": between("10.50.0.20", "10.50.0.10")},
            "DHCP range 10.50.0.20-10.50.0.10 ends before it starts",
        ),
        (
            {"subnet": "255.255.255.0/24", "dhcp_range": between("255.255.255.255", "255.255.255.255")},
            "DHCP range 255.255.255.255-255.255.255.254 ends before it starts",
        ),
    ],
)
def test_a_subnet_that_cannot_be_served_says_why(more: dict[str, object], problem: str) -> None:
    assert subnet_problem(local(**more)) == problem  # type: ignore[arg-type]


def test_a_local_instance_without_subnet_says_so() -> None:
    assert subnet_problem(NetworkInstance(name="ni")) == "a local network instance needs a subnet"


SUBNETS4 = st.builds(
    lambda number, length: IPv4Network((number, length), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
)
SUBNETS6 = st.builds(
    lambda number, length: IPv6Network((number, length), strict=False), st.integers(0, 2**128 - 1), st.integers(0, 128)
)


@st.composite
def instances(draw: st.DrawFn) -> NetworkInstance:
    """Gateways and ranges near the edges of the subnet, where mistakes are made; also of the other family."""
    subnet = draw(SUBNETS4 | SUBNETS6)
    anywhere = st.ip_addresses(v=4) | st.ip_addresses(v=6)
    addresses = st.integers(0, 3).map(lambda n: near(subnet, n)) | st.integers(-4, -1).map(lambda n: near(subnet, n))
    chosen = st.none() | addresses | anywhere
    ends = st.none() | st.builds(DhcpRange, start=addresses | anywhere, end=addresses | anywhere)
    return NetworkInstance(name="ni", subnet=subnet, gateway=draw(chosen), dhcp_range=draw(ends))


def near(subnet: IPNetwork, place: int) -> IPAddress:
    return subnet[place % min(subnet.num_addresses, 2**32) if place >= 0 else max(place, -subnet.num_addresses)]


@given(instances())
def test_what_is_served_has_every_address_in_the_subnet_and_none_twice(instance: NetworkInstance) -> None:
    if subnet_problem(instance):
        return
    subnet, found, own = instance.subnet, dhcp_range(instance), gateway(instance)

    assert subnet is not None
    assert own in subnet
    assert found.start in subnet
    assert found.end in subnet
    assert 0 <= int(found.end) - int(found.start) < MAX_RANGE
    assert not int(found.start) <= int(own) <= int(found.end)
    assert found.start != subnet.network_address
    assert subnet.version == 6 or subnet.broadcast_address not in {found.start, found.end, own}


@given(SUBNETS4)
def test_a_subnet_of_four_addresses_or_more_needs_nothing_else(subnet: IPv4Network) -> None:
    problem = subnet_problem(NetworkInstance(name="ni", subnet=subnet))

    assert (problem == "") == (subnet.num_addresses >= 4)
