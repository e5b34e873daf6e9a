"""The status document against its contract (docs/reference/status.md), and that it says what is wrong now."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.device.dpclist import Candidate, Results
from evenet_core.device.verification import Phase, State
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.addressing import LeaseSource
from evenet_core.model.facts import lease_fact, link_fact, route_choice_fact
from evenet_core.model.instances import App, AppInterface, NetworkInstance, StaticRoute
from evenet_core.model.networks import IpSettings
from evenet_core.model.ports import Port, PortKind, PortUse
from evenet_core.status import View, dpc_list, status_document, timestamp
from tests.support.instances import app, local, switch
from tests.support.planning import ETH0, ETH1, LEASE, LINK, World

CONTRACT = {
    "": {"agent", "state", "dpc", "ports", "network_instances", "apps", "items", "problems"},
    "agent": {"pid", "version", "started"},
    "dpc": {"key", "state", "fallback", "time_priority", "last_error"},
    "ports[]": {
        *("label", "ifname", "kind", "present", "carrier", "mac", "mtu", "usage", "cost", "shared_labels", "addresses"),
        *("gateways", "dns_servers", "ntp_servers", "domain", "table", "last_succeeded", "last_failed", "error"),
        "warning",
    },
    "network_instances[]": {
        *("name", "uuid", "type", "bridge", "subnet", "gateway", "ports", "table", "routes", "mtu", "error"),
    },
    "network_instances[].routes[]": {"dst", "via", "port", "selected_because"},
    "apps[]": {"name", "uuid", "state", "interfaces"},
    "apps[].interfaces[]": {"name", "network_instance", "vif", "mac", "addresses", "access_vlan", "error"},
    "items": {"wanted", "in_sync", "pending", "failed"},
    "problems[]": {"item", "object", "plugin", "error", "since", "retry_at", "blocks"},
}
WORDS = {
    "state": {"converged", "converging", "degraded", "failed"},
    "dpc.state": {"none", "testing", "success", "fallback", "fail"},
    "ports[].kind": {"ethernet", "wifi", "cellular", "other"},
    "ports[].usage": {"management", "app-shared", "l2-only", "dedicated", "disabled"},
    "network_instances[].type": {"local", "switch"},
}
TIMES = {"agent.started", "dpc.time_priority", "ports[].last_succeeded", "ports[].last_failed", "problems[].since"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
AGENT = {"pid": 1, "version": "0", "started": "2026-01-01T00:00:00Z"}
PROBLEM: dict[str, Any] = {
    "item": "link eth0",
    "object": "adapter eth0",
    "plugin": "ethernet",
    "error": "no",
    "since": "2026-01-01T00:00:00Z",
    "retry_at": None,
    "blocks": [],
}
GOOD = {"wanted": 3, "in_sync": 3, "pending": 0, "failed": 0}


def check(value: Any, path: str = "") -> None:
    """:raises AssertionError: `value` breaks the contract."""
    assert value != "", f"{path} is an empty string; unknown is null"
    if isinstance(value, dict):
        assert CONTRACT.get(path, set()) <= value.keys(), path
        for name, inner in value.items():
            check(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            check(inner, f"{path}[]")
    else:
        assert path not in WORDS or value in WORDS[path], (path, value)
        assert path not in TIMES or value is None or RFC3339.fullmatch(value), (path, value)


def document(world: World, verification: State | None = None, **more: Any) -> dict[str, Any]:
    view = View(
        agent=AGENT,
        verification=verification or State(phase=Phase.COMMITTED),
        planner=world.planner,
        facts=world.facts,
        **({"counts": GOOD, "problems": ()} | more),
    )
    found = status_document(view)
    check(found)
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def port(world: World, label: str = "eth0", **more: Any) -> dict[str, Any]:
    [found] = [one for one in document(world, **more)["ports"] if one["label"] == label]
    return dict(found)


def tried(
    results: Results, *adapters: Adapter, phase: Phase = Phase.COMMITTED, of_port: Results | None = None
) -> State:
    dpc = Dpc(key="zedagent", time_priority=datetime(2026, 1, 1, tzinfo=UTC), adapters=adapters)
    ports = tuple((one.label, of_port) for one in adapters if of_port)
    return State(candidates=(Candidate(dpc=dpc, results=results, ports=ports),), current=0, phase=phase)


# -- times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1767225600.5, "2026-01-01T00:00:00.500Z"),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_of_the_world(moment: Any, text: str | None) -> None:
    assert timestamp(moment) == text


# -- the node -----------------------------------------------------------------------------------------


def test_a_node_without_anything_has_every_key() -> None:
    found = document(World(), State(), counts=dict.fromkeys(GOOD, 0))

    assert found["dpc"] == {"key": None, "state": "none", "fallback": False, "time_priority": None, "last_error": None}
    assert (found["ports"], found["network_instances"], found["apps"], found["problems"]) == ([], [], [], [])
    assert found["state"] == "converged"
    assert found["agent"] == AGENT


@pytest.mark.parametrize(
    ("phase", "counts", "state"),
    [
        (Phase.COMMITTED, GOOD, "converged"),
        (Phase.IDLE, GOOD, "converged"),
        (Phase.WAITING, GOOD, "converging"),
        (Phase.TESTING, GOOD, "converging"),
        (Phase.FAILED, GOOD, "failed"),
        (Phase.COMMITTED, GOOD | {"failed": 1, "in_sync": 2}, "degraded"),
        (Phase.WAITING, GOOD | {"failed": 1}, "converging"),
    ],
)
def test_the_state_is_the_worst_of_all(phase: Phase, counts: dict[str, int], state: str) -> None:
    assert document(World(), State(phase=phase), counts=counts)["state"] == state


@pytest.mark.parametrize(
    ("settled", "waits", "state"),
    [
        (False, ("adapter", "eth0"), "converging"),
        (False, ("vif", "app-1", "ni"), "converging"),
        (True, ("adapter", "eth0"), "degraded"),  # its port is not there
        (True, ("vif", "app-1", "ni"), "converged"),  # the app does not run
    ],
)
def test_what_waits_for_the_world_counts_unless_it_is_an_app(settled: bool, waits: tuple[str, ...], state: str) -> None:
    counts = GOOD | {"in_sync": 2, "pending": 1}

    assert document(World(), counts=counts, settled=settled, unsettled={waits: ""})["state"] == state


def test_what_failed_is_told_of_its_object() -> None:
    world = World(ETH0)
    world.load(local("ni"), apps=(app("web", "ni"),))
    [ni, vif] = [name for name in world.planner.objects.values if name[0] in {"instance", "vif"}]

    found = document(world, unsettled={ni: "there is a foreign bn1", vif: ""})

    assert found["network_instances"][0]["error"] == "there is a foreign bn1"
    assert (found["apps"][0]["state"], found["apps"][0]["interfaces"][0]["error"]) == ("waiting", None)


def test_an_object_that_cannot_be_planned_degrades_the_node() -> None:
    world = World(replace(ETH0, config_error="port eth0 is disabled"))
    world.load()

    assert document(world)["state"] == "degraded"


def test_any_problem_degrades_the_node() -> None:
    """Also a claim that another object's claim forbids: no item failed, and yet something does not work."""
    found = document(World(), problems=(PROBLEM,))

    assert (found["state"], found["problems"]) == ("degraded", [PROBLEM])


