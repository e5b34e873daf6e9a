"""`evenet events`, `explain`, `graph`, `plugins`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from evenet_core.cli.client import Client
from evenet_core.cli.output import colour, print_json, print_table, printable, shown
from evenet_core.linux.files import write_atomic

__all__ = ["events", "explain", "graph", "plugins"]


def events(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        if not options.follow:
            found = agent.call("events")
            if options.json:
                print_json(found)
            else:
                for event in found:
                    _print_event(event)
            return 0
        with suppress(KeyboardInterrupt):
            for event in agent.stream("follow"):
                if options.json:
                    print(json.dumps(event))
                else:
                    _print_event(event)
                sys.stdout.flush()
    return 0


def _print_event(event: dict[str, Any]) -> None:
    line = printable(f"{event['time']}  {event['kind']:<8}  {event['text']}")
    print(colour(line, "red") if event.get("error") else line)


def explain(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        lines = agent.call("explain", name=options.name)
    if options.json:
        print_json(lines)
    else:
        for line in lines:
            print(printable(line))
    return 0


def graph(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("graph")
    if options.json:
        print_json(found)
    elif options.dot:
        _print_dot(found)
    elif options.svg:
        _write_svg(found, options.svg)
    else:
        _print_tree(found)
    return 0


def _write_svg(found: dict[str, Any], file: str) -> None:
    """The picture, to stdout for `-`. A file is replaced in one step.

    :raises OSError: it cannot be written.
    """
    from evenet_core.cli.picture import draw  # noqa: PLC0415  who asks for no picture waits for none

    text, path = draw(found), Path(file)
    if file == "-":
        print(text, end="")
    elif path.exists() and not path.is_file():  # a pipe, a terminal: nothing to replace
        path.write_text(text, encoding="utf-8")
    else:
        try:
            write_atomic(path.resolve(), text.encode(), 0o644)
        except OSError as error:
            raise OSError(error.errno, error.strerror, file) from error


_DOT_COLOURS = {"in-sync": "palegreen", "failed": "salmon", "pending": "lightyellow"}


def _print_dot(found: dict[str, Any]) -> None:
    print("digraph evenet {\n  rankdir=LR;\n  node [shape=box, style=filled];")
    for item in found["items"]:
        fill = _DOT_COLOURS.get(item["state"], "white")
        print(f"  {_quoted(item['key'])} [label={_quoted(item['description'])}, fillcolor={fill}];")
    for item in found["items"]:
        for key in item["requires"]:
            print(f"  {_quoted(item['key'])} -> {_quoted(key)};")
    print("}")


def _quoted(text: str) -> str:
    """A string of graphviz's language, which knows no other escapes."""
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _print_tree(found: dict[str, Any]) -> None:
    """Items by the object that wants them."""
    by_object: dict[str, list[dict[str, Any]]] = {}
    for item in found["items"]:
        by_object.setdefault(item["object"], []).append(item)
    marks = {"in-sync": colour("*", "green"), "failed": colour("!", "red")}
    for name in sorted(by_object):
        print(colour(shown(name), "bold"))
        for item in by_object[name]:
            print(f"  {marks.get(item['state'], 'o')} {shown(item['description'])}")


def plugins(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        found = agent.call("plugins")
    if options.json:
        print_json(found)
    elif options.list_hooks:
        _print_hooks(found)
    else:
        columns = ("name", "version", "distribution", "capabilities", "kinds", "error")
        print_table(
            ("PLUGIN", "VERSION", "DISTRIBUTION", "CAPABILITIES", "ITEM KINDS", "OFF BECAUSE"),
            ([plugin.get(name) for name in columns] for plugin in found),
            empty="no plugins: install evenet-ethernet, evenet-dhcp, evenet-bridge, evenet-firewall",
        )
    return 0


def _print_hooks(found: list[dict[str, Any]]) -> None:
    by_hook: dict[str, list[str]] = {}
    for plugin in found:
        for hook in plugin["hooks"]:
            by_hook.setdefault(hook, []).append(plugin["name"])
    print_table(("HOOK", "PLUGINS"), sorted(by_hook.items()))
