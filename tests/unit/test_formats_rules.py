"""Rules on the meaning of a config: what must pass, what is only noticed, and that other rooms can rely on them."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import pytest
from evenet_firewall.rules import PROTOCOLS as FIREWALL_PROTOCOLS
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.errors import ConfigError
from evenet_core.formats import read
from evenet_core.formats.rules.acls import PROTOCOLS
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.instances import NetworkInstance
from evenet_core.model.subnets import subnet_problem
from evenet_core.model.values import DhcpRange

BASE: dict[str, Any] = {
    "evenet": 1,
    "ports": [{"label": f"eth{n}", "interface": f"eth{n}"} for n in range(3)],
    "networks": [{"name": "dhcp", "ip": {"mode": "dhcp"}}],
    "adapters": [{"label": "eth0", "network": "dhcp", "uplink": True, "labels": ["wan"]}, {"label": "eth1"}],
}
LOCAL = {"name": "local1", "subnet": "10.1.0.0/24", "port": "eth0"}


def outcome(**parts: Any) -> tuple[list[str], list[str]]:
    """Problems and notices."""
    try:
        found = read(json.dumps({**BASE, **parts}).encode(), "config.json")
    except ConfigError as error:
        return [f"{problem.path}: {problem.problem}" for problem in error.problems], []
    return [], [str(notice) for notice in found.notices]


def app(*rules: dict[str, Any], name: str = "app", **interface: Any) -> dict[str, Any]:
    return {
        "name": name,
        "interfaces": [{"name": "vif", "network_instance": "local1", "rules": list(rules), **interface}],
    }


def forward(port: int, **rule: Any) -> dict[str, Any]:
    return {"protocol": "tcp", "local_port": port, "forward": {"app_port": 22}, **rule}


# -- what must pass ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        {"network_instances": [LOCAL, {**LOCAL, "name": "off", "active": False}]},
        {
            "network_instances": [
                {**LOCAL, "subnet": "10.1.0.0/30", "dhcp_range": {"start": "10.1.0.2", "end": "10.1.0.2"}}
            ]
        },
        {
            "network_instances": [
                {**LOCAL, "dhcp_range": {"start": "10.1.0.0", "end": "10.1.0.255"}, "gateway": "10.1.0.1"}
            ]
        },
        {"network_instances": [{**LOCAL, "subnet": "fd00::/64", "family": "ipv6", "gateway": "fd00::1"}]},
        {"network_instances": [LOCAL], "apps": [app(forward(2222), name="a"), app(forward(2224), name="b")]},
        {"network_instances": [LOCAL], "apps": [app(forward(53), forward(53, protocol="udp"))]},
        {
            "network_instances": [LOCAL],
            "apps": [{**app(forward(22), name="a"), "active": False}, app(forward(22), name="b")],
        },
        {"network_instances": [LOCAL], "apps": [app({"protocol": "47"}, {"protocol": "all"}, {"remote": "::/0"})]},
        {"network_instances": [LOCAL], "apps": [app(address="10.1.0.9"), app(name="b", address="10.1.0.10")]},
        {
            "networks": [
                {"name": "dhcp", "ip": {"mode": "dhcp", "gateway": "0.0.0.0", "ntp": ["pool.ntp.org", "fd00::1"]}}
            ]
        },
        {
            "networks": [
                BASE["networks"][0],
                {"name": "v6", "ip": {"mode": "static", "family": "ipv6", "subnet": "fd00::/64", "gateway": "fe80::1"}},
            ],
            "adapters": [*BASE["adapters"], {"label": "eth2", "network": "v6", "address": "fd00::7"}],
        },
        {"bonds": [{"label": "b", "interface": "bond1", "lower": ["eth1", "eth2"]}], "adapters": BASE["adapters"][:1]},
    ],
    ids="+".join,
)
def test_this_is_no_problem(parts: dict[str, Any]) -> None:
    assert outcome(**parts)[0] == []


def test_a_port_carries_local_instances_and_one_switch() -> None:
    instances = [
        LOCAL,
        {**LOCAL, "name": "l2", "subnet": "10.2.0.0/24"},
        {"name": "sw", "type": "switch", "port": "eth0"},
    ]

    assert outcome(network_instances=instances)[0] == []


# -- what is only noticed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "notice"),
    [
        (
            {"network_instances": [{**LOCAL, "port": "nowhere"}]},
            "network_instances[0].port: 'nowhere' means no adapter",
        ),
        (
            {"network_instances": [LOCAL | {"routes": [{"destination": "10.9.0.0/16", "port": "eth1"}]}]},
            "network_instances[0].routes[0].port: 'eth1' means no port of this instance",
        ),
        (
            {"network_instances": [LOCAL | {"routes": [{"destination": "10.9.0.0/16", "port": "eth0"}] * 2}]},
            "network_instances[0].routes[1].destination: a route to the same destination stands before",
        ),
        (
            {"network_instances": [{"name": "sw", "type": "switch", "subnet": "10.1.0.0/24", "port": "eth1"}]},
            "network_instances[0].subnet: not used: a switch has no IP of its own",
        ),
        (
            {"network_instances": [LOCAL | {"port": ""}], "apps": [app(forward(22))]},
            "apps[0].interfaces[0].rules[0].forward: has no effect: the network instance has no port",
        ),
        (
            {"network_instances": [LOCAL], "apps": [app(forward(22, adapter="nowhere"))]},
            "apps[0].interfaces[0].rules[0].adapter: 'nowhere' means no adapter: nothing is forwarded",
        ),
        (
            {
                "network_instances": [LOCAL | {"dhcp_range": {"start": "10.1.0.2", "end": "10.1.0.99"}}],
                "apps": [app(address="10.1.0.50")],
            },
            "apps[0].interfaces[0].address: is inside of the DHCP range 10.1.0.2 to 10.1.0.99",
        ),
        (
            {"network_instances": [LOCAL], "apps": [app(address="10.1.0.130")]},
            "apps[0].interfaces[0].address: is inside of the DHCP range 10.1.0.128 to 10.1.0.254",
        ),
        ({"network_instances": [LOCAL], "apps": [app(name="my app")]}, "apps[0].name: is no DNS name"),
        ({"adapters": []}, "adapters: no adapter can reach the controller"),
        (
            {"ports": [{"label": "eth0", "interface": "eth0", "use": "disabled"}], "adapters": BASE["adapters"][:1]},
            "adapters[0]: port 'eth0' is disabled: the adapter is not used",
        ),
        (
            {"ports": [*BASE["ports"], {"label": "u", "kind": "other", "group": "g", "parent_group": "g"}]},
            "ports[3].parent_group: group 'g' is its own parent",
        ),
        (
            {
                "ports": [
                    *BASE["ports"],
                    {"label": "u", "kind": "other", "group": "a", "parent_group": "b"},
                    {"label": "w", "kind": "other", "group": "b", "parent_group": "a"},
                ]
            },
            "ports[3].parent_group: Cycle detected among the parents of group 'a'",
        ),
        ({"settings": {"timer.port.testduration": "soon"}}, "settings['timer.port.testduration']: 'soon' is no number"),
        ({"settings": {"timer.port.testinterval": "0"}}, "settings['timer.port.testinterval']: 0 s is too short: 10 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_this_is_noticed(parts: dict[str, Any], notice: str) -> None:
    problems, notices = outcome(**parts)

    assert problems == []
    assert any(line.startswith(notice) for line in notices)


def test_the_same_notice_of_many_is_told_once() -> None:
    instances = [{**LOCAL, "name": f"n{i}", "subnet": f"10.{i}.0.0/24", "flow_log": True} for i in range(1, 9)]

    _, notices = outcome(network_instances=instances)

    assert notices == ["network_instances[0].flow_log: the flow log is not yet supported (and 7 more like it)"]


# -- who relies on it ----------------------------------------------------------------------------------


def test_rules_know_the_protocols_of_the_firewall() -> None:
    assert {"all", *FIREWALL_PROTOCOLS} == PROTOCOLS


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
    st.none() | st.integers(-4, 300),
    st.none() | st.tuples(*[st.integers(-4, 300)] * 2),
)
def test_what_rules_accept_of_a_subnet_can_be_served(
    base: int, length: int, own: int | None, pool: tuple[int, int] | None
) -> None:
    subnet = ip_network((base, length), strict=False)
    near = [None if n is None else ip_address((int(subnet.network_address) + n) % 2**32) for n in (own, *(pool or ()))]
    instance = NetworkInstance(
        name="n",
        subnet=subnet,
        gateway=near[0],
        dhcp_range=DhcpRange(start=near[1], end=near[2]) if pool else None,  # type: ignore[arg-type]
    )
    parts: dict[str, Any] = {"name": "n", "subnet": str(subnet)}
    parts |= {"gateway": str(near[0])} if near[0] else {}
    parts |= {"dhcp_range": {"start": str(near[1]), "end": str(near[2])}} if pool else {}

    accepted = outcome(network_instances=[parts])[0] == []

    assert not accepted or subnet_problem(instance) == ""


subnets = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 30)).map(lambda parts: ip_network(parts, strict=False))


@given(st.lists(subnets | st.sampled_from([ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16")]), max_size=6))
def test_of_two_subnets_that_overlap_the_later_one_is_named(given_subnets: list[IPv4Network]) -> None:
    instances = [{"name": f"n{i}", "subnet": str(subnet)} for i, subnet in enumerate(given_subnets)]

    problems, _ = outcome(network_instances=instances)

    named = {int(line[line.index("[") + 1 : line.index("]")]) for line in problems if "overlaps with" in line}
    assert named == {
        later for later, subnet in enumerate(given_subnets) if any(subnet.overlaps(s) for s in given_subnets[:later])
    }


@given(st.text(max_size=30))
def test_a_domain_that_is_accepted_is_a_dns_name(text: str) -> None:
    problems, _ = outcome(network_instances=[{**LOCAL, "domain": text}])

    assert not text or bool(problems) is not is_dns_name(text)
