"""Reports of dhcpcd's hook: what is believed of them, whatever strangers put in."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_interface, ip_network

import pytest
from evenet_dhcp.report import MAX_REPORT, Report, parse_report
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.model.addressing import Lease, LeaseRoute, LeaseSource

# as dhcpcd 9.4.1 says it, less what nobody reads
BOUND = {
    "evenet_at": "1000.50",
    "protocol": "dhcp",
    "reason": "BOUND",
    "interface": "eth0",
    "new_ip_address": "172.22.10.19",
    "new_subnet_cidr": "24",
    "new_routers": "172.22.10.1",
    "new_classless_static_routes": "10.0.0.0/8 172.22.10.2 0.0.0.0/0 172.22.10.1 192.168.9.0/24 0.0.0.0",
    "new_domain_name_servers": "172.22.10.1 172.22.10.4",
    "new_domain_name": "lab.example",
    "new_domain_search": "one.example two.example.",
    "new_ntp_servers": "172.22.10.3",
    "new_interface_mtu": "1400",
    "new_dhcp_server_identifier": "172.22.10.1",
    "new_dhcp_lease_time": "120",
}
BOUND6 = {
    "evenet_at": "1000.50",
    "protocol": "dhcp6",
    "reason": "BOUND6",
    "new_dhcp6_server_id": "0001000132988237724818d4a10a",
    "new_dhcp6_ia_na1_ia_addr1": "fd22::16c",
    "new_dhcp6_ia_na1_ia_addr1_pltime": "60",
    "new_dhcp6_ia_na1_ia_addr1_vltime": "120",
    "new_dhcp6_name_servers": "fd22::53",
    "new_dhcp6_domain_search": "lab.example",
    "new_dhcp6_ntp_server_addr": "fd22::123",
    "new_dhcp6_sntp_servers": "fd22::123 fd22::124",
}


def report(*parts: dict[str, str], **values: str) -> Report | None:
    entries = [f"{name}={value}" for part in (*parts, values) for name, value in part.items()]
    return parse_report("\0".join(entries).encode("utf-8", "surrogateescape") + b"\0")


def lease(*parts: dict[str, str], **values: str) -> Lease | None:
    found = report(*parts, **values)
    assert found is not None
    return found.lease


def test_a_dhcpv4_lease_with_all_that_servers_say() -> None:
    assert report(BOUND) == Report(
        LeaseSource.DHCP4,
        Lease(
            source=LeaseSource.DHCP4,
            addresses=(ip_interface("172.22.10.19/24"),),
            routers=(ip_address("172.22.10.1"),),
            routes=(
                LeaseRoute(ip_network("10.0.0.0/8"), ip_address("172.22.10.2")),
                LeaseRoute(ip_network("0.0.0.0/0"), ip_address("172.22.10.1")),
                LeaseRoute(ip_network("192.168.9.0/24"), None),
            ),
            dns=(ip_address("172.22.10.1"), ip_address("172.22.10.4")),
            domain="lab.example",
            search=("one.example", "two.example"),
            ntp=("172.22.10.3",),
            mtu=1400,
            server="172.22.10.1",
        ),
        1120.5,
    )


def test_a_dhcpv6_lease() -> None:
    assert report(BOUND6) == Report(
        LeaseSource.DHCP6,
        Lease(
            source=LeaseSource.DHCP6,
            addresses=(ip_interface("fd22::16c/128"),),
            dns=(ip_address("fd22::53"),),
            search=("lab.example",),
            ntp=("fd22::123", "fd22::124"),
            server="0001000132988237724818d4a10a",
        ),
        1120.5,
    )


@pytest.mark.parametrize("reason", ["RENEW", "REBIND", "REBOOT", "INFORM"])
def test_a_lease_that_is_confirmed_is_the_same_lease(reason: str) -> None:
    assert lease(BOUND, reason=reason) == lease(BOUND)


@pytest.mark.parametrize("reason", ["EXPIRE", "NAK", "FAIL", "RELEASE", "", "BOUND6", "nonsense"])
def test_any_other_reason_means_that_there_is_no_lease(reason: str) -> None:
    assert report(BOUND, reason=reason) == Report(LeaseSource.DHCP4, None)


def test_a_lease_forever_has_no_end() -> None:
    found = report(BOUND, new_dhcp_lease_time="4294967295")

    assert found is not None
    assert found.ends is None


def test_a_lease_of_a_second_lasts_as_long_as_the_client_takes_it_for() -> None:
    """dhcpcd renews no more often than it holds a lease of 20 s: the address must not come and go in between."""
    found = report(BOUND, new_dhcp_lease_time="1")

    assert found is not None
    assert found.ends == 1020.5


def test_the_link_reports_nothing_on_leases() -> None:
    assert report(protocol="link", reason="CARRIER") is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "172.22.10.0",
        "172.22.10.255",
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "1.2.3",
    ],
)
def test_an_address_that_no_host_can_have_is_no_lease(address: str) -> None:
    assert lease(BOUND, new_ip_address=address) is None


@pytest.mark.parametrize("length", ["0", "7", "33", "-1", "24.", "255.255.255.0.0"])
def test_a_prefix_that_nobody_owns_is_no_lease(length: str) -> None:
    assert lease(BOUND, new_subnet_cidr=length) is None


@pytest.mark.parametrize("mtu", ["0", "68", "575", "65536", "-1400", "1e3", "９０００", ""])
def test_an_impossible_mtu_is_none(mtu: str) -> None:
    found = lease(BOUND, new_interface_mtu=mtu)

    assert found is not None
    assert found.mtu is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("good.example $(reboot) a;b x/y ..", ("good.example",)),
        ("-bad.example bad-.example " + "a" * 64 + ".example", ()),
        ("UPPER.example", ("upper.example",)),
        (" ".join(f"n{n}.example" for n in range(40)), tuple(f"n{n}.example" for n in range(16))),
        ("a" * 60 + ("." + "b" * 60) * 4, ()),
        ("good.example\nnameserver 6.6.6.6", ("good.example", "nameserver", "6.6.6.6")),
    ],
)
def test_of_domains_only_names_are_left(text: str, names: tuple[str, ...]) -> None:
    found = lease(BOUND, new_domain_search=text)

    assert found is not None
    assert found.search == names


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("10.0.0.0/8", 0),
        ("10.0.0.0/33 172.22.10.2", 0),
        ("fd00::/8 172.22.10.2", 0),
        ("10.0.0.0/8 fe80::1", 0),
        ("127.0.0.0/8 172.22.10.2", 0),
        ("224.0.0.0/4 172.22.10.2", 0),
        ("10.0.0.0/8 127.0.0.1", 0),
        ("10.0.0.0/8 224.0.0.1", 0),
        ("10.1.2.3/8 172.22.10.2", 1),
        (" ".join(f"10.0.{n}.0/24 172.22.10.2" for n in range(200)), 64),
    ],
)
def test_of_routes_only_those_that_make_sense_are_left(text: str, count: int) -> None:
    found = lease(BOUND, new_classless_static_routes=text)

    assert found is not None
    assert len(found.routes) == count


def test_no_more_servers_are_taken_than_anybody_needs() -> None:
    servers = " ".join(f"172.22.10.{n}" for n in range(1, 200))

    found = lease(BOUND, new_domain_name_servers=servers, new_ntp_servers=servers, new_routers=servers)

    assert found is not None
    assert [len(found.dns), len(found.ntp), len(found.routers)] == [8, 8, 8]


@pytest.mark.parametrize("server", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1"])
def test_nobody_is_asked_where_no_other_host_can_be(server: str) -> None:
    found = lease(BOUND, new_domain_name_servers=server, new_routers=server, new_ntp_servers=server)

    assert found is not None
    assert (found.dns, found.routers, found.ntp) == ((), (), ())


@pytest.mark.parametrize("scope", ["%eth0", "%;reboot", "%"])
def test_an_address_with_a_scope_is_not_taken(scope: str) -> None:
    found = lease(BOUND6, new_dhcp6_ia_na1_ia_addr1=f"fd22::16c{scope}", new_dhcp6_name_servers=f"fe80::1{scope}")

    assert found is not None
    assert (found.addresses, found.dns) == ((), ())


@pytest.mark.parametrize("lifetime", ["pltime", "vltime"])
def test_an_address_that_is_on_its_way_out_is_used_no_more(lifetime: str) -> None:
    found = lease(BOUND6, **{f"new_dhcp6_ia_na1_ia_addr1_{lifetime}": "0"})

    assert found is not None
    assert found.addresses == ()


def test_a_value_cannot_forge_a_variable() -> None:
    forged = "x\nnew_ip_address=6.6.6.6\nreason=BOUND"

    assert lease(BOUND, new_domain_name=forged) == lease(BOUND, new_domain_name="x")


def test_a_report_that_is_too_long_is_not_read() -> None:
    assert report(BOUND, new_domain_name="x" * MAX_REPORT) is None


VALUES = st.one_of(
    st.text("0123456789abcdefX:.%/ -_;$\n\\é\udc80", max_size=40),
    st.ip_addresses().map(str),
    st.integers(-(2**40), 2**40).map(str),
    st.lists(st.ip_addresses().map(str), max_size=12).map(" ".join),
)


def hostile(base: dict[str, str]) -> st.SearchStrategy[dict[str, str]]:
    """A report in which any values are replaced, but not who reports what."""
    names = st.sampled_from(sorted(base.keys() - {"protocol", "reason"}))
    return st.dictionaries(names, VALUES).map(lambda wild: base | wild)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    parse_report(data)
    parse_report(b"protocol=dhcp\0reason=BOUND\0" + data)
    parse_report(b"protocol=dhcp6\0reason=BOUND6\0" + data)


@given(st.one_of(hostile(BOUND), hostile(BOUND6)))
def test_whatever_strangers_say_a_lease_is_sane(values: dict[str, str]) -> None:
    found = report(values)

    if found is None or found.lease is None:
        return
    held = found.lease
    for address in held.addresses:
        assert not any((address.ip.is_multicast, address.ip.is_loopback, address.ip.is_link_local))
        assert address.version == (4 if held.source is LeaseSource.DHCP4 else 6)
    for text in (*map(str, (*held.addresses, *held.dns, *held.routers)), *held.ntp, held.domain, *held.search):
        assert not set(text) - set("0123456789abcdefghijklmnopqrstuvwxyz.:/-_")
    for route in held.routes:
        assert route.via is None or route.via.version == route.destination.version
        assert not isinstance(route.destination, IPv4Network) or held.source is LeaseSource.DHCP4
    assert len(held.dns) <= 8
    assert len(held.search) <= 16
    assert held.mtu is None or 576 <= held.mtu <= 65535
