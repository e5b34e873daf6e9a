"""A system in memory for tests of the reconciler: items, and a driver that can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from evenet_core.errors import DriverError
from evenet_core.reconciler.fragments import Wanted
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires

__all__ = ["PORT", "MemoryDriver", "System", "Thing", "thing", "want"]


@dataclass(frozen=True, slots=True)
class Thing(Item):
    """An item of any kind; `size` changes in place, `shape` only by replacing. `anew`: those of its needs whose
    update makes it anew."""

    kind: ClassVar[str] = "a"
    name: str
    size: int = 0
    shape: int = 0
    needs: tuple[ItemKey, ...] = ()
    anew: tuple[ItemKey, ...] = ()

    @property
    def key(self) -> ItemKey:
        return ItemKey((self.kind, self.name))

    @property
    def requires(self) -> tuple[Requires, ...]:
        return tuple(Requires(key, "it stands on it", key in self.anew) for key in self.needs)

    def replaces(self, other: Item) -> bool:
        return isinstance(other, Thing) and other.shape != self.shape


class ThingB(Thing):
    __slots__ = ()
    kind: ClassVar[str] = "b"


class ThingC(Thing):
    __slots__ = ()
    kind: ClassVar[str] = "c"


class ThingD(Thing):
    __slots__ = ()
    kind: ClassVar[str] = "d"


PORT = ItemKey(("c", "port"))
"""Something that nobody plans; it comes and goes also while a batch is in flight."""

_CLASSES = {"a": Thing, "b": ThingB, "c": ThingC, "d": ThingD}


def key(text: str) -> ItemKey:
    """`key("a:x")`: x of kind a."""
    return ItemKey(text.split(":"))


def thing(name: str, *needs: str, size: int = 0, shape: int = 0) -> Thing:
    """`thing("b:x", "a:y", "a:z!")`: x of kind b, which requires y and z of kind a, and is made anew when z changes."""
    kind, plain = name.split(":")
    keys = tuple(key(need.rstrip("!")) for need in needs)
    anew = tuple(key(need.rstrip("!")) for need in needs if need.endswith("!"))
    return _CLASSES[kind](plain, size, shape, keys, anew)


def want(*things: Thing, by: str = "test") -> dict[ItemKey, Wanted]:
    return {item.key: Wanted(item, "test", by) for item in things}


class System:
    """What exists; checks the rules at every single change."""

    def __init__(self) -> None:
        self.items: dict[ItemKey, Thing] = {}
        self.external: set[ItemKey] = set()
        self.failing: set[ItemKey] = set()
        self.log: list[str] = []
        self.honest = True  # no driver lied about it or left it half done

    def carry_out(self, change: Change) -> None:
        """Raises DriverError as told, AssertionError when a rule is broken."""
        key = change.key
        if key in self.failing:
            raise DriverError(f"{key} does not want to")
        if change.op is Op.DELETE:
            standing = [i for i in self.items.values() if key in i.needs and i.key != key]
            assert not standing, f"{key} deleted under {standing}"
            self.items.pop(key, None)
        else:
            item = change.after
            assert isinstance(item, Thing)
            missing = [need for need in item.needs if need not in self.items and need not in self.external]
            if PORT in missing:
                raise DriverError(f"{key} was to be made when {PORT} had just gone")
            assert not missing, f"{key} made without {missing}"
            before = self.items.get(key)
            assert before is None or not item.replaces(before), f"{key} changed in place"
            above = [i for i in self.items.values() if key in i.anew]
            assert before in (None, item) or not above, f"{key} changed under {above}"
            self.items[key] = item
        self.log.append(f"{change.op} {key}")


class MemoryDriver:
    """The driver of some kinds of a `System`."""

    def __init__(self, system: System, *kinds: str) -> None:
        self.kinds = kinds
        self._system = system
        self.observations = 0
        self.on_change: Callable[[Change], None] = lambda change: None  # told of every change, as the kernel does

    async def observe(self) -> Iterable[Item]:
        self.observations += 1
        return [item for item in self._system.items.values() if item.kind in self.kinds]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change, self._try(change)) for change in changes]

    def _try(self, change: Change) -> DriverError | None:
        try:
            self._system.carry_out(change)
        except DriverError as error:
            return error
        self.on_change(change)
        return None
