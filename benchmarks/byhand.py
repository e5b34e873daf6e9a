"""The same end state by hand: `ip -batch`, `nft -f`, `sysctl -p` and the same dnsmasq processes, as items say it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

from evenet_core.linux.address import METRIC_MARK, Address
from evenet_core.linux.daemon import Daemon
from evenet_core.linux.link import Bridge, PortBridge, Veth
from evenet_core.linux.linkmark import BRIDGE
from evenet_core.linux.netlink import MARK
from evenet_core.linux.nfttext import script
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.linux.sysctl import Sysctl
from evenet_core.reconciler.item import Change, Item, Op

__all__ = ["build_by_hand"]


def build_by_hand(items: Sequence[Item], directory: Path) -> float:
    """Seconds for making all of it from files that are written before."""
    files = {
        "links": [line for item in items for line in _link(item)],
        "ip4": [line for item in items for line in _ip(item, 4)],
        "ip6": [line for item in items for line in _ip(item, 6)],
        "sysctl": [f"{i.name} = {i.value}" for i in items if isinstance(i, Sysctl)],
        "nft": [line for _, line in script([Change(Op.CREATE, None, i) for i in items if i.kind == "nft"], ())],
    }
    for name, lines in files.items():
        (directory / name).write_text("".join(f"{line}\n" for line in lines))
    daemons = [_prepared(item, directory) for item in items if isinstance(item, Daemon)]

    start = time.perf_counter()
    subprocess.run(("nft", "-f", str(directory / "nft")), check=True)
    subprocess.run(("ip", "-batch", str(directory / "links")), check=True)
    subprocess.run(("sysctl", "-q", "-p", str(directory / "sysctl")), check=True)
    subprocess.run(("ip", "-4", "-batch", str(directory / "ip4")), check=True)
    subprocess.run(("ip", "-6", "-batch", str(directory / "ip6")), check=True)
    processes = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for argv in daemons]
    for process in processes:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "started" in said, said
    return time.perf_counter() - start


def _link(item: Item) -> Iterator[str]:
    match item:
        case Bridge():
            yield f"link add {item.name} address {item.mac} type bridge forward_delay 0"
            yield f'link set {item.name} alias "{BRIDGE}" addrgenmode none'
            yield f"link set {item.name} mtu {item.mtu} up"
        case PortBridge():
            yield f"link set {item.name} name k{item.name}"
            yield f"link add {item.name} up type bridge forward_delay 0"
            yield f"link set k{item.name} master {item.name} up"
        case Veth():
            guest = item.namespace.rpartition("/")[2]
            yield (
                f"link add {item.name} mtu {item.mtu} master {item.master} up type veth "
                f"peer name {item.peer} netns {guest} address {item.peer_mac} mtu {item.mtu}"
            )
            yield f"link set {item.name} alias evenet"


def _ip(item: Item, version: int) -> Iterator[str]:
    match item:
        case Address() if ip_address(item.address).version == version:
            yield f"address add {item.address}/{item.prefix} dev {item.link} noprefixroute metric {METRIC_MARK}"
        case Route() if ip_network(item.destination).version == version:
            kind, out = ("", f"dev {item.link}") if item.link else ("unreachable", "")
            via = f"via {item.via} onlink" if item.via else ""
            metric = f"metric {item.metric}" if item.metric else ""
            source = f"src {item.source}" if item.source else ""
            way = f"{kind} {item.destination} {via} {out} {source}"
            yield f"route add {way} table {item.table} {metric} protocol {MARK}"
        case Rule() if item.family == version:
            selectors = " ".join(_selectors(item))
            yield f"rule add {selectors} priority {item.priority} lookup {item.table} protocol {MARK}"


def _selectors(item: Rule) -> Iterable[str]:
    if item.source:
        yield f"from {item.source}"
    if item.destination:
        yield f"to {item.destination}"
    if item.iif:
        yield f"iif {item.iif}"
    if item.oif:
        yield f"oif {item.oif}"
    if item.mark:
        yield f"fwmark {item.mark}/{item.mask:#x}"


def _prepared(item: Daemon, directory: Path) -> list[str]:
    own = directory / item.name
    own.mkdir()
    for name, text in (*item.files, *item.reloadable):
        (own / name.partition("+")[0]).write_text(text.replace("{dir}", str(own)))
    return [argument.replace("{dir}", str(own)) for argument in item.argv]
