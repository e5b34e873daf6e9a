"""What an app may not pretend to be, and what a switch lets through, with real frames."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from evenet_core.linux.netns import inside
from evenet_core.model.policy import PolicyRule, VifPolicy
from tests.support.fw import ADDRESSES, BRIDGED_FRAMES, IMPATIENCE, MACS, Node, app, switched

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

ALL = PolicyRule(id=1)
FAMILIES = pytest.mark.parametrize("v", [0, 1], ids=["ipv4", "ipv6"])
ETH_P_ALL = 3
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture
def node(netns: None) -> Iterator[Node]:
    with Node.up() as node:
        yield node


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ether(source: str, kind: int, payload: bytes, target: str = BROADCAST) -> bytes:
    return mac(target) + mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def arp(sender: str, address: str, target: str = "10.50.0.3") -> bytes:
    """A request that claims `address` for `sender` (RFC 826)."""
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return head + mac(sender) + ip_address(address).packed + bytes(6) + ip_address(target).packed


def passes(node: Node, frame: bytes, source: str = "app1", target: str = "app2") -> bool:
    """Whether this frame, sent by one app, arrives at the other. A frame that always does is sent after it."""
    sentinel = ether(MACS[source], 0x0806, arp(MACS[source], ADDRESSES[source][0]))
    with inside(node.places[target]):
        receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with inside(node.places[source]):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with closing(receiver), closing(sender):
        receiver.bind(("eth0", ETH_P_ALL))
        receiver.settimeout(5)
        for data in (frame, sentinel):
            sender.sendto(data, ("eth0", 0))
        while (got := receiver.recv(2000)) != sentinel:
            if got.endswith(frame[-40:]):  # the kernel takes the outer tag off
                return True
    return False


def test_only_its_own_mac_and_addresses_pass_in_arp(node: Node) -> None:
    node.load(app("app1", ALL), app("app2", ALL))
    own, other = MACS["app1"], MACS["app2"]

    assert passes(node, ether(own, 0x0806, arp(own, "0.0.0.0", "10.50.0.9")))  # a probe (RFC 5227)
    assert not passes(node, ether(own, 0x0806, arp(own, "10.50.0.1")))
    assert not passes(node, ether(own, 0x0806, arp(own, "10.50.0.99")))
    assert not passes(node, ether(own, 0x0806, arp(other, "10.50.0.2")))
    assert not passes(node, ether(other, 0x0806, arp(own, "10.50.0.2", "10.50.0.9")))


def test_what_is_neither_ip_nor_arp_passes_on_a_switch_only(node: Node) -> None:
    profinet = ether(MACS["app1"], 0x8892, b"profinet")
    node.load(app("app1", ALL), app("app2", ALL))
    assert not passes(node, profinet)

    node.load(switched("app1"), switched("app2"))

    assert passes(node, profinet)
    assert not passes(node, ether("02:00:00:00:09:09", 0x8892, b"profinet"))


def test_a_tag_hides_nothing_from_the_rules(node: Node) -> None:
    def udp(tags: bytes) -> bytes:
        segment = struct.pack("!HHHH", 1000, 2000, 8, 0)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0)
        packet = head + ip_address("10.50.0.2").packed + ip_address("10.50.0.3").packed + segment
        kind, rest = (0x0800, b"") if not tags else (0x8100, tags)
        return ether(MACS["app1"], kind, rest + packet, MACS["app2"])

    once, twice = struct.pack("!HH", 5, 0x0800), struct.pack("!HHHH", 5, 0x8100, 6, 0x0800)
    open_ = PolicyRule(id=1, protocol="udp", remote_ports=(2000, 2000))
    node.load(switched("app1"), switched("app2", ALL))
    assert [passes(node, udp(tags)) for tags in (b"", once, twice)] == [False, False, False]

    node.load(switched("app1", open_), switched("app2", ALL))

    assert [passes(node, udp(tags)) for tags in (b"", once, twice)] == [True, True, False]


@FAMILIES
def test_an_app_sends_from_its_own_addresses_only(node: Node, v: int) -> None:
    node.load(app("app1", ALL), app("app2", ALL))
    node.run("app1", "ip", "neighbour", "add", ADDRESSES["app2"][v], "lladdr", MACS["app2"], "dev", "eth0")
    stolen = (("10.50.0.77", "fd50::77")[v], ("192.168.9.9", "fd99::9")[v])
    with node.server("app2", 5000, socket.SOCK_DGRAM) as server:
        server.settimeout(IMPATIENCE)
        for address in (*stolen, ADDRESSES["bn1"][v]):
            nodad = ["nodad"] if v else []
            node.run("app1", "ip", "address", "add", address, "dev", "eth0", *nodad)
            assert node.sends("app1", ADDRESSES["app2"][v], 5000, b"x", address)
            with pytest.raises(TimeoutError):
                server.recv(10)
            node.run("app1", "ip", "address", "del", address, "dev", "eth0")

        assert node.sends("app1", ADDRESSES["app2"][v], 5000, b"y")
        assert server.recv(10) == b"y"


def test_a_gateway_sends_from_the_networks_behind_it(node: Node) -> None:
    policy = app("app1", ALL)
    behind = VifPolicy(
        **{
            name: getattr(policy, name) for name in ("vif", "bridge", "mac", "routed", "addresses", "gateways", "rules")
        },
        behind=(ip_network("192.168.9.0/24"),),
    )
    node.run("app1", "ip", "address", "add", "192.168.9.9", "dev", "lo")
    node.run("app2", "ip", "route", "add", "192.168.9.0/24", "via", "10.50.0.2")
    node.load(policy, app("app2", ALL))
    assert not node.pings("app2", "192.168.9.9")

    node.load(behind, app("app2", ALL))

    assert node.pings("app2", "192.168.9.9")


def test_a_neighbour_advertisement_for_the_gateway_is_dropped(node: Node) -> None:
    node.load(app("app1", ALL), app("app2", ALL))

    def advertisement(target: str) -> bytes:
        """Unsolicited, overriding, with the sender's MAC (RFC 4861, 4.4)."""
        source, everybody = ip_address("fd50::2").packed, ip_address("ff02::1").packed
        option = struct.pack("!BB", 2, 1) + mac(MACS["app1"])
        body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + ip_address(target).packed + option
        pseudo = source + everybody + struct.pack("!II", len(body), 58) + body
        total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        body = body[:2] + struct.pack("!H", 0xFFFF - total) + body[4:]
        head = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
        return ether(MACS["app1"], 0x86DD, head + source + everybody + body, "33:33:00:00:00:01")

    assert passes(node, advertisement("fd50::2"))
    assert not passes(node, advertisement("fd50::1"))
    assert not passes(node, advertisement("fd50::3"))


