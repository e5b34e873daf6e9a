"""The routers of one link and what they announce: who counts, in which order, and until when. Sans-IO.

1. Only an advertisement, the clock or a silent neighbour changes anything.
2. Whatever is announced, no more than `MAX_ROUTERS` routers are known; a newcomer pushes out none that answers.
3. What two routers announce lasts as long as one of them announces it.
4. In doubt (the cable was out, a router fell silent) all are asked. If one answers, those that do not are forgotten;
   if nobody answers, the question may have been lost and nothing is forgotten.

Times are seconds of one clock that never goes back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from itertools import islice
from typing import Any, TypeVar

from evenet_core.model.addressing import Lease, LeaseRoute, LeaseSource
from evenet_core.model.values import IPNetwork
from evenet_dhcp.advert import Advertisement, Prefix
from evenet_dhcp.sane import FOREVER, MAX_DOMAINS, MAX_ROUTES, MAX_SERVERS

__all__ = ["Router", "Routers"]

K = TypeVar("K")
V = TypeVar("V")

MAX_ROUTERS = 8
MAX_PREFIXES = 8  # of the link
TWO_HOURS = 7200.0  # RFC 4862, 5.5.3 e: no forged advertisement takes an address away sooner
ANSWER = 4.0  # seconds in which a router answers a solicitation: at most 0.5, and 3 after its last one (RFC 4861, 10)
EVERYTHING = IPv6Network("::/0")
SLAAC = 64  # bits that an autonomous prefix has on links with 64-bit interface identifiers (RFC 4291, 2.5.1)


@dataclass(frozen=True, slots=True)
class _Prefix:
    on_link: bool
    autonomous: bool
    valid: float  # until when
    preferred: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """What one router said last. Times are ends."""

    address: IPv6Address
    heard: float
    ends: float = 0.0  # as a default router
    preference: int = 0
    silent: bool = False  # it answers no neighbour solicitation: others come first (RFC 4861, 6.3.6)
    managed: bool = False
    other: bool = False
    mtu: int | None = None
    prefixes: Mapping[IPv6Network, _Prefix] = field(default_factory=dict)
    routes: Mapping[IPv6Network, tuple[int, float]] = field(default_factory=dict)  # preference, end
    dns: Mapping[IPv6Address, float] = field(default_factory=dict)
    search: Mapping[str, float] = field(default_factory=dict)

    def default(self, now: float) -> int | None:
        """Preference as a default router; None = it is none."""
        preference, ends = self.routes.get(EVERYTHING, (0, 0.0))  # RFC 4191, 3.1: it beats the header
        if ends > now:
            return preference
        return self.preference if self.ends > now else None

    def lasting(self, now: float) -> Iterable[float]:
        """Ends that are still to come."""
        ends = [self.ends, *(end for _, end in self.routes.values()), *self.dns.values(), *self.search.values()]
        ends += [end for prefix in self.prefixes.values() for end in (prefix.valid, prefix.preferred)]
        return (end for end in ends if end > now)


class Routers:
    """The routers of one link."""

    def __init__(self, known: Iterable[Router] = ()) -> None:
        self._known = {router.address: router for router in known}
        self._doubted: float | None = None  # since when

    @property
    def known(self) -> tuple[Router, ...]:
        """In the order in which they were first heard."""
        return tuple(self._known.values())

    def hear(self, advert: Advertisement, now: float) -> None:
        """A router says something."""
        self.pass_time(now)
        before = self._known.get(advert.router)
        if before is None and len(self._known) >= MAX_ROUTERS:
            silent = next((router.address for router in self._known.values() if router.silent), None)
            if silent is None:
                return
            del self._known[silent]
        self._known[advert.router] = _router(advert, now, before)

    def doubt(self, now: float) -> None:
        """The link may lead elsewhere now. They are going to be asked."""
        self._doubted = now

    def silence(self, address: IPv6Address) -> bool:
        """A neighbour does not answer; whether it was known as a router."""
        router = self._known.get(address)
        if router is not None:
            self._known[address] = replace(router, silent=True)
        return router is not None

    def pass_time(self, now: float) -> None:
        """Forget what has ended."""
        doubted = self._doubted
        if doubted is not None and now >= doubted + ANSWER:
            self._doubted = None
            if any(router.heard >= doubted for router in self._known.values()):
                self._known = {a: router for a, router in self._known.items() if router.heard >= doubted}
        self._known = {a: router for a, router in self._known.items() if any(True for _ in router.lasting(now))}

    def next_change(self, now: float) -> float | None:
        """When `pass_time` has something to do."""
        times = [end for router in self._known.values() for end in router.lasting(now) if end < math.inf]
        if self._doubted is not None:
            times.append(self._doubted + ANSWER)
        return min(times, default=None)

    def lease(self, now: float) -> Lease | None:
        """What the link offers; the best router's comes first. None = no router is known."""
        routers = sorted(self._known.values(), key=lambda router: (router.silent, -(router.default(now) or 0)))
        if not routers:
            return None
        made, on_link = _prefixes(routers, now)
        routes = [LeaseRoute(network, None) for network in on_link if network not in made] + _routes(routers, now)
        return Lease(
            source=LeaseSource.RA,
            addresses=tuple(IPv6Interface(network) for network in made),
            routers=tuple(router.address for router in routers if router.default(now) is not None),
            routes=tuple(routes[:MAX_ROUTES]),
            dns=tuple(dict.fromkeys(_lasting((router.dns for router in routers), now)))[:MAX_SERVERS],
            search=tuple(dict.fromkeys(_lasting((router.search for router in routers), now)))[:MAX_DOMAINS],
            mtu=min((router.mtu for router in routers if router.mtu), default=None),
            managed=any(router.managed for router in routers),
            other=any(router.other for router in routers),
        )


