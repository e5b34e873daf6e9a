"""The marks of our links: aliases. What an item says and a link cannot show stands in them.

evenet bridge                                   Bridge, and the bridge of a PortBridge
evenet lower NAME UP MTU MODE [ALIAS]           the port below a PortBridge, and how it was found
evenet port NAME UP MTU MODE [ALIAS]            PortLink, and how it was found
evenet tap NAME UP MTU MODE [ALIAS]             what a hypervisor made and BridgePort enslaved, and how it was found
evenet veth MAC PEER INODE PATH                 Veth; INODE tells one network namespace from the next at PATH
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from evenet_core.errors import DriverError
from evenet_core.linux.link import Veth
from evenet_core.linux.links import ALIAS, LinkInfo

__all__ = ["BRIDGE", "Found", "found_port", "is_veth", "marked_veth", "port_mark", "veth_mark"]

BRIDGE = f"{ALIAS} bridge"
LONGEST = 255  # bytes of an alias (IFALIASZ - 1)


@dataclass(frozen=True, slots=True)
class Found:
    """A port as it was before it became ours."""

    role: str  # lower, port or tap
    name: str
    up: bool
    mtu: int
    ipv6_mode: int
    alias: str


def port_mark(role: str, port: LinkInfo) -> str:
    """The mark of a port; one that is marked keeps what is known. Of a very long alias the end is lost."""
    former = found_port(port.alias)
    name, up, mtu, mode, alias = (
        (former.name, former.up, former.mtu, former.ipv6_mode, former.alias)
        if former is not None
        else (port.name, port.up, port.mtu, port.ipv6_mode, port.alias)
    )
    mark = f"{ALIAS} {role} {name} {'up' if up else 'down'} {mtu} {mode} {alias}".rstrip()
    return mark.encode()[:LONGEST].decode(errors="ignore")


def found_port(alias: str) -> Found | None:
    """What the mark of a port says; None = it is none."""
    match alias.split(" ", 6):
        case [word, ("lower" | "port" | "tap") as role, name, ("up" | "down") as state, mtu, mode, *rest] if (
            word == ALIAS
        ):
            if mtu.isdecimal() and mode.isdecimal():
                return Found(role, name, state == "up", int(mtu), int(mode), rest[0] if rest else "")
    return None


def veth_mark(item: Veth, namespace: int) -> str:
    """The mark of an app's interface; `namespace` is a descriptor of the network namespace of its other end.

    :raises DriverError: the path is too long for it.
    """
    who = f"{item.peer_mac or '-'} {item.peer} {item.addresses or '-'}"
    mark = f"{ALIAS} veth {who} {os.stat(namespace).st_ino} {item.namespace}"
    if len(mark.encode()) > LONGEST:
        raise DriverError(f"interface {item.name}: the path of its namespace is too long", retryable=False)
    return mark


def is_veth(alias: str) -> bool:
    """Whether this is the mark of an app's interface."""
    return alias.startswith(f"{ALIAS} veth ")


def marked_veth(link: LinkInfo, master: str) -> Veth | None:
    """The Veth that a marked link is. Its namespace is empty if another one is at the path by now."""
    match link.alias.split(" ", 6):
        case [word, "veth", mac, peer, addresses, inode, path] if word == ALIAS:
            there = path if _inode(path) in (None, inode) else ""
            mtu = link.mtu if link.up else 0
            return Veth(link.name, master, mtu, there, peer, mac.strip("-"), addresses.strip("-"))
    return None


def _inode(path: str) -> str | None:
    """None = nothing is at this path; an app may live on in a namespace that lost its name."""
    try:
        return str(os.stat(path).st_ino)
    except OSError:
        return None
