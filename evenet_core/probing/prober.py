"""One prober for the node: which port each route uses now. Sans-IO.

It is told ports and routes (`configure`), results (`result`) and time (`tick`); it answers with commands: run
this probe, wake me then, this route uses that port now. Routes that ask the same of the same port share one
probe; its state lives as long as a route needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from math import inf
from typing import TypeAlias

from evenet_core.model.networks import ProbeMethod, RouteProbe
from evenet_core.model.values import IPAddress, IPNetwork
from evenet_core.probing import health
from evenet_core.probing.choice import Candidate, Choice, Standing, choose
from evenet_core.probing.health import Health, HealthSettings, Verdict
from evenet_core.probing.request import Egress, ProbeRequest

__all__ = [
    "Command",
    "PortReport",
    "ProbedPort",
    "ProbedRoute",
    "ProberSettings",
    "RouteProber",
    "RouteReport",
    "RunProbe",
    "Selected",
    "SetTimer",
    "Target",
]

BEYOND = frozenset({"tcp", "icmp"})  # kinds of targets on the other side of the gateway
DEFAULT_ICMP_HOST = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}  # EVE's documentation promises it for an empty host


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedPort:
    """A port as it is now."""

    label: str
    ifname: str
    cost: int = 0
    carrier: bool = False
    addresses: tuple[IPAddress, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    dns: tuple[IPAddress, ...] = ()
    metered: bool = False  # each probe costs money: they are rare
    behind_proxy: bool = False  # its network has proxies: what is outside may not be reached but through them
    signal: int | None = None  # dBm, cellular only


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedRoute:
    """A route that may leave by any of `ports` (labels, in the order in which equals take turns)."""

    key: str
    destination: IPNetwork
    ports: tuple[str, ...]
    probe: RouteProbe = RouteProbe()
    prefer_lower_cost: bool = False
    prefer_stronger_signal: bool = False
    current: str = ""  # the port it used before this prober began; kept until the probes have spoken
    asks_controller: bool = False  # `probe.custom` does; it is not asked through a port whose network has proxies
    # Of the node itself: an answer from beyond the gateway is enough, and of the port in use it is asked for often.
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProberSettings:
    """Pace and patience by kind of probe.

    One echo of 64 bytes a second is 15 MB a day, and a connection that is made and broken off 212 bytes: one in 22 s
    is 0.8 MB. A port that is dead is known to be within `interval` + 2 `timeout` + 2 `burst_interval`.
    """

    gateway: HealthSettings = HealthSettings()
    custom: HealthSettings = HealthSettings(interval=5.0, timeout=1.5)
    own: HealthSettings = HealthSettings(interval=1.5, longest=3.0)
    spare: HealthSettings = HealthSettings(interval=5.0, longest=3.0)  # the same of a port that is not in use
    metered: HealthSettings = HealthSettings(interval=22.0, burst_interval=1.0, timeout=3.0)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a port. `kind` is `link` (only whether it has a path), `gateway`, `icmp` or `tcp`."""

    kind: str
    version: int
    host: str = ""
    port: int = 0


ProbeId: TypeAlias = tuple[str, Target]  # label of the port, what is asked


