"""The example in the reconciler's own words runs, and nothing in there knows of networks."""

from __future__ import annotations

import asyncio
import re
import runpy
from pathlib import Path
from textwrap import dedent

import pytest

import evenet_core.reconciler

ROOM = Path(evenet_core.reconciler.__file__).parent


def test_the_example_in_the_docstring_runs_and_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = evenet_core.reconciler.__doc__ or ""
    example = dedent(text[text.index("    import asyncio") : text.index("What you get:")])
    program, root = tmp_path / "example.py", tmp_path / "root"
    program.write_text(example)
    root.mkdir()

    asyncio.run(runpy.run_path(str(program))["main"](root))

    etc, motd = f"folder:{root}/etc", f"file:{root}/etc/motd"
    assert capsys.readouterr().out.splitlines() == [
        f"+ {etc}",
        f"+ {motd}",
        f"create {etc}",
        f"create {motd}",
        f"drift: {motd} was changed (text: hello -> somebody else was here)",
        f"update {motd} (drift: it was changed)",
        f"delete {motd}",
    ]
    assert [path.name for path in root.rglob("*")] == ["etc"]


def test_the_docstring_names_every_file_of_the_room() -> None:
    named = set(re.findall(r"`(\w+)`", evenet_core.reconciler.__doc__ or ""))

    assert {path.stem for path in ROOM.rglob("*.py")} - {"__init__"} <= named