def test_a_fallback_degrades_the_node_and_tells_why_the_first_choice_is_not_in_use() -> None:
    state = tried(Results(last_succeeded=9.0))
    broken = replace(state.candidates[0], results=Results(last_failed=5.0, last_error="no answer"))

    found = document(World(), replace(state, candidates=(broken, *state.candidates), current=1))

    assert found["state"] == "degraded"
    assert found["dpc"] == {
        "key": "zedagent",
        "state": "fallback",
        "fallback": True,
        "time_priority": "2026-01-01T00:00:00.000Z",
        "last_error": "no answer",
    }


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Phase.COMMITTED, "success"),
        (Phase.WAITING, "testing"),
        (Phase.TESTING, "testing"),
        (Phase.FAILED, "fail"),
        (Phase.IDLE, "none"),
    ],
)
def test_the_state_of_the_dpc_is_a_word_of_the_contract(phase: Phase, word: str) -> None:
    assert document(World(), tried(Results(), phase=phase))["dpc"]["state"] == word


def test_every_candidate_is_listed_with_its_results() -> None:
    first = tried(Results(last_failed=5.0, last_error="no answer"), ETH0).candidates[0]
    second = replace(first, results=Results(last_succeeded=9.0, last_warning="slow"))
    third = replace(first, results=Results())

    found = dpc_list(State(candidates=(first, second, third), current=1, phase=Phase.COMMITTED))

    assert [(one["state"], one["current"], one["last_error"], one["last_warning"]) for one in found] == [
        ("fail", False, "no answer", None),
        ("fallback", True, None, "slow"),
        ("none", False, None, None),
    ]
    assert found[1]["last_succeeded"] == "1970-01-01T00:00:09.000Z"
    assert found[0]["ports"] == ["eth0"]


