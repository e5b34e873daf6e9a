"""Collects the problems and notices of one file, each under the path that the file's author knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from evenet_core.errors import ConfigError, Problem
from evenet_core.formats.document import Notice

__all__ = ["MAX_PROBLEMS", "Origins", "Path", "Report", "Unreadable", "render", "shown"]

Path = tuple[str | int, ...]  # steps into a plain document: ("adapters", 2, "address")

MAX_PROBLEMS = 1000  # of one file; more help nobody and a hostile file could hold millions
_SHOWN = 80  # characters of a value that a message repeats
_INDEX = re.compile(r"\[\d+\]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Unreadable(Exception):  # noqa: N818  it ends a reading, and nobody outside sees it
    """Nothing more can be learnt from this file: the report holds the reason."""


class Origins:
    """From a path in evenet's own words to the one in the words of the file.

    A file in evenet's own format has the same words. The reader of another one says how to `search`,
    and notes what cannot be found so.
    """

    def __init__(self) -> None:
        self.search: Callable[[Path], Path] = lambda native: native
        self._noted: dict[Path, Path] = {}

    def note(self, native: Path, source: Path) -> None:
        self._noted[native] = source

    def of(self, native: Path) -> Path:
        for end in range(len(native), 0, -1):
            if native[:end] in self._noted:
                return self._noted[native[:end]] + native[end:]
        return self.search(native)


class Report:
    """Problems and notices of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.origins = Origins()
        self._problems: dict[tuple[str, str], Problem] = {}  # each once, in the order found
        self._notices: dict[tuple[str, str], list[str]] = {}
        self._broken: set[Path] = set()
        self._full = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems.values())

    def problem(self, path: str, problem: str, remedy: str) -> None:
        """Something wrong at `path`, given in the words of the file.

        :raises Unreadable: there are so many already that nobody reads on.
        """
        if len(self._problems) >= MAX_PROBLEMS:
            self._full = True
            raise Unreadable
        self._problems.setdefault((path, problem), Problem(path, problem, remedy, file=self.file))

    def at(self, native: Path, problem: str, remedy: str) -> None:
        """Something wrong with the meaning of a value. Values already known as broken mean nothing."""
        if not self.is_broken(native):
            self.problem(self.where(native), problem, remedy)

    def broken(self, native: Path, problem: str, remedy: str) -> None:
        """A value that has no meaning; something harmless stands in its place."""
        self.at(native, problem, remedy)
        self.mark_broken(native)

    def mark_broken(self, native: Path) -> None:
        self._broken.add(native)

    def is_broken(self, native: Path) -> bool:
        return bool(self._broken) and any(native[:end] in self._broken for end in range(1, len(native) + 1))

    def where(self, native: Path) -> str:
        """The place in the file, in its words."""
        return render(self.origins.of(native))

    def notice(self, path: str, text: str) -> None:
        """The same notice of many list elements is told once."""
        self._notices.setdefault((_INDEX.sub("[]", path), text), []).append(path)

    def notice_at(self, native: Path, text: str) -> None:
        self.notice(self.where(native), text)

    def notices(self) -> tuple[Notice, ...]:
        return tuple(self._told())

    def _told(self) -> Iterator[Notice]:
        for (_, text), paths in self._notices.items():
            more = f" (and {len(paths) - 1} more like it)" if len(paths) > 1 else ""
            yield Notice(paths[0], text + more)

    def stop(self, problem: str, remedy: str, path: str = "") -> Unreadable:
        """A problem that hides all others."""
        self.problem(path, problem, remedy)
        return Unreadable()

    def raise_problems(self) -> None:
        """:raises ConfigError: there is a problem."""
        if not self._problems:
            return
        problems = list(self._problems.values())
        if self._full:
            text = f"there are more than {MAX_PROBLEMS} problems"
            problems.append(Problem("", text, "correct the ones above first", file=self.file))
        raise ConfigError(problems)


def render(path: Path) -> str:
    """`("adapters", 2, "address")` as `adapters[2].address`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """A value as a message repeats it: quoted, on one line, cut off."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        value = value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."
        return repr(value) if value.isprintable() else ascii(value)
    return str(value)
