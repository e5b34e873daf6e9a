"""State that an earlier evenet wrote is read by this one, all of it: documents of each format as they were written.

Whoever changes what a document looks like sees these fail, adds a step to `store.STEPS`, and checks in what
`tests/support/statewriter.py` writes then, beside what is there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evenet_core.model.plain import to_plain
from evenet_core.runtime.memory import Memory
from evenet_core.store import STEPS
from tests.support.statewriter import write_state

WRITTEN = Path(__file__).parents[1] / "state"
FORMATS = range(1, len(STEPS) + 2)


def body(path: Path) -> Any:
    return json.loads(path.read_bytes().partition(b"\n")[2])


def documents(directory: Path) -> dict[str, Any]:
    return {path.name: body(path) for path in directory.iterdir()}


def understood(directory: Path) -> dict[str, Any]:
    """What a node makes of a state, in the shape of the documents."""
    memory = Memory(directory)
    unconfirmed = memory.unconfirmed()
    assert unconfirmed is not None
    found = {
        "config.json": memory.config(),
        "dpcs.json": memory.candidates(),
        "numbers.json": memory.numbers().to_json(),
        "local.json": memory.local_changes(),
        "routes.json": memory.route_choices(),
        "unconfirmed.json": unconfirmed,
        "given-eve.json": memory.given("eve"),
    }
    assert memory.flaws == {}
    return {name: _sorted(to_plain(value)) for name, value in found.items()}


def _sorted(value: Any) -> Any:
    """Labels are a set: in a document they stand in any order."""
    if isinstance(value, dict):
        return {key: sorted(one) if key == "labels" else _sorted(one) for key, one in value.items()}
    return [_sorted(one) for one in value] if isinstance(value, list | tuple) else value


def lost(found: Any, wanted: Any, path: str = "") -> list[str]:
    """What of `wanted` is not in `found`; a newer evenet may know more."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        inside = [lost(found.get(key, "nothing"), one, f"{path}.{key}") for key, one in wanted.items()]
    elif isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        inside = [lost(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(found, wanted, strict=True))]
    else:
        return [] if found == wanted else [f"{path}: {wanted!r} is read as {found!r}"]
    return [text for texts in inside for text in texts]


@pytest.mark.parametrize("number", FORMATS)
def test_all_that_stands_in_the_state_of_an_earlier_evenet_is_understood(tmp_path: Path, number: int) -> None:
    state = tmp_path / "state"
    shutil.copytree(WRITTEN / f"format-{number}", state)
    wanted = {name: _sorted(value) for name, value in documents(WRITTEN / f"format-{FORMATS[-1]}").items()}

    assert lost(understood(state), wanted) == []


def test_there_is_a_state_of_every_format_and_none_says_that_it_is_another() -> None:
    headers = {
        directory.name: {json.loads(path.read_bytes().partition(b"\n")[0])["version"] for path in directory.iterdir()}
        for directory in WRITTEN.iterdir()
    }

    assert headers == {f"format-{number}": {number} for number in FORMATS}


def test_no_document_is_missing_in_the_state_of_the_present_format(tmp_path: Path) -> None:
    write_state(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == set(documents(WRITTEN / f"format-{FORMATS[-1]}"))


def test_every_run_spells_the_same_state_alike(tmp_path: Path) -> None:
    """A restart that spells a set in another order would write to the flash each time."""
    for seed in ("1", "2"):
        command = (sys.executable, "-m", "tests.support.statewriter", str(tmp_path / seed))
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, cwd=Path(__file__).parents[2])

    one, other = ({path.name: path.read_bytes() for path in (tmp_path / seed).iterdir()} for seed in ("1", "2"))
    assert one == other


def test_a_field_that_is_gone_or_means_something_else_shows() -> None:
    """That the comparison above can fail."""
    assert lost({"a": 1, "new": 2}, {"a": 1}) == []
    assert lost({"b": 1}, {"a": 1}) == [".a: 1 is read as 'nothing'"]
    assert lost({"a": ["x"]}, {"a": ["x", "y"]}) == [".a: ['x', 'y'] is read as ['x']"]
    assert lost([{"a": "1"}], [{"a": 1}]) == ["[0].a: 1 is read as '1'"]