# -- ports --------------------------------------------------------------------------------------------


def test_a_port_is_shown_with_all_it_has() -> None:
    world = World(replace(ETH1, cost=7, labels=frozenset({"b", "all", "a"})))
    world.load()
    world.put({lease_fact("eth1", LeaseSource.DHCP4): replace(LEASE, domain="plant.test", ntp=("192.0.2.1",))})

    found = port(world, "eth1")

    assert {name: found[name] for name in CONTRACT["ports[]"]} == {
        "label": "eth1",
        "ifname": "eth1",
        "kind": "ethernet",
        "present": True,
        "carrier": True,
        "mac": "02:00:00:00:00:01",
        "mtu": 1500,
        "usage": "app-shared",
        "cost": 7,
        "shared_labels": ["a", "all", "b"],
        "addresses": ["192.168.30.5/24"],
        "gateways": ["192.168.30.1"],
        "dns_servers": ["192.168.30.1"],
        "ntp_servers": ["192.0.2.1"],
        "domain": "plant.test",
        "table": 502,
        "last_succeeded": None,
        "last_failed": None,
        "error": None,
        "warning": None,
    }


def test_a_missing_port_says_so_and_what_is_not_known_is_null() -> None:
    world = World(replace(ETH0, table=0), facts={})
    world.load()

    found = port(world)

    assert (found["present"], found["carrier"], found["mac"], found["table"], found["domain"]) == (False, *[None] * 4)
    assert found["error"] == "interface eth0 is missing"


def test_a_bridge_that_outlived_its_port_is_not_the_port() -> None:
    world = World(ETH0, facts={link_fact("eth0"): replace(LINK, kind="bridge", ours=True)})
    world.load()

    found = port(world)

    assert (found["present"], found["error"]) == (False, "interface eth0 is missing")


def test_a_port_under_its_bridge_is_present_and_knows_its_carrier() -> None:
    bridge, below = replace(LINK, kind="bridge", ours=True), replace(LINK, carrier=False)
    world = World(ETH0, facts={link_fact("eth0"): bridge, link_fact("keth0"): below})
    world.load()

    found = port(world)

    assert (found["present"], found["carrier"]) == (True, False)
    assert found["error"] == "link not up for interface eth0"


def test_a_modem_whose_name_is_not_known_has_none() -> None:
    world = World(replace(ETH0, label="modem", ifname="", kind=PortKind.CELLULAR, usb="1:2"), facts={})
    world.load()

    found = port(world, "modem")

    assert (found["ifname"], found["kind"], found["usb"]) == (None, "cellular", "1:2")
    assert "modem" in found["error"]


def test_a_link_without_mac_has_none() -> None:
    world = World(ETH0, facts={link_fact("eth0"): replace(LINK, mac="")})
    world.load()

    assert port(world)["mac"] is None


@pytest.mark.parametrize(
    ("results", "error", "warning"),
    [
        (Results(), None, None),
        (Results(last_failed=9.0, last_error="no answer"), "no answer", None),
        (Results(last_failed=5.0, last_succeeded=9.0, last_error=""), None, None),
        (Results(last_succeeded=9.0, last_warning="slow"), None, "slow"),
    ],
)
def test_what_the_last_test_said_is_shown_with_its_time(
    results: Results, error: str | None, warning: str | None
) -> None:
    world = World(ETH0)
    world.load()

    found = port(world, verification=tried(Results(), ETH0, of_port=results))

    assert (found["error"], found["warning"]) == (error, warning)
    assert found["last_failed"] == timestamp(results.last_failed)
    assert found["last_succeeded"] == timestamp(results.last_succeeded)


def test_what_is_wrong_now_beats_what_an_earlier_test_said() -> None:
    world = World(ETH0, facts={link_fact("eth0"): replace(LINK, carrier=False)})
    world.load()
    failed = tried(Results(), ETH0, of_port=Results(last_failed=9.0, last_error="no answer"))

    assert port(world, verification=failed)["error"] == "link not up for interface eth0"


def test_an_adapter_that_cannot_be_planned_says_why_before_all_else() -> None:
    world = World(replace(ETH0, config_error="port eth0 is disabled"), facts={})
    world.load()

    assert port(world)["error"] == "port eth0 is disabled"