@FAMILIES
def test_on_a_switch_names_are_open_and_all_else_obeys_the_rules(node: Node, v: int) -> None:
    node.load(switched("app1"), switched("app2"))
    with node.server("app2", 53), node.server("app2", 80):
        assert node.reaches("app1", ADDRESSES["app2"][v], 53) is False  # it is the client's side that is open

        node.load(switched("app1"), switched("app2", ALL))
        assert node.reaches("app1", ADDRESSES["app2"][v], 53)
        assert not node.reaches("app1", ADDRESSES["app2"][v], 80)

        node.load(switched("app1", ALL), switched("app2", ALL))
        assert node.reaches("app1", ADDRESSES["app2"][v], 80)


@pytest.mark.skipif(not Path("/proc/sys", BRIDGED_FRAMES[0]).exists(), reason="br_netfilter is not loaded")
@FAMILIES
def test_a_switch_on_a_port_works_where_bridged_frames_pass_the_inet_tables(netns: None, v: int) -> None:
    with Node.up(bridged_frames=True) as node:
        node.load(switched("app1", ALL), switched("app2", ALL))
        # `bn1` stands for the adapter's bridge: both apps are on the wire that a port is on
        node.run("node", "ip", "link", "set", "eth0", "down")
        node.run("node", "ip", "link", "set", "eth0", "name", "keth0")
        node.run("node", "ip", "link", "set", "bn1", "name", "eth0")
        node.run("node", "ip", "link", "set", "eth0", "up")

        assert node.pings("app1", ADDRESSES["app2"][v])
