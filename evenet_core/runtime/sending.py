"""The uplinks as requests see them, and those who send through them, made when the first one wants to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from evenet_core.device.uplinks import Uplink
from evenet_core.model.adapters import Adapter
from evenet_core.model.facts import own_route_version
from evenet_core.probing.choice import Standing
from evenet_core.probing.prober import RouteReport
from evenet_core.runtime.ports import Ports
from evenet_core.runtime.probes import Probes
from evenet_core.settings import Controller

if TYPE_CHECKING:
    from evenet_core.uplinks import Uplinks

__all__ = ["Sending", "own_reports", "uplinks_of"]


def own_reports(probes: Probes) -> list[RouteReport]:
    """How the uplinks stand for the node's own traffic, for each IP version."""
    return [report for report in probes.reports() if own_route_version(report.key) is not None]


def uplinks_of(adapters: Iterable[Adapter], ports: Ports, reports: Sequence[RouteReport]) -> list[Uplink]:
    """Every management port; one whose probes all fail is tried last."""
    known = [port for report in reports for port in report.ports]
    found = []
    for adapter in adapters:
        if adapter.management and adapter.has_ip:
            port = ports.under_test(adapter)
            told = [one for one in known if one.label == adapter.label]
            works = not told or any(one.standing < Standing.SILENT for one in told)
            latency = min((one.latency for one in told if one.latency is not None), default=None)
            found.append(
                Uplink(
                    label=adapter.label,
                    ifname=adapter.ifname,
                    cost=adapter.cost,
                    addresses=port.addresses if port.carrier and not port.error else (),
                    dns=port.dns_servers,
                    proxied=port.proxied,
                    works=works,
                    latency=latency,
                )
            )
    return found


class Sending:
    """Whoever sends to the controller. TLS and HTTP are 12 MB that a node whose agent sends by itself never loads."""

    def __init__(self, controller: Controller, uplinks: Callable[[], Sequence[Uplink]], probes: Probes) -> None:
        self._controller = controller
        self._uplinks = uplinks
        self._probes = probes
        self._settings: Mapping[str, str] = {}
        self._made: Uplinks | None = None

    def adjust(self, settings: Mapping[str, str]) -> None:
        """Go by these device properties."""
        self._settings = settings
        if self._made is not None:
            self._made.adjust(settings)

    def uplinks(self) -> Uplinks:
        if self._made is None:
            from evenet_core.uplinks import Uplinks  # noqa: PLC0415

            self._made = Uplinks(self._uplinks, self._probes, self._controller.ca)
            self._made.adjust(self._settings)
        return self._made

    async def stop(self) -> None:
        if self._made is not None:
            await self._made.stop()
