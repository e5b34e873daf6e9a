"""Network instances: their subnets, services, ports and routes."""

from __future__ import annotations

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.addresses import check_dns, check_gateway, check_version, versions
from evenet_core.formats.rules.hosts import check_hosts, check_name, check_servers, is_address
from evenet_core.formats.rules.routes import check_routes
from evenet_core.formats.rules.view import View
from evenet_core.model.instances import InstanceType, NetworkInstance
from evenet_core.model.subnets import MIN_ADDRESSES, dhcp_range, gateway
from evenet_core.model.values import IPNetwork

__all__ = ["check_instances"]

LOCAL_ONLY = (
    "subnet",
    "gateway",
    "dhcp_range",
    "domain",
    "dns",
    "ntp",
    "hosts",
    "routes",
    "propagate_connected_routes",
)


def check_instances(view: View) -> None:
    for i, instance in enumerate(view.config.network_instances):
        path: Path = ("network_instances", i)
        if instance.type is InstanceType.LOCAL:
            _check_local(view, path, instance)
        else:
            _check_switch(view, path, instance)
        check_name(view.report, (*path, "domain"), instance.domain)
        check_servers(view.report, (*path, "ntp"), instance.ntp)
        check_hosts(view.report, (*path, "hosts"), instance.hosts)
        for name in ("port", "bpdu_guard_ports"):
            label = getattr(instance, name)
            if label and not view.answering(label):
                view.notice((*path, name), f"{shown(label)} means no adapter: it is as if nothing stood there")
        check_routes(view, path, instance)
        _check_access_ports(view, path, instance)
    _check_switch_ports(view)


# -- switch -------------------------------------------------------------------------------------------


def _check_switch(view: View, path: Path, instance: NetworkInstance) -> None:
    for name in LOCAL_ONLY:
        if getattr(instance, name):
            view.notice((*path, name), "not used: a switch has no IP of its own")


def _check_access_ports(view: View, path: Path, instance: NetworkInstance) -> None:
    if instance.access_ports and instance.type is InstanceType.LOCAL:
        view.notice((*path, "access_ports"), "not used: only switches have access ports")
        return
    mine = {adapter.label for adapter in view.answering(instance.port)}
    vlans: dict[str, int] = {}
    for n, access in enumerate(instance.access_ports):
        here: Path = (*path, "access_ports", n, "port")
        meant = {adapter.label for adapter in view.answering(access.port)}
        if access.port and not meant:
            view.problem(here, f"{shown(access.port)} means no adapter", "write the label of a port of this instance")
        elif not meant <= mine:
            view.problem(here, f"{shown(access.port)} is no port of this instance", "write one of its ports")
        for label in sorted(meant) if access.vlan else ():
            if vlans.setdefault(label, access.vlan) != access.vlan:
                view.problem(here, f"{label} is an access port of VLAN {vlans[label]} already", "one port, one VLAN")


def _check_switch_ports(view: View) -> None:
    """A port is in one bridge: two switches cannot have it both."""
    holders: dict[str, Path] = {}
    for i, instance in enumerate(view.config.network_instances):
        if not instance.active or instance.type is not InstanceType.SWITCH:
            continue
        for adapter in view.answering(instance.port):
            path: Path = ("network_instances", i)
            holder = holders.setdefault(adapter.label, path)
            if holder != path:
                there = view.report.where(holder)
                text = f"port {shown(adapter.label)} is in another switch already"
                view.problem((*path, "port"), text, f"it is in {there}; a port is in one switch")


# -- local --------------------------------------------------------------------------------------------


def _check_local(view: View, path: Path, instance: NetworkInstance) -> None:
    subnet = instance.subnet
    if subnet is None:
        view.problem((*path, "subnet"), "is missing", "write the subnet of the instance, such as 10.1.0.0/24")
        return
    if subnet.num_addresses < MIN_ADDRESSES:
        view.problem((*path, "subnet"), f"{subnet} is too small", f"at least {MIN_ADDRESSES} addresses are needed")
        return
    if subnet.is_multicast or subnet.is_loopback or subnet.is_link_local or subnet.prefixlen == 0:
        view.problem((*path, "subnet"), f"{subnet} is no network of hosts", "write a subnet such as 10.1.0.0/24")
    if subnet.version not in versions(instance.family):
        family = instance.family.value
        view.problem((*path, "family"), f"is {family}, and subnet {subnet} is IPv{subnet.version}", "let them agree")
    check_dns(view.report, (*path, "dns"), instance.dns, (subnet.version,))
    if _check_own(view, path, instance, subnet):
        _check_range(view, path, instance, subnet)
    for n, server in enumerate(instance.ntp):
        if server and not is_address(server):
            view.notice((*path, "ntp", n), "not yet supported: time servers of apps by name; addresses work")


def _check_own(view: View, path: Path, instance: NetworkInstance, subnet: IPNetwork) -> bool:
    """The gateway is the instance's own address."""
    here: Path = (*path, "gateway")
    if instance.gateway is None:
        return True
    check_version(view.report, here, instance.gateway, (subnet.version,))
    if instance.gateway.is_unspecified:
        view.problem(here, f"is {instance.gateway}", "write an address of the subnet, or none: then it is the first")
    elif instance.gateway.version == subnet.version:
        check_gateway(view.report, here, instance.gateway, subnet)
        return instance.gateway in subnet
    return False


def _check_range(view: View, path: Path, instance: NetworkInstance, subnet: IPNetwork) -> None:
    """The range as it is corrected lies in the subnet and leaves the gateway out."""
    here: Path = (*path, "dhcp_range")
    pool, own = dhcp_range(instance), gateway(instance)
    outside = [(name, address) for name, address in (("start", pool.start), ("end", pool.end)) if address not in subnet]
    for name, address in outside:
        view.problem((*here, name), f"{address} is outside of subnet {subnet}", "write an address of the subnet")
    if outside:
        return
    given = f"{pool.start} to {pool.end}"
    if int(pool.start) > int(pool.end):
        view.problem(here, f"{given} holds no address for an app", "write start before end")
    elif int(pool.start) <= int(own) <= int(pool.end):
        view.problem(here, f"{given} contains the gateway {own}", "leave the gateway out of the range")
