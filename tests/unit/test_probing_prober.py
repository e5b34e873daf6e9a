"""The prober: which probes run, what their results do to routes, and where any history ends. In virtual time."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import count
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenet_core.model.networks import Probe, ProbeMethod, RouteProbe
from evenet_core.probing.choice import Standing
from evenet_core.probing.prober import (
    Command,
    ProbedPort,
    ProbedRoute,
    ProberSettings,
    RouteProber,
    RunProbe,
    Selected,
    SetTimer,
)
from evenet_core.probing.request import Egress

TCP = Probe(method=ProbeMethod.TCP, host="10.88.88.70", port=80)
ANYWHERE, ANYWHERE6, SERVERS = ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network("10.88.88.0/24")


def port(number: int, **more: Any) -> ProbedPort:
    """eth0 costs nothing, eth1 ten, eth2 twenty."""
    usual: dict[str, Any] = {
        "label": f"eth{number}",
        "ifname": f"eth{number}",
        "cost": 10 * number,
        "carrier": True,
        "addresses": (ip_address(f"172.22.{number}.5"), ip_address(f"fd22:{number}::5")),
        "gateways": (ip_address(f"172.22.{number}.1"),),
        "dns": (ip_address(f"172.22.{number}.53"),),
    }
    return ProbedPort(**(usual | more))


def route(*labels: str, key: str = "default", **more: Any) -> ProbedRoute:
    probe = more.pop("probe", RouteProbe(gateway_ping=True, gateway_ping_max_cost=255))
    usual: dict[str, Any] = {"destination": ANYWHERE, "probe": probe, "prefer_lower_cost": True}
    return ProbedRoute(**(usual | {"key": key, "ports": labels or ("eth0", "eth1")} | more))


def custom(probe: Probe | None = TCP, **more: Any) -> RouteProbe:
    return RouteProbe(custom=probe, **more)


class World:
    """Runs the prober's commands: `dead` are pairs of interface and kind of probe that nobody answers."""

    def __init__(self, settings: ProberSettings | None = None) -> None:
        self.prober = RouteProber(settings)
        self.now = 0.0
        self.dead: set[tuple[str, str]] = set()
        self.sent: list[tuple[float, RunProbe]] = []
        self.selections: list[Selected] = []
        self.ports: dict[str, ProbedPort] = {}
        self.routes: list[ProbedRoute] = []
        self._timer = inf
        self._results: list[tuple[float, int, RunProbe, bool]] = []
        self._order = count()

    def configure(self, *ports: ProbedPort, routes: list[ProbedRoute] | None = None) -> None:
        self.ports |= {one.label: one for one in ports}
        self.routes = self.routes if routes is None else routes
        self._obey(self.prober.configure(self.ports.values(), self.routes, self.now))

    def remove(self, label: str) -> None:
        del self.ports[label]
        self.configure()

    def run(self, seconds: float) -> None:
        """All that happens in this time, in its order."""
        end = self.now + seconds
        while (moment := min(self._timer, self._results[0][0] if self._results else inf)) <= end:
            self.now = max(self.now, moment)
            if self._results and self._results[0][0] <= self.now:
                _, _, command, answered = heapq.heappop(self._results)
                self._obey(self.prober.result(command, 0.01 if answered else None, "no answer", self.now))
            else:
                self._timer = inf
                self._obey(self.prober.tick(self.now))
        self.now = end

    def _obey(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case RunProbe():
                    self.sent.append((self.now, command))
                    answered = (command.request.egress.ifname, command.probe[1].kind) not in self.dead
                    delay = 0.01 if answered else command.request.timeout
                    heapq.heappush(self._results, (self.now + delay, next(self._order), command, answered))
                case SetTimer(at):
                    self._timer = at
                case Selected():
                    self.selections.append(command)

    @property
    def uses(self) -> dict[str, str]:
        return {one.key: self.prober.selected(one.key) for one in self.routes}

    def asked(self, since: float = -1.0) -> Counter[tuple[str, str]]:
        """Probes sent, by interface and kind."""
        probes = [command for moment, command in self.sent if moment > since]
        return Counter((command.request.egress.ifname, command.probe[1].kind) for command in probes)


def started(*routes: ProbedRoute, ports: int = 2) -> World:
    world = World()
    world.configure(*map(port, range(ports)), routes=list(routes) or [route()])
    world.run(1.0)
    return world


# -- what is asked ------------------------------------------------------------------------------------


def test_a_probe_uses_its_port_only() -> None:
    world = started(route("eth1", probe=RouteProbe(gateway_ping=True, gateway_ping_max_cost=255, custom=TCP)))

    for _, command in world.sent:
        mine = port(1)
        assert command.request.egress == Egress("eth1", mine.addresses, mine.dns)


@pytest.mark.parametrize(
    ("probe", "name", "hosts", "at"),
    [
        (RouteProbe(gateway_ping=True, gateway_ping_max_cost=255), "icmp", ("172.22.1.1",), 0),
        (custom(TCP), "tcp", ("10.88.88.70",), 80),
        (custom(Probe(method=ProbeMethod.ICMP, host="192.0.2.7")), "icmp", ("192.0.2.7",), 0),
        (custom(Probe(method=ProbeMethod.ICMP)), "icmp", ("8.8.8.8",), 0),
    ],
)
def test_a_route_asks_what_its_operator_says(probe: RouteProbe, name: str, hosts: tuple[str, ...], at: int) -> None:
    world = started(route("eth1", probe=probe))

    _, command = world.sent[0]
    assert (command.name, command.request.hosts, command.request.port, command.request.version) == (name, hosts, at, 4)


def test_an_ipv6_route_asks_in_ipv6() -> None:
    world = World()
    six = port(0, gateways=(ip_address("172.22.0.1"), ip_address("fe80::1")))
    world.configure(six, routes=[route("eth0", destination=ANYWHERE6)])

    _, command = world.sent[0]
    assert (command.request.hosts, command.request.version) == (("fe80::1",), 6)


@pytest.mark.parametrize(("limit", "asked"), [(0, {"eth0"}), (9, {"eth0"}), (10, {"eth0", "eth1"})])
def test_gateways_of_ports_that_cost_too_much_are_not_asked(limit: int, asked: set[str]) -> None:
    world = started(route(probe=RouteProbe(gateway_ping=True, gateway_ping_max_cost=limit)))

    assert {ifname for ifname, _ in world.asked()} == asked


def test_a_route_without_probes_asks_nothing_and_takes_the_cheapest_port_with_a_link() -> None:
    world = started(route(probe=RouteProbe(custom=Probe())))

    assert (world.asked(), world.uses) == (Counter(), {"default": "eth0"})
    world.configure(port(0, carrier=False))
    assert world.uses == {"default": "eth1"}


def test_routes_that_ask_the_same_share_the_probe() -> None:
    world = started(route(), route(key="servers", destination=SERVERS))
    since = world.now

    world.run(10.0)

    assert world.asked(since) == {("eth0", "gateway"): 10, ("eth1", "gateway"): 10}


def test_a_probe_that_no_route_needs_any_more_ends() -> None:
    world = started(route(probe=custom(gateway_ping=True)), route(key="servers"))
    world.configure(routes=[route()])
    since = world.now

    world.run(20.0)

    assert {kind for _, kind in world.asked(since)} == {"gateway"}


def test_without_routes_nothing_happens_ever_again() -> None:
    world = started()
    world.configure(routes=[])
    since = world.now

    world.run(1000.0)

    assert world.asked(since) == Counter()
    assert world.prober.reports() == []


def test_a_metered_port_is_asked_rarely() -> None:
    world = World()
    world.configure(port(0, metered=True), port(1), routes=[route()])
    world.run(1.0)
    since = world.now

    world.run(60.0)

    assert world.asked(since) == {("eth0", "gateway"): 2, ("eth1", "gateway"): 60}


# -- choices ------------------------------------------------------------------------------------------


def test_the_cheapest_port_that_answers_is_used() -> None:
    world = started()

    assert world.uses == {"default": "eth0"}
    assert world.selections[-1].because == "cheapest port with a link"  # as long as none had answered
    assert world.prober.reports()[0].because == "cheapest port that answers: gateway ping 172.22.0.1 ok"


def test_a_gateway_that_falls_silent_moves_the_route_and_its_return_brings_it_back() -> None:
    world = started()
    world.dead.add(("eth0", "gateway"))
    world.run(4.0)
    assert world.uses == {"default": "eth1"}

    world.dead.clear()
    world.run(60.0)

    assert world.uses == {"default": "eth0"}
    assert [selected.label for selected in world.selections] == ["eth0", "eth1", "eth0"]


def test_a_lost_carrier_moves_the_route_at_once() -> None:
    world = started()

    world.configure(port(0, carrier=False))

    assert world.uses == {"default": "eth1"}


def test_a_port_that_flaps_is_not_returned_to_in_between() -> None:
    world = started()
    for _ in range(20):
        world.configure(port(0, carrier=False))
        world.run(0.5)
        world.configure(port(0))
        world.run(2.0)

    assert [selected.label for selected in world.selections] == ["eth0", "eth1"]


def test_the_operators_probe_counts_besides_the_gateway() -> None:
    world = World()
    world.dead.add(("eth0", "tcp"))
    probe = RouteProbe(gateway_ping=True, gateway_ping_max_cost=255, custom=TCP)
    world.configure(*map(port, range(2)), routes=[route(probe=probe)])

    world.run(30.0)

    assert world.uses == {"default": "eth1"}


def test_each_route_has_a_choice_of_its_own() -> None:
    """Acceptance scenario `multi-port-ni`: one route moves, the other has other ports."""
    world = started(route(), route("eth1", "eth2", key="servers", destination=SERVERS), ports=3)
    world.configure(port(1, carrier=False))

    assert world.uses == {"default": "eth0", "servers": "eth2"}


def test_the_port_of_an_earlier_run_is_kept_until_the_probes_have_spoken() -> None:
    world = World()
    world.configure(*map(port, range(2)), routes=[route(current="eth1")])
    assert world.uses == {"default": "eth1"}

    world.run(5.0)

    assert world.uses == {"default": "eth0"}


def test_a_port_that_vanishes_is_left_and_may_come_back() -> None:
    world = started()
    world.remove("eth0")
    assert world.uses == {"default": "eth1"}

    world.configure(port(0))
    world.run(60.0)

    assert world.uses == {"default": "eth0"}


def test_without_any_port_there_is_no_choice() -> None:
    world = World()
    world.configure(routes=[route()])

    assert world.selections == [Selected("default", "", "no port matches")]


def test_a_result_that_comes_after_its_port_changed_means_nothing() -> None:
    world = World()
    world.configure(port(0), port(1), routes=[route()])
    [stale] = [command for _, command in world.sent if command.request.egress.ifname == "eth0"]
    world.configure(port(0, addresses=(ip_address("172.22.0.99"),)))

    assert world.prober.result(stale, None, "late", world.now) == []


def test_a_result_that_other_name_servers_led_to_means_nothing() -> None:
    world = World()
    world.configure(port(0), routes=[route("eth0", probe=custom(replace(TCP, host="a.test")))])
    [(_, stale)] = world.sent
    world.configure(port(0, dns=(ip_address("172.22.0.99"),)))

    assert world.prober.result(stale, 0.01, "", world.now) == []
    assert world.prober.reports()[0].ports[0].standing is Standing.UNPROBED


def test_another_gateway_is_asked_as_soon_as_it_is_known() -> None:
    world = started()
    since = world.now

    world.configure(port(1, gateways=(ip_address("172.22.1.99"),)))
    world.run(0.3)

    asked = [command.request.hosts for moment, command in world.sent if moment >= since]
    assert ("172.22.1.99",) in asked


def test_whoever_calls_too_early_is_told_the_time_again() -> None:
    world = started()

    commands = world.prober.tick(world.now)

    assert [command for command in commands if isinstance(command, SetTimer)]


def test_a_port_that_only_needs_a_link_is_returned_to_although_nothing_is_asked() -> None:
    world = started(route(probe=RouteProbe()))
    world.configure(port(0, carrier=False))
    world.configure(port(0))
    assert world.uses == {"default": "eth1"}

    world.run(60.0)

    assert (world.uses, world.asked()) == ({"default": "eth0"}, Counter())


def test_a_port_has_proved_itself_when_the_last_of_its_probes_has() -> None:
    world = started(route(probe=RouteProbe(gateway_ping=True, gateway_ping_max_cost=255, custom=TCP)))
    world.dead |= {("eth0", "gateway"), ("eth0", "tcp")}
    world.run(60.0)
    world.dead.discard(("eth0", "gateway"))
    world.run(60.0)
    world.dead.discard(("eth0", "tcp"))

    world.run(8.0)  # the probe comes within five seconds, and the hold-down takes ten
    assert world.uses == {"default": "eth1"}
    world.run(60.0)

    assert world.uses == {"default": "eth0"}


def test_a_hint_about_a_port_is_followed_by_a_probe() -> None:
    world = started()
    before = world.asked()

    world._obey(world.prober.doubt("eth1", world.now + 0.5))

    assert world.asked() - before == {("eth1", "gateway"): 1}


def test_a_hint_about_an_unknown_port_is_nothing() -> None:
    assert [c for c in started().prober.doubt("eth9", 2.0) if not isinstance(c, SetTimer)] == []


# -- reports ------------------------------------------------------------------------------------------


def test_a_report_says_what_is_used_since_when_and_how_the_others_stand() -> None:
    world = started(route(probe=RouteProbe(gateway_ping=True, gateway_ping_max_cost=0, custom=TCP)))
    world.dead.add(("eth1", "tcp"))
    world.run(30.0)

    [report] = world.prober.reports()

    assert (report.key, report.selected, report.since) == ("default", "eth0", 0.0)
    first, second = report.ports
    assert (first.standing, first.evidence) == (Standing.ANSWERS, "gateway ping 172.22.0.1 ok, tcp 10.88.88.70:80 ok")
    assert first.latency == pytest.approx(0.01)
    assert (second.standing, second.evidence) == (Standing.SILENT, "tcp 10.88.88.70:80 failed (no answer)")
    assert second.latency is None


@pytest.mark.parametrize(
    ("change", "standing", "evidence"),
    [
        ({"carrier": False}, "no-path", "gateway ping 172.22.1.1 failed (no carrier)"),
        ({"addresses": ()}, "no-path", "gateway ping 172.22.1.1 failed (no address)"),
        (
            {"addresses": (ip_address("169.254.1.1"),)},
            "link-local",
            "gateway ping 172.22.1.1 failed (no address)",
        ),
        ({"gateways": ()}, "silent", "gateway ping failed (no gateway)"),
    ],
)
def test_a_port_that_cannot_be_asked_says_why(change: dict[str, Any], standing: str, evidence: str) -> None:
    world = started()
    world.configure(port(1, **change))

    [report] = world.prober.reports()

    assert (str(report.ports[1].standing), report.ports[1].evidence) == (standing, evidence)


# -- over any history ---------------------------------------------------------------------------------

CHANGES = st.one_of(
    st.tuples(st.just("dead"), st.sampled_from(["eth0", "eth1", "eth2"]), st.sampled_from(["gateway", "tcp"])),
    st.tuples(st.just("alive"), st.sampled_from(["eth0", "eth1", "eth2"]), st.sampled_from(["gateway", "tcp"])),
    st.tuples(st.just("plug"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("address"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("gone"), st.sampled_from(["eth0", "eth1", "eth2"]), st.none()),
    st.tuples(st.just("doubt"), st.sampled_from(["eth0", "eth1", "eth2"]), st.none()),
)
PROBE = RouteProbe(gateway_ping=True, gateway_ping_max_cost=10, custom=TCP)
ROUTES = [
    route("eth0", "eth1", "eth2", probe=PROBE),
    route("eth2", "eth1", key="servers", destination=SERVERS, probe=custom()),
    route("eth0", "eth1", key="plain", probe=RouteProbe()),
]


def happen(world: World, change: tuple[str, Any, Any]) -> None:
    match change:
        case ("dead", ifname, kind):
            world.dead.add((ifname, kind))
        case ("alive", ifname, kind):
            world.dead.discard((ifname, kind))
        case ("plug", number, carrier):
            world.configure(replace(world.ports.get(f"eth{number}", port(number)), carrier=carrier))
        case ("address", number, last):
            addresses = (ip_address(f"172.22.{number}.{last}"),) if last else ()
            world.configure(replace(world.ports.get(f"eth{number}", port(number)), addresses=addresses))
        case ("gone", label, _) if label in world.ports:
            world.remove(label)
        case ("doubt", ifname, _):
            world._obey(world.prober.doubt(ifname, world.now))


def serves(world: World, one: ProbedRoute, label: str) -> tuple[int, int]:
    """How well a port serves a route by what is true, and its cost; the lower the better."""
    it = world.ports[label]
    if not (it.carrier and it.addresses):
        return 5, it.cost
    kinds = ["gateway"] if one.probe.gateway_ping and it.cost <= one.probe.gateway_ping_max_cost else []
    kinds += ["tcp"] if one.probe.custom else []
    alive = [kind for kind in kinds if (it.ifname, kind) not in world.dead]
    if not kinds:
        return 2, it.cost
    return (0 if alive == kinds else 1 if alive else 3), it.cost


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 8.0), CHANGES), max_size=25))
def test_after_any_history_each_route_ends_at_the_port_that_serves_it_best(
    history: list[tuple[float, tuple[str, Any, Any]]],
) -> None:
    world = World()
    world.configure(*map(port, range(3)), routes=ROUTES)
    for delay, change in history:
        world.run(delay)
        happen(world, change)
        announced = {selected.key: selected.label for selected in world.selections}
        assert announced == world.uses, "a choice that nobody was told of"

    world.run(120.0)  # longer than every burst and every hold-down

    for one in world.routes:
        known = [label for label in one.ports if label in world.ports]
        if not known:
            assert world.uses[one.key] == ""
            continue
        best = min(serves(world, one, label) for label in known)
        use = serves(world, one, world.uses[one.key])
        assert use == best or (use[0] == best[0] >= 3), "it would work better by another port"
    for moment, command in world.sent:
        assert moment >= 0
        assert command.request.egress.ifname == command.probe[0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.0), CHANGES), max_size=40))
