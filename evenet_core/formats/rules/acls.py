"""Access rules of apps: matches that can be matched, and actions that can be meant together."""

from __future__ import annotations

from evenet_core.formats.report import Path, shown
from evenet_core.formats.rules.hosts import check_name, is_address
from evenet_core.formats.rules.view import View
from evenet_core.model.instances import AclRule, InstanceType, NetworkInstance, RuleAction

__all__ = ["PROTOCOLS", "check_acls"]

# What firewalls call by name (IANA protocol numbers); a number names any.
PROTOCOLS = frozenset(
    {
        *("all", "icmp", "icmpv6", "ipv6-icmp", "igmp", "tcp", "udp", "udplite"),
        *("dccp", "sctp", "gre", "esp", "ah", "ospf", "vrrp"),
    }
)
WITH_PORTS = frozenset(["tcp", "udp", "dccp", "sctp", "udplite", "6", "17", "33", "132", "136"])
FORWARDED = ("tcp", "udp")


def check_acls(view: View) -> None:
    for path, interface, instance in view.interfaces:
        ids: set[int] = set()
        for r, rule in enumerate(interface.rules):
            here: Path = (*path, "rules", r)
            _check_rule(view, here, rule)
            if instance.type is InstanceType.SWITCH:
                _check_switched(view, here, rule)
            if rule.forward is not None:
                _check_forward(view, here, rule, instance)
            if rule.id and rule.id in ids:
                view.notice((*here, "id"), "another rule of this interface has the same number: logs mix them up")
            ids.add(rule.id)


def _check_rule(view: View, path: Path, rule: AclRule) -> None:
    _check_remote(view, path, rule)
    _check_protocol(view, path, rule)
    if rule.remote_port_end is not None and not (rule.remote_port or 0) <= rule.remote_port_end:
        text = f"{rule.remote_port_end} is less than the first port"
        view.problem((*path, "remote_port_end"), text, "write the lower port first")
    if rule.remote_port_end is not None and rule.remote_port is None:
        view.problem((*path, "remote_port"), "is missing", "write the first port of the range")
    if rule.adapter and rule.forward is None:
        view.problem((*path, "adapter"), "is there without a forward", "only forwards are bound to ports of the node")
    drop = rule.action is RuleAction.DROP
    if drop + (rule.limit is not None) + (rule.forward is not None) > 1:
        what = "limit" if rule.limit is not None else "forward"
        view.problem((*path, what), "is there beside another action", "write two rules: each has one action")


def _check_remote(view: View, path: Path, rule: AclRule) -> None:
    """The remote side is given in one way."""
    check_name(view.report, (*path, "host"), rule.host)
    if rule.host and is_address(rule.host):
        view.problem((*path, "host"), f"{shown(rule.host)} is an address", "write it as remote")
    if (rule.remote is not None) + bool(rule.host) + rule.instance_members > 1:
        name = "host" if rule.host else "instance_members"
        view.problem((*path, name), "is there beside another remote side", "write two rules: they are not added up")


def _check_protocol(view: View, path: Path, rule: AclRule) -> None:
    protocol = rule.protocol
    if protocol and protocol not in PROTOCOLS and not _is_number(protocol):
        view.problem((*path, "protocol"), f"{shown(protocol)} is not known", "write tcp, udp, icmp, all or a number")
    elif (rule.local_port or rule.remote_port) and protocol not in WITH_PORTS:
        name = "local_port" if rule.local_port else "remote_port"
        text = f"is there with protocol {protocol}" if protocol else "is there without a protocol"
        view.problem((*path, name), text, "ports need a match of protocol tcp or udp")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 255


def _check_switched(view: View, path: Path, rule: AclRule) -> None:
    """A switch knows neither names nor the addresses of its apps, and translates nothing."""
    for name, given in (("host", rule.host), ("instance_members", rule.instance_members)):
        if given:
            view.notice((*path, name), "matches nothing on a switch, which resolves no names")
    if rule.forward is not None:
        view.notice((*path, "forward"), "not used: only local instances forward ports")


def _check_forward(view: View, path: Path, rule: AclRule, instance: NetworkInstance) -> None:
    if rule.local_port is None:
        view.problem((*path, "local_port"), "a forward needs a port of the node", "write which one (lport)")
    if rule.protocol not in FORWARDED:
        problem = f"{shown(rule.protocol)} cannot be forwarded" if rule.protocol else "a forward needs a protocol"
        view.problem((*path, "protocol"), problem, "only tcp and udp are forwarded")
    if instance.type is InstanceType.LOCAL and not view.answering(instance.port):
        view.notice((*path, "forward"), "has no effect: the network instance has no port")
    elif rule.adapter and not view.answering(rule.adapter):
        view.notice((*path, "adapter"), f"{shown(rule.adapter)} means no adapter: nothing is forwarded")
