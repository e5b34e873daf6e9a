"""`evenet graph --svg`: all items of a node in one picture, by the objects that want them. Pure.

Graphviz would draw items and thousands of arrows between them, folds nothing away, and is not there on a node. Here an
object is a box, what it stands on is to its left, and what is well takes the less room the more there is of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenet_core.cli.picture.layout import arrange
from evenet_core.cli.picture.objects import read_objects
from evenet_core.cli.picture.page import page

__all__ = ["draw"]


def draw(graph: Mapping[str, Any]) -> str:
    """An SVG document of what `evenet graph --json` prints."""
    objects = read_objects(graph)
    return page(arrange(objects), objects, str(graph.get("time") or ""))
