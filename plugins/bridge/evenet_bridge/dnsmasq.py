"""Addresses and names of a local network instance: the configuration of its dnsmasq. Pure.

What changes often stands in files that dnsmasq reads again on SIGHUP: upstream servers, the record of each app's
interface, names. What is left restarts it, in some 20 ms; it keeps no leases on disk, because each lease is decided by
a record: a client that renews gets its own address again (`dhcp-authoritative`). Those records must set no tags, for
dnsmasq 2.90 dies when it reads a tagged one again after a lease; who needs other options is named by `dhcp-mac`.

dnsmasq remembers a lease until it ends, even if the record is gone, and would refuse the address to another MAC. An
address that passed on (`Vif.passed_on`) is therefore named in the main file: that restarts dnsmasq and it forgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from evenet_core.linux.address import address_key
from evenet_core.linux.daemon import Daemon
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.policy import host_set_name
from evenet_core.model.resolved import Instance, InstanceRoute, Vif
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.item import Requires

__all__ = ["plan_dnsmasq", "service_name"]

LEASE = "60m"
FIREWALL_TABLE = "bridge#evenet"  # where the sets of host rules are

# dnsmasq(8). `static` ranges serve nobody but those that have a record.
COMMON = """\
bind-interfaces
except-interface=lo
no-hosts
no-resolv
no-poll
no-ping
bogus-priv
expand-hosts
neg-ttl=10
cache-size=1000
quiet-dhcp
quiet-dhcp6
quiet-ra
leasefile-ro
dhcp-authoritative
dhcp-ignore-names
dhcp-lease-max=65536
user=nobody
group=nogroup
pid-file=
log-facility=-
servers-file={dir}/servers
dhcp-hostsfile={dir}/dhcp-hosts
addn-hosts={dir}/names
"""


def plan_dnsmasq(instance: Instance) -> Daemon:
    """The daemon that gives the instance's apps their addresses and answers their questions for names."""
    assert instance.gateway is not None
    gateway = str(instance.gateway.ip)
    vifs = [vif for vif in instance.vifs if vif.addresses and not vif.error]
    config = [f"interface={instance.bridge}", *_range(instance), *_options(instance, vifs), *_names(instance)]
    config += [f"# {vif.addresses[0]} passed on: {vif.passed_on}" for vif in vifs if vif.passed_on]
    return Daemon(
        service_name(instance.bridge),
        argv=("dnsmasq", "--keep-in-foreground", "--conf-file={dir}/dnsmasq.conf"),
        files=(("dnsmasq.conf", COMMON + _lines(config)),),
        reloadable=(
            ("servers+r", _lines(_servers(instance))),
            ("dhcp-hosts+r", _lines(map(_record, vifs))),
            ("names+r", _lines(_hosts(instance, vifs))),
        ),
        needs=(Requires(address_key(instance.bridge, gateway), "it listens at this address"),),
    )


def service_name(bridge: str) -> str:
    """Name of the daemon of an instance."""
    return f"dnsmasq-{bridge}"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# -- DHCP ---------------------------------------------------------------------------------------------


def _range(instance: Instance) -> Iterable[str]:
    assert instance.subnet is not None
    subnet = instance.subnet
    if subnet.version == 4:
        yield f"dhcp-range={subnet.network_address},static,{subnet.netmask},{LEASE}"
        return
    # seconds between announcements, and for which the node is a default router after one (0 = it is none)
    lifetime = 1800 if instance.announce_default else 0
    yield f"dhcp-range={subnet.network_address},static,{max(subnet.prefixlen, 64)},{LEASE}"
    yield "enable-ra"
    yield f"ra-param={instance.bridge},mtu:{instance.mtu},low,60,{lifetime}"


