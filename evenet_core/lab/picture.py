"""The site as a picture, for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from evenet_core.lab.model import Network, NetworkModel, Segment

__all__ = ["picture"]


def picture(model: NetworkModel, names: Sequence[str]) -> list[str]:
    """One line for each cable of the device: switch, networks, what they reach.

    :param names: the device's interfaces, in the order of the model's ports
    """
    homes = {label: bridge.label for bridge in model.bridges for label in bridge.ports}
    rows = []
    for port, name in zip(model.ports, names, strict=True):
        bridge = homes.get(port.label, "")
        networks = [network for network in model.networks if network.bridge == bridge]
        cable = "────" if port.up else "─╳──"
        for place, network in enumerate(networks or [None]):
            start = (f"{name} {cable} {bridge or 'nothing'}",) if place == 0 else ("",)
            rows.append((*start, *_described(network, model)))
    return ["device", *(f"  {line}" for line in _aligned(rows))]


def _described(network: Network | None, model: NetworkModel) -> tuple[str, str, str]:
    if network is None:
        return "", "", ""
    subnets = ", ".join(f"{segment.subnet} {_service(segment)}" for segment in network.segments)
    return f"── {network.label}", subnets, f"── {_reach(network, model)}"


def _service(segment: Segment) -> str:
    if segment.subnet.version == 6 and not segment.dhcp.enabled:
        return "(slaac)"
    return "(dhcp)" if segment.dhcp.enabled else "(static)"


def _reach(network: Network, model: NetworkModel) -> str:
    if network.router is None:
        return "everything"
    reached = (*network.router.endpoints, *network.router.networks)
    return ", ".join((*(["Internet"] if network.router.outside else []), *reached)) or "nobody else"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
