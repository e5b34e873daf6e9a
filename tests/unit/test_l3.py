"""IP on an adapter: what is merged of settings and leases, and the items that come of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Any

import pytest
from evenet_dhcp import evenet_plan_addressing
from evenet_dhcp.client import ClientId, ClientSettings
from evenet_dhcp.segment import Segment
from evenet_ethernet import evenet_plan_link
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.linux.address import Address
from evenet_core.linux.daemon import Daemon
from evenet_core.linux.l3 import addressing, l3_items
from evenet_core.linux.link import PortBridge, PortLink
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.linux.sysctl import Sysctl
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Addressing, Lease, LeaseRoute, LeaseSource
from evenet_core.model.facts import LinkFact, lease_fact, link_fact
from evenet_core.model.networks import IgnoreDhcp, IpFamily, IpMode, IpSettings
from evenet_core.model.ports import Bond, PortKind, Vlan
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item

LEASE4 = Lease(
    source=LeaseSource.DHCP4,
    addresses=(ip_interface("172.22.10.7/24"),),
    routers=(ip_address("172.22.10.1"),),
    dns=(ip_address("172.22.10.2"),),
    domain="lab.example",
    search=("one.example", "two.example"),
    ntp=("172.22.10.3",),
    mtu=1400,
)
RA = Lease(
    source=LeaseSource.RA,
    addresses=(ip_interface("fd22::/64"),),
    routers=(ip_address("fe80::1"),),
    dns=(ip_address("fd22::53"),),
)
LEASE6 = Lease(source=LeaseSource.DHCP6, addresses=(ip_interface("fd22::107/128"),))
LINK = LinkFact(index=2, mac="02:16:3e:00:00:09", mtu=1500, up=True, carrier=True)


def adapter(ifname: str = "eth0", management: bool = True, **ip: Any) -> Adapter:
    settings = IpSettings(**({"mode": IpMode.DHCP} | ip))
    return Adapter(label="uplink0", ifname=ifname, management=management, ip=settings, table=501, rank=3)


def facts(*leases: Lease, ifname: str = "eth0") -> Facts:
    return Facts({link_fact(ifname): LINK} | {lease_fact(ifname, lease.source): lease for lease in leases})


def of(kind: type[Item], items: Iterable[Item]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]


def test_without_a_lease_there_is_nothing() -> None:
    assert addressing(adapter(), facts()) == Addressing()


def test_a_lease_gives_all_that_it_holds() -> None:
    has = addressing(adapter(), facts(LEASE4))

    assert has == Addressing(
        addresses=LEASE4.addresses,
        gateways=LEASE4.routers,
        dns=LEASE4.dns,
        domain="lab.example",
        search=LEASE4.search,
        ntp=LEASE4.ntp,
        mtu=1400,
    )


def test_static_values_come_first_and_servers_are_united() -> None:
    uplink = adapter(
        dns=(ip_address("10.0.0.53"), ip_address("172.22.10.2")),
        ntp=("ntp.example", "172.22.10.3"),
        domain="my.example",
    )

    has = addressing(uplink, facts(LEASE4))

    assert [str(server) for server in has.dns] == ["10.0.0.53", "172.22.10.2"]
    assert has.ntp == ("ntp.example", "172.22.10.3")
    assert has.domain == "my.example"


@pytest.mark.parametrize(
    ("static", "used"),
    [(None, ["172.22.10.1", "fe80::1"]), ("172.22.10.99", ["172.22.10.99", "fe80::1"]), ("0.0.0.0", ["fe80::1"])],
)
def test_a_static_gateway_replaces_the_one_of_its_family_and_zero_means_none(
    static: str | None, used: list[str]
) -> None:
    gateway = ip_address(static) if static else None

    has = addressing(adapter(gateway=gateway), facts(LEASE4, RA))

    assert [str(gateway) for gateway in has.gateways] == used


@pytest.mark.parametrize(
    ("ignored", "changed"),
    [
        ({"addresses": True}, {"addresses": ()}),
        ({"gateways": True}, {"gateways": ()}),
        ({"dns": True}, {"dns": (), "domain": "", "search": ()}),
        ({"ntp": True}, {"ntp": ()}),
    ],
)
def test_what_is_to_be_ignored_of_a_lease_is_gone_and_nothing_else(
    ignored: dict[str, bool], changed: dict[str, Any]
) -> None:
    whole = addressing(adapter(), facts(LEASE4))

    has = addressing(adapter(ignore=IgnoreDhcp(**ignored)), facts(LEASE4))

    for name in Addressing.__dataclass_fields__:
        assert getattr(has, name) == changed.get(name, getattr(whole, name)), name


def test_routes_of_a_lease_whose_addresses_are_ignored_are_not_taken() -> None:
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=LEASE4.addresses,
        routes=(LeaseRoute(ip_network("10.0.0.0/8"), ip_address("172.22.10.2")),),
    )

    assert addressing(adapter(ignore=IgnoreDhcp(addresses=True)), facts(lease)).routes == ()


def test_classless_routes_beat_the_router_option() -> None:
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=LEASE4.addresses,
        routers=(ip_address("172.22.10.1"),),
        routes=(
            LeaseRoute(ip_network("0.0.0.0/0"), ip_address("172.22.10.254")),
            LeaseRoute(ip_network("10.0.0.0/8"), ip_address("172.22.10.2")),
            LeaseRoute(ip_network("192.168.9.0/24"), None),
        ),
    )

    has = addressing(adapter(), facts(lease))
    routes = of(Route, l3_items(adapter(family=IpFamily.IPV4), has))

    assert [str(gateway) for gateway in has.gateways] == ["172.22.10.254"]
    assert routes == [
        Route(501, "172.22.10.0/24", "eth0", source="172.22.10.7"),
        Route(501, "0.0.0.0/0", "eth0", via="172.22.10.254"),
        Route(501, "10.0.0.0/8", "eth0", via="172.22.10.2"),
        Route(501, "192.168.9.0/24", "eth0"),
    ]


def test_a_route_of_the_server_for_the_own_prefix_takes_no_source_away() -> None:
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=LEASE4.addresses,
        routes=(LeaseRoute(ip_network("172.22.10.0/24"), None),),
    )
    uplink = adapter(family=IpFamily.IPV4)

    routes = of(Route, l3_items(uplink, addressing(uplink, facts(lease))))

    assert routes == [Route(501, "172.22.10.0/24", "eth0", source="172.22.10.7")]


def test_an_announced_prefix_becomes_an_address_of_the_links_mac() -> None:
    """The example of RFC 4291, appendix A, with another MAC."""
    has = addressing(adapter(), facts(RA))

    assert [str(address) for address in has.addresses] == ["fd22::16:3eff:fe00:9/64"]


def test_an_announced_prefix_waits_for_the_link() -> None:
    assert addressing(adapter(), Facts({lease_fact("eth0", LeaseSource.RA): RA})).addresses == ()


def test_a_prefix_that_is_only_on_the_link_is_a_route_and_no_reason_to_doubt_the_router() -> None:
    router = Lease(
        source=LeaseSource.RA,
        routers=(ip_address("fe80::1"),),
        routes=(LeaseRoute(ip_network("fd22::/64"), None),),
    )
    uplink = adapter(family=IpFamily.IPV6)

    routes = of(Route, l3_items(uplink, addressing(uplink, facts(router, LEASE6))))

    assert routes == [
        Route(501, "fe80::/64", "eth0"),
        Route(501, "::/0", "eth0", via="fe80::1"),
        Route(501, "fd22::/64", "eth0"),
    ]


@pytest.mark.parametrize(
    ("family", "versions"),
    [
        (IpFamily.DUAL, {4, 6}),
        (IpFamily.DUAL_PREFER_IPV6, {4, 6}),
        (IpFamily.IPV4, {4}),
        (IpFamily.IPV6, {6}),
    ],
)
def test_an_adapter_speaks_its_families_only(family: IpFamily, versions: set[int]) -> None:
    uplink = adapter(family=family)

    has = addressing(uplink, facts(LEASE4, LEASE6, RA))
    items = l3_items(uplink, has)

    assert {address.version for address in has.addresses} == versions
    assert {server.version for server in has.dns} == versions
    assert {rule.family for rule in of(Rule, items)} == versions
    assert {4 if "." in route.destination else 6 for route in of(Route, items)} == versions
    off = Sysctl("net/ipv6/conf/eth0/disable_ipv6", "0" if 6 in versions else "1", "eth0")
    assert off in items


@pytest.mark.parametrize(
    ("offered", "family", "used"),
    [(1400, IpFamily.DUAL, 1400), (600, IpFamily.DUAL, 1280), (600, IpFamily.IPV4, 600), (9000, IpFamily.DUAL, 1500)],
)
def test_a_server_may_lower_the_mtu_within_reason(offered: int, family: IpFamily, used: int) -> None:
    lease = Lease(source=LeaseSource.DHCP4, addresses=LEASE4.addresses, mtu=offered)
    uplink = adapter(family=family)

    assert addressing(uplink, facts(lease)).mtu == used
    assert evenet_plan_link(uplink, facts(lease)) == [PortBridge("eth0", used)]


def test_the_operators_mtu_is_not_the_servers_business() -> None:
    uplink = Adapter(label="u", ifname="eth0", mtu=9000, ip=IpSettings(mode=IpMode.DHCP))

    assert evenet_plan_link(uplink, facts(LEASE4)) == [PortBridge("eth0", 9000)]


def test_the_items_of_an_uplink_with_a_lease() -> None:
    uplink = adapter(family=IpFamily.IPV4)

    items = l3_items(uplink, addressing(uplink, facts(LEASE4)))

    assert of(Address, items) == [Address("eth0", "172.22.10.7", 24)]
    assert of(Route, items) == [
        Route(501, "172.22.10.0/24", "eth0", source="172.22.10.7"),
        Route(501, "0.0.0.0/0", "eth0", via="172.22.10.1"),
    ]
    assert of(Rule, items) == [
        Rule(4, 9000, 501, mark=501, mask=0xFFFF),
        Rule(4, 15001, 501, oif="eth0"),
        Rule(4, 16003, 501, iif="lo"),
        Rule(4, 15000, 501, source="172.22.10.7/32"),
    ]


def test_the_nodes_own_traffic_leaves_by_management_adapters_only() -> None:
    shared = adapter(management=False)

    rules = of(Rule, l3_items(shared, addressing(shared, facts(LEASE4))))

    assert [rule for rule in rules if rule.iif] == []


def test_a_default_route_waits_for_an_address_of_its_family() -> None:
    gone = Lease(source=LeaseSource.RA, routers=(ip_address("fe80::1"),))

    routes = of(Route, l3_items(adapter(), addressing(adapter(), facts(LEASE4, gone))))

    assert "::/0" not in {route.destination for route in routes}


def test_two_addresses_in_one_prefix_share_its_route() -> None:
    static = Adapter(
        label="u",
        ifname="eth0",
        table=501,
        ip=IpSettings(mode=IpMode.STATIC, family=IpFamily.IPV4),
        addresses=(ip_interface("10.1.0.5/24"), ip_interface("10.1.0.6/24"), ip_interface("10.9.0.1/32")),
    )

    items = l3_items(static, addressing(static, facts()))

    assert of(Route, items) == [Route(501, "10.1.0.0/24", "eth0", source="10.1.0.5")]
    assert len(of(Address, items)) == 3


def test_static_addresses_need_no_client_and_no_lease_counts() -> None:
    static = Adapter(
        label="u",
        ifname="eth0",
        table=501,
        ip=IpSettings(mode=IpMode.STATIC, gateway=ip_address("10.1.0.1")),
        addresses=(ip_interface("10.1.0.5/24"),),
    )

    items = evenet_plan_addressing(static, facts(LEASE4, RA)) or []

    assert of(Daemon, items) == []
    assert [address.address for address in of(Address, items)] == ["10.1.0.5"]


def test_no_ip_is_nothing_at_all() -> None:
    layer2 = Adapter(
        label="u", ifname="eth0", ip=IpSettings(mode=IpMode.NONE), addresses=(ip_interface("10.1.0.5/24"),)
    )

    assert addressing(layer2, facts(LEASE4)) == Addressing()


@pytest.mark.parametrize("other", ["eth1", "eth00", "veth0", "eth0.5"])
def test_what_another_adapter_holds_is_not_even_read(other: str) -> None:
    values = Facts({link_fact(other): LINK, lease_fact(other, LeaseSource.DHCP4): LEASE4})

    has = addressing(adapter("eth0"), values)

    assert has == Addressing()
    assert {name.partition(":")[2].partition("/")[0] for name in values.read} <= {"eth0"}


ADDRESSES = st.one_of(
    st.builds(IPv4Address, st.integers(0, 2**32 - 1)), st.builds(IPv6Address, st.integers(0, 2**128 - 1))
)
INTERFACES = ADDRESSES.flatmap(
    lambda address: st.integers(0, address.max_prefixlen).map(lambda length: ip_interface(f"{address}/{length}"))
)
ROUTES = st.builds(
    lambda interface, via: LeaseRoute(interface.network, via), INTERFACES, st.one_of(st.none(), ADDRESSES)
)


@st.composite
def leases(draw: st.DrawFn) -> Lease:
    return Lease(
        source=draw(st.sampled_from([LeaseSource.DHCP4, LeaseSource.DHCP6, LeaseSource.RA])),
        addresses=tuple(draw(st.lists(INTERFACES, max_size=4))),
        routers=tuple(draw(st.lists(ADDRESSES, max_size=3))),
        routes=tuple(draw(st.lists(ROUTES, max_size=4))),
        mtu=draw(st.one_of(st.none(), st.integers(0, 70000))),
    )


@given(st.lists(leases(), max_size=4), st.sampled_from(IpFamily))
def test_items_of_any_lease_are_of_this_adapter_and_each_is_there_once(given_: list[Lease], family: IpFamily) -> None:
    uplink = adapter(family=family)

    items = l3_items(uplink, addressing(uplink, facts(*given_)))

    assert len({item.key for item in items}) == len(items)
    assert {route.table for route in of(Route, items)} <= {501}
    assert {route.link for route in of(Route, items)} <= {"eth0"}
    assert {address.link for address in of(Address, items)} <= {"eth0"}
    assert {rule.table for rule in of(Rule, items)} == {501}


def test_a_client_of_its_own_asks_for_each_adapter_with_dhcp() -> None:
    values = Facts({"dhcp:settings": ClientSettings(conflict_detection=True, vendor_class="", client_id=ClientId.DUID)})
    [plain] = of(Daemon, evenet_plan_addressing(adapter(family=IpFamily.IPV4), facts()) or [])
    [other] = of(Daemon, evenet_plan_addressing(adapter(family=IpFamily.IPV4), values) or [])

    assert plain.name == "dhcpcd-eth0"
    assert plain.argv[-1] == "eth0"
    assert "-4" in plain.argv
    config, careful = dict(plain.files)["dhcpcd.conf"], dict(other.files)["dhcpcd.conf"]
    assert {"noarp", "vendorclassid LFEDGE-EVE", "noconfigure", "clientid"} <= set(config.splitlines())
    assert {"noarp", "vendorclassid ", "clientid"} & set(careful.splitlines()) == set()
    assert "duid" in careful.splitlines()


@pytest.mark.parametrize(
    ("managed", "other", "asks"),
    [(False, False, []), (True, True, ["ia_na"]), (True, False, ["ia_na"]), (False, True, ["inform6"])],
)
def test_a_dhcpv6_server_is_asked_for_what_routers_say(managed: bool, other: bool, asks: list[str]) -> None:
    told = Lease(source=LeaseSource.RA, routers=(ip_address("fe80::1"),), managed=managed, other=other)

    clients = of(Daemon, evenet_plan_addressing(adapter(family=IpFamily.IPV6), facts(told)) or [])

    assert [client.name for client in clients] == ["dhcpcd6-eth0"] * len(asks)
    configs = [dict(client.files)["dhcpcd.conf"].splitlines() for client in clients]
    assert [line for config in configs for line in config if line in ("ia_na", "inform6")] == asks


def test_a_doubt_makes_the_client_ask_again_and_nothing_else() -> None:
    before, after = (
        of(Daemon, evenet_plan_addressing(adapter(family=IpFamily.IPV4), Facts(values)) or [])
        for values in ({}, {"dhcp:doubts/eth0": 1})
    )

    assert [replace(client, reloadable=()) for client in before] == [replace(client, reloadable=()) for client in after]
    assert before != after


@pytest.mark.parametrize(
    ("family", "mode", "heard"),
    [
        (IpFamily.IPV4, IpMode.DHCP, {"hosts"}),
        (IpFamily.IPV6, IpMode.DHCP, {"hosts", "routers"}),
        (IpFamily.DUAL, IpMode.STATIC, {"hosts"}),
    ],
)
def test_what_is_listened_to(family: IpFamily, mode: IpMode, heard: set[str]) -> None:
    listening = Adapter(label="u", ifname="eth0", ip=IpSettings(mode=mode, family=family))

    assert {one.whom for one in of(Segment, evenet_plan_addressing(listening, facts()) or [])} == heard


def test_a_router_that_is_ourselves_is_none() -> None:
    lease = Lease(
        source=LeaseSource.DHCP4,
        addresses=LEASE4.addresses,
        routers=(ip_address("172.22.10.7"), ip_address("172.22.10.1")),
    )

    assert [str(gateway) for gateway in addressing(adapter(), facts(lease)).gateways] == ["172.22.10.1"]


def test_of_two_mtus_the_smaller_one_fits_both() -> None:
    both = facts(Lease(source=LeaseSource.DHCP4, mtu=1400), Lease(source=LeaseSource.RA, mtu=1380))

    assert addressing(adapter(), both).mtu == 1380


DEAF = [Sysctl(f"net/ipv6/conf/eth0/{name}", "0", "eth0") for name in ("accept_ra", "autoconf")]


@pytest.mark.parametrize(
    ("port", "items"),
    [
        (Adapter(label="u", ifname="eth0", ip=IpSettings(mode=IpMode.STATIC)), [PortBridge("eth0")]),
        (Adapter(label="u", ifname="eth0", l3=False, mtu=1400), [PortLink("eth0", 1400), *DEAF]),
        (Adapter(label="u", ifname="vlan7", vlan=Vlan(label="u", interface="vlan7", lower="e", id=7)), None),
        (Adapter(label="u", ifname="bond0", bond=Bond(label="u", interface="bond0", lower=("e",))), None),
        (Adapter(label="u", ifname="wlan0", kind=PortKind.WIFI), None),
    ],
)
def test_an_ethernet_port_is_a_bridge_where_the_node_speaks_ip(port: Adapter, items: list[Item] | None) -> None:
    assert evenet_plan_link(port, facts()) == items
