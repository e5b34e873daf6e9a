"""YAML to a plain document, straight from the parser's events.

Why not a ready-made loader: what stands in the file must mean the same as in JSON. So only the core
schema of YAML 1.2 counts: `no` is text, `12:34:56` is text (YAML 1.1 reads a number to base 60), a
date is text. Anchors, aliases, tags and a second document are refused: no config needs them, and
aliases let a small file mean a giant one.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from evenet_core.formats.decode import MAX_DEPTH, integer, number, too_deep
from evenet_core.formats.report import Report, Unreadable, render, shown

__all__ = ["load"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser is used
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_STRING_TAGS = ("!", "tag:yaml.org,2002:str")


def load(text: str, report: Report) -> Any:
    """The one document of a YAML text.

    :raises Unreadable: it is not YAML, or makes use of more than a config needs.
    """
    tree = _Tree(report)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            tree.take(event)
    except yaml.YAMLError as error:
        raise report.stop(f"not YAML: {_reason(error)}", "correct the YAML text", path=_line(error)) from None
    return tree.root


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed")[:100]


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1} column {mark.column + 1}" if mark else ""


class _Tree:
    """Builds the document from events; `_open` holds the containers not closed yet."""

    def __init__(self, report: Report) -> None:
        self.root: Any = None
        self._report = report
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []  # of each open container: the key that waits for its value
        self._documents = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, "an alias (*name)", "write the value out")
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse(event, "a second document (---)", "one config a file")

    def _start(self, event: Any, container: dict[str, Any] | list[Any]) -> None:
        self._plain(event, (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
        if len(self._open) >= MAX_DEPTH:
            raise too_deep(self._report)
        self._add(event, container)
        self._open.append(container)
        self._keys.append(None)

    def _scalar(self, event: Any) -> None:
        self._plain(event, (None, *_STRING_TAGS))
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            self._key(event)
        else:
            is_text = not event.implicit[0] or event.tag in _STRING_TAGS
            self._add(event, event.value if is_text else self._meaning(event))

    def _key(self, event: Any) -> None:
        key = event.value
        if key in self._open[-1]:
            path = render((*(k for k in self._keys[:-1] if k is not None), key))
            line = event.start_mark.line + 1
            self._report.problem(path, f"the key stands twice in one object (line {line})", "keep one of them")
        self._keys[-1] = key

    def _add(self, event: Any, value: Any) -> None:
        if not self._open:
            self.root = value
            return
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
            return
        key = self._keys[-1]
        if key is None:
            raise self._refuse(event, "a key that is a list or an object", "keys are plain words")
        container[key] = value
        self._keys[-1] = None

    def _meaning(self, event: Any) -> Any:
        """What a plain scalar means by the core schema."""
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        try:
            if _INTEGER.match(text):
                return integer(text)
            if _FLOAT.match(text):
                return number(text)
        except ValueError:
            raise self._refuse(event, f"the number {shown(text)}", "write a number of at most 64 bits") from None
        return text

    def _plain(self, event: Any, tags: tuple[str | None, ...]) -> None:
        if event.anchor is not None:
            raise self._refuse(event, "an anchor (&name)", "write the value out where it is meant")
        if event.tag not in tags:
            raise self._refuse(event, f"the tag {shown(event.tag)}", "leave the tag out")

    def _refuse(self, event: Any, what: str, remedy: str) -> Unreadable:
        where = f"line {event.start_mark.line + 1} column {event.start_mark.column + 1}"
        return self._report.stop(f"{what} is not accepted here", remedy, path=where)