@pytest.mark.parametrize(
    ("use", "usage"),
    [(PortUse.DEDICATED, "dedicated"), (PortUse.DISABLED, "disabled"), (PortUse.MANAGEMENT_AND_APPS, "l2-only")],
)
def test_ports_that_no_adapter_stands_on_are_shown_too(use: PortUse, usage: str) -> None:
    world = World(ETH0)
    world.load(ports=(Port(label="eth0", interface="eth0"), Port(label="spare", interface="eth5", use=use)))
    world.put({link_fact("eth5"): replace(LINK, mac="")})

    found = port(world, "spare")

    assert (found["usage"], found["present"], found["mac"], found["table"]) == (usage, True, None, None)
    assert [one["label"] for one in document(world)["ports"]] == ["eth0", "spare"]


def test_what_is_no_network_device_is_told_as_what_it_is() -> None:
    world = World()
    world.load(ports=(Port(label="gpu", pci="0000:99:00.0", kind=PortKind.OTHER, use=PortUse.DEDICATED),))

    [found] = document(world, model_errors={"gpu": "PCI device 0000:99:00.0 does not exist"})["ports"]

    assert (found["kind"], found["usage"], found["present"], found["ifname"]) == ("other", "dedicated", False, None)
    assert found["error"] == "PCI device 0000:99:00.0 does not exist"
    assert document(world)["ports"][0]["error"] is None


# -- network instances --------------------------------------------------------------------------------


def instance(world: World, **more: Any) -> dict[str, Any]:
    [found] = document(world, **more)["network_instances"]
    return dict(found)


def test_a_local_instance_is_shown_with_its_ways_out_and_nothing_of_its_own() -> None:
    """Acceptance scenario `local-ni-life`: routes exactly, in this order."""
    ni = local("ni", port="eth0")
    world = World(ETH0)
    world.load(ni)

    assert instance(world) == {
        "name": "ni",
        "uuid": ni.key,
        "type": "local",
        "bridge": "bn1",
        "subnet": "10.50.0.0/24",
        "gateway": "10.50.0.1",
        "ports": ["eth0"],
        "table": 801,
        "routes": [
            {"dst": "0.0.0.0/0", "via": "172.22.10.1", "port": "eth0", "selected_because": "the only port"},
            {"dst": "172.22.10.0/24", "via": None, "port": "eth0", "selected_because": None},
        ],
        "mtu": 1500,
        "error": None,
    }


def test_a_switch_has_neither_subnet_nor_routes() -> None:
    world = World(ETH0)
    world.load(switch("sw", port="eth0"))

    found = instance(world)

    assert (found["type"], found["bridge"], found["table"], found["routes"]) == ("switch", "eth0", None, [])
    assert (found["subnet"], found["gateway"]) == (None, None)


def test_the_reason_for_a_port_is_that_of_the_prober_where_it_chose() -> None:
    other = replace(ETH0, label="eth1", ifname="eth1", addresses=(ip_interface("172.23.0.5/24"),))
    ni = local("ni", port="all", routes=(StaticRoute(destination=ip_network("0.0.0.0/0"), port="all"),))
    world = World(ETH0, other)
    world.load(ni)
    fact = route_choice_fact(ni.key, "0.0.0.0/0")
    world.put({fact: "eth1"})

    default = instance(world, reasons={fact: "cheapest port that answers"})["routes"][0]

    assert (default["port"], default["selected_because"]) == ("eth1", "cheapest port that answers")


def test_an_instance_in_trouble_says_so() -> None:
    world = World(ETH0)
    world.load(local("ni", port="nowhere"))

    assert instance(world)["error"] == "no port matches label nowhere"


def test_an_instance_that_is_not_planned_yet_has_every_key() -> None:
    world = World(ETH0)
    world.load(local("ni"))
    world.planner.instances.clear()

    found = instance(world)

    assert (found["error"], found["bridge"], found["routes"]) == ("not planned yet", None, [])


def test_an_instance_that_is_not_active_is_not_there() -> None:
    world = World(ETH0)
    world.load(local("ni", active=False))

    assert document(world)["network_instances"] == []


# -- apps ---------------------------------------------------------------------------------------------


def test_an_app_is_shown_with_its_interfaces_in_the_order_of_the_config() -> None:
    world = World(ETH0)
    cards = (
        AppInterface(name="x", network_instance="sw", access_vlan=7, mac="02:16:3e:00:00:01", order=9),
        AppInterface(name="y", network_instance="ni"),
    )
    web = App(name="web", uuid="app-1", interfaces=cards, enforce_interface_order=True)
    world.load(local("ni"), switch("sw"), apps=(web,))

    [found] = document(world)["apps"]

    assert (found["name"], found["uuid"], found["state"]) == ("web", "app-1", "connected")
    assert found["interfaces"][0] == {
        "name": "x",
        "network_instance": "sw",
        "vif": "nbu2x1",
        "mac": "02:16:3e:00:00:01",
        "addresses": [],
        "access_vlan": 7,
        "error": None,
    }
    assert [(one["name"], one["addresses"], one["access_vlan"]) for one in found["interfaces"]] == [
        ("x", [], 7),
        ("y", ["10.50.0.128"], None),
    ]


