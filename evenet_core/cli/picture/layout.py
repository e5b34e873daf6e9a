"""Where everything goes: objects become blocks of rows, blocks columns, what is stood on to the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

from evenet_core.cli.picture.objects import FAILED, IN_SYNC, PENDING, Object, Outside, state_of

__all__ = ["CELL", "CELLS", "HEAD", "LABEL", "LINE", "SMALL", "WIDTH", "Block", "Picture", "Row", "arrange"]

WIDTH = 272  # of a block
CELL, CELLS = 14, 11  # of a cell with its gap; in one line
LABEL = 96  # left of cells
GAP, BETWEEN, CHANNEL = 16, 14, 88  # between blocks; more beside them, for arrows; between layers
MARGIN, TOP = 28, 112
HEAD, LINE, SMALL = 44, 18, 15
MANY = 300  # items of a node from which on objects that are well are folded to a line each
TOLD = 8  # items of an object that wait and are told in words; the others are cells
WORDS = 42  # characters in a line
ORDER = {FAILED: 0, PENDING: 1, IN_SYNC: 2}


@dataclass(slots=True)
class Row:
    """A part of a block: `what` is error, item, cells, outside or folded."""

    what: str
    height: int
    text: str = ""
    items: Sequence[Mapping[str, Any]] = ()
    outside: Sequence[Outside] = ()
    object: int = 0
    lines: Sequence[str] = ()


@dataclass(slots=True)
class Block:
    """A box: one object in full, or several that are well, a line each."""

    objects: tuple[int, ...]
    folded: bool
    state: str
    layer: int
    rows: list[Row] = field(default_factory=list)
    x: float = 0
    y: float = 0
    lane: float = 0  # above its row of blocks: arrows pass others there
    left: float = 0  # of its layer
    right: float = 0

    @property
    def height(self) -> int:
        return HEAD + sum(row.height for row in self.rows) + 8

    def middle(self, number: int) -> float:
        """Where arrows of an object begin and end."""
        y = self.y + HEAD
        for row in self.rows if self.folded else ():
            if row.object == number:
                return y + row.height / 2
            y += row.height
        return self.y + HEAD / 2


@dataclass(frozen=True, slots=True)
class Picture:
    """Blocks in their places, and the size of the whole."""

    blocks: Sequence[Block]
    width: float
    height: float


def arrange(objects: Sequence[Object]) -> Picture:
    """Blocks of these objects, layer by layer from left to right; what does not work comes first in each."""
    many = sum(len(one.items) for one in objects) > MANY
    blocks = _blocks(objects, many=many)
    tall = max(900.0, sqrt(sum((WIDTH + CHANNEL) * (b.height + GAP) for b in blocks) * 0.6))
    x = float(MARGIN)
    layers: list[list[Block]] = []
    places: dict[int, float] = {}
    for layer in range(max((block.layer for block in blocks), default=-1) + 1):
        members = [block for block in blocks if block.layer == layer]
        members.sort(key=lambda block: (ORDER[block.state], _near(block, objects, places)))
        if members:
            x = _grid(members, x, tall) + CHANNEL
            layers.append(members)
        places |= {number: block.middle(number) for block in members for number in block.objects}
    height = max((_bottom(members) for members in layers), default=float(TOP))
    for members in layers:
        spare = (height - _bottom(members)) / 2
        for block in members:
            block.y += spare
            block.lane += spare
    return Picture(blocks, max(x - CHANNEL + MARGIN, 760.0), height + MARGIN)


def _near(block: Block, objects: Sequence[Object], places: Mapping[int, float]) -> float:
    """Near to what it stands on, so that arrows are short and cross seldom."""
    ys = [places[base] for number in block.objects for base in objects[number].bases if base in places]
    return sum(ys) / len(ys) if ys else 0.0


def _grid(blocks: Sequence[Block], x: float, tall: float) -> float:
    """Put a layer's blocks in rows, in as many columns as keep it from being too tall; returns its right edge."""
    columns = max(1, ceil(sum(block.height + GAP for block in blocks) / tall))
    right = x + columns * (WIDTH + GAP + BETWEEN) - GAP - BETWEEN
    y = float(TOP)
    for start in range(0, len(blocks), columns):
        row = blocks[start : start + columns]
        for number, block in enumerate(row):
            block.x, block.y, block.lane = x + number * (WIDTH + GAP + BETWEEN), y, y - GAP / 2
            block.left, block.right = x, right
        y += max(block.height for block in row) + GAP
    return right


def _bottom(blocks: Sequence[Block]) -> float:
    return max(block.y + block.height for block in blocks)


# -- what is in a block -------------------------------------------------------------------------------


def _blocks(objects: Sequence[Object], *, many: bool) -> list[Block]:
    blocks = []
    folded: dict[tuple[Any, ...], list[int]] = {}
    for number, one in enumerate(objects):
        if many and one.state == IN_SYNC and one.kind != "device":
            folded.setdefault((one.layer, one.kind, *sorted(one.bases)), []).append(number)
        else:
            blocks.append(Block((number,), False, one.state, one.layer, _rows(one)))
    for members in folded.values():
        rows = [Row("folded", LINE, items=objects[n].items, outside=objects[n].outside, object=n) for n in members]
        blocks.append(Block(tuple(members), True, IN_SYNC, objects[members[0]].layer, rows))
    return blocks


def _rows(one: Object) -> list[Row]:
    rows = [_words("error", "", error) for error in one.errors]
    troubled = sorted((i for i in one.items if state_of(i) != IN_SYNC), key=lambda item: ORDER[state_of(item)])
    told = troubled[: max(TOLD, sum(state_of(item) == FAILED for item in troubled))]
    rows += [_words("item", item["description"], item.get("error") or "", item) for item in told]
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for item in [*troubled[len(told) :], *(item for item in one.items if state_of(item) == IN_SYNC)]:
        kinds.setdefault(item.get("kind") or item["key"].partition(":")[0], []).append(item)
    for kind, items in sorted(kinds.items(), key=lambda entry: -len(entry[1])):
        lines = ceil(len(items) / CELLS)
        rows.append(Row("cells", max(LINE, lines * CELL + 4), kind, items))
    rows += [Row("outside", LINE + 2, outside=(outside,)) for outside in one.outside]
    return rows


def _words(what: str, text: str, error: str, *items: Mapping[str, Any]) -> Row:
    lines = _wrapped(error, 3)
    return Row(what, (LINE if text else 0) + SMALL * len(lines) + (2 if lines else 0), text, items, lines=lines)


def _wrapped(text: str, most: int) -> list[str]:
    """Lines of an error; it stands in full in the tooltip."""
    lines: list[str] = []
    for word in " ".join(text.split()).split(" ") if text.strip() else ():
        if lines and len(lines[-1]) + 1 + len(word) <= WORDS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} ..."]
    return lines
