"""IP parameters of a local network instance that its config leaves open, filled in as EVE does. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_interface

from evenet_core.model.instances import NetworkInstance
from evenet_core.model.values import DhcpRange, IPAddress, IPInterface, IPNetwork

__all__ = [
    "MAX_RANGE",
    "MIN_ADDRESSES",
    "addresses_of_all",
    "dhcp_range",
    "gateway",
    "gateway_interface",
    "subnet_problem",
]

MIN_ADDRESSES = 4  # network, gateway, one app, broadcast
HALVED_FROM = 16  # addresses: from here on the lower half is left to static addresses
MAX_RANGE = 1 << 16  # addresses handed out by one instance
KNOWN = 4096  # subnets of which is remembered what was worked out: many ask, and arithmetic with addresses is slow


def subnet_problem(instance: NetworkInstance) -> str:
    """Why the instance's subnet cannot be served; empty if it can."""
    if instance.subnet is None:
        return "a local network instance needs a subnet"
    return _problem(instance.subnet, instance.gateway, instance.dhcp_range)


@lru_cache(KNOWN)
def _problem(subnet: IPNetwork, given: IPAddress | None, asked: DhcpRange | None) -> str:
    if subnet.num_addresses < MIN_ADDRESSES:
        return f"subnet {subnet} is too small; it needs at least {MIN_ADDRESSES} addresses"
    own, pool = given or _nth(subnet, 1), _range(subnet, given, asked)
    if own not in subnet:
        return f"gateway {own} is outside of subnet {subnet}"
    if own in addresses_of_all(subnet):
        return f"gateway {own} stands for the whole of subnet {subnet}: no host can have it"
    if pool.start not in subnet or pool.end not in subnet:
        return f"DHCP range {pool.start}-{pool.end} is outside of subnet {subnet}"
    if int(pool.start) > int(pool.end):
        return f"DHCP range {pool.start}-{pool.end} ends before it starts"
    if int(pool.start) <= int(own) <= int(pool.end):
        return f"gateway {own} is inside of DHCP range {pool.start}-{pool.end}"
    return ""


def gateway(instance: NetworkInstance) -> IPAddress:
    """The instance's own address: by default the first of the subnet."""
    return instance.gateway or _nth(_subnet(instance), 1)


def gateway_interface(instance: NetworkInstance) -> IPInterface:
    """The instance's own address with the subnet's prefix length."""
    return ip_interface(f"{gateway(instance)}/{_subnet(instance).prefixlen}")


def dhcp_range(instance: NetworkInstance) -> DhcpRange:
    """Addresses handed out, by default the upper half of the subnet; corrected as EVE corrects them."""
    return _range(_subnet(instance), instance.gateway, instance.dhcp_range)


@lru_cache(KNOWN)
def _range(subnet: IPNetwork, given: IPAddress | None, asked: DhcpRange | None) -> DhcpRange:
    own, pool = given or _nth(subnet, 1), asked or _default_range(subnet)
    if pool.start not in subnet or pool.end not in subnet:
        return pool  # nothing to be corrected: `subnet_problem` refuses it
    start, end = int(pool.start), int(pool.end)
    if start == int(subnet.network_address):
        start += 1
    if start == int(own):
        start += 1
    if subnet.version == 4 and end == int(subnet.broadcast_address):
        end -= 1
    end = min(end, start + MAX_RANGE - 1)
    return DhcpRange(start=_within(subnet, start), end=_within(subnet, end))


def addresses_of_all(subnet: IPNetwork) -> tuple[IPAddress, ...]:
    """Addresses that mean all hosts, or (RFC 4291, 2.6.1) all routers."""
    if subnet.version == 4:
        return (subnet.network_address, subnet.broadcast_address)
    return (subnet.network_address,)


def _default_range(subnet: IPNetwork) -> DhcpRange:
    size = subnet.num_addresses
    halved = subnet.version == 4 and size >= HALVED_FROM
    return DhcpRange(start=_nth(subnet, size // 2 if halved else 2), end=_nth(subnet, size - 2))


def _within(subnet: IPNetwork, number: int) -> IPAddress:
    return _nth(subnet, min(number, int(subnet.broadcast_address)) - int(subnet.network_address))


def _subnet(instance: NetworkInstance) -> IPNetwork:
    assert instance.subnet is not None, instance.name
    return instance.subnet


def _nth(subnet: IPNetwork, n: int) -> IPAddress:
    return subnet.network_address + n
