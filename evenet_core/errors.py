"""The errors evenet raises: whose fault it is decides the type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ConfigError", "DriverError", "EvenetError", "NotSupported", "PluginError", "Problem"]


class EvenetError(Exception):
    """Base of everything evenet raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config: where, what, and what would be right."""

    path: str  # field path in the words of the file it came from: systemAdapterList[2].networkUUID
    problem: str
    remedy: str
    file: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.path}" if self.file and self.path else self.file or self.path
        return f"{where}: {self.problem}; {self.remedy}"


class ConfigError(EvenetError, ValueError):
    """The operator's: every problem of a config at once. Nothing of the config was applied."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DriverError(EvenetError):
    """The system's: the kernel or a daemon refused or failed one change."""

    def __init__(self, message: str, *, retryable: bool = True, errno: int = 0) -> None:
        self.retryable = retryable
        self.errno = errno
        super().__init__(message)


class NotSupported(EvenetError):  # noqa: N818  a limit said plainly, nobody's mistake
    """What is asked for cannot be done here (yet); the text names what is missing. Raised by plugins."""


class PluginError(EvenetError):
    """The plugin's: a hook raised, or answered with something that it must not return."""

    def __init__(self, plugin: str, hook: str, message: str) -> None:
        self.plugin = plugin
        self.hook = hook
        super().__init__(f"plugin {plugin}: {hook} {message}")