def test_in_every_history_probes_stay_few(history: list[tuple[float, tuple[str, Any, Any]]]) -> None:
    """A port that was gone may be asked anew at once: who removes it 40 times asks for it."""
    world = World()
    world.configure(*map(port, range(3)), routes=ROUTES)
    for delay, change in history:
        world.run(delay)
        if change[0] != "gone":
            happen(world, change)

    pace = ProberSettings()
    for ifname, kind in world.asked():
        each = pace.gateway if kind == "gateway" else pace.custom
        moments = [m for m, c in world.sent if (c.request.egress.ifname, c.probe[1].kind) == (ifname, kind)]
        for start in moments:
            assert len([m for m in moments if start <= m < start + each.interval]) <= 1 + each.burst


# -- the node's own traffic ---------------------------------------------------------------------------

OWN = custom(gateway_ping=True, gateway_ping_max_cost=255)


def own(*labels: str, **more: Any) -> ProbedRoute:
    return route(*labels, key="own", probe=OWN, own=True, **more)


def test_an_uplink_whose_gateway_answers_no_ping_serves_if_the_controller_is_reached() -> None:
    world = World()
    world.dead = {("eth0", "icmp"), ("eth0", "gateway")}
    world.configure(port(0), port(1), routes=[own()])
    world.run(30)
    assert world.uses == {"own": "eth0"}


