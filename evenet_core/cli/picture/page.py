"""The SVG of a picture. All text is escaped; colours say no more than signs and outlines do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from evenet_core.cli.output import printable
from evenet_core.cli.picture.layout import CELL, CELLS, HEAD, LABEL, LINE, SMALL, WIDTH, Block, Picture, Row
from evenet_core.cli.picture.objects import FAILED, IN_SYNC, PENDING, Object, Outside, state_of

__all__ = ["page"]

SIGNS = {IN_SYNC: "s", PENDING: "p", FAILED: "f"}
KINDS = {"nft": "firewall", "sysctl": "settings", "resolv-conf": "resolver", "bridge-port": "bridge port"}
STRIP = 100  # width of a folded object's items
STEP = 22  # beside a block, where arrows turn

STYLE = """
svg { background: #f7f8fa; font: 12px system-ui, 'DejaVu Sans', Arial, sans-serif; }
text { fill: #1f2328; } .m { fill: #5d6570; font-size: 11px; } .h { font-size: 14px; font-weight: bold; }
.t { font-size: 20px; font-weight: bold; } .e { fill: #b31d28; font-size: 11px; }
.box { fill: #fff; stroke: #c4c9d0; } .box.p { stroke: #9a6700; stroke-width: 2; }
.box.f { stroke: #cf222e; stroke-width: 2.5; } .paper { fill: #f7f8fa; }
.adapter { fill: #3b6fb6; } .instance { fill: #7a4fb5; } .interface { fill: #0f7f8c; } .device { fill: #57606a; }
.s { fill: #1f8a53; } .w { fill: none; stroke: #fff; stroke-width: 1.8; }
.p1 { fill: #fff3c4; stroke: #8a5c00; stroke-width: 1.4; } .p2 { fill: #8a5c00; } .f1 { fill: #cf222e; }
.out { fill: #eef1f4; stroke: #5d6570; }
.gone { fill: none; stroke: #b31d28; stroke-width: 1.6; stroke-dasharray: 4 3; }
.a { fill: none; stroke: #8b949e; stroke-width: 1.3; } .ah { fill: #8b949e; }
.b { fill: none; stroke: #b35900; stroke-width: 2.2; stroke-dasharray: 7 4; } .bh { fill: #b35900; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } .paper { fill: #0d1117; }
text { fill: #e6edf3; } .m { fill: #9aa4af; } .e { fill: #ff8a80; }
.box { fill: #161b22; stroke: #3d444d; } .box.p { stroke: #d29922; } .box.f { stroke: #f85149; }
.adapter { fill: #6ea3e8; } .instance { fill: #b08be6; } .interface { fill: #45b8c5; } .device { fill: #9aa4af; }
.s { fill: #2a9a60; } .p1 { fill: #3a2d00; stroke: #d29922; } .p2 { fill: #d29922; } .f1 { fill: #e5484d; }
.out { fill: #21262d; stroke: #9aa4af; } .gone { stroke: #ff8a80; }
.a { stroke: #6e7681; } .ah { fill: #6e7681; } .b { stroke: #e08a2e; } .bh { fill: #e08a2e; }
}
"""
# A square with a tick, a round with three dots, a diamond with a cross: to be told apart without colour.
SYMBOLS = """
<g id="s"><rect class="s" width="12" height="12" rx="2"/><path class="w" d="M2.8 6.3 5.2 8.7 9.3 3.8"/></g>
<g id="p"><circle class="p1" cx="6" cy="6" r="5.4"/><path class="p2" d="M2.6 5.2h1.7v1.7h-1.7zM5.2 5.2h1.7v1.7h-1.7zM7.8 5.2h1.7v1.7h-1.7z"/></g>
<g id="f"><path class="f1" d="M6-.6 12.6 6 6 12.6-.6 6z"/><path class="w" d="M3.8 3.8 8.2 8.2M8.2 3.8 3.8 8.2"/></g>
<marker id="n" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="ah" d="M0 .5 8 4 0 7.5z"/></marker>
<marker id="k" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path class="bh" d="M0 .5 8 4 0 7.5z"/></marker>
"""  # noqa: E501  a symbol a line


def page(picture: Picture, objects: Sequence[Object], time: str) -> str:
    """The whole document."""
    w, h = round(picture.width), round(picture.height)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img">',
        f"<title>{_text(_headline(objects))}</title><style>{STYLE}</style><defs>{SYMBOLS}</defs>",
        f'<rect class="paper" width="{w}" height="{h}"/>',
        *_heading(objects, time),
        *_arrows(picture, objects),
        *(part for block in picture.blocks for part in _block(block, objects)),
        "</svg>\n",
    ]
    return "\n".join(parts)


# -- heading ------------------------------------------------------------------------------------------


def _headline(objects: Sequence[Object]) -> str:
    states = [state_of(item) for one in objects for item in one.items]
    counts = [f"{states.count(IN_SYNC)} of {len(states)} items in sync"]
    counts += [f"{states.count(state)} {state}" for state in (PENDING, FAILED) if state in states]
    return f"evenet: {', '.join(counts)}"


def _heading(objects: Sequence[Object], time: str) -> Iterator[str]:
    yield f'<text class="t" x="28" y="40">{_text(_headline(objects))}</text>'
    troubled = sum(one.state != IN_SYNC for one in objects)
    about = f"{len(objects)} objects, {troubled} with trouble" if troubled else f"{len(objects)} objects"
    yield f'<text class="m" x="28" y="59">{_text(" at ".join(filter(None, (about, time))))}</text>'
    x = 28
    for sign, text in (("s", "in sync"), ("p", "pending"), ("f", "failed")):
        yield f'<use href="#{sign}" x="{x}" y="72"/><text class="m" x="{x + 18}" y="82">{text}</text>'
        x += 36 + 6 * len(text)
    for style, text in (("out", "outside of evenet"), ("gone", "missing")):
        yield f'<rect class="{style}" x="{x}" y="71" width="22" height="14" rx="7"/>'
        yield f'<text class="m" x="{x + 28}" y="82">{text}</text>'
        x += 46 + 6 * len(text)
    for style, head, text in (("a", "n", "stands on"), ("b", "k", "is held up by")):
        yield f'<path class="{style}" d="M{x + 34} 78H{x}" marker-end="url(#{head})"/>'
        yield f'<text class="m" x="{x + 40}" y="82">{text}</text>'
        x += 58 + 6 * len(text)


# -- arrows -------------------------------------------------------------------------------------------


def _arrows(picture: Picture, objects: Sequence[Object]) -> Iterator[str]:
    """From block to what it stands on, once; those of folded objects end at its line."""
    of = {number: block for block in picture.blocks for number in block.objects}
    drawn: dict[tuple[int, int, int], bool] = {}
    for number, one in enumerate(objects):
        for base, held in one.bases.items():
            ends = (id(of[number]), id(of[base]), base if of[base].folded else -1)
            drawn[ends] = held or drawn.get(ends, False)
    blocks = {id(block): block for block in picture.blocks}
    for (above, below, row), held in sorted(drawn.items(), key=lambda entry: entry[1]):
        yield _arrow(blocks[above], blocks[below], row, held=held)


def _arrow(above: Block, below: Block, row: int, *, held: bool) -> str:
    style, head = ("b", "k") if held else ("a", "n")
    points = [(above.x, above.y + HEAD / 2)]
    if above.x > above.left:  # past the blocks beside it
        points += [(above.x - STEP, above.lane), (above.left - STEP, above.lane)]
    if below.x + WIDTH < below.right:
        points += [(below.right + STEP, below.lane), (below.x + WIDTH + STEP, below.lane)]
    points.append((below.x + WIDTH + 2, below.middle(row)))
    way = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (x1 + x2) / 2
        way += f"C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="{style}" d="{way}" marker-end="url(#{head})"/>'


# -- blocks -------------------------------------------------------------------------------------------


def _block(block: Block, objects: Sequence[Object]) -> Iterator[str]:
    one = objects[block.objects[0]]
    kind = one.kind.rpartition(" ")[2]
    yield f'<g transform="translate({block.x:.0f} {block.y:.0f})">'
    mood = "" if block.state == IN_SYNC else f" {SIGNS[block.state]}"
    yield f'<rect class="box{mood}" width="{WIDTH}" height="{block.height}" rx="6"/>'
    yield f'<rect class="{kind}" width="5" height="{block.height}" rx="2.5"/>'
    members = [objects[number] for number in block.objects]
    total, done = sum(len(m.items) for m in members), sum(m.in_sync for m in members)
    name = f"{len(members)} {one.kind}{'s' if len(members) > 1 else ''}" if block.folded else one.name
    yield f'<text class="h" x="14" y="19">{_text(name, 30)}<title>{_text(one.title)}</title></text>'
    what = f"on {_bases(one, objects)}: " if block.folded else "" if one.kind == one.name else f"{one.kind}: "
    counted = f"{done} of {total} in sync" if total else "no items of its own"
    yield f'<text class="m" x="14" y="35">{_text(what, 34)}{counted}</text>'
    y = HEAD
    for row in block.rows:
        yield from DRAWN[row.what](row, y, objects)
        y += row.height
    yield "</g>"


def _bases(one: Object, objects: Sequence[Object]) -> str:
    """What folded objects stand on, if that is one or two things."""
    names = [objects[base].name for base in one.bases]
    return ", ".join(names) if 0 < len(names) <= 2 else f"{len(names)} others" if names else "ports"


def _error(row: Row, y: float, _: Sequence[Object]) -> Iterator[str]:
    for number, line in enumerate(row.lines):
        yield f'<text class="e" x="14" y="{y + 11 + SMALL * number}">{_text(line, 46)}</text>'


def _item(row: Row, y: float, objects: Sequence[Object]) -> Iterator[str]:
    [item] = row.items
    yield f'<g class="i"><title>{_tooltip(item)}</title>'
    yield f'<use href="#{SIGNS[state_of(item)]}" x="14" y="{y + 1}"/>'
    yield f'<text x="32" y="{y + 11}">{_text(row.text, 35)}</text>'
    yield from _error(row, y + LINE - 2, objects)
    yield "</g>"


def _cells(row: Row, y: float, _: Sequence[Object]) -> Iterator[str]:
    yield f'<text class="m" x="14" y="{y + 11}">{_text(KINDS.get(row.text, row.text), 14)}</text>'
    for number, item in enumerate(row.items):
        x, line = LABEL + CELL * (number % CELLS), number // CELLS
        sign = SIGNS[state_of(item)]
        place = f'x="{x}" y="{y + 1 + CELL * line}"'
        yield f'<use class="i" href="#{sign}" {place}><title>{_tooltip(item)}</title></use>'


def _outside(row: Row, y: float, _: Sequence[Object]) -> Iterator[str]:
    [one] = row.outside
    name = one.name.replace("network namespace", "namespace")
    shape, style, text = ("gone", "e", f"{name}: missing") if one.missing else ("out", "m", name)
    yield f"<g><title>{_text(' '.join((one.name, one.because or 'is there')))}</title>"
    yield f'<rect class="{shape}" x="14" y="{y + 1}" width="{WIDTH - 28}" height="16" rx="8"/>'
    yield f'<text class="{style}" x="24" y="{y + 13}">{_text(text, 38)}</text></g>'


def _folded(row: Row, y: float, objects: Sequence[Object]) -> Iterator[str]:
    one = objects[row.object]
    summary = f"{one.title}: {one.in_sync} of {len(one.items)} items in sync; {_outsides(row.outside)}"
    yield f'<use href="#{SIGNS[one.state]}" x="14" y="{y + 1}"/>'
    yield f'<text x="32" y="{y + 11}">{_text(one.name, 19)}<title>{_text(summary)}</title></text>'
    step = min(6.0, STRIP / max(1, len(row.items)))
    for number, item in enumerate(row.items):
        x = WIDTH - 14 - STRIP + step * number
        place = f'x="{x:.1f}" y="{y + 2}" width="{step * 0.75:.1f}" height="10"'
        yield f'<rect class="i {SIGNS[state_of(item)]}" {place}><title>{_tooltip(item)}</title></rect>'


def _outsides(things: Sequence[Outside]) -> str:
    return f"stands on {', '.join(one.name for one in things)}" if things else "stands on nothing outside"


DRAWN = {"error": _error, "item": _item, "cells": _cells, "outside": _outside, "folded": _folded}


# -- text ---------------------------------------------------------------------------------------------


def _tooltip(item: Mapping[str, Any]) -> str:
    lines = [item["description"], f"{item['state']}, planned by plugin {item['plugin']}"]
    if item.get("error"):
        lines.append(f"{item['error']} (tried {item.get('attempts')} times, next at {item.get('retry_at')})")
    if item["requires"]:
        more = f" and {len(item['requires']) - 3} more" if len(item["requires"]) > 3 else ""
        lines.append(f"requires {', '.join(item['requires'][:3])}{more}")
    return "\n".join(map(_text, lines))


def _text(text: str, most: int = 400) -> str:
    """Text of others: on one line, not endless, and never markup."""
    shown = printable(text)
    return escape(shown if len(shown) <= most else f"{shown[: most - 1]}…", quote=False)
