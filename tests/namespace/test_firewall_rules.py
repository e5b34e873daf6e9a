"""What the rules of an app let through, with real packets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from evenet_core.model.instances import RateLimit
from evenet_core.model.policy import DevicePolicy, PolicyRule, Verdict, host_set_name
from tests.support.fw import ADDRESSES, Node, app

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

ALL = PolicyRule(id=1)
FAMILIES = pytest.mark.parametrize("v", [0, 1], ids=["ipv4", "ipv6"])


@pytest.fixture
def node(netns: None) -> Iterator[Node]:
    with Node.up() as node:
        yield node


def to(name: str, v: int, **match: object) -> PolicyRule:
    return PolicyRule(id=7, remote=ip_network(ADDRESSES[name][v]), **match)  # type: ignore[arg-type]


@FAMILIES
def test_an_app_without_rules_is_closed_and_with_one_for_everything_open(node: Node, v: int) -> None:
    with node.server("outside", 80), node.server("app1", 80):
        node.load(app("app1"), app("app2", ALL))
        assert not node.reaches("app1", ADDRESSES["far"][v], 80)
        assert not node.pings("app1", ADDRESSES["far"][v])
        assert not node.reaches("app2", ADDRESSES["app1"][v], 80)

        node.load(app("app1", ALL), app("app2", ALL))

        assert node.reaches("app1", ADDRESSES["far"][v], 80)
        assert node.pings("app1", ADDRESSES["far"][v])
        assert node.reaches("app2", ADDRESSES["app1"][v], 80)


@FAMILIES
def test_an_interface_that_no_policy_knows_is_closed(node: Node, v: int) -> None:
    node.load(app("app2", ALL))

    assert not node.pings("app1", ADDRESSES["bn1"][v])
    assert not node.pings("app1", ADDRESSES["app2"][v])
    assert node.pings("app2", ADDRESSES["bn1"][v])


@FAMILIES
def test_a_rule_for_an_address_and_port_allows_nothing_else(node: Node, v: int) -> None:
    node.load(app("app1", to("far", v, protocol="tcp", remote_ports=(80, 81))))

    with node.server("outside", 80), node.server("outside", 81), node.server("outside", 82):
        assert node.reaches("app1", ADDRESSES["far"][v], 80)
        assert node.reaches("app1", ADDRESSES["far"][v], 81)
        assert not node.reaches("app1", ADDRESSES["far"][v], 82)
        assert not node.reaches("app1", ADDRESSES["farther"][v], 80)
        assert not node.reaches("app1", ADDRESSES["far"][1 - v], 80)
    assert not node.pings("app1", ADDRESSES["far"][v])


@FAMILIES
def test_the_first_rule_that_matches_decides(node: Node, v: int) -> None:
    drop = to("far", v, verdict=Verdict.DROP)

    with node.server("outside", 80):
        node.load(app("app1", drop, ALL))
        assert not node.reaches("app1", ADDRESSES["far"][v], 80)
        assert node.reaches("app1", ADDRESSES["farther"][v], 80)

        node.load(app("app1", ALL, drop))
        assert node.reaches("app1", ADDRESSES["far"][v], 80)


@FAMILIES
def test_a_rule_for_an_own_port_lets_others_in_at_that_port(node: Node, v: int) -> None:
    node.load(app("app1", PolicyRule(id=1, protocol="tcp", local_port=22)), app("app2", ALL))

    with node.server("app1", 22), node.server("app1", 23):
        assert node.reaches("app2", ADDRESSES["app1"][v], 22)
        assert not node.reaches("app2", ADDRESSES["app1"][v], 23)


@FAMILIES
def test_icmp_is_that_of_both_families(node: Node, v: int) -> None:
    node.load(app("app1", PolicyRule(id=1, protocol="icmp")))

    with node.server("outside", 80):
        assert node.pings("app1", ADDRESSES["far"][v])
        assert not node.reaches("app1", ADDRESSES["far"][v], 80)


@FAMILIES
def test_members_of_a_group_are_allowed_and_nobody_else(node: Node, v: int) -> None:
    members = tuple(ip_address(ADDRESSES["app2"][family]) for family in (0, 1))
    node.load(app("app1", PolicyRule(id=1, members=members)), app("app2", ALL))

    assert node.pings("app1", ADDRESSES["app2"][v])
    assert not node.pings("app1", ADDRESSES["far"][v])
    node.load(app("app1", PolicyRule(id=1, members=())), app("app2", ALL))
    assert not node.pings("app1", ADDRESSES["app2"][v])


@FAMILIES
def test_a_host_is_allowed_once_its_name_was_resolved(node: Node, v: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.fw.DEVICE", DevicePolicy(ports=(("eth0", 501),), host_sets=("Far.test",)))
    node.load(app("app1", PolicyRule(id=1, host="far.test")))
    assert not node.pings("app1", ADDRESSES["far"][v])
    name = host_set_name("far.test", 4 + 2 * v)

    node.run("node", "nft", f"add element bridge evenet {name} {{ {ADDRESSES['far'][v]} timeout 100s }}")

    assert node.pings("app1", ADDRESSES["far"][v])
    assert not node.pings("app1", ADDRESSES["farther"][v])
    assert "timeout 1d" in node.run("node", "nft", "list", "set", "bridge", "evenet", name)


@FAMILIES
def test_many_rules_in_one_map_decide_as_each_by_itself(node: Node, v: int) -> None:
    others = [
        PolicyRule(id=i, remote=ip_network(("10.9.0.1", "fd99::1")[v]), protocol="tcp", remote_ports=(i, i))
        for i in range(1, 40)
    ]
    rules = [
        *others,
        to("far", v, protocol="tcp", remote_ports=(80, 80)),
        to("far", v, protocol="tcp", remote_ports=(81, 81), verdict=Verdict.DROP),
        to("far", v, protocol="tcp", remote_ports=(81, 81)),
    ]
    node.load(app("app1", *rules))

    with node.server("outside", 80), node.server("outside", 81), node.server("outside", 82):
        assert node.reaches("app1", ADDRESSES["far"][v], 80)
        assert not node.reaches("app1", ADDRESSES["far"][v], 81)
        assert not node.reaches("app1", ADDRESSES["far"][v], 82)


@FAMILIES
def test_what_exceeds_a_rate_is_dropped(node: Node, v: int) -> None:
    limit = RateLimit(rate=1, unit="hour", burst=3)
    node.load(app("app1", to("far", v, protocol="udp", limit=limit), ALL))

    with node.server("outside", 5000, socket.SOCK_DGRAM) as server:
        for number in range(10):
            node.sends("app1", ADDRESSES["far"][v], 5000, bytes([number]))
        node.sends("app1", ADDRESSES["farther"][v], 5000, b"end")

        arrived: list[bytes] = []
        while not arrived or arrived[-1] != b"end":
            arrived.append(server.recv(100))

    assert arrived == [b"\0", b"\1", b"\2", b"end"]


@FAMILIES
def test_a_datagram_in_fragments_passes_where_its_port_is_allowed(node: Node, v: int) -> None:
    node.load(app("app1", to("far", v, protocol="udp", remote_ports=(5000, 5000))))

    with node.server("outside", 5000, socket.SOCK_DGRAM) as server:
        node.sends("app1", ADDRESSES["far"][v], 5000, bytes(4000))
        assert len(server.recv(5000)) == 4000


@FAMILIES
def test_a_rule_that_is_taken_away_ends_what_it_allowed(node: Node, v: int) -> None:
    node.load(app("app1", to("far", v)))
    with node.server("outside", 80) as server:
        client = node.connect("app1", ADDRESSES["far"][v], 80)
        assert client is not None
        peer, _ = server.accept()
        with client, peer:
            client.send(b"before")
            assert peer.recv(10) == b"before"

            node.load(app("app1", to("farther", v)))

            peer.settimeout(0.4)
            client.send(b"after")
            with pytest.raises(TimeoutError):
                peer.recv(10)
