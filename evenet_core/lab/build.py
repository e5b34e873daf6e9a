"""Carries the plan of a site out: with evenet's own drivers, each host's kernel in a handful of batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evenet_core.lab.host import Host
from evenet_core.lab.plan import DEVICE, OUTSIDE, ROUTER, Cable, SitePlan
from evenet_core.linux.address import AddressDriver
from evenet_core.linux.link import Bridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import all_links, ask, link_message, veth_info
from evenet_core.linux.netlink import Message
from evenet_core.linux.netns import inside
from evenet_core.linux.route import RouteDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.linux.rule import RuleDriver
from evenet_core.reconciler.item import Change, Driver, Item, Op

__all__ = ["build_site", "raise_loopback", "write_settings"]

ROUTING = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/icmp_ratelimit": "0",  # every packet into nowhere gets its error
    "net/ipv6/icmp/ratelimit": "0",
}
QUICK = {"net/ipv6/conf/default/accept_dad": "0"}  # addresses of the site are known to be unique


async def build_site(plan: SitePlan, hosts: Mapping[str, Host]) -> None:
    """Links first, then what is on them.

    :raises DriverError: the kernel refuses something.
    """
    sockets = {name: Rtnl.open(host.net) for name, host in hosts.items()}
    try:
        for name in hosts:
            if name != DEVICE:
                write_settings(hosts[name], QUICK | (ROUTING if name in (ROUTER, OUTSIDE) else {}))
        bridges = [Bridge(name, mac, stp=stp) for name, mac, stp in plan.bridges]
        await _create(LinkDriver(sockets[ROUTER]), bridges)
        await _connect(plan.cables, hosts, sockets)
        await asyncio.gather(*(raise_loopback(rtnl) for rtnl in sockets.values()))
        for name, items in plan.items.items():
            rtnl = sockets[name]
            await _create(AddressDriver(rtnl), items.addresses)
            await _create(RouteDriver(rtnl), items.routes)
            await _create(RuleDriver(rtnl), items.rules)
    finally:
        for rtnl in sockets.values():
            rtnl.close()


async def raise_loopback(rtnl: Rtnl) -> None:
    """A new namespace's `lo` is down."""
    await ask(rtnl, link_message("lo", name="lo", up=True))


def write_settings(host: Host, settings: Mapping[str, str]) -> None:
    """Settings of a host's network: /proc/sys/net is that of whoever opens it."""
    with inside(host.net):
        for name, value in settings.items():
            Path("/proc/sys", name).write_text(value)


async def _connect(cables: Sequence[Cable], hosts: Mapping[str, Host], sockets: Mapping[str, Rtnl]) -> None:
    for host in dict.fromkeys(cable.host for cable in cables):
        mine = [cable for cable in cables if cable.host == host]
        links = await all_links(sockets[host])
        messages: list[Message] = []
        for cable in mine:
            master = links[cable.bridge].index if cable.bridge else None
            messages += _cable(cable, hosts[cable.peer_host].net, master)
        await ask(sockets[host], *messages)
    for host in dict.fromkeys(cable.peer_host for cable in cables):
        ends = [cable.peer_link for cable in cables if cable.peer_host == host and cable.peer_up]
        await ask(sockets[host], *(link_message(f"link {end} of {host}", name=end, up=True) for end in ends))


def _cable(cable: Cable, namespace: int, master: int | None) -> Iterable[Message]:
    about = f"cable {cable.host}/{cable.link} to {cable.peer_host}/{cable.peer_link}"
    info = veth_info(peer=cable.peer_link, peer_mac=cable.peer_mac, mtu=cable.mtu, namespace=namespace)
    yield link_message(about, name=cable.link, create=True, mac=cable.mac, mtu=cable.mtu, master=master, info=info)
    if cable.up:
        yield link_message(about, name=cable.link, up=True)


async def _create(driver: Driver, items: Sequence[Item]) -> None:
    for outcome in await driver.apply([Change(Op.CREATE, None, item) for item in items]) if items else ():
        if outcome.error is not None:
            raise outcome.error
