"""Names for the node itself: which servers are asked for what, in which order (EVE: E.3)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.linux.daemon import Daemon, daemon_key
from evenet_core.linux.lastword import ADDRESS
from evenet_core.linux.resolvconf import ResolvConf
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Addressing
from evenet_core.planning.names import plan_names

Pair = tuple[Adapter, Addressing]


def adapter(ifname: str, *servers: str, rank: int = 0, **more: Any) -> Pair:
    has = Addressing(dns=tuple(map(ip_address, servers)), **more)
    return Adapter(label=ifname, ifname=ifname, management=True, rank=rank), has


def lines(*pairs: Pair, preferred: tuple[str, ...] = ()) -> list[str]:
    [daemon] = plan_names(pairs, "", preferred)
    assert isinstance(daemon, Daemon)
    [(_, text)] = daemon.reloadable
    return text.splitlines()


def upstreams(*pairs: Pair, preferred: tuple[str, ...] = ()) -> list[str]:
    """Without whoever has the last word."""
    return [line for line in lines(*pairs, preferred=preferred) if not line.endswith(ADDRESS)]


def resolv(*pairs: Pair) -> ResolvConf:
    [file] = [item for item in plan_names(pairs, "/etc/resolv.conf") if isinstance(item, ResolvConf)]
    return file


def test_servers_stand_in_the_order_of_their_adapters_and_each_is_asked_through_its_own() -> None:
    pairs = [
        adapter("eth0", "10.35.0.25", "10.35.5.25", rank=2),
        adapter("eth2", "10.35.7.25", rank=1),
        adapter("eth3", "10.35.4.25", rank=0),
    ]

    assert upstreams(*pairs) == [
        "server=10.35.4.25@eth3",
        "server=10.35.7.25@eth2",
        "server=10.35.0.25@eth0",
        "server=10.35.5.25@eth0",
    ]


def test_there_may_be_any_number_of_servers() -> None:
    assert len(upstreams(adapter("eth0", *(f"10.0.0.{n}" for n in range(1, 30))))) == 29


def test_a_server_that_two_adapters_have_is_asked_through_both() -> None:
    assert upstreams(adapter("eth0", "192.0.2.1"), adapter("eth1", "192.0.2.1", rank=1)) == [
        "server=192.0.2.1@eth0",
        "server=192.0.2.1@eth1",
    ]


def test_what_an_adapter_searches_is_asked_of_its_own_servers_first() -> None:
    pairs = [
        adapter("eth0", "192.0.2.1"),
        adapter("eth1", "192.0.2.2", rank=1, domain="plant.test", search=("plant.test", "acme.test")),
    ]

    assert upstreams(*pairs) == [
        "server=/plant.test/192.0.2.2@eth1",
        "server=/acme.test/192.0.2.2@eth1",
        "server=192.0.2.1@eth0",
        "server=192.0.2.2@eth1",
    ]


def test_a_link_local_server_is_one_of_its_adapters_link() -> None:
    assert upstreams(adapter("eth0", "fe80::1")) == ["server=fe80::1%eth0@eth0"]


@pytest.mark.parametrize(
    "domain", ["a\nserver=6.6.6.6", "a/b", "a b", "..", "a..b", "-a.test", "x" * 64, "größe.test", "#", "*.test"]
)
def test_what_is_no_domain_reaches_neither_file(domain: str) -> None:
    """Domains come from DHCP servers and configs; one with a line break in it would be a setting of its own."""
    pair = adapter("eth0", "192.0.2.1", domain=domain, search=(domain,))

    assert upstreams(pair) == ["server=192.0.2.1@eth0"]
    assert resolv(pair).search == ()


def test_a_final_dot_says_nothing() -> None:
    pair = adapter("eth0", "192.0.2.1", domain="acme.test.", search=("acme.test",))

    assert upstreams(pair)[0] == "server=/acme.test/192.0.2.1@eth0"
    assert resolv(pair).search == ("acme.test",)


@pytest.mark.parametrize("pairs", [[], [adapter("eth0")], [adapter("eth0", domain="acme.test")]])
def test_without_a_server_nothing_is_planned(pairs: list[Pair]) -> None:
    assert plan_names(pairs, "/etc/resolv.conf") == []


def test_the_nodes_resolver_is_the_forwarder_once_that_runs() -> None:
    pairs = adapter("eth1", "192.0.2.2", rank=1, search=("b.test",)), adapter("eth0", "192.0.2.1", domain="a.test")

    file = resolv(*pairs)

    assert (file.path, file.servers, file.search) == ("/etc/resolv.conf", ("127.0.0.1",), ("a.test", "b.test"))
    assert [requirement.key for requirement in file.requires] == [daemon_key("names")]


def test_without_a_file_names_are_forwarded_all_the_same() -> None:
    assert [item.kind for item in plan_names([adapter("eth0", "192.0.2.1")], "")] == ["daemon"]


def test_other_servers_are_read_again_and_restart_nothing() -> None:
    [one], [other] = (plan_names([adapter("eth0", server)], "") for server in ("192.0.2.1", "192.0.2.2"))

    assert isinstance(one, Daemon)
    assert isinstance(other, Daemon)
    assert (one.argv, one.files) == (other.argv, other.files)
    assert one.reloadable != other.reloadable


@given(st.text(), st.lists(st.text(), max_size=3))
def test_no_text_of_a_stranger_makes_a_line_of_its_own(domain: str, search: list[str]) -> None:
    lines = upstreams(adapter("eth0", "192.0.2.1", domain=domain, search=tuple(search)))

    assert all(line.startswith("server=") and line.endswith("192.0.2.1@eth0") for line in lines)


def test_what_nobody_knows_is_said_at_once_of_every_domain_and_of_all_others() -> None:
    assert lines(adapter("eth0", "192.0.2.1", domain="plant.test"))[-2:] == [
        f"server=/plant.test/{ADDRESS}",
        f"server={ADDRESS}",
    ]


def test_servers_of_the_uplink_that_works_come_first() -> None:
    wan, lte = adapter("eth0", "192.0.2.1"), adapter("eth1", "192.0.2.2", rank=1)
    assert upstreams(wan, lte) == ["server=192.0.2.1@eth0", "server=192.0.2.2@eth1"]
    assert upstreams(wan, lte, preferred=("eth1",)) == ["server=192.0.2.2@eth1", "server=192.0.2.1@eth0"]
