"""Routes of a local instance: what its table holds and what its apps are told (EVE: A.3, C.3, C.9)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.instances import route_requests
from evenet_core.apps.routes import LAST
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import NetworkInstance, StaticRoute
from evenet_core.model.networks import Probe, ProbeMethod, RouteProbe
from evenet_core.model.resolved import Instance, InstancePort, InstanceRoute, RouteKind
from tests.support.instances import SETTINGS, local, port, resolve, switch

ETH0 = port("eth0", "172.22.10.5/24", gateway="172.22.10.1", labels="uplink freeuplink internet", management=True)
ETH1 = port("eth1", "192.168.30.5/24", gateway="192.168.30.1", labels="uplink internet", cost=10, management=True)
BARE = port("eth2", "10.40.40.5/24")  # an address and no router
DUAL = port("eth0", "172.22.10.5/24", "fd22::5/64", gateway="172.22.10.1 fe80::1")
UNREACHABLE = "0.0.0.0/0 unreachable"


def static(destination: str, via: str = "", label: str = "", **more: Any) -> StaticRoute:
    gateway = ip_address(via) if via else None
    return StaticRoute(destination=ip_network(destination), gateway=gateway, port=label, **more)


def instance(*routes: StaticRoute, **more: Any) -> NetworkInstance:
    return local("ni", **({"routes": routes, "port": "all"} | more))


def built(wanted: NetworkInstance, *ports: InstancePort, chosen: dict[str, str] | None = None, **how: Any) -> Instance:
    return resolve(DeviceConfig(network_instances=(wanted,)), *ports, chosen=chosen, **how)


def shown(route: InstanceRoute) -> str:
    if route.kind is RouteKind.UNREACHABLE:
        return f"{route.destination} unreachable"
    via = f" via {route.via}" if route.via else ""
    return f"{route.destination}{via} dev {route.ifname}"


def table(wanted: NetworkInstance, *ports: InstancePort, chosen: dict[str, str] | None = None) -> list[str]:
    return [shown(route) for route in built(wanted, *ports, chosen=chosen).routes]


def told(wanted: NetworkInstance, *ports: InstancePort) -> list[str]:
    """Routes for apps; `on link` where there is no gateway."""
    return [f"{r.destination} {r.via or 'on link'}" for r in built(wanted, *ports).app_routes]


# -- the table ----------------------------------------------------------------------------------------


def test_with_one_port_its_own_default_route_is_the_instances() -> None:
    assert table(instance(), ETH0) == [
        "0.0.0.0/0 via 172.22.10.1 dev eth0",
        "172.22.10.0/24 dev eth0",
        "10.50.0.0/24 dev bn1",
        UNREACHABLE,
    ]


def test_without_a_port_there_is_the_instance_itself_and_nothing_else() -> None:
    assert table(instance(port="")) == ["10.50.0.0/24 dev bn1", UNREACHABLE]


def test_what_has_no_route_gets_an_error_at_once_and_last_of_all() -> None:
    [*_, last] = built(instance(), ETH0).routes

    assert (last.kind, last.metric, last.ifname) == (RouteKind.UNREACHABLE, LAST, "")


def test_an_ipv6_instance_has_routes_of_its_family_only() -> None:
    assert table(local("ni", "fd50::/64", port="all"), DUAL) == [
        "::/0 via fe80::1 dev eth0",
        "fd22::/64 dev eth0",
        "fd50::/64 dev bn1",
        "::/0 unreachable",
    ]


def test_a_port_without_router_gives_no_default_route() -> None:
    assert table(instance(), BARE) == ["10.40.40.0/24 dev eth2", "10.50.0.0/24 dev bn1", UNREACHABLE]


def test_an_address_that_is_alone_in_its_network_connects_nothing() -> None:
    assert table(instance(), port("eth0", "172.22.10.5/32", gateway="172.22.10.1")) == [
        "0.0.0.0/0 via 172.22.10.1 dev eth0",
        "10.50.0.0/24 dev bn1",
        UNREACHABLE,
    ]


def test_a_network_that_two_ports_share_is_reached_by_the_cheaper_one_that_has_a_link() -> None:
    dear = port("dear", "172.22.10.6/24", cost=5)
    unplugged = port("unplugged", "172.22.10.7/24", carrier=False)

    routes = table(instance(port="all"), dear, unplugged, port("cheap", "172.22.10.8/24", cost=1))

    assert [route for route in routes if route.startswith("172.")] == ["172.22.10.0/24 dev cheap"]


# -- static routes ------------------------------------------------------------------------------------


def test_a_static_default_takes_the_place_of_the_ports_own() -> None:
    routes = table(instance(static("0.0.0.0/0", "172.22.10.99", "eth0")), ETH0)

    assert routes[0] == "0.0.0.0/0 via 172.22.10.99 dev eth0"
    assert len([route for route in routes if "0.0.0.0/0" in route]) == 2  # and the unreachable one


def test_a_default_route_that_cannot_be_had_now_is_not_replaced_by_another() -> None:
    """Any default of the operator's overrides any other (C.3): traffic must not take a way that was not wanted."""
    found = table(instance(static("0.0.0.0/0", label="eth2")), ETH0, BARE)

    assert [route for route in found if route.startswith("0.0.0.0/0")] == [UNREACHABLE]