@pytest.mark.parametrize("kinds", [{"gateway", "tcp"}, {"tcp"}], ids=["the gateway", "what is behind it"])
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.7, 1.1, 1.4])
def test_an_uplink_that_falls_silent_is_left_within_three_seconds(kinds: set[str], moment: float) -> None:
    world = started(own())
    world.run(60 + moment)
    assert world.uses == {"own": "eth0"}
    world.dead = {("eth0", kind) for kind in kinds}
    world.run(3)
    assert world.uses == {"own": "eth1"}


def test_a_metered_uplink_is_left_within_thirty_seconds_for_less_than_a_megabyte_a_day() -> None:
    world = World()
    world.configure(port(0, metered=True), port(1), routes=[own()])
    world.run(3600)
    asked = {kind: count for (ifname, kind), count in world.asked().items() if ifname == "eth0"}
    assert asked.keys() == {"tcp"}
    assert asked["tcp"] * 24 * 212 < 1_000_000  # bytes: SYN, SYN-ACK, ACK, RST
    world.dead = {("eth0", "tcp")}
    world.run(30)
    assert world.uses == {"own": "eth1"}


def test_what_is_not_in_use_is_asked_less_often_and_more_often_once_it_is() -> None:
    world = started(own())
    world.run(100)
    asked = world.asked()
    assert asked["eth0", "tcp"] > 60
    assert asked["eth1", "tcp"] < 25
    world.dead = {("eth0", "tcp")}
    world.run(10)
    since = world.now
    world.run(100)
    assert world.asked(since)["eth1", "tcp"] > 60


