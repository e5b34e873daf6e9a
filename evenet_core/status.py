"""The status document: `evenet status --json`, a contract that other software parses (docs/reference/status.md)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from evenet_core.device.dpclist import Candidate, Results
from evenet_core.device.verification import Phase, State
from evenet_core.linux.l3 import addressing
from evenet_core.model.adapters import DEFAULT_MTU, Adapter, Usage
from evenet_core.model.addressing import Addressing
from evenet_core.model.config import DeviceConfig
from evenet_core.model.facts import LinkFact, conflicts_fact, link_fact, own_route_version, route_choice_fact
from evenet_core.model.hardware import PortQuirks
from evenet_core.model.networks import IpMode
from evenet_core.model.ports import Port, PortKind, PortUse, lower_name
from evenet_core.model.resolved import InstanceRoute, Vif
from evenet_core.planning.hardware import KnownPort, mismatch
from evenet_core.planning.objects import ObjectId
from evenet_core.planning.planner import Planner
from evenet_core.probing.prober import RouteReport
from evenet_core.probing.verdict import PortVerdict
from evenet_core.reconciler.facts import Facts

__all__ = [
    "View",
    "dpc_list",
    "dpc_summary",
    "port_documents",
    "status_document",
    "time_of_day",
    "timestamp",
    "verdict_document",
]


def timestamp(seconds: float | datetime | None) -> str | None:
    """RFC 3339 in UTC; None stays None."""
    if seconds is None:
        return None
    when = seconds if isinstance(seconds, datetime) else datetime.fromtimestamp(seconds, UTC)
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(seconds: float) -> str:
    """A time since the epoch for people, in UTC; with the date when that is not today."""
    when, now = datetime.fromtimestamp(seconds, UTC), datetime.now(UTC)
    return when.strftime("%H:%M:%S" if when.date() == now.date() else "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the status is made from, at one moment."""

    agent: Mapping[str, Any]  # pid, version, started
    verification: State
    unreachable_since: float | None = None  # the controller
    refused: Mapping[str, str] = field(default_factory=dict)  # why local changes of a port are not in use, by label
    planner: Planner
    facts: Mapping[str, Any]
    counts: Mapping[str, int]
    problems: tuple[Mapping[str, Any], ...]
    settled: bool = True  # nothing more is done without time or the world
    unsettled: Mapping[Hashable, str] = field(default_factory=dict)  # objects with items not in sync; what failed or ""
    unconfirmed_until: float | None = None  # when the config before comes back
    unconfirmed_by: str | None = None  # who is to confirm
    reasons: Mapping[str, str] = field(default_factory=dict)  # why a route leaves by its port, by its fact's name
    uplinks: Sequence[RouteReport] = ()  # of the node's own traffic, one for each IP version
    model_errors: Mapping[str, str] = field(default_factory=dict)  # what of the model of the machine cannot be
    wpad: Mapping[str, str] = field(default_factory=dict)  # URL of the PAC file that was found, by interface
    configured: bool = False  # by a device config
    radio_silence: bool = False
    local_server: Mapping[str, Any] | None = None  # what the local profile server is, and why it does not answer
    booted: float = 0.0  # what turns the clock of `uplinks` into seconds since the epoch

    @property
    def config(self) -> DeviceConfig:
        return self.planner.inputs.config


def status_document(view: View) -> dict[str, Any]:
    """The whole status as plain values."""
    counts = dict(view.counts)
    return {
        "agent": dict(view.agent),
        "state": _state(view),
        "confirm_until": timestamp(view.unconfirmed_until),
        "confirm_by": view.unconfirmed_by,
        "unreachable_since": timestamp(view.unreachable_since),
        "radio_silence": view.radio_silence,
        "led": _led(view),
        "local_server": view.local_server,
        "dpc": dpc_summary(view.verification),
        "uplinks": [_own_route(view, report) for report in view.uplinks],
        "ports": port_documents(view),
        "network_instances": [_instance(view, config.key) for config in view.config.network_instances if config.active],
        "apps": _apps(view),
        "items": counts,
        "problems": [dict(problem) for problem in view.problems],
    }


def _state(view: View) -> str:
    """An app that does not run yet keeps no node from being converged; a port that is not there does."""
    if view.verification.phase is Phase.FAILED:
        return "failed"
    if view.verification.phase in (Phase.WAITING, Phase.TESTING):
        return "converging"
    fallback = view.verification.current > 0  # what was asked for does not work; something else does
    if fallback or view.counts["failed"] or view.problems or any(view.planner.errors.values()):
        return "degraded"
    if not view.settled and view.counts["pending"]:
        return "converging"
    return "converged" if all(isinstance(name, tuple) and name[0] == "vif" for name in view.unsettled) else "degraded"


