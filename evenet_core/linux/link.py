"""Links as items: bridges, veth pairs, ports, and what makes an adapter of a port. Driver: linkdriver.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Bridge", "BridgePort", "PortBridge", "PortLink", "Veth", "link_key", "namespace_key"]


def link_key(ifname: str) -> ItemKey:
    """Identity of a link, whatever its type and whoever made it."""
    return ItemKey(("link", ifname))


def namespace_key(path: str) -> ItemKey:
    """Identity of a network namespace; nobody plans one: an app brings it."""
    return ItemKey(("namespace", path))


@dataclass(frozen=True, slots=True)
class Bridge(Item):
    """A bridge of ours, up."""

    kind: ClassVar[str] = "link"
    name: str
    mac: str
    mtu: int = 1500
    stp: bool = False
    group_fwd_mask: int = 0

    @property
    def key(self) -> ItemKey:
        return link_key(self.name)

    @property
    def description(self) -> str:
        return f"bridge {self.name}"

    def replaces(self, other: Item) -> bool:
        return type(self) is not type(other)


@dataclass(frozen=True, slots=True)
class PortBridge(Item):
    """An L3 Ethernet adapter: a bridge that takes the port's name and MAC and enslaves it as `k<name>`.

    Teardown gives the port its name back.
    """

    kind: ClassVar[str] = "link"
    name: str
    mtu: int = 1500

    @property
    def key(self) -> ItemKey:
        return link_key(self.name)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(ItemKey(("port", self.name)), "the bridge takes the name and MAC of the port"),)

    @property
    def description(self) -> str:
        return f"adapter {self.name}, a bridge over its port"

    def replaces(self, other: Item) -> bool:
        return type(self) is not type(other)


@dataclass(frozen=True, slots=True)
class PortLink(Item):
    """A port used as it is, not bridged: only set up, with its MTU."""

    kind: ClassVar[str] = "link"
    name: str
    mtu: int = 1500

    @property
    def key(self) -> ItemKey:
        return link_key(self.name)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(ItemKey(("port", self.name)), "there is no such port"),)

    @property
    def description(self) -> str:
        return f"port {self.name}"

    def replaces(self, other: Item) -> bool:
        return type(self) is not type(other)


@dataclass(frozen=True, slots=True)
class Veth(Item):
    """An app's interface as a veth pair: the host side enslaved to `master`, the other in `namespace`.

    An app asks for its addresses when it gets an interface, and may keep them for hours: with others in
    `addresses` the pair is made anew.
    """

    kind: ClassVar[str] = "link"
    name: str
    master: str
    mtu: int
    namespace: str  # path of the app's network namespace
    peer: str  # name inside it
    peer_mac: str
    addresses: str = ""  # that the app is given, separated by commas
    needs: tuple[Requires, ...] = field(default=(), compare=False)  # services that are to be there before it

    @property
    def key(self) -> ItemKey:
        return link_key(self.name)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (
            Requires(link_key(self.master), "the interface is a port of this bridge"),
            Requires(namespace_key(self.namespace), "the app does not run yet"),
            *self.needs,
        )

    @property
    def description(self) -> str:
        return f"app interface {self.name} on {self.master}, {self.peer} in {self.namespace}"

    def replaces(self, other: Item) -> bool:
        return type(self) is not type(other)


@dataclass(frozen=True, slots=True)
class BridgePort(Item):
    """A link that somebody else made (a physical port, a hypervisor's tap), enslaved to our bridge."""

    kind: ClassVar[str] = "bridge-port"
    link: str
    bridge: str
    mtu: int = 1500
    needs: tuple[Requires, ...] = field(default=(), compare=False)  # services that are to be there before it

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.link))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (
            Requires(link_key(self.bridge), "it is a port of this bridge"),
            Requires(link_key(self.link), "there is no such link yet"),
            *self.needs,
        )

    @property
    def description(self) -> str:
        return f"link {self.link} in bridge {self.bridge}"