def test_a_default_route_of_the_other_family_is_no_default_route() -> None:
    assert table(instance(static("::/0", "fe80::1", "eth0")), DUAL)[0] == "0.0.0.0/0 via 172.22.10.1 dev eth0"


def test_without_gateway_the_ports_own_one_is_used() -> None:
    assert "10.88.0.0/16 via 192.168.30.1 dev eth1" in table(instance(static("10.88.0.0/16", label="eth1")), ETH0, ETH1)


def test_without_label_the_port_is_found_by_the_gateway() -> None:
    routes = table(instance(static("10.88.0.0/16", "192.168.30.7")), ETH0, ETH1)

    assert "10.88.0.0/16 via 192.168.30.7 dev eth1" in routes


def test_a_link_local_gateway_is_on_the_link_that_the_label_means() -> None:
    routes = table(local("ni", "fd50::/64", port="all", routes=(static("fd88::/32", "fe80::7", "eth0"),)), DUAL)

    assert "fd88::/32 via fe80::7 dev eth0" in routes


@pytest.mark.parametrize(
    "route",
    [
        static("10.88.0.0/16", "192.0.2.1"),  # in no port's network
        static("10.88.0.0/16", "192.168.30.7", "eth0"),  # in that of another port
        static("fd88::/32", "fe80::1", "eth0"),  # of the other family
        static("10.88.0.0/16", "10.50.0.7"),  # an app's: for the other apps
        static("10.88.0.0/16", "10.50.0.1"),  # the bridge's own: it would lead in a circle
        static("10.88.0.0/16"),
    ],
)
def test_a_route_that_the_node_cannot_have_is_not_in_its_table(route: StaticRoute) -> None:
    assert table(instance(route), ETH0, ETH1) == table(instance(), ETH0, ETH1)


def test_a_label_without_port_is_reported_and_costs_only_its_route() -> None:
    found = built(instance(static("10.88.0.0/16", label="nowhere"), static("10.89.0.0/16", label="eth0")), ETH0)

    assert found.error == "route 10.88.0.0/16: no port of the network instance matches nowhere"
    assert "10.89.0.0/16 via 172.22.10.1 dev eth0" in map(shown, found.routes)
    assert not found.blocked


def test_a_gateway_in_none_of_the_labelled_networks_is_reported() -> None:
    found = built(instance(static("10.88.0.0/16", "192.0.2.1", "internet")), ETH0, ETH1)

    assert (
        found.error
        == "route 10.88.0.0/16: no port of the network instance matches internet with 192.0.2.1 in its network"
    )


def test_of_two_routes_to_one_destination_the_first_that_can_be_had_counts() -> None:
    routes = (
        static("10.88.0.0/16", label="eth2"),
        static("10.88.0.0/16", label="eth1"),
        static("10.88.0.0/16", label="eth0"),
    )

    found = table(instance(*routes), ETH0, ETH1, BARE)

    assert [route for route in found if route.startswith("10.88.")] == ["10.88.0.0/16 via 192.168.30.1 dev eth1"]


def test_a_static_route_to_a_connected_network_beats_the_connection() -> None:
    routes = table(instance(static("192.168.30.0/24", "172.22.10.9", "eth0")), ETH0, ETH1)

    assert [route for route in routes if route.startswith("192.168.")] == ["192.168.30.0/24 via 172.22.10.9 dev eth0"]


