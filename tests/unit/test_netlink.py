"""The bytes of netlink, compared with an implementation that others wrote (pyroute2)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from evenet_core.linux import netlink
from evenet_core.linux.address import DELADDR, NEWADDR, Address, address_item, address_message
from evenet_core.linux.links import (
    NEWLINK,
    SETLINK,
    bridge_info,
    decode_link,
    ipv6_mode_message,
    link_message,
    veth_info,
)
from evenet_core.linux.neighbour import DELNEIGH, NEWNEIGH, Neighbour, neighbour_item, neighbour_message
from evenet_core.linux.netlink import ACK, CREATE, EXCLUSIVE, REPLACE, REQUEST, Message, NetlinkError, Reply
from evenet_core.linux.route import DELROUTE, NEWROUTE, Route, route_item, route_message
from evenet_core.linux.rule import NEWRULE, Rule, rule_item, rule_message

NAMES = {7: "eth0"}


def read(kind: type, message: Message) -> Any:
    """The message as pyroute2 reads it."""
    decoded = kind(netlink.encode(message, 1, ACK))
    decoded.decode()
    return decoded


def write(kind: type, fields: dict[str, Any], attributes: Sequence[tuple[str, Any]], type_: int = NEWROUTE) -> Reply:
    """A message as pyroute2 writes it, as if it came from a socket."""
    message = kind()
    message.update(fields)
    message["attrs"] = list(attributes)
    message["header"]["type"] = type_
    message.encode()
    [reply] = netlink.replies(bytes(message.data))
    return reply


def as_reply(message: Message) -> Reply:
    [reply] = netlink.replies(netlink.encode(message, 1))
    return reply


# -- what we write ------------------------------------------------------------------------------------


def test_a_header_says_type_flags_and_sequence_number() -> None:
    message = Message(NEWROUTE, CREATE | REPLACE, b"body")

    data = netlink.encode(message, 41, ACK)

    assert struct.unpack("=IHHII", data[:16]) == (20, NEWROUTE, CREATE | REPLACE | REQUEST | ACK, 41, 0)
    assert data[16:] == b"body"


def test_a_route_is_read_by_others_as_it_is_meant() -> None:
    item = Route(801, "10.1.0.0/16", "eth0", via="10.1.0.1", source="10.1.0.2", metric=5)

    found = read(rtmsg, route_message(NEWROUTE, item, 7))

    assert (found["family"], found["dst_len"], found["proto"], found["type"]) == (2, 16, 231, 1)
    assert (found["table"], found["scope"], found["flags"]) == (252, 0, 4)
    assert dict(found["attrs"]) == {
        "RTA_DST": "10.1.0.0",
        "RTA_TABLE": 801,
        "RTA_OIF": 7,
        "RTA_GATEWAY": "10.1.0.1",
        "RTA_PREFSRC": "10.1.0.2",
        "RTA_PRIORITY": 5,
    }


def test_an_unreachable_ipv6_route_has_no_link_and_the_metric_that_the_kernel_would_choose() -> None:
    found = read(rtmsg, route_message(NEWROUTE, Route(77, "::/0"), 0))

    assert (found["family"], found["dst_len"], found["type"], found["table"]) == (10, 0, 7, 77)
    assert dict(found["attrs"]) == {"RTA_DST": "::", "RTA_TABLE": 77, "RTA_PRIORITY": 1024}


def test_a_connected_route_has_the_scope_of_its_link_and_is_removed_whatever_its_scope() -> None:
    item = Route(801, "10.1.0.0/16", "eth0")

    assert read(rtmsg, route_message(NEWROUTE, item, 7))["scope"] == 253
    assert read(rtmsg, route_message(DELROUTE, item, 7))["scope"] == 255


def test_the_default_metric_of_ipv6_has_one_form() -> None:
    assert Route(801, "::/0", "eth0", metric=1024) == Route(801, "::/0", "eth0")
    assert Route(801, "0.0.0.0/0", "eth0", metric=1024) != Route(801, "0.0.0.0/0", "eth0")


@pytest.mark.parametrize(
    ("item", "fields", "flags"),
    [
        (Address("eth0", "10.0.0.1", 24), (2, 24, 0, 7), 0x200),
        (Address("eth0", "fd00::1", 64, dad=False), (10, 64, 0, 7), 0x202),
        (Address("eth0", "fe80::1", 64), (10, 64, 253, 7), 0x200),
    ],
)
def test_an_address_brings_no_route_and_carries_both_marks(item: Address, fields: tuple[int, ...], flags: int) -> None:
    found = read(ifaddrmsg, address_message(NEWADDR, item, 7))

    assert (found["family"], found["prefixlen"], found["scope"], found["index"]) == fields
    assert dict(found["attrs"]) == {
        "IFA_LOCAL": item.address,
        "IFA_ADDRESS": item.address,
        "IFA_FLAGS": flags,
        "IFA_PROTO": 231,
        "IFA_RT_PRIORITY": 0xE7E7E7,
    }


def test_a_rule_is_read_by_others_as_it_is_meant() -> None:
    item = Rule(4, 9000, 501, source="10.0.0.0/24", destination="10.9.0.0/16", iif="lo", oif="eth0", mark=5, mask=255)

    found = read(fibmsg, rule_message(NEWRULE, item))

    assert (found["family"], found["src_len"], found["dst_len"], found["action"]) == (2, 24, 16, 1)
    assert dict(found["attrs"]) == {
        "FRA_PRIORITY": 9000,
        "FRA_TABLE": 501,
        "FRA_PROTOCOL": 231,
        "FRA_SRC": "10.0.0.0",
        "FRA_DST": "10.9.0.0",
        "FRA_IIFNAME": "lo",
        "FRA_OIFNAME": "eth0",
        "FRA_FWMARK": 5,
        "FRA_FWMASK": 255,
    }


def test_a_neighbour_is_permanent_and_removed_without_its_mac() -> None:
    item = Neighbour("eth0", "fe80::9", "02:00:00:00:00:09")

    made = read(ndmsg, neighbour_message(NEWNEIGH, item, 7))
    gone = read(ndmsg, neighbour_message(DELNEIGH, item, 7))

    assert (made["family"], made["ifindex"], made["state"]) == (10, 7, 0x80)
    assert dict(made["attrs"]) == {"NDA_DST": "fe80::9", "NDA_PROTOCOL": 231, "NDA_LLADDR": "02:00:00:00:00:09"}
    assert dict(gone["attrs"]) == {"NDA_DST": "fe80::9", "NDA_PROTOCOL": 231}


def test_a_bridge_is_made_with_its_settings() -> None:
    info = bridge_info(stp=True, forward_delay=200, group_fwd_mask=0x4000)

    message = link_message("", name="bn1", create=True, mac="02:00:00:00:00:01", info=info)

    found = read(ifinfmsg, message)
    assert (message.type, message.flags) == (NEWLINK, CREATE | EXCLUSIVE)
    assert found.get_attr("IFLA_IFNAME") == "bn1"
    assert found.get_attr("IFLA_ADDRESS") == "02:00:00:00:00:01"
    assert found.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "bridge"
    data = found.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    assert data.get_attr("IFLA_BR_STP_STATE") == 1
    assert data.get_attr("IFLA_BR_FORWARD_DELAY") == 200
    assert data.get_attr("IFLA_BR_GROUP_FWD_MASK") == 0x4000


def test_a_veth_has_its_other_end_made_in_the_apps_namespace() -> None:
    info = veth_info(peer="eth0", peer_mac="02:00:00:00:00:02", mtu=1400, namespace=9)

    found = read(ifinfmsg, link_message("", name="nbu1x1", create=True, mtu=1400, master=7, info=info))

    assert (found.get_attr("IFLA_MTU"), found.get_attr("IFLA_MASTER")) == (1400, 7)
    peer = found.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "VETH_INFO_PEER")
    assert peer.get_attr("IFLA_IFNAME") == "eth0"
    assert peer.get_attr("IFLA_ADDRESS") == "02:00:00:00:00:02"
    assert peer.get_attr("IFLA_MTU") == 1400
    assert peer.get_attr("IFLA_NET_NS_FD") == 9


def test_a_change_of_a_link_touches_only_what_it_names() -> None:
    message = link_message("", index=7, rename="keth0", alias="evenet bridge", up=False)

    found = read(ifinfmsg, message)

    assert (message.type, message.flags) == (SETLINK, 0)
    assert (found["index"], found["flags"], found["change"]) == (7, 0, 1)
    assert dict(found["attrs"]) == {"IFLA_IFNAME": "keth0", "IFLA_IFALIAS": "evenet bridge"}


def test_a_link_is_told_to_make_no_addresses() -> None:
    found = read(ifinfmsg, ipv6_mode_message("", 1, index=7))

    inet6 = found.get_nested("IFLA_AF_SPEC", "AF_INET6")
    assert inet6.get_attr("IFLA_INET6_ADDR_GEN_MODE") == 1


# -- what we read -------------------------------------------------------------------------------------


def test_a_route_written_by_others_is_read_if_it_is_ours() -> None:
    fields = {"family": 2, "dst_len": 8, "table": 252, "proto": 231, "type": 1}
    attributes = [("RTA_TABLE", 801), ("RTA_DST", "10.0.0.0"), ("RTA_OIF", 7), ("RTA_GATEWAY", "10.0.0.1")]

    ours = route_item(write(rtmsg, fields, attributes), NAMES)
    foreign = route_item(write(rtmsg, {**fields, "proto": 4}, attributes), NAMES)

    assert ours == Route(801, "10.0.0.0/8", "eth0", via="10.0.0.1")
    assert foreign is None


def test_an_address_of_a_kernel_without_protocols_is_known_by_its_metric() -> None:
    fields = {"family": 2, "prefixlen": 24, "index": 7}
    address = [("IFA_ADDRESS", "10.0.0.1"), ("IFA_LOCAL", "10.0.0.1")]

    by_metric = address_item(write(ifaddrmsg, fields, [*address, ("IFA_RT_PRIORITY", 0xE7E7E7)]), NAMES)
    foreign = address_item(write(ifaddrmsg, fields, [*address, ("IFA_RT_PRIORITY", 100)]), NAMES)

    assert by_metric == Address("eth0", "10.0.0.1", 24)
    assert foreign is None


def test_the_address_of_a_point_to_point_link_is_the_local_one() -> None:
    attributes = [("IFA_ADDRESS", "10.0.0.2"), ("IFA_LOCAL", "10.0.0.1"), ("IFA_PROTO", 231)]

    found = address_item(write(ifaddrmsg, {"family": 2, "prefixlen": 32, "index": 7}, attributes), NAMES)

    assert found == Address("eth0", "10.0.0.1", 32)


def test_a_link_written_by_others_is_read() -> None:
    data = {"attrs": [("IFLA_BR_STP_STATE", 1), ("IFLA_BR_GROUP_FWD_MASK", 8)]}
    info = {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", data)]}
    spec = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}
    attributes = [
        ("IFLA_IFNAME", "bn1"),
        ("IFLA_ADDRESS", "02:00:00:00:00:01"),
        ("IFLA_MTU", 1400),
        ("IFLA_CARRIER", 1),
        ("IFLA_IFALIAS", "evenet bridge"),
        ("IFLA_LINKINFO", info),
        ("IFLA_AF_SPEC", spec),
    ]

    link = decode_link(write(ifinfmsg, {"index": 7, "flags": 1}, attributes, NEWLINK))

    assert (link.index, link.name, link.mac, link.mtu) == (7, "bn1", "02:00:00:00:00:01", 1400)
    assert (link.up, link.carrier, link.kind, link.ours) == (True, True, "bridge", True)
    assert (link.stp, link.group_fwd_mask, link.ipv6_mode) == (True, 8, 1)


def test_a_link_whose_alias_only_begins_like_ours_is_not_ours() -> None:
    link = decode_link(write(ifinfmsg, {"index": 7}, [("IFLA_IFNAME", "x"), ("IFLA_IFALIAS", "evenets")], NEWLINK))

    assert not link.ours


# -- both ways ----------------------------------------------------------------------------------------

octets = st.integers(0, 255)
metrics = st.integers(0, 2**32 - 1)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)
macs = st.tuples(*[octets] * 6).map(lambda parts: bytes(parts).hex(":"))
tables = st.integers(1, 2**32 - 1)
networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda n: str(ip_network(n, strict=False)))
rules = st.builds(
    Rule, st.just(4), metrics, tables, networks, networks | st.just(""), st.sampled_from(["", "lo"]), mark=metrics
)


@given(st.ip_addresses(), st.integers(0, 32), tables, metrics, st.booleans())
def test_every_route_is_read_as_it_was_written(gateway: Any, prefix: int, table: int, metric: int, out: bool) -> None:
    via = str(gateway) if out else ""
    item = Route(table, f"{gateway}/{prefix}", "eth0" if out else "", via, via, metric)

    assert route_item(as_reply(route_message(NEWROUTE, item, 7)), NAMES) == item


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "::10.0.0.1", "::1", "::", "fd00:0:0:1::", "64:ff9b::10.0.0.1"])
def test_an_ipv6_address_has_one_form_in_items_and_from_the_kernel(address: str) -> None:
    item = Address("eth0", str(ip_address(address)), 64)

    assert address_item(as_reply(address_message(NEWADDR, item, 7)), NAMES) == item


@given(st.ip_addresses())
def test_an_address_is_written_as_the_module_ipaddress_writes_it(address: Any) -> None:
    assert netlink.address_text(address.packed) == str(address)


@given(st.ip_addresses())
def test_an_address_is_of_the_link_only_if_the_module_ipaddress_says_so(address: Any) -> None:
    scope = read(ifaddrmsg, address_message(NEWADDR, Address("eth0", str(address), 32), 7))["scope"]

    assert scope == (253 if address.is_link_local else 0)


@given(ipv4 | ipv6, st.integers(0, 32))
def test_every_address_is_read_as_it_was_written(address: str, prefix: int) -> None:
    item = Address("eth0", address, prefix)

    assert address_item(as_reply(address_message(DELADDR, item, 7)), NAMES) == item


@given(ipv4 | ipv6, macs)
def test_every_neighbour_is_read_as_it_was_written(address: str, mac: str) -> None:
    item = Neighbour("eth0", address, mac)

    assert neighbour_item(as_reply(neighbour_message(NEWNEIGH, item, 7)), NAMES) == item


@given(rules)
def test_every_rule_is_read_as_it_was_written(item: Rule) -> None:
    assert rule_item(as_reply(rule_message(NEWRULE, item))) == item


# -- what nobody should send --------------------------------------------------------------------------

DECODERS: list[Callable[[Reply], object]] = [
    decode_link,
    lambda reply: address_item(reply, NAMES),
    lambda reply: route_item(reply, NAMES),
    lambda reply: neighbour_item(reply, NAMES),
    rule_item,
    lambda reply: netlink.refusal(reply, ""),
]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_but_nothing_else_happens(data: bytes) -> None:
    for decoder in DECODERS:
        try:
            decoder(Reply(NEWLINK, netlink.NLM_F_ACK_TLVS, 1, memoryview(data)))
        except NetlinkError:
            continue


@given(st.integers(0, 119), octets)
def test_a_message_with_one_wrong_byte_is_read_or_refused(place: int, value: int) -> None:
    item = Route(801, "10.0.0.0/8", "eth0", via="10.0.0.1", source="10.0.0.2", metric=9)
    data = bytearray(netlink.encode(route_message(NEWROUTE, item, 7), 1))
    data[place % len(data)] = value

    try:
        for reply in netlink.replies(bytes(data)):
            route_item(reply, NAMES)
    except NetlinkError:
        return


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("=IHHII", 15, 16, 0, 0, 0),  # shorter than its own header
        struct.pack("=IHHII", 17, 16, 0, 0, 0),  # longer than what came
        struct.pack("=IHHII", 16, 16, 0, 0, 0) + b"rest",
        b"short",
    ],
)
def test_a_datagram_whose_lengths_do_not_add_up_is_refused(data: bytes) -> None:
    with pytest.raises(NetlinkError):
        list(netlink.replies(data))


@pytest.mark.parametrize("data", [b"\3\0\1\0", b"\0\0\1\0", b"\x08\0\1\0abc", b"\x04\0\1\0xy"])
def test_attributes_whose_lengths_do_not_add_up_are_refused(data: bytes) -> None:
    with pytest.raises(NetlinkError):
        netlink.attributes(memoryview(data))


@pytest.mark.parametrize("length", [0, 3, 5, 8, 16])
def test_a_number_of_an_odd_length_is_refused(length: int) -> None:
    with pytest.raises(NetlinkError):
        netlink.integer(bytes(length))


# -- refusals -----------------------------------------------------------------------------------------


def acknowledgement(code: int, flags: int, rest: bytes) -> Reply:
    return Reply(netlink.NLMSG_ERROR, flags, 1, memoryview(struct.pack("=i", -code) + rest))


def test_a_refusal_says_what_it_concerned_the_kernels_words_and_the_name_of_the_error() -> None:
    request = struct.pack("=IHHII", 16, NEWROUTE, 0, 1, 0)
    hint = netlink.text(netlink.NLMSGERR_ATTR_MSG, "Nexthop has invalid gateway")
    capped = netlink.NLM_F_ACK_TLVS | netlink.NLM_F_CAPPED

    error = netlink.refusal(acknowledgement(101, capped, request + hint), "route to 10.0.0.0/8 in table 801")

    assert str(error) == "kernel: route to 10.0.0.0/8 in table 801: Nexthop has invalid gateway (ENETUNREACH)"
    assert error is not None
    assert error.errno == 101


def test_the_kernels_words_are_found_behind_a_request_that_is_echoed_whole() -> None:
    request = struct.pack("=IHHII", 21, NEWROUTE, 0, 1, 0) + b"12345\0\0\0"
    hint = netlink.text(netlink.NLMSGERR_ATTR_MSG, "No")

    error = netlink.refusal(acknowledgement(22, netlink.NLM_F_ACK_TLVS, request + hint), "")

    assert str(error) == "kernel: No (EINVAL)"


def test_a_refusal_without_words_says_those_of_the_error() -> None:
    error = netlink.refusal(acknowledgement(17, 0, bytes(16)), "link bn1")

    assert str(error) == "kernel: link bn1: File exists (EEXIST)"


def test_success_is_no_refusal() -> None:
    assert netlink.refusal(acknowledgement(0, 0, bytes(16)), "link bn1") is None
