"""Asks the agent over its control socket. Blocking and small: a status must not cost an event loop."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

__all__ = ["AgentError", "Client"]


class AgentError(Exception):
    """The agent refused or failed; `problems` are lines for people, one for each thing wrong."""

    def __init__(self, text: str, problems: list[str] | None = None) -> None:
        self.problems = problems or []
        super().__init__(text)


class Client:
    """One connection to the agent.

    :raises AgentError: no agent answers at `path`.
    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            why = error.strerror or error
            raise AgentError(f"no agent answers at {path} ({why}); start it with `evenet run`") from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, **params: Any) -> Any:
        """Result of one request.

        :raises AgentError: what the agent says is wrong.
        """
        self._send(method, params)
        return self._answer("result")["result"]

    def stream(self, method: str, **params: Any) -> Iterator[Any]:
        """Events of a request, as they come."""
        self._send(method, params)
        while "event" in (answer := self._answer("event", "result")):
            yield answer["event"]

    def _send(self, method: str, params: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps({"method": method, "params": params}).encode() + b"\n")
        except OSError as error:
            raise AgentError("the agent ended the connection") from error

    def _answer(self, *expected: str) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise AgentError("the agent ended the connection")
        try:
            answer: dict[str, Any] = json.loads(line)
            if "error" in answer:
                raise AgentError(answer["error"]["text"], answer["error"]["problems"])
            if answer.keys() & expected:
                return answer
        except (ValueError, AttributeError, KeyError, TypeError):
            pass
        raise AgentError("the agent's answer makes no sense; is it another version?")
