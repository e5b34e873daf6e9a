"""Killed after any single thing that it did: whoever comes next arrives where an agent without a crash arrives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mortal import MortalAgent
from tests.support.nsstate import State, differences, namespace_state
from tests.support.surroundings import Surroundings, adopted_orphans, surroundings

pytestmark = [pytest.mark.root, pytest.mark.timeout(900), pytest.mark.long, pytest.mark.usefixtures("netns")]

SHARES = 4  # tests that share the moments among them, to run side by side

FULL = """
evenet: 1
owner: {device_uuid: 7f8f9b4e-1f3c-4a6e-8d5c-2b1a0c9d8e7f}
ports:
  - {label: wan, interface: eth0}
  - {label: lte, interface: eth1}
  - {label: floor, interface: eth2}
networks:
  - name: provider
    mtu: 1400
    ip: {mode: static, family: ipv4, subnet: 10.0.0.0/24, gateway: 10.0.0.1, dns: [10.0.0.53]}
  - {name: by-dhcp, ip: {mode: dhcp, family: ipv4}}
adapters:
  - {label: wan, network: provider, address: 10.0.0.7, uplink: true}
  - {label: lte, network: by-dhcp, uplink: true, cost: 5}
  - {label: floor}
network_instances:
  - name: shop
    subnet: 10.50.0.0/24
    port: wan
    domain: shop.example
    hosts: [{name: printer.shop.example, addresses: [10.50.0.40]}]
  - {name: machines, type: switch, port: floor}
apps:
  - name: web
    interfaces:
      - name: lan
        network_instance: shop
        rules:
          - {id: 1, remote: 0.0.0.0/0}
          - {id: 2, protocol: tcp, local_port: 8080, forward: {app_port: 80}}
      - name: cam
        network_instance: machines
        rules: [{id: 3, remote: 192.168.30.0/24, limit: {rate: 500, unit: second, burst: 100}}]
"""
CHANGED = """
evenet: 1
owner: {device_uuid: 7f8f9b4e-1f3c-4a6e-8d5c-2b1a0c9d8e7f}
ports:
  - {label: wan, interface: eth0}
  - {label: lte, interface: eth1}
  - {label: floor, interface: eth2}
networks:
  - {name: by-dhcp, ip: {mode: dhcp, family: ipv4}}
  - name: second
    mtu: 1300
    ip: {mode: static, family: ipv4, subnet: 10.0.1.0/24, gateway: 10.0.1.1, dns: [10.0.1.53]}
adapters:
  - {label: wan, network: by-dhcp, uplink: true}
  - {label: lte, network: second, address: 10.0.1.8, uplink: true, cost: 2}
  - {label: floor}
network_instances:
  - name: shop
    subnet: 10.50.0.0/24
    port: lte
    domain: store.example
    hosts: [{name: scale.store.example, addresses: [10.50.0.41]}]
    routes: [{destination: 10.77.0.0/16, gateway: 10.0.1.3, port: lte}]
  - {name: yard, subnet: 10.51.0.0/24}
apps:
  - name: web
    interfaces:
      - name: lan
        network_instance: shop
        rules:
          - {id: 1, remote: 10.0.0.0/8, protocol: tcp, remote_port: 443}
          - {id: 2, protocol: udp, local_port: 8053, forward: {app_port: 53}}
  - name: gate
    interfaces:
      - {name: side, network_instance: yard, rules: [{id: 1, remote: 10.51.0.0/24}]}
"""


@pytest.fixture
def around(netns: None, open_path: Path) -> Iterator[Surroundings]:
    with adopted_orphans(), surroundings(open_path, apps=("web", "gate")) as found:
        yield found


def lives(home: Path) -> dict[str, MortalAgent]:
    """The lives of a node, one after the other: it gets a config, another one, and is removed."""
    full, changed = home / "full.yaml", home / "changed.yaml"
    full.write_text(FULL)
    changed.write_text(CHANGED)
    return {
        "coming up": MortalAgent(home, full),
        "the change": MortalAgent(home, changed),
        "the removal": MortalAgent(home, changed, teardown=True),
    }


@pytest.mark.parametrize("share", range(SHARES))
def test_a_crash_after_any_step_ends_as_no_crash_does(around: Surroundings, share: int) -> None:
    around.others()
    before = namespace_state(around.home)
    agents = lives(around.home)
    wanted: dict[str, State] = {}
    for name, agent in agents.items():
        assert agent.lives() == []
        wanted[name] = namespace_state(around.home)
    assert differences(wanted["the removal"], before) == []

    moment, due = share, set(agents)

    while due:
        for name, agent in agents.items():
            if name in due and agent.lives(moment) is not None:
                due.discard(name)  # it has fewer moments
            assert_ends_as(around.home, agent, wanted[name], f"{name}, killed at moment {moment}")
        moment += SHARES


def assert_ends_as(home: Path, agent: MortalAgent, wanted: State, what: str) -> None:
    arrived = None if agent.teardown else lambda: differences(namespace_state(home), wanted) == []
    assert agent.lives(until=arrived) == [], what
    assert differences(namespace_state(home), wanted) == [], what