def _led(view: View) -> int:
    """What EVE shows by blinking so often (EVE: C.10)."""
    adapters = [adapter for adapter in view.planner.inputs.adapters if adapter.management and adapter.has_ip]
    facts = Facts(view.facts)
    if view.radio_silence:
        return 5
    if not any(addressing(adapter, facts).addresses for adapter in adapters):
        return 1
    if view.verification.phase is not Phase.COMMITTED or view.unreachable_since is not None:
        return 2
    return 4 if view.configured else 3


def dpc_summary(state: State) -> dict[str, Any]:
    """The DPC in use."""
    candidate = state.candidate
    if candidate is None:
        return {"key": None, "state": "none", "fallback": False, "time_priority": None, "last_error": None}
    return {
        "key": candidate.key,
        "state": _phase(state),
        "fallback": state.current > 0,
        "time_priority": timestamp(candidate.dpc.time_priority),
        "last_error": state.candidates[0].results.last_error or None,
    }


def _phase(state: State) -> str:
    match state.phase:
        case Phase.COMMITTED:
            return "fallback" if state.current > 0 else "success"
        case Phase.FAILED:
            return "fail"
        case Phase.IDLE:
            return "none"
        case _:
            return "testing"


def verdict_document(verdict: PortVerdict, at: float | None = None) -> dict[str, Any]:
    """What a test of one port said, and each request of it.

    :param at: when it was, since the epoch
    """
    found: dict[str, Any] = {"label": verdict.label, "reason": str(verdict.reason)}
    found |= {"error": verdict.error or None, "warning": verdict.warning or None}
    attempts = [{name: value or None for name, value in asdict(attempt).items()} for attempt in verdict.attempts]
    return found | {"attempts": attempts} | ({"time": timestamp(at)} if at is not None else {})


