"""Reading a file of any known format: which one it is, its reader, and every problem or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from evenet_core.formats.decode import MAX_BYTES, decode
from evenet_core.formats.document import Document
from evenet_core.formats.kinds import kind_of
from evenet_core.formats.report import Report, Unreadable

__all__ = ["read", "read_file", "schema"]

Reader = Callable[[dict[str, Any], Report], Document]


def read(data: bytes, name: str) -> Document:
    """The document in a file's bytes.

    :param name: of the file: messages begin with it, its suffix tells JSON from YAML, and a DPC without a key has it.
    :raises ConfigError: with every problem.
    """
    report = Report(name)
    try:
        content = decode(data, name, report)
        document = _reader(kind_of(content, report))(content, report)
    except Unreadable:
        _give_up(report)
    report.raise_problems()
    return replace(document, notices=report.notices())


def read_file(path: str | Path) -> Document:
    """The document in a file.

    :raises ConfigError: with every problem.
    :raises OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return read(file.read(MAX_BYTES + 1), str(path))


def schema() -> dict[str, Any]:
    """JSON Schema of evenet's own format."""
    from evenet_core.formats.schema import schema_of_config  # noqa: PLC0415  seldom asked for

    return schema_of_config()


_READERS = {"native": "native", "eve": "eve", "dpc": "dpc", "settings": "properties"}


def _reader(kind: str) -> Reader:
    """Readers of other formats are not loaded."""
    reader: Reader = import_module(f"evenet_core.formats.{_READERS[kind]}").read
    return reader


def _give_up(report: Report) -> NoReturn:
    report.raise_problems()
    raise AssertionError("a file that cannot be read has a reason")
