"""Goes through a document that does not fit the model: everything wrong is reported, the rest is kept.

What is wrong is replaced by something harmless (an empty text, the default), so that lists keep their
length and the rules on meaning (`rules/`) can look at what is left.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address, ip_interface, ip_network
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import inspect

from evenet_core.formats.report import Path, Report, shown
from evenet_core.formats.typed import LONGEST_TEXT, clean_lines, clean_text
from evenet_core.formats.words import found, hint, likely, wanted
from evenet_core.model.networks import Secret
from evenet_core.model.plain import parse
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["salvage"]

T = TypeVar("T")

_OPAQUE = inspect.CustomType(object)
_MOMENT = Annotated[datetime, msgspec.Meta(tz=True)]


def salvage(document: Any, type_: type[T], report: Report) -> T:
    """As much of the value as the document gives; the report says what is wrong with the rest."""
    return cast(T, _Salvage(report).read(document, inspect.type_info(type_), ()))


class _Salvage:
    def __init__(self, report: Report) -> None:
        self._report = report

    def read(self, value: Any, info: inspect.Type, path: Path) -> Any:
        match info:
            case inspect.Metadata():
                return self._described(value, info, path)
            case inspect.UnionType():
                return self._optional(value, info, path)
            case inspect.DataclassType():
                return self._object(value, info, path)
            case inspect.VarTupleType() | inspect.FrozenSetType():
                return self._list(value, info, path)
            case inspect.DictType():
                return self._map(value, info, path)
            case inspect.StrType():
                return self._text(value, info, wanted(info), path)
            case _:
                return self._leaf(value, info, path)

    # -- what holds other values ------------------------------------------------------------------------

    def _object(self, value: Any, info: inspect.DataclassType, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong(value, info, path)
        fields = {field.encode_name: field for field in info.fields}
        for key in value:
            if key not in fields:
                self._report.broken((*path, key), "is an unknown key", likely(str(key), fields))
        made = {}
        for name, field in fields.items():
            here = (*path, name)
            if name in value:
                member = self.read(value[name], field.type, here)
                if field.required or not self._report.is_broken(here):
                    made[field.name] = member
            elif field.required:
                made[field.name] = self._missing(field, here)
        return info.cls(**made)

    def _missing(self, field: inspect.Field, path: Path) -> Any:
        self._report.broken(path, "is missing", f"write {wanted(field.type)}")
        return _blank(field.type)

    def _optional(self, value: Any, info: inspect.UnionType, path: Path) -> Any:
        inner = next(member for member in info.types if not isinstance(member, inspect.NoneType))
        return None if value is None else self.read(value, inner, path)

    def _list(self, value: Any, info: inspect.VarTupleType | inspect.FrozenSetType, path: Path) -> Any:
        if not isinstance(value, list):
            return self._wrong(value, info, path)
        made = tuple(self.read(element, info.item_type, (*path, i)) for i, element in enumerate(value))
        return frozenset(made) if isinstance(info, inspect.FrozenSetType) else made

    def _map(self, value: Any, info: inspect.DictType, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._wrong(value, info, path)
        if info.value_type == _OPAQUE:
            return value
        for key in value:
            self.read(key, info.key_type, (*path, key))
        return {key: self.read(member, info.value_type, (*path, key)) for key, member in value.items()}

    # -- what does not ----------------------------------------------------------------------------------

    def _described(self, value: Any, info: inspect.Metadata, path: Path) -> Any:
        if isinstance(info.type, inspect.StrType):
            lines = bool((info.extra or {}).get("lines"))
            return self._text(value, info.type, wanted(info), path, lines=lines)
        return self._leaf(value, info.type, path)

    def _text(self, value: Any, info: inspect.StrType, want: str, path: Path, *, lines: bool = False) -> str:
        longest = info.max_length or LONGEST_TEXT
        if not isinstance(value, str):
            self._report.broken(path, f"is {found(value)}", f"write {want}")
        elif len(value) > longest:
            self._report.broken(path, f"is {len(value)} characters long", f"write at most {longest}")
        elif not (clean_lines(value) if lines else clean_text(value)):
            self._report.broken(path, f"holds characters that cannot be seen: {shown(value)}", f"write {want}")
        elif len(value) < (info.min_length or 0):
            self._report.broken(path, "is empty", f"write {want}")
        elif info.pattern is not None and not re.search(info.pattern, value):
            lower = bool(re.search(info.pattern, value.lower()))
            self._report.broken(path, f"is {found(value)}", "write it in lower case" if lower else f"write {want}")
        else:
            return value
        return ""

    def _leaf(self, value: Any, info: inspect.Type, path: Path) -> Any:
        if not clean_text(value):
            return self._wrong(value, info, path)
        try:
            return _meant(value, info)
        except (msgspec.ValidationError, ValueError, TypeError):
            return self._wrong(value, info, path)

    def _wrong(self, value: Any, info: inspect.Type, path: Path) -> Any:
        secret = isinstance(info, inspect.CustomType) and info.cls is Secret
        what = found(value, secret=secret)
        if isinstance(info, inspect.IntType) and isinstance(value, int) and not isinstance(value, bool):
            problem = f"{value} is out of range"
        elif not clean_text(value):
            problem = f"is {what} with characters that cannot be seen, or too long"
        else:
            problem = f"is {what}"
        self._report.broken(path, problem, hint(value, info) or f"write {wanted(info)}")
        return _blank(info)


def _meant(value: Any, info: inspect.Type) -> Any:
    """
    :raises ValueError: it means nothing of that type.
    """
    match info:
        case inspect.IntType() if isinstance(value, int) and not isinstance(value, bool):
            if (info.ge is None or value >= info.ge) and (info.le is None or value <= info.le):
                return value
        case inspect.BoolType() if isinstance(value, bool):
            return value
        case inspect.EnumType():
            return info.cls(value)
        case inspect.LiteralType() if value in info.values and not isinstance(value, bool):
            return value
        case inspect.CustomType():
            return value if info == _OPAQUE else parse(info.cls, value)
        case inspect.DateTimeType():
            return msgspec.convert(value, _MOMENT)
    raise ValueError


_BLANK: dict[Any, Any] = {
    IPAddress: ip_address("0.0.0.0"),
    IPNetwork: ip_network("0.0.0.0/32"),
    IPInterface: ip_interface("0.0.0.0/32"),
    Secret: Secret(""),
}


def _blank(info: inspect.Type) -> Any:
    """Something harmless of that type. Rules pass over what is broken, and over empty names."""
    match info:
        case inspect.Metadata():
            return _blank(info.type)
        case inspect.StrType():
            return ""
        case inspect.IntType():
            return 0
        case inspect.EnumType():
            return next(iter(info.cls))
        case inspect.LiteralType():
            return info.values[0]
        case inspect.CustomType():
            return _BLANK.get(info.cls)
        case inspect.VarTupleType():
            return ()
        case inspect.FrozenSetType():
            return frozenset()
        case inspect.DictType():
            return {}
        case inspect.DataclassType():
            return info.cls(**{field.name: _blank(field.type) for field in info.fields if field.required})
        case _:
            return None
