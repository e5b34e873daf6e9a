"""Router advertisements off the wire, and what is known of the routers of a link. Virtual time."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import pytest
from evenet_dhcp.advert import Advertisement, parse_advertisement
from evenet_dhcp.routers import Routers
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.model.addressing import Lease
from tests.support.hostile import advertisement, prefix_option

A, B, C = (IPv6Address(f"fe80::{letter}") for letter in "abc")
HIGH, LOW, MANAGED, OTHER = 0x08, 0x18, 0x80, 0x40
DNS = IPv6Address("fd22::53")


def option(kind: int, body: bytes) -> bytes:
    return struct.pack("!BB", kind, (len(body) + 2) // 8) + body


def rdnss(lifetime: int, *servers: IPv6Address) -> bytes:
    return option(25, struct.pack("!HI", 0, lifetime) + b"".join(server.packed for server in servers))


def dnssl(lifetime: int, *names: str) -> bytes:
    labels = b"".join(
        b"".join(struct.pack("B", len(part)) + part.encode() for part in name.split(".")) + b"\0" for name in names
    )
    return option(31, struct.pack("!HI", 0, lifetime) + labels + b"\0" * (-len(labels) % 8))


def mtu(value: int) -> bytes:
    return option(5, struct.pack("!HI", 0, value))


def route(prefix: str, length: int, lifetime: int = 600, flags: int = 0) -> bytes:
    return option(24, struct.pack("!BBI16s", length, flags, lifetime, IPv6Address(prefix).packed))


def advert(router: IPv6Address = A, options: bytes = b"", **head: int) -> Advertisement:
    found = parse_advertisement(advertisement(options, **head), router, 255)
    assert found is not None
    return found


def lease(routers: Routers, now: float) -> Lease:
    routers.pass_time(now)
    found = routers.lease(now)
    assert found is not None
    return found


def addresses(routers: Routers, now: float) -> list[str]:
    return [str(address) for address in lease(routers, now).addresses]


def defaults(routers: Routers, now: float) -> list[IPv6Address]:
    return [IPv6Address(int(router)) for router in lease(routers, now).routers]


# -- off the wire ---------------------------------------------------------------------------------------


def test_an_advertisement_with_all_that_routers_say() -> None:
    options = prefix_option("fd22::") + mtu(1480) + rdnss(300, DNS) + dnssl(300, "ra.example", "b.example")
    options += route("2001:db8:7::", 48, flags=HIGH)

    routers = Routers()
    routers.hear(advert(options=options, flags=MANAGED | OTHER), 0)

    told = lease(routers, 1)
    assert list(map(str, told.addresses)) == ["fd22::/64"]
    assert list(map(str, told.routers)) == ["fe80::a"]
    assert [(str(one.destination), str(one.via)) for one in told.routes] == [("2001:db8:7::/48", "fe80::a")]
    assert (told.dns, told.search, told.mtu) == ((DNS,), ("ra.example", "b.example"), 1480)
    assert (told.managed, told.other) == (True, True)


@pytest.mark.parametrize(
    ("source", "hop_limit", "data"),
    [
        ("2001:db8::1", 255, advertisement()),
        ("ff02::1", 255, advertisement()),
        ("::", 255, advertisement()),
        ("fe80::1", 254, advertisement()),
        ("fe80::1", 255, advertisement()[:15]),
        ("fe80::1", 255, b"\x85" + advertisement()[1:]),
        ("fe80::1", 255, b"\x86\x01" + advertisement()[2:]),
        ("fe80::1", 255, advertisement(b"\x03\x00" + b"\0" * 30)),
        ("fe80::1", 255, advertisement(prefix_option("fd22::")[:-1])),
        ("fe80::1", 255, advertisement(b"\x03")),
    ],
)
def test_what_no_router_of_this_link_has_sent_is_not_believed(source: str, hop_limit: int, data: bytes) -> None:
    """RFC 4861, 6.1.2."""
    assert parse_advertisement(data, IPv6Address(source), hop_limit) is None


@pytest.mark.parametrize("prefix", ["fe80::", "ff02::", "::", "::1"])
def test_a_prefix_that_leads_nowhere_is_dropped(prefix: str) -> None:
    assert advert(options=prefix_option(prefix)).prefixes == ()


def test_a_prefix_that_is_preferred_longer_than_it_is_valid_is_dropped() -> None:
    """RFC 4862, 5.5.3 c."""
    assert advert(options=prefix_option("fd22::", valid=10, preferred=11)).prefixes == ()


@pytest.mark.parametrize("value", [0, 68, 1279, 65536, 2**32 - 1])
def test_an_impossible_mtu_is_none(value: int) -> None:
    assert advert(options=mtu(value)).mtu is None


def test_a_name_server_that_is_no_other_host_is_dropped() -> None:
    assert advert(options=rdnss(300, IPv6Address("::1"), IPv6Address("ff02::1"), IPv6Address("::"))).dns == ()


def test_a_name_with_anything_but_letters_is_dropped() -> None:
    assert advert(options=dnssl(300, "$(reboot).example", "good.example")).search == (("good.example", 300),)


@given(st.binary(max_size=1500), st.booleans())
def test_any_bytes_are_read_without_harm(data: bytes, with_head: bool) -> None:
    parse_advertisement(advertisement(data) if with_head else data, A, 255)


# -- over time ------------------------------------------------------------------------------------------


def test_the_preferred_router_comes_first_and_among_equals_the_one_heard_first() -> None:
    routers = Routers()
    routers.hear(advert(A, flags=LOW), 0)
    routers.hear(advert(B), 0)
    routers.hear(advert(C, flags=HIGH), 0)

    assert defaults(routers, 1) == [C, B, A]

    routers.hear(advert(A), 2)

    assert defaults(routers, 3) == [C, A, B]


def test_a_router_that_does_not_answer_comes_last_until_it_is_heard_again() -> None:
    routers = Routers()
    routers.hear(advert(A, flags=HIGH), 0)
    routers.hear(advert(B), 0)

    assert routers.silence(A)
    assert defaults(routers, 1) == [B, A]

    routers.hear(advert(A, flags=HIGH), 2)
    assert defaults(routers, 3) == [A, B]


def test_each_thing_ends_by_its_own_lifetime() -> None:
    routers = Routers()
    options = prefix_option("fd22::", valid=30, preferred=30) + rdnss(10, DNS) + dnssl(15, "ra.example")
    routers.hear(advert(options=options + route("2001:db8:7::", 48, 20), lifetime=25), 0)

    def told(now: float) -> tuple[int, int, int, int, int]:
        one = lease(routers, now)
        return len(one.dns), len(one.search), len(one.routes), len(one.routers), len(one.addresses)

    assert [told(now) for now in (9, 11, 16, 21, 26)] == [
        (1, 1, 1, 1, 1),
        (0, 1, 1, 1, 1),
        (0, 0, 1, 1, 1),
        (0, 0, 0, 1, 1),
        (0, 0, 0, 0, 1),
    ]
    routers.pass_time(31)
    assert routers.lease(31) is None
    assert routers.next_change(31) is None


def test_what_an_advertisement_leaves_out_holds_until_it_ends() -> None:
    """RFC 4861, 6.2.3: a router may spread its options over several."""
    routers = Routers()
    routers.hear(advert(options=prefix_option("fd22::") + rdnss(60, DNS)), 0)
    routers.hear(advert(options=prefix_option("fd23::")), 1)

    assert addresses(routers, 2) == ["fd23::/64", "fd22::/64"]
    assert lease(routers, 2).dns == (DNS,)


def test_a_forged_end_takes_no_address_away() -> None:
    """RFC 4862, 5.5.3 e. Nor does a forged preference: while there is no better address the old one stays."""
    routers = Routers()
    routers.hear(advert(options=prefix_option("fd22::", valid=86400, preferred=86400)), 0)
    routers.hear(advert(options=prefix_option("fd22::", valid=0, preferred=0)), 1)

    assert addresses(routers, 2) == ["fd22::/64"]
    assert addresses(routers, 7000) == ["fd22::/64"]


def test_a_network_that_is_renumbered_gets_new_addresses() -> None:
    routers = Routers()
    routers.hear(advert(options=prefix_option("fd22::", valid=7200, preferred=600)), 0)
    routers.hear(advert(options=prefix_option("fd22::", valid=7200, preferred=0) + prefix_option("fd23::")), 1)

    assert addresses(routers, 2) == ["fd23::/64"]


def test_routers_that_answer_no_more_after_a_doubt_are_forgotten_if_another_does() -> None:
    routers = Routers()
    routers.hear(advert(A, options=prefix_option("fd22::")), 0)
    routers.doubt(10)
    routers.hear(advert(B, options=prefix_option("fd23::")), 11)

    assert addresses(routers, 12) == ["fd22::/64", "fd23::/64"]
    assert addresses(routers, 15) == ["fd23::/64"]
    assert defaults(routers, 15) == [B]


def test_a_doubt_that_nobody_answers_changes_nothing() -> None:
    routers = Routers()
    routers.hear(advert(A, options=prefix_option("fd22::")), 0)
    routers.doubt(10)

    assert addresses(routers, 30) == ["fd22::/64"]


def test_of_too_many_routers_the_first_ones_stay_unless_they_are_silent() -> None:
    routers = Routers()
    many = [IPv6Address(f"fe80::{number:x}") for number in range(1, 10)]
    for router in many:
        routers.hear(advert(router), 0)

    assert [router.address for router in routers.known] == many[:8]

    routers.silence(many[3])
    routers.hear(advert(A), 1)

    assert [router.address for router in routers.known] == [*many[:3], *many[4:8], A]


def test_a_prefix_without_addresses_of_its_own_is_on_the_link() -> None:
    routers = Routers()
    routers.hear(advert(options=prefix_option("fd22::", flags=0x80)), 0)

    told = lease(routers, 1)
    assert told.addresses == ()
    assert [(str(one.destination), one.via) for one in told.routes] == [("fd22::/64", None)]


ADVERTS = st.builds(
    lambda router, life, flags, options: advert(
        IPv6Address(f"fe80::{router:x}"), b"".join(options), lifetime=life, flags=flags
    ),
    st.integers(1, 40),
    st.integers(0, 9000),
    st.integers(0, 255),
    st.lists(
        st.one_of(
            st.builds(
                lambda net, valid, preferred: prefix_option(
                    f"fd00:{net:x}::", valid=valid, preferred=min(valid, preferred)
                ),
                st.integers(0, 60),
                st.integers(0, 2**32 - 1),
                st.integers(0, 2**32 - 1),
            ),
            st.builds(
                lambda life, n: rdnss(life, *(IPv6Address(2**125 + n + i) for i in range(5))),
                st.integers(0, 99),
                st.integers(0, 99),
            ),
            st.builds(lambda n, life: route(f"fd00:{n:x}::", 48, life), st.integers(0, 99), st.integers(0, 99)),
        ),
        max_size=9,
    ),
)


@given(st.lists(st.tuples(st.floats(0, 100), st.one_of(ADVERTS, st.sampled_from(["doubt", A, B])))))
def test_whatever_is_announced_it_stays_little_and_time_goes_on(
    history: list[tuple[float, Advertisement | str | IPv6Address]],
) -> None:
    routers, now = Routers(), 0.0
    for later, event in history:
        now += later
        routers.pass_time(now)
        match event:
            case Advertisement():
                routers.hear(event, now)
            case IPv6Address():
                routers.silence(event)
            case _:
                routers.doubt(now)
        told, change = routers.lease(now), routers.next_change(now)
        assert change is None or change > now
        assert len(routers.known) <= 8
        if told is not None:
            assert len(told.addresses) <= 8
            assert len(told.routers) <= 8
            assert len(told.dns) <= 8
            assert len(told.routes) <= 64
            assert len({one.destination for one in told.routes}) == len(told.routes)
    while (change := routers.next_change(now)) is not None:  # all that has an end ends
        now = change
        routers.pass_time(now)
