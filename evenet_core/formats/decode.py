"""Bytes to a plain document: dict, list, str, int, float, bool, None. Bounded in every direction."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from evenet_core.formats.report import Path, Report, Unreadable, render

__all__ = ["MAX_BYTES", "MAX_DEPTH", "decode", "integer", "number", "too_deep"]

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64  # the deepest of real documents is 12
_MAX_DIGITS = 20  # 2**64 has 20
_INTEGERS = range(-(2**63), 2**64)


def decode(data: bytes, name: str, report: Report) -> dict[str, Any]:
    """The object that a file holds, as JSON or YAML by its suffix, otherwise by its first character.

    :raises Unreadable: it holds none; the report says why.
    """
    if len(data) > MAX_BYTES:
        raise report.stop(
            f"larger than {MAX_BYTES // 1024 // 1024} MiB", "no config needs that much; is this the file?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise report.stop(f"byte {error.start} is not UTF-8", "save the file as UTF-8 text") from None
    document = _json(text, report) if _is_json(text, name) else _yaml(text, report)
    if "\\" in text and _has_half_characters(document):
        raise report.stop("a character is half of a surrogate pair (\\ud800 ...)", "write the whole character")
    if not isinstance(document, dict):
        raise report.stop("this is not an object with keys", "a config starts with '{' or 'evenet: 1'")
    return document


def _is_json(text: str, name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    if suffix in (".yaml", ".yml"):
        return False
    return suffix == ".json" or text.lstrip()[:1] in ("{", "[")


def _has_half_characters(document: Any) -> bool:
    """Such text cannot be written anywhere."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _yaml(text: str, report: Report) -> Any:
    from evenet_core.formats.yamltree import load  # noqa: PLC0415  JSON needs no YAML parser

    return load(text, report)


class _BadNumberError(ValueError):
    """A number that JSON text holds and that no config can mean."""


def _json(text: str, report: Report) -> Any:
    repeated: dict[int, tuple[dict[str, Any], str]] = {}  # holds the object, so that its id stays its own

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            twice = next(key for key, count in Counter(key for key, _ in items).items() if count > 1)
            repeated[id(found)] = (found, twice)
        return found

    try:
        document = json.loads(
            text, object_pairs_hook=pairs, parse_int=integer, parse_float=number, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise report.stop(f"not JSON: {error.msg[:100]}", "correct the JSON text", path=where) from None
    except _BadNumberError as error:
        raise report.stop(str(error), "write a number of at most 64 bits") from None
    except RecursionError:
        raise too_deep(report) from None
    if _is_too_deep(document):
        raise too_deep(report)
    if repeated:
        _report_repeated(document, {key: twice for key, (_, twice) in repeated.items()}, report)
    return document


def _is_too_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value) if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _report_repeated(document: Any, repeated: dict[int, str], report: Report) -> None:
    def visit(value: Any, path: Path) -> None:
        twice = repeated.pop(id(value), None)
        if twice is not None:
            report.problem(render((*path, twice)), "the key stands twice in one object", "keep one of them")
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(child, (dict, list)):
                visit(child, (*path, step))

    visit(document, ())
    for twice in repeated.values():  # inside of a value that a repetition has pushed out
        report.problem(render((twice,)), "the key stands twice in one object", "keep one of them")


def integer(text: str) -> int:
    """
    :raises ValueError: no config can mean this number.
    """
    value = int(text) if len(text) <= _MAX_DIGITS else None
    if value is None or value not in _INTEGERS:
        raise _BadNumberError(f"the number {text[:_MAX_DIGITS]}... is too large")
    return value


def number(text: str) -> float:
    """
    :raises ValueError: no config can mean this number.
    """
    value = float(text)
    if not math.isfinite(value):
        raise _BadNumberError(f"the number {text[:_MAX_DIGITS]} is too large")
    return value


def _constant(text: str) -> float:
    raise _BadNumberError(f"{text} is not a number")


def too_deep(report: Report) -> Unreadable:
    return report.stop(f"nested deeper than {MAX_DEPTH} levels", "no config is that deep; is this the file?")
