"""Broken configs: every problem is named, each under its own path, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evenet_core.errors import ConfigError, Problem
from evenet_core.formats import read, read_file
from evenet_core.formats.decode import MAX_BYTES
from evenet_core.formats.report import MAX_PROBLEMS
from tests.support.badconfigs import BAD_CONFIGS, expected

FILES = sorted(path.name for path in BAD_CONFIGS.iterdir())
EXPECTED = expected()


def problems(data: bytes, name: str = "config.json") -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        read(data, name)
    return caught.value.problems


@pytest.mark.parametrize("name", FILES)
def test_every_problem_of_a_broken_config_is_named(name: str) -> None:
    path = BAD_CONFIGS / name

    with pytest.raises(ConfigError) as caught:
        read_file(path)

    found = list(caught.value.problems)
    for where, phrase in EXPECTED[name]:
        matching = [problem for problem in found if problem.path == where and phrase in problem.problem]
        assert matching, f"nothing says {phrase!r} of {where!r}"
        found.remove(matching[0])
    assert found == [], "consequences of a problem are no problems of their own"


@pytest.mark.parametrize("name", FILES)
def test_a_problem_is_one_printable_line_with_file_and_remedy(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_file(BAD_CONFIGS / name)

    for problem in caught.value.problems:
        assert str(problem).startswith(f"{BAD_CONFIGS / name}: ")
        assert str(problem).isprintable()
        assert problem.remedy
        assert len(str(problem)) < 800


def test_every_expectation_has_its_file() -> None:
    assert set(EXPECTED) == set(FILES)
    assert len(FILES) >= 45


# -- too large to be kept ------------------------------------------------------------------------------


def test_a_file_of_fifty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.write(b'{"deviceIoList": [')
        file.truncate(50 * 1024 * 1024)

    with pytest.raises(ConfigError) as caught:
        read_file(path)

    assert [problem.problem for problem in caught.value.problems] == ["larger than 8 MiB"]


def test_the_largest_file_that_is_read_may_be_nonsense() -> None:
    (problem,) = problems(b"[" * MAX_BYTES)

    assert "nested deeper" in problem.problem


@pytest.mark.parametrize("depth", [65, 900, 100_000])
@pytest.mark.parametrize("name", ["config.json", "config.yaml"])
def test_deep_nesting_is_refused(depth: int, name: str) -> None:
    (problem,) = problems(b'{"evenet": 1, "other": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}", name)

    assert "nested deeper than 64 levels" in problem.problem


def test_of_a_million_wrong_values_a_thousand_are_told() -> None:
    found = problems(json.dumps({"evenet": 1, "ports": [0] * 1_000_000}).encode())

    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].problem == "there are more than 1000 problems"


def test_a_number_of_a_million_digits_is_refused() -> None:
    (problem,) = problems(b'{"evenet": 1, "other": {"n": ' + b"9" * 1_000_000 + b"}}")

    assert "is too large" in problem.problem
    assert len(str(problem)) < 200


def test_more_instances_than_there_are_routing_tables_are_refused() -> None:
    instances = [{"name": f"n{i}", "type": "switch"} for i in range(4001)]

    (problem,) = problems(json.dumps({"evenet": 1, "network_instances": instances}).encode())

    assert problem.path == "network_instances"
    assert "holds 4001" in problem.problem


def test_thousands_of_overlapping_subnets_are_found() -> None:
    instances = [
        {"name": f"n{i}", "subnet": f"10.{i // 250}.{i % 250}.0/23"} for i in range(0, 3000) if i % 250 % 2 == 0
    ]
    twice = [{**instance, "name": f"{instance['name']}-again"} for instance in instances]

    found = problems(json.dumps({"evenet": 1, "network_instances": instances + twice}).encode())

    assert all("overlaps with" in problem.problem for problem in found[:-1])
    assert len(found) == MAX_PROBLEMS + 1
