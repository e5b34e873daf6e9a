"""The blocking client: what it asks, and agents that answer nonsense or nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from evenet_core.cli.client import AgentError, Client


def with_agent(path: Path, answer: bytes, ask: Callable[[Client], object]) -> object:
    """What a client comes to with an agent that gives this answer to its first line and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                lines.readline()
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with Client(str(path)) as agent:
                return ask(agent)
        finally:
            thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evenet.sock"


def test_without_an_agent_the_remedy_is_told(path: Path) -> None:
    with pytest.raises(AgentError) as raised:
        Client(str(path))

    assert str(raised.value) == f"no agent answers at {path} (No such file or directory); start it with `evenet run`"


def test_an_agent_that_died_is_none(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with pytest.raises(AgentError, match="Connection refused"):
        Client(str(path))


def test_a_path_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="path too long"):
        Client(str(tmp_path / ("x" * 200)))


def test_a_result_is_the_answer(path: Path) -> None:
    assert with_agent(path, b'{"result": [1]}\n', lambda agent: agent.call("status")) == [1]


def test_a_stream_is_its_events(path: Path) -> None:
    answer = b'{"event": 1}\n{"event": {"a": 2}}\n{"result": null}\n'

    assert with_agent(path, answer, lambda agent: list(agent.stream("follow"))) == [1, {"a": 2}]


@pytest.mark.parametrize("answer", [b"", b'{"resu', b'{"result": 1}', b'{"event": 1}\n'])
def test_an_agent_that_hangs_up_in_between_is_told(path: Path, answer: bytes) -> None:
    ask = (lambda a: list(a.stream("follow"))) if b"event" in answer else (lambda a: a.call("status"))

    with pytest.raises(AgentError, match="the agent ended the connection"):
        with_agent(path, answer, ask)


@pytest.mark.parametrize(
    "answer", [b"hello\n", b"\xff\n", b"[]\n", b"5\n", b"{}\n", b'{"error": 5}\n', b'{"error": {}}\n']
)
def test_an_answer_that_makes_no_sense_is_told(path: Path, answer: bytes) -> None:
    with pytest.raises(AgentError, match="makes no sense"):
        with_agent(path, answer, lambda agent: agent.call("status"))


def test_what_the_agent_says_is_wrong_is_told_with_every_problem(path: Path) -> None:
    answer = b'{"error": {"text": "the config has problems", "problems": ["a", "b"]}}\n'

    with pytest.raises(AgentError) as raised:
        with_agent(path, answer, lambda agent: agent.call("apply", text=""))

    assert (str(raised.value), raised.value.problems) == ("the config has problems", ["a", "b"])
