"""Access rules, port forwards and address translation as abstract policies, for whichever firewall is in use. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from evenet_core.model.adapters import Adapter
from evenet_core.model.instances import AclRule, InstanceType, RuleAction
from evenet_core.model.policy import DevicePolicy, Forward, InstancePolicy, PolicyRule, Verdict, VifPolicy
from evenet_core.model.resolved import Instance, Vif
from evenet_core.model.values import IPAddress, IPNetwork

__all__ = ["device_policy", "hosts_of", "instance_policy", "vif_policy"]

CLAMP = "app.enable.tcp.mss.clamping"  # device property, on unless it says otherwise


def device_policy(adapters: Iterable[Adapter], settings: Mapping[str, str], hosts: Iterable[str]) -> DevicePolicy:
    """What the node as a whole needs.

    :param settings: the device's properties
    :param hosts: names that rules of apps are about
    """
    return DevicePolicy(
        ports=tuple((a.ifname, a.table) for a in adapters if a.has_ip and a.ifname and a.table),
        clamp_mss=settings.get(CLAMP, "true").lower() != "false",
        host_sets=tuple(sorted(hosts)),
    )


def instance_policy(instance: Instance) -> InstancePolicy | None:
    """Translation and services of a local instance; a switch has none."""
    if instance.subnet is None or instance.gateway is None:
        return None
    return InstancePolicy(
        bridge=instance.bridge,
        subnet=instance.subnet,
        gateway=instance.gateway.ip,
        masquerade_out=tuple(dict.fromkeys(port.ifname for port in instance.ports)),
    )


def vif_policy(instance: Instance, vif: Vif) -> VifPolicy:
    """What one app's interface may send and receive."""
    routed = instance.config.type is InstanceType.LOCAL
    return VifPolicy(
        vif=vif.ifname,
        bridge=instance.bridge,
        mac=vif.mac,
        routed=routed,
        addresses=vif.addresses,
        gateways=(instance.gateway.ip,) if instance.gateway is not None else (),
        behind=tuple(_behind(instance, vif)) if routed else (),
        rules=tuple(policy for rule in vif.rules for policy in _rules(rule, instance)),
        forwards=tuple(forward for rule in vif.rules for forward in _forwards(rule, instance, vif)) if routed else (),
        first=vif.first,
    )


def hosts_of(rules: Iterable[AclRule]) -> list[str]:
    """Names that rules are about, each once and in one spelling."""
    return list(dict.fromkeys(_name(rule.host) for rule in rules if rule.host))


def _name(spelled: str) -> str:
    return spelled.lower().rstrip(".")


def _behind(instance: Instance, vif: Vif) -> Iterable[IPNetwork]:
    """Networks that apps of the instance are told to reach through this interface."""
    return dict.fromkeys(route.destination for route in instance.app_routes if route.via in vif.addresses)


# -- access rules -------------------------------------------------------------------------------------


def _rules(rule: AclRule, instance: Instance) -> Iterable[PolicyRule]:
    """A rule as one policy rule; one about a name also as one for what the instance itself says of that name."""
    ports = None
    if rule.remote_port is not None:
        ports = (rule.remote_port, rule.remote_port_end or rule.remote_port)
    members = tuple(_members(instance)) if rule.instance_members else None
    policy = PolicyRule(
        id=rule.id,
        remote=rule.remote,
        host=_name(rule.host),
        members=members,
        protocol=rule.protocol,
        # what the app is asked arrives at its own port, whatever the port outside was
        local_port=rule.forward.app_port if rule.forward is not None else rule.local_port,
        remote_ports=ports,
        verdict=Verdict.DROP if rule.action is RuleAction.DROP else Verdict.ACCEPT,
        limit=rule.limit,
    )
    yield policy
    known = tuple(dict.fromkeys(_static_addresses(instance, rule.host))) if rule.host else ()
    if known:
        yield replace(policy, host="", members=known)


def _members(instance: Instance) -> Iterable[IPAddress]:
    """All apps of the instance and its static DNS entries."""
    apps = (address for vif in instance.vifs if not vif.error for address in vif.addresses)
    hosts = (address for host in instance.config.hosts for address in host.addresses)
    return dict.fromkeys((*apps, *hosts))


def _static_addresses(instance: Instance, name: str) -> Iterable[IPAddress]:
    """Addresses that the instance's own entries give to a name and the names below it."""
    wanted = _name(name)
    for host in instance.config.hosts:
        known = _name(host.name)
        if known == wanted or known.endswith(f".{wanted}"):
            yield from host.addresses


# -- port forwards ------------------------------------------------------------------------------------


def _forwards(rule: AclRule, instance: Instance, vif: Vif) -> Iterable[Forward]:
    """The rule's port on each address of each port that it means, to the app's address of that family."""
    if rule.forward is None or rule.local_port is None:
        return
    for address in _port_addresses(rule.adapter, instance):
        for to in vif.addresses:
            if to.version == address.version:
                yield Forward(
                    address=address,
                    protocol=rule.protocol,
                    port=rule.local_port,
                    to=to,
                    to_port=rule.forward.app_port,
                )


def _port_addresses(label: str, instance: Instance) -> Sequence[IPAddress]:
    ports = [port for port in instance.ports if not label or port.answers_to(label)]
    found = (interface.ip for port in ports for interface in port.addresses)
    return list(dict.fromkeys(address for address in found if not address.is_link_local))
