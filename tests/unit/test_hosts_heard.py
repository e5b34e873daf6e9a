"""When a client is made to ask again, and which claims on our addresses count. Virtual time, no packets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from evenet_dhcp.arp import Claim, announcement, parse_claim, probe
from evenet_dhcp.hosts import Hosts
from evenet_dhcp.words import AddressWord

from evenet_core.model.addressing import Conflict
from evenet_core.model.values import IPAddress

OURS, SIX = IPv4Address("172.22.10.5"), IPv6Address("fd22::5")


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    """Of a link without Ethernet addresses."""
    return Hosts("eth0", "", tmp_path, lambda: None)


def facts(hosts: Hosts) -> dict[str, object]:
    return {fact.name: fact.value for fact in hosts.facts()}


def doubts(hosts: Hosts) -> object:
    return facts(hosts)["dhcp:doubts/eth0"]


def said(address: IPAddress, *, present: bool = True, failed: bool = False) -> AddressWord:
    return AddressWord(7, address, present, failed)


def test_one_silence_is_asked_about_ever_more_rarely(hosts: Hosts) -> None:
    asked = []
    for second in range(1000, 1400):
        before = doubts(hosts)
        hosts.doubt(float(second))
        if doubts(hosts) != before:
            asked.append(second - 1000)

    assert asked == [0, 10, 30, 70, 130, 190, 250, 310, 370]


def test_another_silence_is_asked_about_at_once(hosts: Hosts) -> None:
    for now in (1000.0, 1010.0, 1030.0, 1400.0, 1410.0):
        hosts.doubt(now)

    assert doubts(hosts) == 5


def test_a_carrier_that_comes_back_is_asked_about_only_where_the_client_has_not_seen_it(hosts: Hosts) -> None:
    hosts.arrived(1000.0, unnoticed=False)
    assert doubts(hosts) is None

    hosts.arrived(1001.0, unnoticed=True)
    assert doubts(hosts) == 1


def test_the_client_is_not_asked_again_because_the_agent_was_restarted(tmp_path: Path) -> None:
    (tmp_path / "doubts").write_text("7")

    assert doubts(Hosts("eth0", "", tmp_path, lambda: None)) == 7


def test_an_address_that_the_kernel_found_taken_is_a_conflict_until_it_goes(hosts: Hosts) -> None:
    hosts.address(said(SIX), 1.0)
    assert facts(hosts)["conflicts:eth0"] is None

    hosts.address(said(SIX, failed=True), 2.0)
    assert facts(hosts)["conflicts:eth0"] == (Conflict(SIX),)

    hosts.address(said(SIX, present=False), 3.0)
    assert facts(hosts)["conflicts:eth0"] is None


def test_what_is_said_in_arp() -> None:
    mac = bytes.fromhex("020000000001")

    assert parse_claim(announcement(mac, OURS)) == Claim(OURS, "02:00:00:00:00:01")
    assert parse_claim(probe(mac, OURS)) is None
    assert parse_claim(announcement(mac, OURS)[:-1]) is None
    assert parse_claim(b"\0" * 28) is None