@pytest.mark.parametrize(
    ("apps", "instances", "state"),
    [
        ((app("web", "ni"),), (local("ni"),), "connected"),
        ((app("web", "ni", active=False),), (local("ni"),), "inactive"),
        ((app("web", "ni"),), (local("ni", active=False),), "waiting"),
        ((app("web", "ni"),), (), "waiting"),
        ((app("web", "ni", "off"),), (local("ni"), local("off", "10.60.0.0/24", active=False)), "waiting"),
        ((app("web", "late"),), (local("first"), local("late")), "error"),
        ((App(name="web"),), (), "connected"),
    ],
)
def test_the_state_of_an_app_says_what_it_waits_for(
    apps: tuple[App, ...], instances: tuple[NetworkInstance, ...], state: str
) -> None:
    world = World(ETH0)
    world.load(*instances, apps=apps)

    assert [one["state"] for one in document(world)["apps"]] == [state]


def test_an_interface_that_is_refused_says_why() -> None:
    world = World(ETH0)
    card = AppInterface(name="x", network_instance="ni", address=ip_address("10.99.0.9"))
    world.load(local("ni"), apps=(App(name="web", interfaces=(card,)),))

    [found] = document(world)["apps"]

    assert found["state"] == "error"
    assert found["interfaces"][0]["error"] == "address 10.99.0.9 is outside of subnet 10.50.0.0/24"


# -- over any node ------------------------------------------------------------------------------------

RESULTS = st.builds(
    Results,
    last_failed=st.none() | st.floats(0, 2e9),
    last_succeeded=st.none() | st.floats(0, 2e9),
    last_error=st.sampled_from(["", "no answer"]),
    last_warning=st.sampled_from(["", "slow"]),
)
ADAPTERS = st.builds(
    replace,
    st.sampled_from([ETH0, ETH1]),
    kind=st.sampled_from([PortKind.ETHERNET, PortKind.WIFI, PortKind.CELLULAR]),
    ifname=st.sampled_from(["", "eth0", "eth1"]),
    config_error=st.sampled_from(["", "bad"]),
    management=st.booleans(),
    table=st.integers(0, 1),
    ip=st.sampled_from([ETH0.ip, ETH1.ip, IpSettings()]),
    addresses=st.sampled_from([(), ETH0.addresses]),
)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        link_fact("eth0"): st.builds(
            replace, st.just(LINK), carrier=st.booleans(), mac=st.sampled_from(["", LINK.mac])
        ),
        link_fact("keth0"): st.just(LINK),
        link_fact("eth1"): st.just(LINK),
        lease_fact("eth1", LeaseSource.DHCP4): st.just(LEASE),
    },
)
INSTANCES = st.lists(
    st.builds(
        lambda name, subnet, port, active: local(name, subnet, port=port, active=active),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["10.50.0.0/24", "10.60.0.0/31", "192.168.30.0/24", "fd50::/64"]),
        st.sampled_from(["", "all", "eth0", "nowhere"]),
        st.booleans(),
    )
    | st.builds(lambda port: switch("sw", port=port), st.sampled_from(["", "all", "eth0"])),
    max_size=3,
    unique_by=lambda one: one.name,
)


@given(
    st.lists(ADAPTERS, max_size=2, unique_by=lambda one: one.label),
    FACTS,
    INSTANCES,
    st.lists(st.sampled_from(["a", "b", "sw", "nowhere"]), max_size=3),
    st.sampled_from(Phase),
    RESULTS,
)
def test_whatever_the_node_the_document_keeps_its_contract(  # noqa: PLR0917  as many as hypothesis draws
    adapters: list[Adapter],
    facts: dict[str, Any],
    instances: list[NetworkInstance],
    cards: list[str],
    phase: Phase,
    results: Results,
) -> None:
    world = World(*adapters, facts=facts)
    world.load(*instances, apps=(app("web", *cards), app("off", *cards, active=False)))
    verification = tried(results, *adapters, phase=phase, of_port=results)

    check(document(world, verification))
    check(dpc_list(verification))