@dataclass(frozen=True, slots=True)
class RunProbe:
    """Run the probe called `name` and hand its result back with `probe` and `generation`."""

    probe: ProbeId
    generation: int
    name: str
    request: ProbeRequest


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `tick` at that time; replaces the timer before it. `inf` = no need."""

    at: float


@dataclass(frozen=True, slots=True)
class Selected:
    """This route uses another port from now on; empty label = none."""

    key: str
    label: str
    because: str


Command: TypeAlias = RunProbe | SetTimer | Selected


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """How one port stands for a route, for status and metrics."""

    label: str
    standing: Standing
    evidence: str
    latency: float | None  # seconds, of the operator's own probe where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """What a route uses, since when and why, and what the other ports are like."""

    key: str
    selected: str
    because: str
    since: float
    ports: tuple[PortReport, ...]


@dataclass(slots=True)
class _Selection:
    choice: Choice
    since: float = field(default=0.0)


class RouteProber:
    """The state of all routes and ports; every call answers with commands."""

    def __init__(self, settings: ProberSettings | None = None) -> None:
        self._settings = settings or ProberSettings()
        self._ports: dict[str, ProbedPort] = {}
        self._routes: dict[str, ProbedRoute] = {}
        self._healths: dict[ProbeId, Health] = {}
        self._selections: dict[str, _Selection] = {}
        self._timer = inf

    def configure(self, ports: Iterable[ProbedPort], routes: Iterable[ProbedRoute], now: float) -> list[Command]:
        """The whole picture as it is now; call it for every change of a port or a route."""
        before = self._ports
        self._ports = {port.label: port for port in ports}
        self._routes = {route.key: route for route in routes}
        self._selections = {key: chosen for key, chosen in self._selections.items() if key in self._routes}
        known, self._healths = self._healths, {}
        commands: list[Command] = []
        for probe in self._wanted():
            port = self._ports[probe[0]]
            same = before.get(port.label)
            settings = self._pace(port, probe[1])
            if same is None or same.ifname != port.ifname or probe not in known:
                self._healths[probe] = Health(settings=settings)
            else:
                self._healths[probe] = health.paced(known[probe], settings, now)
            obstacle, path = _path(port, probe[1])
            commands += self._step(probe, health.PathChanged(obstacle, path), now)
        return commands + self._chosen(self._routes, now) + self._set_timer()

    def result(self, command: RunProbe, latency: float | None, reason: str, now: float) -> list[Command]:
        """The probe of `command` was answered after `latency` seconds, or (None) failed for `reason`."""
        if command.probe not in self._healths or command.request != self._request(command.probe):
            return []  # nobody asks this any more
        if latency is None:
            return self._event(command.probe, health.ProbeFailed(command.generation, reason), now)
        return self._event(command.probe, health.ProbeOk(command.generation, latency), now)

    def doubt(self, ifname: str, now: float) -> list[Command]:
        """Something hints that this port may have failed (a neighbour that no longer answers): probe it now."""
        commands: list[Command] = []
        for probe in [probe for probe in self._healths if self._ports[probe[0]].ifname == ifname]:
            commands += self._event(probe, health.Doubted(), now)
        return commands

    def answered(self, ifname: str, version: int, latency: float, now: float) -> list[Command]:
        """Somebody beyond the gateway answered the node over this port: as good as a probe."""
        commands: list[Command] = []
        for probe in [probe for probe in self._asked_for_itself() if self._ports[probe[0]].ifname == ifname]:
            if probe[1].version == version and probe[1].kind in BEYOND:
                commands += self._event(probe, health.Heard(latency), now)
        return commands

    def tick(self, now: float) -> list[Command]:
        """Time has passed."""
        self._timer = inf  # it has fired: the next one is always announced
        commands: list[Command] = []
        for probe in [probe for probe, state in self._healths.items() if state.next_at <= now]:
            commands += self._step(probe, health.Tick(), now)
        due = [key for key, selection in self._selections.items() if selection.choice.again_at <= now]
        return commands + self._chosen(due, now) + self._set_timer()

    def selected(self, key: str) -> str:
        """Label of the port that a route uses now; empty = none."""
        selection = self._selections.get(key)
        return selection.choice.label if selection else ""

    @property
    def undecided(self) -> bool:
        """Some port has not answered its first probe yet, nor failed to; of the node itself a test tells that."""
        others = [route for route in self._routes.values() if not route.own]
        probes = {probe for route in others for probe in self._probes_of(route)}
        return any(self._healths[probe].verdict is Verdict.UNKNOWN for probe in probes)

    def reports(self) -> list[RouteReport]:
        """All routes, for status, metrics and `explain`."""
        return [self._report(route) for route in self._routes.values()]

    def _wanted(self) -> list[ProbeId]:
        """Every probe that some route needs, each once."""
        return list(dict.fromkeys(probe for route in self._routes.values() for probe in self._probes_of(route)))

    def _probes_of(self, route: ProbedRoute) -> list[ProbeId]:
        ports = [self._ports[label] for label in route.ports if label in self._ports]
        return [(port.label, target) for port in ports for target in _targets(route, port)]

    def _doubt_with(self, lost: ProbeId, now: float) -> list[Command]:
        """What else a lost probe of an uplink makes doubtful: all of that port; and of the port in use, where to go."""
        own = self._asked_for_itself()
        if lost not in own:
            return []
        everywhere = any(route.own and self.selected(route.key) == lost[0] for route in self._routes.values())
        commands: list[Command] = []
        for probe in own:
            if probe != lost and (probe[0] == lost[0] or (everywhere and not self._ports[probe[0]].metered)):
                commands += self._step(probe, health.Doubted(), now)
        return commands

    def _asked_for_itself(self) -> list[ProbeId]:
        """What the node asks for the sake of its own traffic."""
        return [probe for route in self._routes.values() if route.own for probe in self._probes_of(route)]

    def _pace(self, port: ProbedPort, target: Target) -> HealthSettings:
        if target.kind == "link":
            return health.LINK_ONLY
        if port.metered:
            return self._settings.metered
        if target.kind == "gateway":
            return self._settings.gateway
        if (port.label, target) not in self._asked_for_itself():
            return self._settings.custom
        used = any(route.own and self.selected(route.key) == port.label for route in self._routes.values())
        return self._settings.own if used else self._settings.spare

    def _event(self, probe: ProbeId, event: health.Event, now: float) -> list[Command]:
        before = self._healths[probe].verdict
        commands = self._step(probe, event, now)
        if isinstance(event, health.ProbeFailed) and self._healths[probe].is_shaken:
            commands += self._doubt_with(probe, now)
        if self._healths[probe].verdict is not before:
            commands += self._chosen([key for key, route in self._routes.items() if probe[0] in route.ports], now)
        return commands + self._set_timer()

    def _step(self, probe: ProbeId, event: health.Event, now: float) -> list[Command]:
        self._healths[probe], due = health.step(self._healths[probe], event, now)
        return [self._run(probe, due)] if due is not None else []

    def _run(self, probe: ProbeId, command: health.SendProbe) -> RunProbe:
        name = "tcp" if probe[1].kind == "tcp" else "icmp"
        return RunProbe(probe, command.generation, name, self._request(probe))

    def _request(self, probe: ProbeId) -> ProbeRequest:
        label, target = probe
        port = self._ports[label]
        return ProbeRequest(
            egress=Egress(port.ifname, port.addresses, port.dns),
            hosts=tuple(map(str, _gateways(port, target))) if target.kind == "gateway" else (target.host,),
            port=target.port,
            version=target.version,
            timeout=self._healths[probe].patience,
        )

    def _chosen(self, keys: Iterable[str], now: float) -> list[Command]:
        """Choices made anew; what is in use is looked at more closely than what is not."""
        commands = self._choose(keys, now)
        if any(self._routes[selected.key].own for selected in commands):
            for probe, state in self._healths.items():
                self._healths[probe] = health.paced(state, self._pace(self._ports[probe[0]], probe[1]), now)
        return list[Command](commands)

    def _choose(self, keys: Iterable[str], now: float) -> list[Selected]:
        commands: list[Selected] = []
        for key in keys:
            route = self._routes[key]
            selection = self._selections.get(key)
            current = selection.choice.label if selection else route.current
            candidates = [self._candidate(route, self._ports[label]) for label in route.ports if label in self._ports]
            if route.own and all(candidate.standing >= Standing.UNPROBED for candidate in candidates):
                current = ""  # where nobody answers, or nobody yet, the order of cost is the best guess
            choice = choose(
                candidates,
                current,
                now,
                cheaper=route.prefer_lower_cost,
                stronger=route.prefer_stronger_signal,
                steady=not route.own,  # what runs stays where it is anyway
            )
            if selection is None or selection.choice.label != choice.label:
                self._selections[key] = _Selection(choice, now)
                commands.append(Selected(key, choice.label, choice.because))
            else:
                selection.choice = choice
        return commands

    def _candidate(self, route: ProbedRoute, port: ProbedPort) -> Candidate:
        probes = {target: self._healths[port.label, target] for target in _targets(route, port)}
        up = [target for target, state in probes.items() if state.verdict is Verdict.UP]
        if route.own and port.label != self.selected(route.key):  # a port in doubt is none to go to
            probes = {
                target: replace(state, verdict=Verdict.UNKNOWN) if state.is_shaken else state
                for target, state in probes.items()
            }
        standing = _standing(probes, port, route)
        return Candidate(
            label=port.label,
            standing=standing,
            cost=port.cost,
            up=len(up),
            settled_at=max((probes[target].settled_at for target in up), default=0.0),
            pending=standing is Standing.UNPROBED and len(up) < len(probes),
            signal=port.signal,
            evidence=", ".join(_evidence(target, state, port) for target, state in probes.items()),
        )

    def _set_timer(self) -> list[Command]:
        wakes = [state.next_at for state in self._healths.values()]
        wakes += [selection.choice.again_at for selection in self._selections.values()]
        at = min(wakes, default=inf)
        if at == self._timer:
            return []
        self._timer = at
        return [SetTimer(at)]

    def _report(self, route: ProbedRoute) -> RouteReport:
        selection = self._selections[route.key]
        reports = []
        for port in [self._ports[label] for label in route.ports if label in self._ports]:
            candidate = self._candidate(route, port)
            states = [self._healths[port.label, target] for target in _targets(route, port)]
            reports.append(
                PortReport(
                    label=port.label,
                    standing=candidate.standing,
                    evidence=candidate.evidence,
                    latency=states[-1].latency,
                )
            )
        return RouteReport(
            key=route.key,
            selected=selection.choice.label,
            because=selection.choice.because,
            since=selection.since,
            ports=tuple(reports),
        )


def _targets(route: ProbedRoute, port: ProbedPort) -> list[Target]:
    """What this route asks of this port; a route that asks nothing still wants a path."""
    version = route.destination.version
    targets = []
    custom = None if route.asks_controller and port.behind_proxy else route.probe.custom
    dear = route.own and port.metered and custom is not None  # one probe is enough where each costs money
    if route.probe.gateway_ping and port.cost <= route.probe.gateway_ping_max_cost and not dear:
        targets.append(Target("gateway", version))
    if custom is not None and custom.method is ProbeMethod.TCP:
        targets.append(Target("tcp", version, custom.host, custom.port))
    elif custom is not None and custom.method is ProbeMethod.ICMP:
        targets.append(Target("icmp", version, custom.host or DEFAULT_ICMP_HOST[version]))
    return targets or [Target("link", version)]


def _gateways(port: ProbedPort, target: Target) -> tuple[IPAddress, ...]:
    return tuple(gateway for gateway in port.gateways if gateway.version == target.version)


def _path(port: ProbedPort, target: Target) -> tuple[str, tuple[IPAddress, ...]]:
    """Why no probe of this target can leave (empty = it can), and over what it would go."""
    sources = _routable(port, target.version)
    if not port.carrier:
        return "no carrier", ()
    if not sources:
        return "no address", ()
    if target.kind != "gateway":
        return "", sources
    gateways = _gateways(port, target)
    return ("" if gateways else "no gateway"), sources + gateways


def _routable(port: ProbedPort, version: int) -> tuple[IPAddress, ...]:
    return tuple(a for a in port.addresses if a.version == version and not a.is_link_local)


def _standing(probes: Mapping[Target, Health], port: ProbedPort, route: ProbedRoute) -> Standing:
    version = route.destination.version
    if not port.carrier or not any(address.version == version for address in port.addresses):
        return Standing.NO_PATH
    if not _routable(port, version):
        return Standing.LINK_LOCAL
    verdicts = {state.verdict for target, state in probes.items() if target.kind != "link"}
    beyond = {state.verdict for target, state in probes.items() if target.kind in BEYOND}
    if verdicts == {Verdict.UP} or (route.own and Verdict.UP in beyond):
        return Standing.ANSWERS
    if Verdict.DOWN not in verdicts:
        return Standing.UNPROBED
    return Standing.PARTLY if Verdict.UP in verdicts else Standing.SILENT


def _evidence(target: Target, state: Health, port: ProbedPort) -> str:
    match target.kind:
        case "link":
            what = f"link of {port.ifname}"
        case "gateway":
            what = " ".join(["gateway ping", *map(str, _gateways(port, target))])
        case "icmp":
            what = f"ping {target.host}"
        case _:
            what = f"tcp {_host(target.host)}:{target.port}"
    return f"{what} {_SAYS[state.verdict]}{f' ({state.reason})' if state.reason else ''}"


def _host(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host


_SAYS = {Verdict.UP: "ok", Verdict.DOWN: "failed", Verdict.UNKNOWN: "not answered yet"}
