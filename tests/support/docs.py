"""The documentation as data: its pages, their fenced blocks, and the commands they show with what came out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Fence", "Step", "fences", "pages", "prose", "steps", "told"]

ROOT = Path(__file__).parent.parent.parent
LEFT_OUT = "..."  # a line that stands for any number of lines
PROMPT = "$ "
_FENCE = re.compile(r"^( *)(```+)([^`]*)$")
# What differs from run to run, or with every item that evenet comes to plan, and says nothing to a reader.
_UNSTABLE = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? m?s\b"), "SECONDS"),
    (re.compile(r"\b\d+ of \d+\b"), "# of #"),
    (re.compile(r"\b\d+ (items|rules|created|updated|deleted|to create|to update|to delete)\b"), r"# \1"),
    (re.compile(r"\bfailed (once|\d+ times)"), "failed # times"),
    (re.compile(r"\bpid \d+"), "pid #"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True)
class Fence:
    """A fenced block. `words` are what stands after the backticks: the language, then what it is."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Step:
    """A command that a page shows, and what it printed."""

    fence: Fence
    command: str
    output: tuple[str, ...]

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command, comments=True)

    @property
    def complete(self) -> bool:
        return LEFT_OUT not in [line.strip() for line in self.output]

    @property
    def lines(self) -> list[str]:
        """Lines that must come out, as `told` has them."""
        return told(line for line in self.output if line.strip() != LEFT_OUT)


def pages() -> list[Path]:
    """Every page for people, in the order of its path."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "examples" / "vendor-plugin" / "README.md"]
    return [*found, *sorted((ROOT / "changelog.d").glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def fences(page: Path) -> Iterator[Fence]:
    """Fenced blocks of a page, in order."""
    opened: tuple[int, str, str, tuple[str, ...]] | None = None
    held: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        found = _FENCE.match(line)
        if opened is None and found:
            opened, held = (number, found[1], found[2], tuple(found[3].split())), []
        elif opened is not None and found and found[2] == opened[2] and not found[3].strip():
            yield Fence(page, opened[0], opened[3], "".join(f"{text}\n" for text in held))
            opened = None
        elif opened is not None:
            held.append(line.removeprefix(opened[1]))
    assert opened is None, f"{page}:{opened and opened[0]}: this block does not end"


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    text, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line) is not None
        inside = inside != fence
        text.append("" if inside or fence else line)
    return "\n".join(text)


def steps(page: Path) -> Iterator[Step]:
    """Commands of a page's console blocks, in order. A command that ends in a backslash goes on in the next line."""
    for fence in fences(page):
        if fence.language == "console":
            yield from _steps(fence)


def _steps(fence: Fence) -> Iterator[Step]:
    command, output, goes_on = "", list[str](), False
    for line in [*fence.text.splitlines(), PROMPT]:
        if goes_on:
            command += line.strip()
        elif line.startswith(PROMPT):
            if command:
                yield Step(fence, command, tuple(output))
            command, output = line.removeprefix(PROMPT).strip(), []
        else:
            output.append(line)
        goes_on = command.endswith("\\") and not output
        command = command.removesuffix("\\") if goes_on else command


def told(lines: Iterator[str] | list[str]) -> list[str]:
    """Lines as two runs can be compared by: no times, no counts, no empty lines, one space where several are."""
    plain = []
    for line in lines:
        text = line.strip()
        for pattern, stand_in in _UNSTABLE:
            text = pattern.sub(stand_in, text)
        if text:
            plain.append(text)
    return plain
