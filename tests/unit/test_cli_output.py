"""What people and programs see: nothing of others controls the terminal, unknown is a dash, JSON is JSON."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.cli.output import colour, print_json, print_table, printable, shown

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4), max_leaves=6
)


def harmless(text: str) -> bool:
    return all(unicodedata.category(character)[0] != "C" for character in text)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("eth0", "eth0"),
        (["a", None, True], "a, -, yes"),
        ("first\nsecond", "first; second"),
        ("\x1b[31mred\x07", "?[31mred?"),
        ("a\u202eb", "a?b"),  # would turn the rest of the line around
        ("größe", "größe"),
    ],
)
def test_a_value_is_one_harmless_line(value: Any, cell: str) -> None:
    assert shown(value) == cell


@given(VALUES)
def test_no_value_whatsoever_controls_the_terminal(value: Any) -> None:
    assert harmless(shown(value))


@given(st.text())
def test_no_text_whatsoever_makes_a_second_line(text: str) -> None:
    assert harmless(printable(text))


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "MTU"), [("eth0", 1500), ("a-long-name", None)])

    assert capsys.readouterr().out.splitlines() == ["NAME         MTU", "eth0         1500", "a-long-name  -"]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME",), [], empty="no ports")

    assert capsys.readouterr().out == "no ports\n"


@given(VALUES | st.dictionaries(st.text(), VALUES))
def test_json_is_one_document_that_controls_nothing(value: Any) -> None:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        print_json(value)

    assert json.loads(out.getvalue()) == value
    assert harmless(out.getvalue().replace("\n", ""))


class Terminal:
    def __init__(self, real: Any) -> None:
        self._real = real

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_colours_show_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour("good", "green") == "good"
    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    assert colour("good", "green") == "\x1b[32mgood\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert colour("good", "green") == "good"
