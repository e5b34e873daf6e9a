"""Broken configs at the command line: every problem is named, and the node keeps what it has."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartSite
from tests.support.badconfigs import BAD_CONFIGS, expected
from tests.support.kernelstate import kernel_state
from tests.support.site import CASES, EVENET, Site

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

CASE = "static-ips"
CONFIG = str(CASES / CASE / "device-config.json")
FILES = sorted(BAD_CONFIGS.iterdir())
# Hands each file to the agent itself, as a client would that does not look at it before.
PAST_THE_COMMAND_LINE = """\
import sys
from evenet_core.cli.client import AgentError, Client
for file in sys.argv[1:]:
    try:
        text = open(file, encoding="utf-8").read()
    except UnicodeDecodeError:
        continue  # no text: a JSON message cannot carry it
    with Client("/run/evenet/evenet.sock") as agent:
        try:
            agent.call("apply", name=file, text=text, confirm=None)
        except AgentError:
            continue
    print("taken:", file)
"""


def evenet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EVENET, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def too_much(tmp_path: Path) -> Iterator[list[Path]]:
    """A file of 50 MB, and one of 100,000 levels."""
    large, deep = tmp_path / "large.json", tmp_path / "deep.json"
    with large.open("wb") as file:
        file.write(b'{"deviceIoList": [')
        file.truncate(50_000_000)
    deep.write_bytes(b'{"evenet": 1, "other": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}")
    yield [large, deep]
    large.unlink()


def test_each_broken_config_is_refused_with_a_line_for_each_problem(too_much: list[Path]) -> None:
    by_file: dict[str, list[str]] = defaultdict(list)
    done = evenet("validate", *map(str, FILES), *map(str, too_much))
    for line in done.stderr.splitlines():
        file, _, problem = line.partition(": ")
        by_file[file].append(problem)

    assert (done.returncode, done.stdout) == (1, "")
    for name, problems in expected().items():
        lines = by_file[str(BAD_CONFIGS / name)]
        assert len(lines) == len(problems), name
        assert all("; " in line and line.isprintable() for line in lines), name
        assert all(any(phrase in line for line in lines) for _, phrase in problems), name
    [[large], [deep]] = [by_file[str(file)] for file in too_much]
    assert large.startswith("larger than 8 MiB; ")
    assert deep.startswith("nested deeper than 64 levels; ")


def test_the_same_comes_as_data(too_much: list[Path]) -> None:
    done = evenet("validate", "--json", *map(str, FILES), *map(str, too_much))

    reports = json.loads(done.stdout)
    assert (done.returncode, len(reports)) == (1, len(FILES) + len(too_much))
    assert all(report["problems"] for report in reports)


def test_nothing_of_a_broken_config_is_applied_and_what_runs_goes_on(site: StartSite, too_much: list[Path]) -> None:
    lab = site(CASE, "--device-config", CONFIG)
    kernel, seq = kernel_state(lab), events(lab)

    for file in (*FILES, *too_much):
        done = lab.exec("device", "evenet", "apply", str(file), check=False)
        assert (done.returncode, done.stdout) == (1, ""), file
        assert done.stderr.startswith(f"{file}: "), file
    bypassed = lab.exec("device", *EVENET[:1], "-c", PAST_THE_COMMAND_LINE, *map(str, FILES), check=False)

    assert (bypassed.returncode, bypassed.stdout) == (0, ""), bypassed.stderr
    assert (kernel_state(lab), events(lab)) == (kernel, seq)
    assert lab.json("plan", CONFIG)["changes"] == []


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("GlobalConfig/global.json", "holds no config of a device"),
        ("DevicePortConfig/override.json", "a DPC counts until"),
    ],
)
def test_what_is_good_but_nothing_for_this_node_is_refused_too(site: StartSite, file: str, says: str) -> None:
    lab = site(CASE, "--device-config", CONFIG)
    kernel = kernel_state(lab)

    for command in ("plan", "apply"):
        done = lab.exec("device", "evenet", command, str(lab.case / "config-overrides" / file), check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr

    assert kernel_state(lab) == kernel


def events(lab: Site) -> int:
    """Number of the last event about the config."""
    return max(int(event["seq"]) for event in lab.json("events") if event["kind"] in {"config", "dpc"})