def test_real_answers_are_as_good_as_probes() -> None:
    world = started(own())
    world.run(10)
    world._obey(world.prober.answered("eth0", 4, 0.02, world.now))
    since = world.now
    for _ in range(50):
        world.run(1)
        world._obey(world.prober.answered("eth0", 4, 0.02, world.now))
    assert world.asked(since)["eth0", "tcp"] == 0
    assert world.uses == {"own": "eth0"}


def test_a_slow_path_is_no_dead_one() -> None:
    world = started(own())
    world.run(10)
    [slow] = [state for probe, state in world.prober._healths.items() if probe[0] == "eth0" and probe[1].kind == "tcp"]
    assert slow.patience == 0.5
    assert replace(slow, latency=0.6).patience == 2.4
    assert replace(slow, latency=None).patience == 3.0


def test_a_return_waits_for_the_hold_down_and_a_flapping_uplink_is_not_followed() -> None:
    world = started(own())
    world.run(30)
    world.dead = {("eth0", "tcp"), ("eth0", "gateway")}
    world.run(5)
    for _ in range(20):
        world.dead = set()
        world.run(8)
        world.dead = {("eth0", "tcp"), ("eth0", "gateway")}
        world.run(4)
    moves = [selected for selected in world.selections if selected.key == "own"]
    assert len(moves) == 2  # the first choice, and away from it
    world.dead = set()
    world.run(15)
    assert world.uses == {"own": "eth0"}


def test_while_the_controller_is_silent_everywhere_nothing_moves() -> None:
    world = started(own())
    world.run(30)
    before = len(world.selections)
    world.dead = {("eth0", "tcp"), ("eth1", "tcp")}
    world.run(600)
    assert len(world.selections) == before
