"""Objects of a foreign format as objects of evenet's own, by tables: a field's name there, its name here, its change.

The tables do three jobs. They translate; they find the way back, from a path in evenet's words to the
same place in the file; and they know what nobody reads, so that no field is dropped in silence.

What a value of the wrong type means is not decided here: it is handed on as it is, and `typed.py` says
what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evenet_core.formats.report import Path, Report, render

__all__ = ["Convert", "Field", "Place", "Table", "first", "inside", "lookup", "many", "one", "plain"]


UNKNOWN = "unknown field, ignored"
LONGEST_NAME = 3  # steps of a name such as `ip.ignore.dns`


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: in the file, and in evenet's own document."""

    report: Report
    source: Path = ()
    native: Path = ()

    def down(self, source: Path, native: Path) -> Place:
        return Place(self.report, self.source + source, self.native + native)

    def at(self, value: dict[str, Any], name: str) -> Place:
        """A field of the foreign object `value`, as it is spelled there."""
        return self.down((_spelled(name, value),), (name,))

    def notice(self, text: str) -> None:
        self.report.notice(render(self.source), text)

    def broken(self, problem: str, remedy: str) -> None:
        self.report.problem(render(self.source), problem, remedy)
        self.report.mark_broken(self.native)


Convert = Callable[[Any, Place], Any]  # None = the field says nothing
Finish = Callable[[dict[str, Any], dict[str, Any], Place], None]  # what was made, what it was made of


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a foreign object.

    :param native: its name here, `ip.mode` for one inside of another object; empty = nothing becomes of it.
    :param default: what the field means when it is missing, where evenet's own default is another.
    :param notice: told to the operator when the field says something.
    """

    source: str
    native: str = ""
    convert: Convert | None = None
    default: Any = None
    notice: str = ""
    table: Table | None = None
    shape: Literal["value", "one", "many", "first", "inside"] = "value"


def one(source: str, native: str, table: Table) -> Field:
    """An object."""
    return Field(source, native, table=table, shape="one")


def many(source: str, native: str, table: Table) -> Field:
    """A list of objects."""
    return Field(source, native, table=table, shape="many")


def first(source: str, native: str, table: Table) -> Field:
    """A list of objects of which there is one only."""
    return Field(source, native, table=table, shape="first")


def inside(source: str, *fields: Field, unknown: str | None = UNKNOWN) -> Field:
    """An object whose fields belong, here, to the object around it."""
    return Field(source, table=Table(*fields, unknown=unknown), shape="inside")


class Table:
    """The fields of one kind of object.

    :param finish: what no single field says: values that depend on several.
    :param other: name of the object here that keeps what nobody reads; empty = nothing does.
    :param quiet: fields that are known to be none of evenet's business; nothing is said of them.
    :param unknown: the notice on any other field; None = nothing is said.
    :param elsewhere: fields here that come from no field of their own: where they would stand in the file.
    """

    def __init__(
        self,
        *fields: Field,
        finish: Finish | None = None,
        other: str = "",
        quiet: tuple[str, ...] = (),
        unknown: str | None = UNKNOWN,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        self._fields = [(field, plain(field.source)) for field in fields]
        self._known = {name for _, name in self._fields}
        self._finish = finish
        self._other = other
        self._quiet = {plain(name) for name in quiet}
        self._unknown = unknown
        self._elsewhere = elsewhere or {}

    def read(self, value: Any, place: Place) -> Any:
        """The object in evenet's words. What is no object stays what it is."""
        if not isinstance(value, dict):
            return value
        made: dict[str, Any] = {}
        self._fill(made, value, place)
        return made

    def _fill(self, made: dict[str, Any], value: dict[str, Any], place: Place) -> None:
        found = _by_plain_name(value, place)
        for field, name in self._fields:
            spelled = found.get(name, field.source)
            given = value.get(spelled)
            if given is not None or field.default is not None or field.shape == "inside":
                self._take(field, made, given, place.down((spelled,), ()))
        for name, spelled in found.items():
            if name not in self._known:
                self._left(made, name, spelled, value[spelled], place)
        if self._finish is not None:
            self._finish(made, value, place)

    def _take(self, field: Field, made: dict[str, Any], value: Any, place: Place) -> None:
        if field.notice and _says_something(value):
            place.notice(field.notice)
        if field.shape == "inside":
            self._take_inside(field, made, value, place)
        elif field.native:
            native = tuple(field.native.split("."))
            said = value is not None and value != ""
            result = _converted(field, value, place.down((), native)) if said else None
            _put(made, native, field.default if result is None else result)

    @staticmethod
    def _take_inside(field: Field, made: dict[str, Any], value: Any, place: Place) -> None:
        assert field.table is not None
        if isinstance(value, dict) or value is None:
            field.table._fill(made, value or {}, place)
        else:
            place.report.problem(render(place.source), "is no object", "write an object")

    def _left(self, made: dict[str, Any], name: str, spelled: str, value: Any, place: Place) -> None:
        if self._other:
            made.setdefault(self._other, {})[spelled] = value
        if self._unknown is not None and name not in self._quiet and value is not None:
            place.down((spelled,), ()).notice(self._unknown)

    def locate(self, native: Path, value: Any) -> Path:
        """The way back: from a path in evenet's words to the steps into the file's object `value`.

        Of several fields that mean the same, the one that the file has; without any, the object as a whole.
        """
        ways = [_walked(way, value, rest) for way, rest in self._ways(native)]
        there = [steps for steps, exists in ways if exists]
        if native and native[0] in self._elsewhere:
            return (_spelled(self._elsewhere[str(native[0])], value),)
        return next(iter(there or [steps for steps, _ in ways]), ())

    def _ways(self, native: Path) -> Iterator[tuple[tuple[Field, ...], Path]]:
        for length in range(min(len(native), LONGEST_NAME), 0, -1):
            name = ".".join(str(step) for step in native[:length])
            yield from ((way, native[length:]) for way in self._named(name))

    def _named(self, native: str) -> Iterator[tuple[Field, ...]]:
        for field, _ in self._fields:
            if field.native == native:
                yield (field,)
            elif field.shape == "inside" and field.table is not None:
                yield from ((field, *way) for way in field.table._named(native))


