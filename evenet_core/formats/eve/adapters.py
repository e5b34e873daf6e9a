"""SystemAdapter, and which adapters are uplinks and at what cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evenet_core.formats.convert import uuid_reference, whole
from evenet_core.formats.mapping import Field, Place, Table, lookup

__all__ = ["ADAPTER", "finish_adapters"]


def _cost(value: Any, place: Place) -> Any:
    """EVE takes a larger cost as the largest."""
    cost = whole(value, place)
    if isinstance(cost, int) and not isinstance(cost, bool) and cost > 255:
        place.notice("is more than the largest cost, 255, which counts instead")
        return 255
    return cost


ADAPTER = Table(
    Field("name", "label"),
    Field("lowerLayerName", "lower"),
    Field("uplink", "uplink"),
    Field("freeUplink"),
    Field("networkUUID", "network", uuid_reference),
    Field("addr", "address"),
    Field("alias", "alias"),
    Field("cost", "cost", _cost),
    Field("sharedLabels", "labels"),
    Field("allowLocalModifications", "allow_local_changes"),
)


def finish_adapters(made: dict[str, Any], config: dict[str, Any]) -> None:
    """What one adapter means depends on what stands elsewhere in the config."""
    _costs(made, config)
    _uplinks([adapter for adapter, _ in _adapters(made, config)])


def _uplinks(adapters: list[dict[str, Any]]) -> None:
    """Without a single uplink the first version of the format is meant: all are, and none costs anything."""
    if any(adapter.get("uplink") for adapter in adapters):
        return
    for adapter in adapters:
        adapter.update(uplink=True, cost=0)


def _costs(made: dict[str, Any], config: dict[str, Any]) -> None:
    """Old controllers know free uplinks only: if there is one, what is not free costs something."""
    ios = [io for io in _objects(config, "deviceIoList") if _free(io)]
    free = [lookup(io, "logicallabel") or lookup(io, "phylabel") for io in ios]
    given = [(a, a.get("lower") or a.get("label"), lookup(s, "freeUplink")) for a, s in _adapters(made, config)]
    if not free and not any(flag is True for _, _, flag in given):
        return
    for adapter, port, flag in given:
        if flag is not True and port not in free and not adapter.get("cost"):
            adapter["cost"] = 1


def _free(io: dict[str, Any]) -> bool:
    return lookup(lookup(io, "usagePolicy"), "freeUplink") is True


def _objects(config: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    values = lookup(config, name)
    yield from (value for value in (values if isinstance(values, list) else ()) if isinstance(value, dict))


def _adapters(made: dict[str, Any], config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    adapters = made.get("adapters")
    yield from zip(
        (a for a in (adapters if isinstance(adapters, list) else ()) if isinstance(a, dict)),
        _objects(config, "systemAdapterList"),
        strict=True,
    )