# -- several ports ------------------------------------------------------------------------------------


def test_probing_decides_among_several_ports() -> None:
    found = built(instance(static("0.0.0.0/0", label="internet")), ETH0, ETH1, chosen={"0.0.0.0/0": "eth1"})

    default = found.routes[0]
    assert (shown(default), default.port, default.because) == (
        "0.0.0.0/0 via 192.168.30.1 dev eth1",
        "eth1",
        "probing chose it",
    )


def test_until_probing_has_chosen_the_cheapest_port_serves() -> None:
    default = built(instance(static("0.0.0.0/0", label="internet")), ETH1, ETH0).routes[0]

    assert (default.port, default.because) == ("eth0", "cheapest port that has a link and an address")


def test_a_chosen_port_that_lost_its_address_gives_way_at_once() -> None:
    lost = port("eth1", gateway="192.168.30.1", labels="internet")

    assert table(instance(static("0.0.0.0/0", label="internet")), ETH0, lost, chosen={"0.0.0.0/0": "eth1"})[0] == (
        "0.0.0.0/0 via 172.22.10.1 dev eth0"
    )


def test_a_port_without_link_serves_no_route_that_another_can() -> None:
    unplugged = port("eth0", "172.22.10.5/24", gateway="172.22.10.1", labels="internet", carrier=False)

    assert table(instance(static("0.0.0.0/0", label="internet")), unplugged, ETH1)[0].endswith("dev eth1")


def test_the_only_port_keeps_its_route_without_a_link() -> None:
    """The kernel itself passes over a route whose link is down, and takes it again at once when it is up."""
    unplugged = port("eth0", "172.22.10.5/24", gateway="172.22.10.1", carrier=False)

    assert table(instance(), unplugged)[0] == "0.0.0.0/0 via 172.22.10.1 dev eth0"


def test_several_ports_without_static_default_share_an_automatic_one() -> None:
    assert table(instance(port="internet"), ETH0, ETH1)[0] == "0.0.0.0/0 via 172.22.10.1 dev eth0"
    assert table(instance(port="internet"), ETH0, ETH1, chosen={"0.0.0.0/0": "eth1"})[0].endswith("dev eth1")


# -- what is asked of the prober ----------------------------------------------------------------------

CONTROLLER = Probe(method=ProbeMethod.TCP, host="controller.test", port=443)


def asked(wanted: NetworkInstance, *ports: InstancePort, controller: Probe | None = None) -> list[tuple[str, Any]]:
    return [(str(r.destination), r) for r in route_requests(wanted, ports, controller)]


def test_the_automatic_default_asks_gateways_of_free_ports_and_prefers_cheap_ones() -> None:
    [(destination, request)] = asked(instance(port="internet"), ETH0, ETH1, controller=CONTROLLER)

    assert destination == "0.0.0.0/0"
    assert request.candidates == ("eth0", "eth1")
    assert request.probe == RouteProbe(gateway_ping=True, gateway_ping_max_cost=0, custom=None)
    assert request.prefer_lower_cost


@pytest.mark.parametrize("label", ["uplink", "freeuplink"])
def test_over_uplinks_the_controller_is_asked_besides(label: str) -> None:
    second = port("eth1", "192.168.30.5/24", gateway="192.168.30.1", labels="uplink freeuplink")

    [(_, request)] = asked(instance(port=label), ETH0, second, controller=CONTROLLER)

    assert request.probe.custom == CONTROLLER


def test_a_static_route_is_probed_as_its_operator_says() -> None:
    probe = RouteProbe(gateway_ping=True, gateway_ping_max_cost=10, custom=CONTROLLER)
    wanted = static("0.0.0.0/0", label="internet", probe=probe, prefer_lower_cost=True, prefer_stronger_signal=True)

    [(_, request)] = asked(instance(wanted), ETH0, ETH1)

    assert (request.probe, request.prefer_lower_cost, request.prefer_stronger_signal) == (probe, True, True)
    assert request.candidates == ("eth0", "eth1")


