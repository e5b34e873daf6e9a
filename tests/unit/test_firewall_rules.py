"""Policies in nftables' words: the text of each kind of rule, its mirror, and what goes into one lookup."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from evenet_firewall import evenet_plan_firewall
from evenet_firewall.rules import INWARD, OUTWARD, rule_lines

from evenet_core.errors import NotSupported
from evenet_core.linux.nft import NftChain, NftElement, NftSet, NftTable
from evenet_core.model.instances import RateLimit
from evenet_core.model.policy import (
    DevicePolicy,
    Forward,
    InstancePolicy,
    PolicyRule,
    Verdict,
    VifPolicy,
    host_set_name,
)

BOTH_ICMP = "meta l4proto @icmps accept"
NETWORK = ip_network("10.0.0.0/8")
SET4, SET6 = host_set_name("a.test", 4), host_set_name("a.test", 6)


def rule(**match: object) -> PolicyRule:
    return PolicyRule(id=1, **match)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "out", "back"),
    [
        (rule(), ["accept"], ["accept"]),
        (rule(verdict=Verdict.DROP), ["counter drop"], ["counter drop"]),
        (rule(remote=NETWORK), ["ip daddr 10.0.0.0/8 accept"], ["ip saddr 10.0.0.0/8 accept"]),
        (rule(remote=ip_network("192.0.2.1")), ["ip daddr 192.0.2.1 accept"], ["ip saddr 192.0.2.1 accept"]),
        (rule(remote=ip_network("::/0")), ["meta protocol ip6 accept"], ["meta protocol ip6 accept"]),
        (
            rule(protocol="icmp", remote=ip_network("fd00::/8")),
            ["ip6 daddr fd00::/8 meta l4proto ipv6-icmp accept"],
            ["ip6 saddr fd00::/8 meta l4proto ipv6-icmp accept"],
        ),
        (
            rule(protocol="icmp"),
            ["meta l4proto @icmps accept"],
            ["meta l4proto @icmps accept"],
        ),
        (rule(protocol="47"), ["meta l4proto 47 accept"], ["meta l4proto 47 accept"]),
        (
            rule(protocol="tcp", remote_ports=(80, 90), verdict=Verdict.DROP),
            ["tcp dport 80-90 counter drop"],
            ["tcp sport 80-90 counter drop"],
        ),
        (
            rule(protocol="17", local_port=53, remote=NETWORK),
            [
                "ip daddr 10.0.0.0/8 udp sport 53 accept",
                "ip daddr 10.0.0.0/8 meta l4proto udp ip frag-off & 0x1fff > 1 accept",
            ],
            [
                "ip saddr 10.0.0.0/8 udp dport 53 accept",
                "ip saddr 10.0.0.0/8 meta l4proto udp ip frag-off & 0x1fff > 1 accept",
            ],
        ),
        (
            rule(limit=RateLimit(rate=5, unit="minute", burst=9)),
            ["limit rate 5/minute burst 9 packets accept", "counter drop"],
            ["limit rate 5/minute burst 9 packets accept", "counter drop"],
        ),
        (
            rule(host="A.test"),
            [
                f"ip daddr @{SET4} update @{SET4} {{ ip daddr timeout 86400s }} accept",
                f"ip6 daddr @{SET6} update @{SET6} {{ ip6 daddr timeout 86400s }} accept",
            ],
            [f"ip saddr @{SET4} accept", f"ip6 saddr @{SET6} accept"],
        ),
        (
            rule(members=(ip_address("10.0.0.2"), ip_address("fd00::2"), ip_address("10.0.0.3"))),
            ["ip daddr { 10.0.0.2, 10.0.0.3 } accept", "ip6 daddr fd00::2 accept"],
            ["ip saddr { 10.0.0.2, 10.0.0.3 } accept", "ip6 saddr fd00::2 accept"],
        ),
        (rule(members=()), [], []),
    ],
)
def test_each_rule_works_both_ways(given: PolicyRule, out: list[str], back: list[str]) -> None:
    assert rule_lines([given], OUTWARD) == out
    assert rule_lines([given], INWARD) == back


def test_many_rules_for_a_port_of_an_address_become_one_lookup_in_their_place() -> None:
    exact = [
        PolicyRule(id=n, remote=ip_network(f"10.0.0.{n}"), protocol="tcp", remote_ports=(80, 80)) for n in range(1, 101)
    ]

    lines = rule_lines([rule(remote=NETWORK, verdict=Verdict.DROP), *exact, rule(protocol="udp")], OUTWARD)

    assert [line[:50] for line in lines] == [
        "ip daddr 10.0.0.0/8 counter drop",
        "ip daddr . meta l4proto . th dport vmap { 10.0.0.1",
        "ip daddr . meta l4proto { 10.0.0.1 . tcp, 10.0.0.2",
        "meta l4proto udp accept",
    ]


def test_of_two_rules_for_the_same_the_first_stands_in_the_lookup() -> None:
    ports = [PolicyRule(id=n, remote=ip_network("10.0.0.1"), protocol="tcp", remote_ports=(n, n)) for n in range(1, 9)]
    again = PolicyRule(id=99, remote=ip_network("10.0.0.1"), protocol="6", remote_ports=(8, 8), verdict=Verdict.DROP)

    lookup = rule_lines([*ports, again], OUTWARD)[0]

    assert lookup.count("10.0.0.1 . tcp . 8 :") == 1
    assert "10.0.0.1 . tcp . 8 : accept" in lookup


def test_networks_that_overlap_keep_their_order() -> None:
    inner = PolicyRule(id=0, remote=ip_network("10.1.0.0/16"), verdict=Verdict.DROP)
    networks = [PolicyRule(id=n, remote=ip_network(f"10.{n}.0.0/16")) for n in range(2, 12)]
    together = ["ip daddr vmap {"]
    assert [line[:15] for line in rule_lines([inner, *networks], OUTWARD)] == together

    lines = rule_lines([inner, *networks, PolicyRule(id=12, remote=NETWORK)], OUTWARD)

    assert lines[0] == "ip daddr 10.1.0.0/16 counter drop"
    assert lines[-1] == "ip daddr 10.0.0.0/8 accept"


@pytest.mark.parametrize(
    "given",
    [rule(protocol="x; flush ruleset"), rule(protocol="256"), rule(protocol="²"), rule(protocol="icmp", local_port=1)],
)
def test_a_rule_that_cannot_be_matched_is_refused_rather_than_widened(given: PolicyRule) -> None:
    with pytest.raises(NotSupported, match="rule 1: protocol"):
        rule_lines([given], OUTWARD)


def test_the_policy_of_an_interface_becomes_two_chains_the_way_to_them_and_its_forwards() -> None:
    forward = Forward(
        address=ip_address("172.22.10.5"), protocol="tcp", port=2222, to=ip_address("10.50.0.2"), to_port=22
    )
    policy = VifPolicy(
        vif="nbu1x1",
        bridge="bn1",
        mac="02:00:00:00:01:01",
        routed=True,
        addresses=(ip_address("10.50.0.2"),),
        gateways=(ip_address("10.50.0.1"),),
        rules=(rule(protocol="tcp", local_port=22, limit=RateLimit(rate=9)), rule(host="a.test")),
        forwards=(forward,),
    )

    items = evenet_plan_firewall(policy)

    chains = {item.name: item for item in items if isinstance(item, NftChain)}
    assert chains["out-nbu1x1"].sets == (SET4, SET6)
    assert chains["out-nbu1x1"].rules == (
        "jump routed_out",
        "tcp sport 22 limit rate 9/second accept",
        "tcp sport 22 counter drop",
        f"ip daddr @{SET4} update @{SET4} {{ ip daddr timeout 86400s }} accept",
        f"ip6 daddr @{SET6} update @{SET6} {{ ip6 daddr timeout 86400s }} accept",
        "counter drop",
    )
    assert chains["in-nbu1x1"].rules == (
        "jump routed_in",
        "tcp dport 22 limit rate 9/second accept",
        "tcp dport 22 counter drop",
        f"ip saddr @{SET4} accept",
        f"ip6 saddr @{SET6} accept",
        "counter drop",
    )
    elements = {(item.set, item.element): item.value for item in items if isinstance(item, NftElement)}
    assert elements == {
        ("macs", "nbu1x1 . 02:00:00:00:01:01"): "",
        ("own4", "nbu1x1 . 10.50.0.2"): "",
        ("gateways4", "nbu1x1 . 10.50.0.1"): "",
        ("egress", "nbu1x1"): "jump out-nbu1x1",
        ("ingress", "nbu1x1"): "jump in-nbu1x1",
        ("forwards4", "172.22.10.5 . tcp . 2222"): "10.50.0.2 . 22",
        ("hairpin4", "bn1 . 172.22.10.5 . tcp . 2222"): "10.50.0.2 . 22",
    }


def _vif(vif: str, *rules: PolicyRule, routed: bool = True) -> VifPolicy:
    addresses = (ip_address("10.50.0.2"),) if routed else ()
    return VifPolicy(vif=vif, bridge="bn1", mac="02:00:00:00:01:01", routed=routed, addresses=addresses, rules=rules)


def _chains(policy: VifPolicy) -> set[str]:
    return {item.name for item in evenet_plan_firewall(policy) if isinstance(item, NftChain)}


def test_apps_with_the_same_rules_share_chains_unless_the_rules_count_packets() -> None:
    everything, limited = rule(remote=NETWORK), rule(remote=NETWORK, limit=RateLimit(rate=9))

    assert _chains(_vif("nbu1x1", everything)) == _chains(_vif("nbu2x7", everything))
    assert not _chains(_vif("nbu1x1", everything)) & _chains(_vif("nbu1x1"))
    assert not _chains(_vif("nbu1x1", limited)) & _chains(_vif("nbu2x7", limited))


def test_a_chain_is_there_before_what_leads_to_it() -> None:
    items = evenet_plan_firewall(_vif("nbu1x1"))

    chains = {item.key for item in items if isinstance(item, NftChain)}
    ways = [item for item in items if isinstance(item, NftElement) and item.value.startswith("jump ")]
    assert len(ways) == 2
    assert all(chains & {need.key for need in way.requires} for way in ways)


def test_on_a_switch_an_app_is_known_by_its_mac_alone() -> None:
    items = evenet_plan_firewall(_vif("nbu1x1", routed=False))

    assert [item.rules for item in items if isinstance(item, NftChain)] == [
        ("jump switched_in", "counter drop"),
        ("jump switched_out", "counter drop"),
    ]
    assert {item.set for item in items if isinstance(item, NftElement)} == {"macs", "egress", "ingress"}


def test_an_ipv6_app_answers_for_its_own_addresses_only() -> None:
    policy = replace(_vif("nbu1x1"), addresses=(ip_address("fd50::2"),), gateways=(ip_address("fd50::1"),))

    [_, out] = [item.rules for item in evenet_plan_firewall(policy) if isinstance(item, NftChain)]

    assert out == (
        "icmpv6 type nd-neighbor-advert @th,64,128 == 0xfd500000000000000000000000000001 counter drop",
        "icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa"
        " @th,64,128 != 0xfd500000000000000000000000000002 counter drop",
        "jump routed_out",
        "counter drop",
    )


def test_what_opens_an_interface_comes_last_whatever_its_rules() -> None:
    one, other = evenet_plan_firewall(_vif("nbu1x1")), evenet_plan_firewall(_vif("nbu1x1", routed=False))

    assert one[-1].key == other[-1].key
    assert one[-1] != other[-1]


def test_an_instance_is_elements_only_so_that_no_table_is_rebuilt() -> None:
    policy = InstancePolicy(
        bridge="bn1",
        subnet=ip_network("10.50.0.0/24"),
        gateway=ip_address("10.50.0.1"),
        masquerade_out=("eth0", "eth1"),
    )

    items = evenet_plan_firewall(policy)

    assert [(i.set, i.element, i.value) for i in items if isinstance(i, NftElement)] == [
        ("instances", "bn1", ""),
        ("own", "bn1 . bn1", ""),
        ("gateways4", "bn1 . 10.50.0.1", ""),
        ("inside4", "10.50.0.0/24 . bn1", ""),
        ("translated", "bn1 . eth0", ""),
        ("translated", "bn1 . eth1", ""),
        ("metadata", "bn1", "10.50.0.1"),
    ]
    assert len(items) == 7


def test_neither_ports_nor_host_names_are_part_of_the_tables() -> None:
    small = evenet_plan_firewall(DevicePolicy())
    large = evenet_plan_firewall(DevicePolicy(ports=(("eth0", 501),), host_sets=("B.test", "a.test", "b.test")))

    assert [item for item in small if isinstance(item, NftTable)] == [i for i in large if isinstance(i, NftTable)]
    assert [item.name for item in large if isinstance(item, NftSet)] == [
        host_set_name(name, version) for name in ("a.test", "b.test") for version in (4, 6)
    ]
    assert [(i.set, i.element, i.value) for i in large if isinstance(i, NftElement)] == [
        ("ports", "eth0", ""),
        ("own", "eth0 . eth0", ""),
        ("tables", "eth0", "501"),
    ]