def _router(advert: Advertisement, now: float, before: Router | None) -> Router:
    earlier = before or Router(address=advert.router, heard=now)
    prefixes = {one.network: _prefix(one, now, earlier.prefixes.get(one.network)) for one in advert.prefixes}
    routes = {one.network: (one.preference, _end(now, one.lifetime)) for one in advert.routes}
    dns = {address: _end(now, lifetime) for address, lifetime in advert.dns}
    search = {name: _end(now, lifetime) for name, lifetime in advert.search}
    return Router(
        address=advert.router,
        heard=now,
        ends=now + advert.lifetime,
        preference=advert.preference,
        managed=advert.managed,
        other=advert.other,
        mtu=advert.mtu,
        prefixes=_joined(prefixes, earlier.prefixes, MAX_PREFIXES),
        routes=_joined(routes, earlier.routes, MAX_ROUTES),
        dns=_joined(dns, earlier.dns, MAX_SERVERS),
        search=_joined(search, earlier.search, MAX_DOMAINS),
    )


def _joined(said: Mapping[K, V], before: Mapping[K, V], most: int) -> Mapping[K, V]:
    """An advertisement need not say everything: what it leaves out lasts as long as was said earlier."""
    left_out = ((key, value) for key, value in before.items() if key not in said)
    return dict(islice((*said.items(), *left_out), most))


def _prefix(said: Prefix, now: float, before: _Prefix | None) -> _Prefix:
    valid = _end(now, said.valid)
    if before is not None and said.autonomous and valid < now + TWO_HOURS:
        valid = max(valid, min(before.valid, now + TWO_HOURS))
    return _Prefix(said.on_link, said.autonomous, valid, _end(now, said.preferred))


def _end(now: float, lifetime: int) -> float:
    return math.inf if lifetime == FOREVER else now + lifetime


def _prefixes(routers: Iterable[Router], now: float) -> tuple[list[IPv6Network], list[IPv6Network]]:
    """To make addresses of, and on the link. What is on its way out counts only while there is nothing better."""
    made: dict[IPv6Network, bool] = {}
    on_link: dict[IPv6Network, None] = {}
    for router in routers:
        for network, prefix in router.prefixes.items():
            if prefix.valid <= now:
                continue
            if prefix.autonomous and network.prefixlen == SLAAC:
                made[network] = made.get(network, False) or prefix.preferred > now
            if prefix.on_link:
                on_link[network] = None
    preferred = [network for network, good in made.items() if good]
    return (preferred or list(made))[:MAX_PREFIXES], list(on_link)


def _routes(routers: Iterable[Router], now: float) -> list[LeaseRoute]:
    """One way to each destination: by the router that prefers it most, the better router in doubt."""
    best: dict[IPNetwork, tuple[int, IPv6Address]] = {}
    for router in routers:
        for network, (preference, end) in router.routes.items():
            if end > now and network.prefixlen and (network not in best or preference > best[network][0]):
                best[network] = (preference, router.address)
    return [LeaseRoute(network, via) for network, (_, via) in best.items()]


def _lasting(maps: Iterable[Mapping[Any, float]], now: float) -> Iterable[Any]:
    return (key for one in maps for key, end in one.items() if end > now)