@pytest.mark.parametrize(
    ("wanted", "ports"),
    [
        (instance(port="eth0"), [ETH0]),  # one port is no choice
        (instance(static("0.0.0.0/0", label="eth1")), [ETH0, ETH1]),
        (instance(static("0.0.0.0/0", "172.22.10.9")), [ETH0, ETH1]),  # the gateway is in one network only
        (instance(static("0.0.0.0/0", label="internet")), [ETH0, port("l2", l3=False, labels="internet")]),
        (instance(static("0.0.0.0/0", label="internet")), [ETH0, port("modem", ifname="", labels="internet")]),
        (instance(static("::/0", label="internet"), static("0.0.0.0/0", label="eth0")), [ETH0, ETH1]),
    ],
)
def test_nothing_is_probed_where_there_is_nothing_to_choose(wanted: NetworkInstance, ports: list[InstancePort]) -> None:
    assert asked(wanted, *ports) == []


def test_two_routes_to_one_destination_are_one_question() -> None:
    routes = static("0.0.0.0/0", label="uplink"), static("0.0.0.0/0", label="internet")

    [(_, request)] = asked(instance(*routes), ETH0, ETH1)

    assert request.candidates == ("eth0", "eth1")


def test_a_switch_asks_nothing() -> None:
    assert asked(switch(port="all"), ETH0, ETH1) == []


# -- what apps are told -------------------------------------------------------------------------------


def test_apps_are_told_the_subnet_servers_routes_and_the_default_in_this_order() -> None:
    wanted = instance(
        static("10.88.0.0/16", label="eth0"),
        ntp=("192.0.2.123",),
        dns=(ip_address("192.0.2.53"), ip_address("10.50.0.1")),
        propagate_connected_routes=True,
    )

    assert told(wanted, ETH0) == [
        "10.50.0.1/32 on link",
        "10.50.0.0/24 on link",
        "192.0.2.123/32 10.50.0.1",
        "192.0.2.53/32 10.50.0.1",
        "10.88.0.0/16 10.50.0.1",
        "172.22.10.0/24 10.50.0.1",
        "0.0.0.0/0 10.50.0.1",
    ]


def test_where_leases_are_host_routes_every_next_hop_is_told_before_it_is_used() -> None:
    routes = static("10.21.0.0/16", "10.50.0.7"), static("10.22.0.0/16", "10.50.0.9"), static("0.0.0.0/0", "10.50.0.7")

    on_link = [route for route in told(instance(*routes), ETH0) if route.endswith("/32 on link")]

    assert on_link == ["10.50.0.7/32 on link", "10.50.0.9/32 on link", "10.50.0.1/32 on link"]


def test_with_the_subnets_own_prefix_no_route_to_it_is_told() -> None:
    found = built(instance(), ETH0, settings=replace(SETTINGS, host_routes_only=False))

    assert [str(route.destination) for route in found.app_routes] == ["0.0.0.0/0"]


def test_a_route_to_another_app_is_told_as_it_is() -> None:
    assert "10.21.21.0/24 10.50.0.7" in told(instance(static("10.21.21.0/24", "10.50.0.7")), ETH0)


def test_a_route_via_the_bridge_itself_is_told() -> None:
    assert "10.21.21.0/24 10.50.0.1" in told(instance(static("10.21.21.0/24", "10.50.0.1")), ETH0)


def test_an_app_may_be_the_way_out_of_an_instance_without_port() -> None:
    """Acceptance scenario `app-as-gateway`: the second air-gapped instance."""
    wanted = instance(static("0.0.0.0/0", "10.50.0.7"), port="", dns=(ip_address("192.0.2.53"),))

    assert told(wanted) == ["10.50.0.7/32 on link", "10.50.0.0/24 on link", "0.0.0.0/0 10.50.0.7"]
    assert table(wanted) == ["10.50.0.0/24 dev bn1", UNREACHABLE]


def test_the_app_that_is_the_way_out_has_the_bridge_as_its_own() -> None:
    assert told(instance(static("0.0.0.0/0", "10.50.0.7")), ETH0)[-2:] == ["0.0.0.0/0 10.50.0.7", "0.0.0.0/0 10.50.0.1"]


