"""Reads a network model. Unknown keys and unknown words of enumerations are ignored, as Eden does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_interface
from pathlib import Path

from evenet_core.formats.decode import MAX_BYTES, decode
from evenet_core.formats.fields import Fields
from evenet_core.formats.report import Report, Unreadable
from evenet_core.lab.model import (
    Bridge,
    Dhcp,
    Endpoint,
    EndpointKind,
    FirewallRule,
    Name,
    Network,
    NetworkModel,
    Page,
    Port,
    Router,
    RouteTowardsDevice,
    Segment,
    TrafficControl,
)
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.values import IPInterface, IPNetwork

__all__ = ["read_model"]

MAX_MTU, MIN_MTU = 16110, 1280


def read_model(path: Path) -> NetworkModel:
    """The model in a file.

    :raises ConfigError: with every problem of the file.
    :raises OSError: it cannot be read.
    """
    report = Report(str(path))
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        model = _model(Fields(decode(data, path.name, report), "", report))
        _check(model, report)
    except Unreadable:
        model = NetworkModel()
    report.raise_problems()
    return model


def _model(top: Fields) -> NetworkModel:
    endpoints = top.child("endpoints")
    host = top.child("host")
    return NetworkModel(
        ports=tuple(_port(port) for port in top.children("ports")),
        bonds=tuple(bond.text("logicalLabel") for bond in top.children("bonds")),
        bridges=tuple(_bridge(bridge) for bridge in top.children("bridges")),
        networks=tuple(_network(network) for network in top.children("networks")),
        endpoints=tuple(_endpoint(one, kind) for kind in EndpointKind for one in endpoints.children(kind)),
        firewall=tuple(_rule(rule) for rule in top.child("firewall").children("rules")),
        controller_addresses=host.addresses("hostIPs"),
        controller_port=host.within("controllerPort", 0, 65535),
    )


def _port(port: Fields) -> Port:
    device = port.child("eveConnect")
    return Port(
        label=port.text("logicalLabel", longest=128),
        mac=port.text("mac", longest=17).lower(),
        up=port.flag("adminUP"),
        device_mac=device.text("mac", longest=17).lower(),
        traffic=_traffic(port.child("trafficControl")) if port.has("trafficControl") else None,
    )


def _traffic(traffic: Fields) -> TrafficControl:
    def number(name: str) -> int:
        return traffic.within(name, 0, 2**31)

    return TrafficControl(
        delay=number("delay"),
        jitter=number("delayJitter"),
        loss=number("lossProbability"),
        corrupt=number("corruptProbability"),
        duplicate=number("duplicateProbability"),
        reorder=number("reorderProbability"),
        rate=number("rateLimit"),
        queue=number("queueLimit"),
        burst=number("burstLimit"),
    )


def _bridge(bridge: Fields) -> Bridge:
    return Bridge(
        label=bridge.text("logicalLabel", longest=128),
        ports=bridge.texts("ports", 128),
        bonds=bridge.texts("bonds", 128),
        stp=bridge.flag("withSTP"),
    )


def _network(network: Fields) -> Network:
    dual = network.child("dualStack")
    sources = [dual.child("ipv4"), dual.child("ipv6")] if network.has("dualStack") else [network]
    router = network.child("router")
    return Network(
        label=network.text("logicalLabel", longest=128),
        bridge=network.text("bridge", longest=128),
        vlan=network.within("vlanID", 0, 4094),
        mtu=network.within("mtu", MIN_MTU, MAX_MTU) or 1500,
        segments=tuple(segment for source in sources if (segment := _segment(source)) is not None),
        transparent_proxy=network.text("transparentProxy", longest=128),
        router=_router(router) if network.raw("router") is not None else None,
    )


def _segment(source: Fields) -> Segment | None:
    subnet, gateway = source.network("subnet"), source.address("gwIP")
    if subnet is None or gateway is None:
        return None
    return Segment(subnet=subnet, gateway=gateway, dhcp=_dhcp(source.child("dhcp")))


def _dhcp(dhcp: Fields) -> Dhcp:
    addresses = dhcp.child("ipRange")
    leases = [(lease.text("mac", longest=17).lower(), lease.address("ip")) for lease in dhcp.children("staticEntries")]
    return Dhcp(
        enabled=dhcp.flag("enable"),
        start=addresses.address("fromIP"),
        end=addresses.address("toIP"),
        leases=tuple((mac, address) for mac, address in leases if address is not None),
        default_route=not dhcp.flag("withoutDefaultRoute"),
        domain=dhcp.text("domainName", longest=253),
        public_dns=dhcp.addresses("publicDNS"),
        private_dns=dhcp.texts("privateDNS", 128),
        public_ntp=dhcp.text("publicNTP", longest=253),
        private_ntp=dhcp.text("privateNTP", longest=128),
        wpad=dhcp.text("wpad", longest=255),
        netboot=dhcp.text("netbootServer", longest=128),
    )


def _router(router: Fields) -> Router:
    routes = [(route.network("dstNetwork"), route.address("gateway")) for route in router.children("routesTowardsEVE")]
    return Router(
        outside=router.flag("outsideReachability"),
        endpoints=router.texts("reachableEndpoints", 128),
        networks=router.texts("reachableNetworks", 128),
        routes=tuple(
            RouteTowardsDevice(destination=destination, gateway=gateway)
            for destination, gateway in routes
            if destination is not None and gateway is not None
        ),
    )


def _endpoint(endpoint: Fields, kind: EndpointKind) -> Endpoint:
    dual, direct = endpoint.child("dualStack"), endpoint.child("directL2Connect")
    sources = [dual.child("ipv4"), dual.child("ipv6")] if endpoint.has("dualStack") else [endpoint]
    paths = endpoint.raw("paths")
    pages = endpoint.child("paths")
    http, https = endpoint.child("httpProxy"), endpoint.child("httpsProxy")
    return Endpoint(
        label=endpoint.text("logicalLabel", longest=128),
        kind=kind,
        fqdn=endpoint.text("fqdn", longest=253),
        addresses=tuple(address for source in sources if (address := _address(source)) is not None),
        mtu=endpoint.within("mtu", MIN_MTU, MAX_MTU) or 1500,
        bridge=direct.text("bridge", longest=128),
        vlan=direct.within("vlanID", 0, 4094),
        names=tuple(
            Name(fqdn=name.text("fqdn", longest=253), ip=name.text("ip", longest=253))
            for name in endpoint.children("staticEntries")
        ),
        upstreams=endpoint.texts("upstreamServers", 253),
        http_port=endpoint.within("httpPort", 0, 65535) or http.within("port", 0, 65535),
        https_port=endpoint.within("httpsPort", 0, 65535) or https.within("port", 0, 65535),
        http_tls=http.text("listenProto").lower() == "https",
        https_tls=https.text("listenProto").lower() == "https",
        users=tuple((user.text("username"), user.text("password")) for user in endpoint.children("users")),
        rules=tuple(
            (rule.text("reqHost", longest=253).lower(), rule.text("action", "forward").lower())
            for rule in endpoint.children("proxyRules")
        ),
        ca=_pem(endpoint.long_text("caCertPEM")),
        ca_key=_pem(endpoint.long_text("caKeyPEM")),
        public_dns=endpoint.addresses("publicDNS"),
        private_dns=endpoint.texts("privateDNS", 128),
        certificate=_pem(endpoint.long_text("certPEM")),
        key=_pem(endpoint.long_text("keyPEM")),
        pages=tuple((str(path), _page(pages.child(path))) for path in paths) if isinstance(paths, dict) else (),
    )


def _page(page: Fields) -> Page:
    return Page(content_type=page.text("contentType", "text/plain", 255), content=page.long_text("content"))


def _pem(text: str) -> str:
    """PEM text as it is, or in base64 as some tools write it."""
    if not text or "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode(text, validate=True).decode("ascii", "replace")
    except (binascii.Error, ValueError):
        return text


def _address(source: Fields) -> IPInterface | None:
    subnet, address = source.network("subnet"), source.address("ip")
    return ip_interface(f"{address}/{subnet.prefixlen}") if subnet is not None and address is not None else None


def _rule(rule: Fields) -> FirewallRule:
    ports = [port for port in rule.raw("ports") or () if isinstance(port, int) and 0 < port < 65536]
    protocol, action = rule.text("protocol").lower(), rule.text("action").lower()
    return FirewallRule(
        source=rule.network("srcSubnet"),
        destination=rule.network("dstSubnet"),
        protocol=protocol if protocol in ("icmp", "tcp", "udp") else "any",
        ports=tuple(ports),
        action=action if action in ("reject", "drop") else "allow",
    )


# -- what does not fit together -----------------------------------------------------------------------


def _check(model: NetworkModel, report: Report) -> None:
    groups = {
        "ports": [port.label for port in model.ports],
        "bonds": list(model.bonds),
        "bridges": [bridge.label for bridge in model.bridges],
        "networks": [network.label for network in model.networks],
        "endpoints": [endpoint.label for endpoint in model.endpoints],
    }
    for where, labels in groups.items():
        for place, label in enumerate(labels):
            path = f"{where}[{place}].logicalLabel" if where != "endpoints" else f"endpoints.{label}.logicalLabel"
            if not label:
                report.problem(path, "has no label", "give it one")
            elif label in labels[:place]:
                report.problem(path, f"{label} is the label of another one", "labels are unique")
    for path, label, known in _references(model, groups):
        if label and label not in known:
            report.problem(path, f"there is no {label}", f"one of {', '.join(known) or 'none'}")
    for path, name in _names(model):
        if name and not is_dns_name(name.rstrip(".")):
            report.problem(path, f"{name} is no host name", "letters, digits, hyphens and dots")
    for path, inside, subnet in _inside(model):
        if inside not in subnet:
            report.problem(path, f"{inside} is outside of {subnet}", "use an address of the subnet")


def _references(model: NetworkModel, groups: dict[str, list[str]]) -> Iterator[tuple[str, str, list[str]]]:
    """Path, label that stands there, and the labels that may."""
    of_kind: Callable[[EndpointKind], list[str]] = lambda kind: [e.label for e in model.endpoints if e.kind is kind]  # noqa: E731
    for place, bridge in enumerate(model.bridges):
        yield from ((f"bridges[{place}].ports", label, groups["ports"]) for label in bridge.ports)
        yield from ((f"bridges[{place}].bonds", label, groups["bonds"]) for label in bridge.bonds)
    for place, network in enumerate(model.networks):
        path = f"networks[{place}]"
        yield f"{path}.bridge", network.bridge or "(none)", groups["bridges"]
        yield f"{path}.transparentProxy", network.transparent_proxy, of_kind(EndpointKind.TRANSPARENT_PROXY)
        if network.router is not None:
            yield from ((f"{path}.router.reachableEndpoints", e, groups["endpoints"]) for e in network.router.endpoints)
            yield from ((f"{path}.router.reachableNetworks", n, groups["networks"]) for n in network.router.networks)
        for segment in network.segments:
            yield from ((f"{path}.dhcp.privateDNS", d, of_kind(EndpointKind.DNS)) for d in segment.dhcp.private_dns)
            yield f"{path}.dhcp.privateNTP", segment.dhcp.private_ntp, of_kind(EndpointKind.NTP)
            yield f"{path}.dhcp.netbootServer", segment.dhcp.netboot, of_kind(EndpointKind.NETBOOT)
    for endpoint in model.endpoints:
        yield f"endpoints.{endpoint.label}.directL2Connect.bridge", endpoint.bridge, groups["bridges"]


def _names(model: NetworkModel) -> Iterable[tuple[str, str]]:
    for place, network in enumerate(model.networks):
        yield from ((f"networks[{place}].dhcp.domainName", segment.dhcp.domain) for segment in network.segments)
    for endpoint in model.endpoints:
        yield f"endpoints.{endpoint.label}.fqdn", endpoint.fqdn
        for name in endpoint.names:
            if not name.fqdn.startswith("endpoint-fqdn."):
                yield f"endpoints.{endpoint.label}.staticEntries", name.fqdn


def _inside(model: NetworkModel) -> Iterator[tuple[str, object, IPNetwork]]:
    for place, network in enumerate(model.networks):
        for segment in network.segments:
            yield f"networks[{place}].gwIP", segment.gateway, segment.subnet
            for end in (segment.dhcp.start, segment.dhcp.end):
                if end is not None:
                    yield f"networks[{place}].dhcp.ipRange", end, segment.subnet
