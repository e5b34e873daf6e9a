"""Pages that show a lab are run from top to bottom: each command does what it did when it was written down.

The README's demo and the reference of the status are held against what really comes out, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.docs import ROOT, Step, fences, pages, steps, told
from tests.support.site import EVENET

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

PATIENCE = 40.0  # seconds in which what a page shows must have come true
SHOWN_ONLY = "shown"  # ```console shown: needs what a lab has not, or does not end
CHANGES = {"apply", "confirm", "up", "down", "link"}  # commands that are not to be tried twice


def session(page: Path) -> list[Step]:
    return [step for step in steps(page) if SHOWN_ONLY not in step.fence.words]


def brings_up_a_lab(page: Path) -> bool:
    return any(step.argv[:3] == ["evenet", "lab", "up"] for step in session(page))


@pytest.fixture
def labs(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Names of this run's labs by their names in the page; whatever is left of them is removed."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names: dict[str, str] = {}
    yield names
    for name in names.values():
        evenet("lab", "down", name)


@pytest.mark.parametrize("page", [page for page in pages() if brings_up_a_lab(page)], ids=lambda page: page.stem)
def test_what_a_page_shows_is_what_comes_out(page: Path, labs: dict[str, str]) -> None:
    todo = session(page)

    for step, after in zip(todo, [*todo[1:], None], strict=True):
        if step.argv[0] == "evenet":
            expect(step, after, labs)

    listed = evenet("lab", "list").stdout
    assert [name for name in labs.values() if name in listed] == [], f"{page} leaves a lab behind"


def expect(step: Step, after: Step | None, labs: dict[str, str]) -> None:
    """Run one command. A page that shows another exit status than 0 asks for it: `$ echo $?`."""
    status = int(after.output[0]) if after is not None and after.command == "echo $?" else 0
    argv = with_names(step.argv[1:], labs)
    deadline = time.monotonic() + PATIENCE
    while True:
        done = evenet(*argv)
        problem = difference(step, status, done, labs)
        if not problem:
            return
        if CHANGES & set(argv[:2]) or "apply" in argv or time.monotonic() > deadline:
            pytest.fail(f"{step.fence.place}: $ {step.command}\n{problem}\n-- what came out:\n{done.stdout}")
        time.sleep(0.2)


def with_names(argv: list[str], labs: dict[str, str]) -> list[str]:
    """The command with the names of this run's labs."""
    with suppress(ValueError):
        name = argv[argv.index("--name") + 1]
        labs.setdefault(name, f"d{os.getpid()}-{len(labs)}-{name}")
    ours = argv.index("--") if "--" in argv else len(argv)
    return [labs.get(word, word) for word in argv[:ours]] + argv[ours:]


def difference(step: Step, status: int, done: subprocess.CompletedProcess[str], labs: dict[str, str]) -> str:
    """What is not as the page shows it; the order of lines does not matter."""
    said = done.stdout
    for name, here in labs.items():
        said = said.replace(here, name)
    came, shown = Counter(told(said.splitlines())), Counter(step.lines)
    problems = [f"exit status {done.returncode}, not {status}"] if done.returncode != status else []
    problems += [f"does not come out: {line}" for line in shown - came]
    if step.complete and step.argv[1:3] != ["lab", "list"]:  # other tests have labs, too
        problems += [f"is not in the page: {line}" for line in came - shown]
    return "\n".join(problems)


def evenet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*EVENET, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )


def test_the_readme_shows_what_the_demo_prints() -> None:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    [shown] = [fence.text for fence in fences(ROOT / "README.md") if fence.text.startswith("==")]
    command = (sys.executable, str(ROOT / "examples" / "demo.py"), "--fast")

    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert set(without_pids(shown)) - set(without_pids(done.stdout)) == set()


def without_pids(text: str) -> list[str]:
    return [re.sub(r"agent \d+", "agent #", line) for line in told(text.splitlines())]


def test_the_reference_of_the_status_has_every_field(site: StartSite) -> None:
    case = ROOT / "tests" / "cases" / "local-ni-multiple-ports"
    lab = site("local-ni-multiple-ports", "--device-config", str(case / "device-config.json"))
    page = (ROOT / "docs" / "reference" / "status.md").read_text()
    described = set(re.findall(r"^\| `([\w.\[\]]+)` \| (?!holds)", page, re.MULTILINE))

    there = set(field_names(lab.status()))

    states = {"failed", "converging", "degraded", "converged"}
    problems = {name for name in described if name.startswith("problems[]")}  # there is none
    assert described - states - problems == there


def field_names(value: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields of a document; a list of values is a field, one of objects is many."""
    match value:
        case dict():
            for name, member in value.items():
                yield from field_names(member, f"{path}.{name}".lstrip("."))
        case [dict(), *_]:
            for member in value:
                yield from field_names(member, f"{path}[]")
        case [] if path == "problems":
            return
        case _:
            yield path