@pytest.mark.parametrize(
    "route",
    [
        static("10.88.0.0/16", "192.0.2.1"),  # its gateway is in no port's network (A.3, 7)
        static("10.88.0.0/16", "192.168.30.7", "eth0"),  # in that of a port that is not meant
        static("10.88.0.0/16", label="nowhere"),
        static("fd88::/32", "fe80::1", "eth0"),
    ],
)
def test_a_route_that_leads_nowhere_is_not_told(route: StaticRoute) -> None:
    assert told(instance(route), ETH0, ETH1) == told(instance(), ETH0, ETH1)


def test_a_network_that_is_also_a_static_route_is_told_once() -> None:
    wanted = instance(static("172.22.10.0/24", label="eth0"), propagate_connected_routes=True)

    assert told(wanted, ETH0).count("172.22.10.0/24 10.50.0.1") == 1


@pytest.mark.parametrize(
    ("wanted", "ports", "announced"),
    [
        (instance(port=""), [], False),
        (instance(static("0.0.0.0/0", "10.50.0.7"), port=""), [], False),
        (instance(), [port("eth2", "10.40.40.5/24")], False),  # no router, no management port
        (instance(), [port("eth2", "10.40.40.5/24", gateway="10.40.40.1")], True),
        (instance(), [port("eth2", "10.40.40.5/24", gateway="fe80::1")], False),  # a router of the other family
        (instance(), [port("eth2", management=True)], True),
        (instance(static("0.0.0.0/0", "10.40.40.9")), [BARE], True),
        (instance(static("::/0", "fe80::9")), [BARE], False),
    ],
)
def test_the_default_route_is_announced_where_there_may_be_one(
    wanted: NetworkInstance, ports: list[InstancePort], announced: bool
) -> None:
    found = built(wanted, *ports)

    assert found.announce_default is announced
    assert ("0.0.0.0/0 10.50.0.1" in told(wanted, *ports)) is announced


# -- over everything ----------------------------------------------------------------------------------

PORTS = st.builds(
    lambda label, network, gateway, carrier, cost: port(
        label, *network, gateway=gateway, labels="some" if cost else "", carrier=carrier, cost=cost
    ),
    st.sampled_from(["p0", "p1", "p2"]),
    st.sampled_from([(), ("172.22.10.5/24",), ("172.22.10.6/24", "fd22::5/64"), ("192.0.2.5/32",)]),
    st.sampled_from(["", "172.22.10.1", "fe80::1", "172.22.10.1 fe80::1"]),
    st.booleans(),
    st.integers(0, 2),
)
ROUTES = st.builds(
    static,
    st.sampled_from(["0.0.0.0/0", "::/0", "10.88.0.0/16", "172.22.10.0/24", "fd88::/32"]),
    st.sampled_from(["", "172.22.10.9", "10.50.0.7", "10.50.0.1", "fe80::9", "fd50::7"]),
    st.sampled_from(["", "all", "some", "p0", "p1", "nowhere"]),
)


@given(
    st.sampled_from(["10.50.0.0/24", "fd50::/64"]),
    st.lists(ROUTES, max_size=4),
    st.lists(PORTS, max_size=3, unique_by=lambda one: one.label),
    st.sampled_from(["p0", "p1", "p2", "gone"]),
    st.booleans(),
)
def test_a_table_is_of_one_family_has_each_destination_once_and_leaves_by_a_port_that_can(
    subnet: str, routes: list[StaticRoute], ports: list[InstancePort], choice: str, propagate: bool
) -> None:
    wanted = local("ni", subnet, port="all", routes=tuple(routes), propagate_connected_routes=propagate)
    choices = dict.fromkeys(("0.0.0.0/0", "::/0", "10.88.0.0/16"), choice)

    found = built(wanted, *ports, chosen=choices)

    version, by_label = ip_network(subnet).version, {one.label: one for one in ports}
    *ways, last = found.routes
    assert last.kind is RouteKind.UNREACHABLE
    assert {route.destination.version for route in found.routes} == {version}
    destinations = [route.destination for route in ways]
    assert len(destinations) == len(set(destinations))
    for route in ways:
        if route.port:
            assert any(address.version == version for address in by_label[route.port].addresses)
            assert route.ifname == by_label[route.port].ifname
        assert route.via is None or (route.via.version == version and route.via not in ip_network(subnet))
    pairs = [(route.destination, route.via) for route in found.app_routes]
    assert len(pairs) == len(set(pairs))
    assert all(via is None or via.version == destination.version for destination, via in pairs)
