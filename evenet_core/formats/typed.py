"""A plain document as a value of the model: quickly when it is good, with every reason when it is not.

A good document costs one walk that looks for what msgspec lets pass (unknown keys, characters that are
none, texts without end) and one run of msgspec. `salvage.py` goes through a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from evenet_core.formats.report import Report
from evenet_core.formats.sharing import Sharing
from evenet_core.model.config import DeviceConfig
from evenet_core.model.plain import from_plain

__all__ = ["LONGEST_TEXT", "clean_lines", "clean_text", "typed"]

_sharing = Sharing()
LONGEST_TEXT = 4096  # characters, where the model says nothing

T = TypeVar("T")
Check = Callable[[Any], bool]


def typed(document: Any, type_: type[T], report: Report) -> T:
    """The value that a document means. Everything wrong is in the report, with something harmless in its place."""
    reason = "holds unknown keys or characters"
    if _tidy(cast(Hashable, type_))(document):
        try:
            value = from_plain(document, type_)
            return cast(T, _sharing.shared(value, document)) if isinstance(value, DeviceConfig) else value
        except (msgspec.ValidationError, ValueError) as error:
            reason = str(error)
    from evenet_core.formats.salvage import salvage  # noqa: PLC0415  good documents do without

    value = salvage(document, type_, report)
    if not report.problems:  # msgspec knows better
        report.problem("", f"does not fit the format: {reason[:200]}", "see `evenet schema`")
    return value


@cache
def _tidy(type_: Hashable) -> Check:
    check = _check(inspect.type_info(type_))
    assert check is not None
    return check


def _check(info: inspect.Type) -> Check | None:
    """What finds fault with a value; None if nothing can be wrong that msgspec does not see."""
    match info:
        case inspect.DataclassType():
            return _object_check({field.encode_name: _check(field.type) for field in info.fields})
        case inspect.VarTupleType() | inspect.FrozenSetType():
            return _list_check(_check(info.item_type))
        case inspect.DictType():
            return _map_check(_check(info.value_type))
        case inspect.UnionType():
            return next((check for check in map(_check, info.types) if check is not None), None)
        case inspect.Metadata():
            return clean_lines if (info.extra or {}).get("lines") else _check(info.type)
        case inspect.StrType() | inspect.CustomType() if info != inspect.CustomType(object):
            return clean_text
        case _:
            return None


def _object_check(keys: dict[str, Check | None]) -> Check:
    def check(value: Any) -> bool:
        if type(value) is not dict:
            return True
        for key, member in value.items():
            if key not in keys:
                return False
            find = keys[key]
            if find is not None and not find(member):
                return False
        return True

    return check


def _list_check(element: Check | None) -> Check | None:
    if element is None:
        return None
    return lambda value: type(value) is not list or all(map(element, value))


def _map_check(element: Check | None) -> Check | None:
    if element is None:
        return None
    return lambda value: type(value) is not dict or (all(map(clean_text, value)) and all(map(element, value.values())))


def clean_text(value: Any) -> bool:
    """One line without control characters, lone surrogates and what turns the text's direction."""
    return type(value) is not str or (len(value) <= LONGEST_TEXT and value.isprintable())


def clean_lines(value: Any) -> bool:
    """Several lines of such text."""
    return type(value) is not str or value.translate(_BREAKS).isprintable()


_BREAKS = {ord(character): None for character in "\n\r\t"}
