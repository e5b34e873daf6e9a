"""Configurations of the site's dnsmasq(8): leases and router announcements of networks, names of DNS servers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from evenet_core.lab.model import Dhcp, Endpoint, EndpointKind, Name, Network, NetworkModel, Segment
from evenet_core.lab.plan import NTP_POOL, Internet
from evenet_core.model.values import IPAddress

__all__ = ["CONTROLLER_NAME", "lease_service", "name_service", "public_names"]

CONTROLLER_NAME = "mydomain.adam"
LEASE = "60m"
COMMON = ("keep-in-foreground", "no-hosts", "no-resolv", "no-poll", "user=nobody", "group=nogroup", "pid-file=")


# -- leases -------------------------------------------------------------------------------------------


def lease_service(network: Network, model: NetworkModel, bridge: str) -> str:
    """Configuration of a network's DHCP and router announcements; empty if it has neither."""
    served = [segment for segment in network.segments if segment.dhcp.enabled or segment.subnet.version == 6]
    if not served:
        return ""
    lines = [*COMMON, "port=0", f"interface={bridge}", "except-interface=lo", "bind-interfaces", "no-ping"]
    lines += ["dhcp-authoritative", f"dhcp-leasefile=/run/{bridge}.leases"]
    for segment in served:
        lines += _leases4(segment, model) if segment.subnet.version == 4 else _leases6(segment, model, bridge)
    domain = next((segment.dhcp.domain for segment in served if segment.dhcp.domain), "")
    return _text([*lines, f"domain={domain}"] if domain else lines)


def _leases4(segment: Segment, model: NetworkModel) -> Iterable[str]:
    dhcp, subnet = segment.dhcp, segment.subnet
    start, end = dhcp.start or subnet.network_address + 1, dhcp.end or subnet.broadcast_address - 1
    yield f"dhcp-range={start},{end},{subnet.netmask},{LEASE}"
    yield from (f"dhcp-host={mac},{address}" for mac, address in dhcp.leases)
    yield _option("option:router", [str(segment.gateway)] if dhcp.default_route else [])
    yield _option("option:dns-server", [str(server) for server in _dns(dhcp, model, 4)])
    times = [str(server) for server in _ntp(dhcp, model, 4)]
    if times:
        yield _option("option:ntp-server", times)
    if dhcp.wpad:
        yield f"dhcp-option=252,{dhcp.wpad}"


def _leases6(segment: Segment, model: NetworkModel, bridge: str) -> Iterable[str]:
    dhcp, subnet = segment.dhcp, segment.subnet
    times = [f"[{server}]" for server in _ntp(dhcp, model, 6)]
    servers = [f"[{server}]" for server in _dns(dhcp, model, 6)]
    yield "enable-ra"
    yield f"ra-param={bridge},10,{1800 if dhcp.default_route else 0}"
    if dhcp.enabled and dhcp.start is not None and dhcp.end is not None:
        yield f"dhcp-range={dhcp.start},{dhcp.end},{subnet.prefixlen},{LEASE}"
        yield from (f"dhcp-host={mac},[{address}]" for mac, address in dhcp.leases)
    else:
        yield f"dhcp-range={subnet.network_address},{'ra-stateless' if times or servers else 'ra-only'},64,{LEASE}"
    if servers:
        yield _option("option6:dns-server", servers)
    if times:
        yield _option("option6:ntp-server", times)


def _option(name: str, values: Sequence[str]) -> str:
    """Without values the option is sent empty or not at all, not with dnsmasq's own default."""
    return f"dhcp-option={','.join((name, *values))}"


def _dns(dhcp: Dhcp, model: NetworkModel, version: int) -> list[IPAddress]:
    private = [address for label in dhcp.private_dns for address in _addresses(model, label)]
    return [server for server in (*dhcp.public_dns, *private) if server.version == version]


def _ntp(dhcp: Dhcp, model: NetworkModel, version: int) -> list[IPAddress]:
    """A public server that is given by its name is one of the pool."""
    found = list(_addresses(model, dhcp.private_ntp)) if dhcp.private_ntp else []
    if dhcp.public_ntp:
        try:
            found.append(ip_address(dhcp.public_ntp))
        except ValueError:
            found += NTP_POOL
    return [server for server in found if server.version == version]


def _addresses(model: NetworkModel, label: str) -> Iterable[IPAddress]:
    return (address.ip for e in model.endpoints if e.label == label for address in e.addresses)


# -- names --------------------------------------------------------------------------------------------


def name_service(endpoint: Endpoint, model: NetworkModel, internet: Internet) -> str:
    """Configuration of a DNS server of the model. Names that it does not know are refused unless it has upstreams."""
    known = [(_fqdn(name, model), address) for name in endpoint.names for address in _meant(name, model, internet)]
    upstreams = [f"server={server}" for server in endpoint.upstreams]
    return _text([*COMMON, "port=53", "cache-size=0", *_entries(known), *upstreams])


def public_names(model: NetworkModel, internet: Internet) -> str:
    """Configuration of the Internet's DNS servers: the names of the model, and some that everybody knows."""
    known = [(CONTROLLER_NAME, address) for address in internet.controller]
    known += [(name, address) for name in ("example.com", "example.org") for address in internet.web]
    known += [("pool.ntp.org", address) for address in NTP_POOL]
    known += [(endpoint.fqdn, address.ip) for endpoint in model.endpoints for address in endpoint.addresses]
    listen = [f"listen-address={server}" for server in internet.dns]
    return _text([*COMMON, "port=53", "cache-size=0", "bind-interfaces", *listen, *_entries(known)])


def _entries(known: Sequence[tuple[str, IPAddress]]) -> Iterable[str]:
    """A name stands for its subdomains too, and is asked of nobody else."""
    names = [(name.rstrip("."), address) for name, address in known if name]
    yield from dict.fromkeys(f"local=/{name}/" for name, _ in names)
    yield from dict.fromkeys(f"address=/{name}/{address}" for name, address in names)


def _fqdn(name: Name, model: NetworkModel) -> str:
    label = name.fqdn.removeprefix("endpoint-fqdn.")
    if label == name.fqdn:
        return name.fqdn
    return next((endpoint.fqdn for endpoint in model.endpoints if endpoint.label == label), "")


def _meant(name: Name, model: NetworkModel, internet: Internet) -> list[IPAddress]:
    """Addresses that an entry stands for."""
    word, _, label = name.ip.partition(".")
    versions = {"4": (4,), "6": (6,)}.get(word[-1:], (4, 6))
    if word in ("adam-ip", "adam-ipv4", "adam-ipv6") and not label:
        return [address for address in internet.controller if address.version in versions]
    if word in ("endpoint-ip", "endpoint-ipv4", "endpoint-ipv6"):
        return [address for address in _addresses(model, label) if address.version in versions]
    try:
        return [ip_address(name.ip)]
    except ValueError:
        return []


def resolvers(endpoint: Endpoint) -> list[str]:
    """Name servers that programs on an endpoint ask."""
    return ["127.0.0.1"] if endpoint.kind is EndpointKind.DNS else ["8.8.8.8", "2001:4860:4860::8888"]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
