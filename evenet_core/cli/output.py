"""What people and programs see: JSON documents, aligned tables, colour on terminals only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["colour", "print_json", "print_table", "printable", "shown"]

_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2))


def colour(text: str, name: str) -> str:
    """`text` in a colour, where colours show."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{_CODES[name]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """Text on one line. Control characters of others do not reach the terminal."""
    return "".join(c if c.isprintable() else "?" for c in "; ".join(text.splitlines()))


def shown(value: Any) -> str:
    """A value in a table's cell; unknown is a dash."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(element) for element in value)
    return printable(str(value))


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "none") -> None:
    """Aligned columns; a line that says so when there are no rows."""
    cells = [[shown(value) for value in row] for row in rows]
    if not cells:
        print(empty)
        return
    table = [list(header), *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for number, row in enumerate(table):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(colour(line, "bold") if number == 0 else line)
