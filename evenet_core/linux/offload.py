"""Offloads of ports that must be off because of what a vendor knows. Item and driver.

A feature belongs to the device and stays when the device gets another name: what is found on is remembered in the
run directory before it is switched off, and given back at teardown. After a reboot both are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from evenet_core.errors import DriverError
from evenet_core.linux.batch import deletes_first
from evenet_core.linux.ethtool import features, meant, set_features
from evenet_core.linux.link import link_key
from evenet_core.linux.linkmark import BRIDGE, found_port
from evenet_core.linux.links import LinkInfo, find_link
from evenet_core.linux.notes import Notes
from evenet_core.linux.rtnl import Rtnl
from evenet_core.model.ports import lower_name
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["Offload", "OffloadDriver"]


@dataclass(frozen=True, slots=True)
class Offload(Item):
    """`feature`, as ethtool(8) calls it, is off on the port that `link` is, or that is below it."""

    kind: ClassVar[str] = "offload"
    link: str
    feature: str
    reason: str = field(default="", compare=False)

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.link, self.feature))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return (Requires(link_key(self.link), "it is a feature of this port"),)

    @property
    def description(self) -> str:
        return f"offload {self.feature} off on {self.link}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True)
class _Known:
    """What we did to one device."""

    index: int  # of the device: one that was plugged in anew is another one
    off: frozenset[str] = frozenset()  # names of items
    found: frozenset[str] = frozenset()  # features of the kernel that were on


class OffloadDriver:
    """Switches features off and gives them back. Ours are those in the run directory."""

    kinds: tuple[str, ...] = ("offload",)

    def __init__(self, rtnl: Rtnl, run_dir: Path) -> None:
        self._rtnl = rtnl
        self._notes = Notes(run_dir / "offload.json")

    async def observe(self) -> Iterable[Item]:
        items: list[Item] = []
        for link, known in self._load().items():
            device = await self._device(link)
            if device is not None and device.index == known.index:
                items += [Offload(link, name) for name in sorted(known.off) if _is_off(name, device)]
        return items

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """What is found on is on disk before the first is switched off: one write for the whole batch."""
        items = [change.item for change in changes]
        devices = {item.link: await self._device(item.link) for item in items if isinstance(item, Offload)}
        before = self._load()
        memory = dict(before)
        errors: list[DriverError | None] = [None] * len(changes)
        creates = [place for place, change in enumerate(changes) if change.op is not Op.DELETE]
        for place in creates:
            errors[place] = _tried(_note, items[place], devices, memory)
        self._save(before, memory)
        noted = dict(memory)
        for place, change in deletes_first(changes):
            step = _give_back if change.op is Op.DELETE else _switch_off
            errors[place] = errors[place] or _tried(step, items[place], devices, memory)
        self._save(noted, memory)
        return [Outcome(change, error) for change, error in zip(changes, errors, strict=True)]

    async def _device(self, link: str) -> LinkInfo | None:
        """The port below the bridge that took its name, or the port itself."""
        lower = await find_link(self._rtnl, lower_name(link))
        if lower is not None:
            mark = found_port(lower.alias)
            if mark is not None and (mark.role, mark.name) == ("lower", link):
                return lower
        found = await find_link(self._rtnl, link)
        return found if found is not None and found.alias != BRIDGE else None

    def _load(self) -> dict[str, _Known]:
        try:
            return {link: _known(**value) for link, value in self._notes.load().items()}
        except (ValueError, AttributeError, TypeError):
            return {}

    def _save(self, before: Mapping[str, _Known], after: Mapping[str, _Known]) -> None:
        if before != after:
            self._notes.save({link: _plain(known) for link, known in after.items()})


def _tried(step: Callable[..., None], item: Item, devices: Mapping[str, LinkInfo | None], memory: Any) -> Any:
    """What went wrong in one step for one item; None = nothing."""
    assert isinstance(item, Offload)
    try:
        step(item, devices[item.link], memory)
    except DriverError as error:
        return error
    except OSError as error:
        return DriverError(f"{item.description}: {error.strerror}", errno=error.errno or 0)
    return None


def _note(item: Offload, device: LinkInfo | None, memory: dict[str, _Known]) -> None:
    """Remember what is on."""
    if device is None:
        raise DriverError(f"{item.description}: there is no port {item.link}")
    ours = meant(item.feature, features(device.name))
    if not ours:
        raise DriverError(f"{item.description}: the kernel knows no such feature", retryable=False)
    _refuse(item, [name for name, feature in ours.items() if feature.on and not feature.changeable])
    known = memory.get(item.link)
    if known is None or known.index != device.index:
        known = _Known(device.index)
    found = known.found | {name for name, feature in ours.items() if feature.changeable and feature.requested}
    memory[item.link] = replace(known, off=known.off | {item.feature}, found=found)


def _switch_off(item: Offload, device: LinkInfo, memory: dict[str, _Known]) -> None:
    if on := _on(item.feature, device):
        set_features(device.name, dict.fromkeys(on, False))
        if still := _on(item.feature, device):
            _give_back(item, device, memory)
            _refuse(item, still)


def _refuse(item: Offload, still: Sequence[str]) -> None:
    if still:
        raise DriverError(f"{item.description}: the driver keeps {', '.join(still)} on")


def _give_back(item: Offload, device: LinkInfo | None, memory: dict[str, _Known]) -> None:
    """Switch on what was on, except what another item wants off."""
    known = memory.get(item.link)
    if known is None:
        return
    off = known.off - {item.feature}
    found: frozenset[str] = frozenset()
    if device is not None and device.index == known.index:
        has = features(device.name)
        found = known.found & {name for other in off for name in meant(other, has)}
        if back := known.found - found:
            set_features(device.name, dict.fromkeys(back, True))
    if off:
        memory[item.link] = replace(known, off=off, found=found)
    else:
        del memory[item.link]


def _on(feature: str, device: LinkInfo) -> list[str]:
    """What of a feature is on."""
    return [name for name, one in meant(feature, features(device.name)).items() if one.on]


def _is_off(feature: str, device: LinkInfo) -> bool:
    try:
        return not _on(feature, device)
    except OSError:  # it went this moment
        return False


def _known(index: int, off: list[str], found: list[str]) -> _Known:
    return _Known(int(index), frozenset(map(str, off)), frozenset(map(str, found)))


def _plain(known: _Known) -> dict[str, Any]:
    return {"index": known.index, "off": sorted(known.off), "found": sorted(known.found)}
