"""Address translation, forwards and the node's own protection, with real packets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from evenet_core.model.policy import DevicePolicy, Forward, InstancePolicy, PolicyRule
from tests.support.fw import ADDRESSES, BRIDGED_FRAMES, INSTANCES, Node, app

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

ALL = PolicyRule(id=1)
FAMILIES = pytest.mark.parametrize("v", [0, 1], ids=["ipv4", "ipv6"])


needs_bridge_netfilter = pytest.mark.skipif(
    not Path("/proc/sys", BRIDGED_FRAMES[0]).exists(), reason="br_netfilter is not loaded"
)


@pytest.fixture
def node(netns: None) -> Iterator[Node]:
    with Node.up() as node:
        yield node


@pytest.fixture(params=[False, pytest.param(True, marks=needs_bridge_netfilter)], ids=["", "bridged-frames"])
def any_node(netns: None, request: pytest.FixtureRequest) -> Iterator[Node]:
    """Also where frames that are only bridged pass the inet tables."""
    with Node.up(bridged_frames=request.param) as node:
        yield node


def forwards(name: str, port: int = 2222) -> tuple[Forward, ...]:
    """Port 22 of the app at every address of both ports."""
    return tuple(
        Forward(
            address=ip_address(ADDRESSES[link][v]),
            protocol=protocol,
            port=port,
            to=ip_address(ADDRESSES[name][v]),
            to_port=22,
        )
        for link in ("eth0", "eth1")
        for v in (0, 1)
        for protocol in ("tcp", "udp")
    )


def peer_of(server: socket.socket) -> str:
    accepted, address = server.accept()
    accepted.close()
    return str(address[0]).removeprefix("::ffff:")


@FAMILIES
def test_what_leaves_takes_the_address_of_the_port(node: Node, v: int) -> None:
    node.load(app("app1", ALL))

    with node.server("outside", 80) as server:
        assert node.reaches("app1", ADDRESSES["far"][v], 80)
        assert peer_of(server) == ADDRESSES["eth0"][v]


@FAMILIES
def test_the_app_sees_who_calls_and_the_answer_leaves_by_the_port_of_the_question(any_node: Node, v: int) -> None:
    any_node.load(app("app1", ALL, forwards=forwards("app1")))

    with any_node.server("app1", 22) as server:
        for place, client, port in (("outside", "far", "eth0"), ("outside2", "far2", "eth1")):
            source = ADDRESSES[client][v]
            assert any_node.reaches(place, ADDRESSES[port][v], 2222, source)
            assert peer_of(server) == source


@FAMILIES
def test_who_is_forwarded_to_another_interface_than_the_first_comes_as_the_gateway(any_node: Node, v: int) -> None:
    """The app would answer a stranger by its first interface."""
    any_node.load(replace(app("app1", ALL, forwards=forwards("app1")), first=False))

    with any_node.server("app1", 22) as server:
        for place, client, port in (("outside", "far", "eth0"), ("outside2", "far2", "eth1")):
            assert any_node.reaches(place, ADDRESSES[port][v], 2222, ADDRESSES[client][v])
            assert peer_of(server) == ADDRESSES["bn1"][v]


@FAMILIES
def test_a_forward_obeys_the_rules_of_the_app(node: Node, v: int) -> None:
    friend = ip_network(ADDRESSES["far"][v])
    node.load(app("app1", PolicyRule(id=1, remote=friend), forwards=forwards("app1")))

    with node.server("app1", 22):
        assert node.reaches("outside", ADDRESSES["eth0"][v], 2222, ADDRESSES["far"][v])
        assert not node.reaches("outside", ADDRESSES["eth0"][v], 2222, ADDRESSES["farther"][v])


@FAMILIES
def test_a_forward_works_for_apps_of_the_same_instance_and_for_the_node(any_node: Node, v: int) -> None:
    any_node.load(app("app1", ALL, forwards=forwards("app1")), app("app2", ALL), app("app3", ALL))

    with any_node.server("app1", 22) as server:
        assert any_node.reaches("app2", ADDRESSES["eth0"][v], 2222)
        assert peer_of(server) == ADDRESSES["bn1"][v]  # its answer would not pass the node otherwise
        assert any_node.reaches("node", ADDRESSES["eth0"][v], 2222)
        assert not any_node.reaches("app3", ADDRESSES["eth0"][v], 2222)


@FAMILIES
def test_an_app_reaches_itself_by_its_forward(node: Node, v: int) -> None:
    node.load(app("app1", ALL, forwards=forwards("app1")))

    with node.server("app1", 22):
        assert node.reaches("app1", ADDRESSES["eth1"][v], 2222)


@FAMILIES
def test_a_forward_that_is_taken_away_answers_no_longer_and_a_new_one_does(node: Node, v: int) -> None:
    with node.server("app1", 22):
        node.load(app("app1", ALL, forwards=forwards("app1", 2222)))
        assert node.reaches("outside", ADDRESSES["eth0"][v], 2222)

        node.load(app("app1", ALL, forwards=forwards("app1", 2225)))

        assert not node.reaches("outside", ADDRESSES["eth0"][v], 2222)
        assert node.reaches("outside", ADDRESSES["eth0"][v], 2225)


def test_metadata_is_served_at_its_own_address_whatever_the_rules(node: Node) -> None:
    node.load(app("app1"))

    with node.server("node", 80):
        assert node.reaches("app1", "169.254.169.254", 80)
        assert not node.reaches("app1", "169.254.169.254", 81)
        assert not node.reaches("outside", "169.254.169.254", 80)


@FAMILIES
def test_an_app_may_ask_its_gateway_for_names_and_nothing_else(node: Node, v: int) -> None:
    node.load(app("app1"), app("app2", ALL))

    with node.server("node", 53), node.server("node", 22):
        assert node.reaches("app1", ADDRESSES["bn1"][v], 53)
        for name in ("bn2", "eth0"):
            assert not node.reaches("app2", ADDRESSES[name][v], 53)
        for name in ("bn1", "bn2", "eth0"):
            assert not node.reaches("app2", ADDRESSES[name][v], 22)
        assert node.reaches("outside", ADDRESSES["eth0"][v], 22)
    assert node.pings("app2", ADDRESSES["bn1"][v])
    assert not node.pings("app2", ADDRESSES["eth0"][v])


@FAMILIES
def test_instances_do_not_reach_each_other(any_node: Node, v: int) -> None:
    any_node.load(app("app1", ALL), app("app2", ALL), app("app3", ALL))

    assert any_node.pings("app1", ADDRESSES["app2"][v])
    assert not any_node.pings("app1", ADDRESSES["app3"][v])
    assert not any_node.pings("app3", ADDRESSES["app1"][v])


@FAMILIES
def test_the_node_is_no_router_between_its_ports(node: Node, v: int) -> None:
    target = ADDRESSES["outside2"][v]
    node.load()
    assert node.pings("outside2", ADDRESSES["eth1"][v])

    assert not node.pings("outside", target)

    node.run("node", "nft", "flush chain inet evenet forward")
    assert node.pings("outside", target)


def test_nothing_leaves_an_instance_by_a_port_that_is_not_its_own(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = InstancePolicy(bridge="bn1", subnet=ip_network("10.50.0.0/24"), gateway=ip_address("10.50.0.1"))

    with node.server("outside", 80):
        for ports, open_ in (("eth0", "eth1"), True), (("eth1",), False), ((), False):
            given = (replace(instance, masquerade_out=ports), *INSTANCES[2:])
            monkeypatch.setattr("tests.support.fw.INSTANCES", given)
            node.load(app("app1", ALL))
            assert node.reaches("app1", ADDRESSES["far"][0], 80) is open_


@FAMILIES
def test_segments_fit_the_smallest_link_on_their_way(node: Node, v: int, monkeypatch: pytest.MonkeyPatch) -> None:
    node.run("node", "ip", "link", "set", "eth0", "mtu", "1300")
    header = (40, 60)[v]

    def segment() -> int:
        with node.server("outside", 80) as server:
            client = node.connect("app1", ADDRESSES["far"][v], 80)
            assert client is not None
            accepted, _ = server.accept()
            with client, accepted:
                return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)

    node.load(app("app1", ALL))
    timestamps = 12
    assert segment() == 1300 - header - timestamps

    ports = (("eth0", 501), ("eth1", 502))
    monkeypatch.setattr("tests.support.fw.DEVICE", DevicePolicy(ports=ports, clamp_mss=False))
    node.load(app("app1", ALL))
    assert segment() == 1500 - header - timestamps


@FAMILIES
def test_links_of_others_are_left_alone(any_node: Node, v: int) -> None:
    any_node.run("node", "ip", "link", "add", "docker0", "type", "bridge")
    any_node.run("node", "ip", "link", "set", "nbu2x3", "nomaster")
    any_node.run("node", "ip", "link", "set", "nbu2x3", "down")
    any_node.run("node", "ip", "link", "set", "nbu2x3", "name", "vethd0")
    any_node.run("node", "ip", "link", "set", "vethd0", "up", "master", "docker0")
    any_node.run("node", "ip", "link", "delete", "bn2")
    any_node.run("node", "ip", "link", "set", "docker0", "up")
    for address in (f"{ADDRESSES['bn2'][0]}/24", f"{ADDRESSES['bn2'][1]}/64"):
        any_node.run("node", "ip", "address", "add", address, "dev", "docker0", *(["nodad"] if ":" in address else []))

    any_node.load(app("app1", ALL))

    with any_node.server("node", 22):
        assert any_node.reaches("app3", ADDRESSES["bn2"][v], 22)
        assert any_node.reaches("app3", ADDRESSES["eth0"][v], 22)
    any_node.run("outside", "ip", "route", "add", ("10.51.0.0/24", "fd51::/64")[v], "via", ADDRESSES["eth0"][v])
    assert any_node.pings("app3", ADDRESSES["far"][v])
    assert any_node.pings("outside", ADDRESSES["app3"][v])