def dpc_list(state: State, outlook: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Every candidate, first choice first.

    :param outlook: lines for people on the one in use
    """
    listed = [_candidate(state, i, candidate) for i, candidate in enumerate(state.candidates)]
    return [entry | {"outlook": list(outlook) if entry["current"] else []} for entry in listed]


def _candidate(state: State, index: int, candidate: Candidate) -> dict[str, Any]:
    results = candidate.results
    return {
        "index": index,
        "key": candidate.key,
        "current": index == state.current,
        "state": _phase(state) if index == state.current else _past(results),
        "time_priority": timestamp(candidate.dpc.time_priority),
        "last_succeeded": timestamp(results.last_succeeded),
        "last_failed": timestamp(results.last_failed),
        "last_error": results.last_error or None,
        "last_warning": results.last_warning or None,
        "ports": [adapter.label for adapter in candidate.dpc.adapters],
        "results": [_tested(candidate, adapter) for adapter in candidate.dpc.adapters],
    }


def _tested(candidate: Candidate, adapter: Adapter) -> dict[str, Any]:
    results = candidate.port(adapter.label)
    return {
        "label": adapter.label,
        "ifname": adapter.ifname or None,
        "usage": str(adapter.usage),
        "origin": str(adapter.source.origin),
        "last_succeeded": timestamp(results.last_succeeded),
        "last_failed": timestamp(results.last_failed),
        "error": results.last_error or None,
        "warning": results.last_warning or None,
    }


def _past(results: Results) -> str:
    if results.untested:
        return "none"
    return "success" if results.worked else "fail"


def _own_route(view: View, report: RouteReport) -> dict[str, Any]:
    """Where the node's own traffic of one IP version goes, and how every uplink stands for that."""
    return {
        "version": own_route_version(report.key),
        "selected": report.selected or None,
        "because": report.because,
        "since": timestamp(view.booted + report.since),
        "ports": [
            {
                "label": port.label,
                "state": str(port.standing),
                "evidence": port.evidence,
                "latency_ms": None if port.latency is None else round(port.latency * 1000, 1),
            }
            for port in report.ports
        ],
    }


def _port(view: View, adapter: Adapter) -> dict[str, Any]:
    facts = Facts(view.facts)
    link: LinkFact | None = view.facts.get(link_fact(adapter.ifname))
    below: LinkFact | None = view.facts.get(link_fact(lower_name(adapter.ifname)))
    has = addressing(adapter, facts)
    candidate = view.verification.candidate
    results = candidate.port(adapter.label) if candidate else Results()
    planning = view.planner.errors.get(("adapter", adapter.label)) or []
    known = view.planner.hardware.port(adapter.ifname, facts) if not (adapter.vlan or adapter.bond) else None
    model = _model_error(view, adapter)
    seen = below or link
    carrier = seen.carrier if seen else None
    present = below is not None or (link is not None and link.kind != "bridge")  # an adapter outlives its port
    return {
        "label": adapter.label,
        "ifname": adapter.ifname or None,
        "kind": str(adapter.kind),
        "present": present,
        "carrier": carrier,
        "mac": (link.mac if link else "") or None,
        "mtu": link.mtu if link else adapter.mtu or has.mtu or DEFAULT_MTU,
        "usage": str(adapter.usage),
        "cost": adapter.cost,
        "shared_labels": sorted(adapter.labels),
        "addresses": [str(address) for address in has.addresses],
        "gateways": [str(gateway) for gateway in has.gateways],
        "dns_servers": [str(server) for server in has.dns],
        "ntp_servers": list(has.ntp),
        "domain": has.domain or None,
        "table": adapter.table or None,
        "last_succeeded": timestamp(results.last_succeeded),
        "last_failed": timestamp(results.last_failed),
        "error": model
        or _port_error(adapter, planning, carrier if present else None, results)
        or _ip_error(adapter, has, facts),
        "wpad_url": view.wpad.get(adapter.ifname),
        "local_error": view.refused.get(adapter.label),
        "warning": None
        if model
        else results.last_warning
        or _other_name(adapter.ifname, adapter.configured_ifname)
        or mismatch(adapter.kind, adapter.pci, adapter.usb, known)
        or None,
        **_hardware(adapter.pci, adapter.usb, known),
    }


def _hardware(pci: str, usb: str, known: KnownPort | None) -> dict[str, Any]:
    """The device behind a port: addresses as found, or else as configured, and what plugins know about it."""
    identity = known.identity if known else None
    return {
        "pci": (identity.pci if identity else "") or pci or None,
        "usb": (identity.usb if identity else "") or usb or None,
        "driver": (known.device.driver if known else "") or None,
        "quirks": [_quirks(plugin, quirks) for plugin, quirks in (known.quirks if known else ())],
    }


def _quirks(plugin: str, quirks: PortQuirks) -> dict[str, Any]:
    """`not_acted_on` names what is known, shown, and left to others so far."""
    shown = {"settle_seconds": quirks.settle_seconds or None, "max_virtual_functions": quirks.max_virtual_functions}
    return {
        "plugin": plugin,
        "reason": quirks.reason,
        "offloads_off": list(quirks.offloads_off),
        **shown,
        "not_acted_on": [name for name, value in shown.items() if value is not None],
    }


def _port_error(adapter: Adapter, planning: list[str], carrier: bool | None, results: Results) -> str | None:
    """What is wrong now beats what an earlier test said. `carrier` None = there is no such link."""
    if planning:
        return "; ".join(planning)
    if carrier is None:
        return f"interface {adapter.ifname or f'of {adapter.label}'} is missing"
    if not carrier:
        return f"link not up for interface {adapter.ifname}"
    return results.last_error or None if results.has_error else None


def _ip_error(adapter: Adapter, has: Addressing, facts: Facts) -> str | None:
    """What is wrong with an adapter's addresses."""
    if not adapter.has_ip:
        return None
    if not has.addresses and adapter.ip.mode is IpMode.DHCP:
        return f"interface {adapter.ifname} has no address: nobody answers its DHCP client"
    return "; ".join(map(str, facts.get(conflicts_fact(adapter.ifname)) or ())) or None


def _model_error(view: View, adapter: Adapter) -> str:
    """What the model of the machine says of the port under an adapter that cannot be."""
    names = {adapter.ifname, adapter.configured_ifname} - {""}
    under = (port.label for port in view.config.ports if port.interface in names or port.label == adapter.label)
    return next((text for label in under if (text := view.model_errors.get(label))), "")


def _other_name(ifname: str, configured: str) -> str:
    return f"interface is {ifname}, and {configured} in the config: found by its place" if configured else ""


def port_documents(view: View) -> list[dict[str, Any]]:
    """Every adapter, and every other port of the config."""
    return [_port(view, adapter) for adapter in view.planner.inputs.adapters] + _unused_ports(view)


def _unused_ports(view: View) -> list[dict[str, Any]]:
    """Devices of the config that no adapter stands on: dedicated, disabled, simply not used; or no network device."""
    adapters = view.planner.inputs.adapters
    used = {name for adapter in adapters for name in (adapter.ifname, adapter.configured_ifname) if name}
    used_labels = {adapter.label for adapter in adapters}
    bare = [port for port in view.config.ports if port.interface not in used and port.label not in used_labels]
    return [_bare_port(view, port) for port in bare]


def _bare_port(view: View, port: Port) -> dict[str, Any]:
    ifname = view.planner.hardware.place(port, view.facts)
    link: LinkFact | None = view.facts.get(link_fact(ifname))
    known = view.planner.hardware.port(ifname, Facts(view.facts))
    model = view.model_errors.get(port.label)
    other = _other_name(ifname, port.interface if ifname != port.interface else "")
    kind = known.identity.kind if known and known.identity and port.kind is PortKind.OTHER else port.kind
    usage = {PortUse.DEDICATED: Usage.DEDICATED, PortUse.DISABLED: Usage.DISABLED}.get(port.use, Usage.L2_ONLY)
    nothing = ("domain", "table", "last_succeeded", "last_failed", "local_error", "wpad_url")
    empty: dict[str, Any] = dict.fromkeys(nothing, None)
    return {
        "label": port.label,
        "ifname": ifname or None,
        "kind": str(kind),
        "present": link is not None or (not ifname and model is None),
        "carrier": link.carrier if link else None,
        "mac": (link.mac if link else "") or None,
        "mtu": link.mtu if link else None,
        "usage": str(usage),
        "cost": 0,
        "shared_labels": [],
        "addresses": [],
        "gateways": [],
        "dns_servers": [],
        "ntp_servers": [],
        **empty,
        "error": model,
        "warning": None if model else other or mismatch(port.kind, port.pci, port.usb, known) or None,
        **_hardware(port.pci, port.usb, known),
    }


def _instance(view: View, key: str) -> dict[str, Any]:
    instance = view.planner.instances.get(key)
    config = next(i for i in view.config.network_instances if i.key == key)
    errors = _errors(view, ("instance", key))
    if instance is None:
        return (
            {"name": config.name, "uuid": key, "type": str(config.type), "error": errors or "not planned yet"}
            | dict.fromkeys(("bridge", "subnet", "gateway", "table", "mtu"))
            | {"ports": [], "routes": []}
        )
    return {
        "name": config.name,
        "uuid": key,
        "type": str(config.type),
        "bridge": instance.bridge,
        "subnet": str(instance.subnet) if instance.subnet else None,
        "gateway": str(instance.gateway.ip) if instance.gateway else None,
        "ports": [port.label for port in instance.ports],
        "table": instance.table or None,
        "routes": [
            _route(route, view.reasons.get(route_choice_fact(key, route.destination)))
            for route in instance.routes
            if route.port  # what leads to the bridge itself, or nowhere, is no way out
        ],
        "mtu": instance.mtu,
        "error": errors,
    }


def _route(route: InstanceRoute, reason: str | None) -> dict[str, Any]:
    return {
        "dst": str(route.destination),
        "via": str(route.via) if route.via else None,
        "port": route.port or None,
        "selected_because": reason or route.because or None,
    }


def _apps(view: View) -> list[dict[str, Any]]:
    names = {instance.key: instance.name for instance in view.config.network_instances}
    served = {instance.key for instance in view.config.network_instances if instance.active}
    by_app: dict[str, list[Vif]] = {}
    for members in view.planner.inputs.vifs.values():
        for vif in members:
            by_app.setdefault(vif.app_key, []).append(vif)
    apps = []
    for app in view.config.apps:
        order = {interface.name: i for i, interface in enumerate(app.interfaces)}
        vifs = sorted(by_app.get(app.key, []), key=lambda vif: order.get(vif.name, 0))
        unserved = len([vif for vif in vifs if vif.instance in served]) < len(app.interfaces)
        waits = unserved or any(("vif", vif.app_key, vif.name) in view.unsettled for vif in vifs)
        interfaces = [_interface(view, vif, names) for vif in vifs]
        state = _app_state(app.active, waits, interfaces)
        apps.append({"name": app.name, "uuid": app.key, "state": state, "interfaces": interfaces})
    return apps


def _app_state(active: bool, waits: bool, interfaces: list[dict[str, Any]]) -> str:
    """`waits`: some interface's network instance is not there, or not active; or the app's own end is not there yet."""
    if not active:
        return "inactive"
    if any(interface["error"] for interface in interfaces):
        return "error"
    return "waiting" if waits else "connected"


def _interface(view: View, vif: Vif, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": vif.name,
        "network_instance": names.get(vif.instance, vif.instance),
        "vif": vif.ifname,
        "mac": vif.mac,
        "addresses": [str(address) for address in vif.addresses],
        "access_vlan": vif.access_vlan or None,
        "error": _errors(view, ("vif", vif.app_key, vif.name)),
    }


def _errors(view: View, name: ObjectId) -> str | None:
    """What is wrong with an object: it cannot be planned, or an item of it cannot be made."""
    return "; ".join(view.planner.errors.get(name) or []) or view.unsettled.get(name) or None