def _options(instance: Instance, vifs: Sequence[Vif]) -> Iterable[str]:
    assert instance.gateway is not None
    if instance.gateway.version == 6:
        yield from _options6(instance)
        return
    if instance.host_routes_only:
        yield "dhcp-option=option:netmask,255.255.255.255"
    servers = [str(server) for server in instance.app_dns if server.version == 4]
    if servers or not instance.announce_default:  # a resolver that knows nothing beyond is not handed out unasked
        yield _option("dns-server", servers)
    times = [str(server) for server in instance.app_ntp if server.version == 4]
    if times:
        yield _option("ntp-server", times)
    yield _option("mtu", [str(instance.mtu)])
    yield from _routes(instance.app_routes)
    for vif in vifs:
        if any(route.via in vif.addresses for route in instance.app_routes):
            tag = f"gateway-{vif.addresses[0]}"
            yield f"dhcp-mac=set:{tag},{vif.mac}"
            yield from _routes([route for route in instance.app_routes if not _is_own(route, vif)], tag)


def _routes(routes: Sequence[InstanceRoute], tag: str = "") -> Iterable[str]:
    """Classless routes (RFC 3442), each destination once; the default among them also as router, for old clients."""
    ways: dict[str, str] = {}
    for route in routes:
        ways.setdefault(str(route.destination), str(route.via) if route.via is not None else "0.0.0.0")
    default = ways.get("0.0.0.0/0")
    yield _option("router", [default] if default else [], tag)
    if ways or tag:
        yield _option("classless-static-route", [part for way in ways.items() for part in way], tag)


def _options6(instance: Instance) -> Iterable[str]:
    """Routes come with router announcements, of which dnsmasq knows the default only."""
    servers = [f"[{server}]" for server in instance.app_dns if server.version == 6]
    if servers or not instance.announce_default:
        yield _option("dns-server", servers, family="option6")
    times = [f"[{server}]" for server in instance.app_ntp if server.version == 6]
    if times:
        yield _option("sntp-server", times, family="option6")


def _option(name: str, values: Sequence[str], tag: str = "", family: str = "option") -> str:
    """An option without values is sent empty or not at all: dnsmasq's own default is not sent either."""
    start = f"tag:{tag}," if tag else ""
    return f"dhcp-option={start}{family}:{','.join((name, *values))}"


def _record(vif: Vif) -> str:
    """Who the interface is: by its MAC alone, so that whatever runs in the app gets the same address."""
    [address, *_] = vif.addresses
    where = f"[{address}]" if address.version == 6 else str(address)
    client = ["id:*"] if address.version == 4 else []
    name = [vif.app_key] if is_dns_name(vif.app_key) and "." not in vif.app_key else []
    return ",".join([vif.mac, *client, where, *name])


def _is_own(route: InstanceRoute, vif: Vif) -> bool:
    """Whether a route leads through this interface, or to it."""
    return route.via in vif.addresses or route.destination in map(ip_network, vif.addresses)


# -- DNS ----------------------------------------------------------------------------------------------


def _names(instance: Instance) -> Iterable[str]:
    """The domain, and the names whose addresses the firewall wants to know."""
    domain = instance.config.domain.rstrip(".")
    if is_dns_name(domain):
        yield f"domain={domain}"
    for name in instance.host_sets:
        if is_dns_name(name.rstrip(".")):
            sets = ",".join(f"{v}#{FIREWALL_TABLE}#{host_set_name(name, v)}" for v in (4, 6))
            yield f"nftset=/{name.rstrip('.')}/{sets}"


def _servers(instance: Instance) -> Iterable[str]:
    """Each server is asked through its own port, with an address of that port."""
    for server, link in instance.dns_servers:
        scope = f"%{link}" if server.version == 6 and server.is_link_local else ""
        yield f"server={server}{scope}@{link}"


def _hosts(instance: Instance, vifs: Sequence[Vif]) -> Iterable[str]:
    """hosts(5): the instance itself, its static entries, its apps by their names."""
    assert instance.gateway is not None
    entries: list[tuple[IPAddress, str]] = [(instance.gateway.ip, "router")]
    entries += [(address, host.name.rstrip(".")) for host in instance.config.hosts for address in host.addresses]
    entries += [(address, vif.app) for vif in vifs for address in vif.addresses]
    return dict.fromkeys(f"{address} {name}" for address, name in entries if is_dns_name(name))