def _walked(way: tuple[Field, ...], value: Any, rest: Path) -> tuple[Path, bool]:
    steps: Path = ()
    for field in way:
        step = _spelled(field.source, value)
        steps, value = (*steps, step), value.get(step) if isinstance(value, dict) else None
    return steps + _located(way[-1], rest, value), value is not None


def _located(field: Field, rest: Path, value: Any) -> Path:
    if field.table is None:
        return rest
    if field.shape == "first":
        rest = (0, *rest)
    if field.shape == "one" or not rest:
        return field.table.locate(rest, value)
    index = rest[0]
    inner = value[index] if isinstance(value, list) and isinstance(index, int) and index < len(value) else None
    return (index, *field.table.locate(rest[1:], inner))


def _converted(field: Field, value: Any, place: Place) -> Any:
    if field.table is None:
        return value if field.convert is None else field.convert(value, place)
    if field.shape == "one":
        return field.table.read(value, place)
    if not isinstance(value, list):
        return value
    if field.shape == "first":
        return field.table.read(value[0], replace(place, source=(*place.source, 0))) if value else None
    return [field.table.read(element, place.down((i,), (i,))) for i, element in enumerate(value)]


def _put(made: dict[str, Any], native: tuple[str, ...], value: Any) -> None:
    """The first of two fields that mean the same counts."""
    if value is None:
        return
    for step in native[:-1]:
        made = made.setdefault(step, {})
        if not isinstance(made, dict):
            return
    made.setdefault(native[-1], value)


def _by_plain_name(value: dict[str, Any], place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for spelled in value:
        first_spelling = found.setdefault(plain(spelled), spelled)
        if first_spelling != spelled:
            path = render((*place.source, spelled))
            place.report.problem(path, f"is given as {first_spelling} too", "keep one of them")
    return found


def _spelled(name: str, value: Any) -> str:
    """A field's name as the file spells it."""
    if not isinstance(value, dict) or name in value:
        return name
    return next((key for key in value if plain(key) == plain(name)), name)


def _says_something(value: Any) -> bool:
    return value not in (None, "", 0, False, [], {})


def lookup(value: Any, name: str) -> Any:
    """A field of a foreign object, however its name is spelled; None if it is not there."""
    return value.get(_spelled(name, value)) if isinstance(value, dict) else None


def plain(name: str) -> str:
    """What stays of a name when case and underscores do not count: `mount_dir`, `mountDir`."""
    return name.replace("_", "").lower()
