"""Whatever the policy, nft takes its text, and what nft then shows is what was asked for."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import pytest
from evenet_firewall import evenet_plan_firewall
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenet_core.linux.nftdriver import NftDriver
from evenet_core.model.instances import RateLimit
from evenet_core.model.policy import DevicePolicy, Forward, InstancePolicy, PolicyRule, Verdict, VifPolicy
from evenet_core.reconciler.item import Change, Item, Op
from tests.support.kernel import run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

HOSTS = ("a.test", "B.example", "'\"; } flush ruleset", "é" * 100)
ports = st.integers(1, 65535)
addresses = st.ip_addresses()
networks = st.one_of(
    st.builds(lambda a, n: IPv4Network((a, n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: IPv6Network((a, n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)
sides: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"remote": networks}),
    st.fixed_dictionaries({"host": st.sampled_from(HOSTS)}),
    st.fixed_dictionaries({"members": st.lists(addresses, max_size=4).map(tuple)}),
)
transports = st.one_of(
    st.fixed_dictionaries(
        {"protocol": st.sampled_from(["", "all", "icmp", "tcp", "udp", "gre", "0", "1", "58", "255"])}
    ),
    st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["", "tcp", "udp", "sctp", "dccp", "udplite", "6", "17"]),
            "local_port": st.none() | ports,
            "remote_ports": st.none() | st.tuples(ports, ports).map(lambda pair: (min(pair), max(pair))),
        }
    ),
)
limits = st.builds(
    RateLimit,
    rate=st.integers(1, 2**31),
    unit=st.sampled_from(["second", "minute", "hour", "day"]),
    burst=st.integers(0, 2**31),
)
rules = st.builds(
    lambda side, transport, verdict, limit: PolicyRule(id=1, verdict=verdict, limit=limit, **side, **transport),
    sides,
    transports,
    st.sampled_from(Verdict),
    st.none() | limits,
)
# runs of one shape, as they become one lookup
runs = st.lists(
    st.builds(
        lambda n, port, verdict: PolicyRule(
            id=1, remote=IPv4Network((0x0A000000 + n, 32)), protocol="tcp", remote_ports=(port, port), verdict=verdict
        ),
        st.integers(0, 30),
        st.integers(1, 4),
        st.sampled_from(Verdict),
    ),
    min_size=8,
    max_size=30,
) | st.lists(st.builds(lambda remote: PolicyRule(id=1, remote=remote), networks), min_size=8, max_size=20)


@st.composite
def policies(draw: st.DrawFn) -> VifPolicy:
    forwards = draw(st.lists(st.tuples(addresses, st.sampled_from(["tcp", "udp"]), ports), max_size=3, unique=True))
    return VifPolicy(
        vif="nbu1x1",
        bridge="bn1",
        mac="02:00:00:00:01:01",
        routed=draw(st.booleans()),
        addresses=tuple(draw(st.lists(addresses, max_size=3))),
        gateways=tuple(draw(st.lists(addresses, max_size=3))),
        behind=tuple(draw(st.lists(networks, max_size=3))),
        rules=tuple(draw(st.lists(rules, max_size=6)) + draw(st.just([]) | runs)),
        forwards=tuple(
            Forward(
                address=address,
                protocol=protocol,
                port=port,
                to=ip_address("10.50.0.2" if address.version == 4 else "fd50::2"),
                to_port=port,
            )
            for address, protocol, port in forwards
        ),
    )


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=policies(), subnet=networks)
def test_any_policy_is_loaded_and_observed_as_it_was_asked_for(policy: VifPolicy, subnet: IPv4Network) -> None:
    instance = InstancePolicy(bridge="bn1", subnet=subnet, gateway=subnet[0], masquerade_out=("eth0",))
    device = DevicePolicy(ports=(("eth0", 501), ("veth-a.b_c", 4095)), host_sets=HOSTS)
    items = {item.key: item for p in (device, instance, policy) for item in evenet_plan_firewall(p)}

    async def story() -> tuple[list[Exception], set[Item]]:
        outcomes = await NftDriver().apply([Change(Op.CREATE, None, item) for item in items.values()])
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        return errors, set(await NftDriver().observe())

    run("nft", "flush", "ruleset")
    errors, observed = asyncio.run(story())

    assert errors == []
    assert observed == set(items.values())
