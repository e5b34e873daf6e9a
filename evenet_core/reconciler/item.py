"""Items: units of desired state. A value, an identity, and what must be there before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

__all__ = ["Change", "Driver", "Item", "ItemKey", "Op", "Outcome", "Requires"]


class ItemKey(tuple[Any, ...]):
    """Identity of an item: its kind, then what tells it from others of that kind.

    Parts are text and numbers only, so that keys are quick to hash and to show.
    """

    __slots__ = ()

    @property
    def kind(self) -> str:
        return str(self[0])

    def __str__(self) -> str:
        return ":".join(str(part) for part in self)


class Requires(NamedTuple):
    """One thing that must be there before an item can be.

    It is another item of the intent, or something that exists without us (a physical port).

    :param anew: an update of that thing, too, takes the item down first and brings it back afterwards.
    """

    key: ItemKey
    because: str = ""
    anew: bool = False


class Item:
    """Base of every item. Subclasses are frozen, slotted dataclasses; equality decides "in sync".

    Fields that say nothing about the state (only why it is wanted) are declared with `compare=False`.
    """

    __slots__ = ()

    kind: ClassVar[str]

    @property
    def key(self) -> ItemKey:
        """Identity: stays the same while the value changes."""
        raise NotImplementedError

    @property
    def requires(self) -> tuple[Requires, ...]:
        """What must be there before; also what must not go before this has gone."""
        return ()

    @property
    def description(self) -> str:
        """One line for people."""
        return str(self.key)

    def public(self) -> dict[str, Any]:
        """Fields to show in plans; an item overrides it to leave out or to shorten some.

        A value whose `str` hides it (a secret) is shown hidden.
        """
        return {field.name: getattr(self, field.name) for field in fields(self) if field.compare}  # type: ignore[arg-type]

    def replaces(self, other: Item) -> bool:
        """Whether a change from `other` (same key) needs delete and create instead of an update."""
        return False


class Op(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


I_co = TypeVar("I_co", bound=Item, covariant=True)
I = TypeVar("I", bound=Item)  # noqa: E741  the design's name


class _Change(NamedTuple):
    op: Op
    before: Item | None
    after: Item | None
    key: ItemKey


class Change(_Change):
    """One create, update or delete. `before` is None for a create, `after` None for a delete.

    :param key: of the item, where it is at hand.
    """

    __slots__ = ()

    def __new__(cls, op: Op, before: Item | None, after: Item | None, key: ItemKey | None = None) -> Self:
        if key is None:
            item = after if after is not None else before
            assert item is not None
            key = item.key
        return tuple.__new__(cls, (op, before, after, key))

    @property
    def item(self) -> Item:
        item = self.after if self.after is not None else self.before
        assert item is not None
        return item


class Outcome(NamedTuple):
    """What became of one change: `error` None = done."""

    change: Change
    error: Exception | None = None


@runtime_checkable
class Driver(Protocol):
    """Observes and changes all items of its kinds. The only code that changes the system.

    A driver with an attribute `side_by_side` that is true gets every change by itself and in a call of its own, so
    that a slow one holds up no other. Such a call is cancelled when its change is not wanted any more; what it
    left is observed then.
    """

    kinds: tuple[str, ...]

    async def observe(self) -> Iterable[Item]:
        """All items that exist and carry our mark."""
        ...

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Carry out one batch; one outcome a change, in the same order.

        Deletes in a batch are carried out before creates. Creating what exists and deleting what is
        gone succeed.
        """
        ...
