#!/usr/bin/env python3
"""Writes docs/reference/config.md from the model: every field with type, default and meaning.

scripts/gen_config_reference.py           # write it
scripts/gen_config_reference.py --check   # exit 1 if it is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from msgspec import NODEFAULT
from msgspec import inspect as types

from evenet_core.formats.rules.properties import ACTED_ON
from evenet_core.formats.rules.unsupported import NOT_YET
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import Secret
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "config.md"
MEANINGS = Path(__file__).with_name("config-reference.yaml")

HEAD = """\
# Config: evenet's own format

<!-- Made by scripts/gen_config_reference.py from evenet_core/model. Do not edit. -->

YAML or JSON. A file begins with `evenet: 1`. `evenet validate FILE` names everything that is wrong with it,
`evenet schema` prints a JSON Schema of it. How to write one: [Write a config](../how-to/write-a-config.md).

* A field that is **required** has no default.
* *Without effect* marks what evenet reads and keeps, but does not act on. `evenet validate` says so, too.
* A *label* or *name* has 1 to 128 characters.
* Objects refer to each other by label or name. A *shared label* means every adapter that carries it.
* YAML anchors, tags and a second document in the file are refused. A file has at most 8 MiB.

"""
OWN_TYPES = {
    IPAddress: "IP address",
    IPNetwork: "subnet, such as `10.1.0.0/24`",
    IPInterface: "address with prefix length",
    Secret: "text, never shown",
    object: "anything",
}


def main(arguments: list[str]) -> int:
    page = render()
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
            return 0
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is not up to date; run {Path(__file__).relative_to(ROOT)}\n")
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


def render() -> str:
    """The page.

    :raises SystemExit: a field has no meaning, or a meaning has no field.
    """
    meanings: dict[str, Any] = yaml.safe_load(MEANINGS.read_text(encoding="utf-8"))
    objects = _objects()
    _check(objects, meanings)
    sections = [_section(one, places, meanings[one.cls.__name__]) for one, places in objects.values()]
    return HEAD + "\n".join([*sections, *_properties(meanings["settings"])]) + "\n"


Objects = dict[type, tuple[types.DataclassType, list[str]]]


def _objects() -> Objects:
    """Every object of the format, and the places where it stands, in the order of a file."""
    found: Objects = {}
    _collect(types.type_info(DeviceConfig), "", found)
    return found


def _collect(kind: types.Type, place: str, found: Objects) -> None:
    match kind:
        case types.DataclassType():
            new = kind.cls not in found
            found.setdefault(kind.cls, (kind, []))[1].append(place)
            for field in kind.fields if new else ():
                _collect(field.type, f"{place}.{field.name}".lstrip("."), found)
        case types.VarTupleType():
            _collect(kind.item_type, f"{place}[]", found)
        case types.UnionType():
            for member in kind.types:
                _collect(member, place, found)
        case types.Metadata():
            _collect(kind.type, place, found)


def _check(objects: Objects, meanings: Mapping[str, Any]) -> None:
    there = {f"{one.cls.__name__}.{field.name}" for one, _ in objects.values() for field in one.fields}
    told = {f"{name}.{field}" for name, fields in meanings.items() if name != "settings" for field in fields}
    wrong = [f"{name}: no meaning in {MEANINGS.name}" for name in sorted(there - told)]
    wrong += [f"{name}: there is no such field" for name in sorted(told - there)]
    wrong += [f"settings: {name} differs" for name in sorted(ACTED_ON ^ set(meanings["settings"]))]
    if wrong:
        raise SystemExit("\n".join(wrong))


def _section(one: types.DataclassType, places: list[str], meanings: Mapping[str, str]) -> str:
    title = " and ".join(f"`{place}`" for place in places) if places != [""] else "The file"
    about = (one.cls.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", "\n")
    rows = "\n".join(_row(field, places, meanings[field.name]) for field in one.fields)
    return f"## {title}\n\n{about}\n\n| field | type | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _row(field: types.Field, places: list[str], meaning: str) -> str:
    notes = dict.fromkeys(note for place in places for note in _not_yet(f"{place}.{field.name}".lstrip(".")))
    told = " ".join([meaning, *(f"*Without effect:* {note}." for note in notes)])
    cells = (f"`{field.name}`", _type(field.type), _default(field), told)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _not_yet(path: str) -> Iterator[str]:
    for name in (path, f"{path}[]"):
        if name in NOT_YET:
            yield NOT_YET[name]


def _default(field: types.Field) -> str:
    if field.required or field.name == "evenet":  # its value is what the file is known by
        return "**required**"
    value = field.default
    if value is NODEFAULT:
        value = field.default_factory() if field.default_factory is not NODEFAULT else None
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f"`{value.value}`"
        case "" | ():
            return "empty"
        case str() | int():
            return f"`{value}`" if str(value) else "empty"
    return "empty"


def _type(kind: types.Type) -> str:
    match kind:
        case types.Metadata() if kind.extra_json_schema and "description" in kind.extra_json_schema:
            return str(kind.extra_json_schema["description"])
        case types.Metadata():
            return _type(kind.type)
        case types.DataclassType():
            return "object"
        case types.VarTupleType():
            return f"list of {_plural(_type(kind.item_type))}"
        case types.DictType():
            return "object"
        case types.UnionType():
            return ", ".join(_type(member) for member in kind.types if not isinstance(member, types.NoneType))
        case types.EnumType():
            return ", ".join(f"`{member.value}`" for member in kind.cls)
        case types.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case types.CustomType():
            return OWN_TYPES[kind.cls]
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return _number(kind)
        case types.StrType():
            return "text"
    raise TypeError(f"{kind} has no name for people")


def _plural(word: str) -> str:
    if word == "IP address":
        return "IP addresses"
    return {"object": "objects", "text": "texts"}.get(word, word)


def _number(kind: types.IntType) -> str:
    if kind.ge is not None and kind.le is not None and kind.le < 2**31 - 1:
        return f"number from {kind.ge} to {kind.le}"
    return "number" if kind.ge is None else f"number, at least {kind.ge}"


def _properties(properties: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    yield "## `settings`: device properties\n"
    yield "Values are text. evenet acts on these; others that it knows are named by `evenet validate`.\n"
    yield "| property | default | meaning |\n|---|---|---|"
    yield from (f"| `{name}` | `{default}` | {meaning} |" for name, (default, meaning) in properties.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
