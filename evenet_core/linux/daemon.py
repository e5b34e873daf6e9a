"""Supervised daemons: they outlive the agent and are found again by their run directory. Item and driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from evenet_core.reconciler.item import Item, ItemKey, Requires

__all__ = ["Daemon", "daemon_key"]


def daemon_key(name: str) -> ItemKey:
    """Identity of a daemon; `name` is also its run directory's."""
    return ItemKey(("daemon", name))


@dataclass(frozen=True, slots=True)
class Daemon(Item):
    """A process that runs with these files.

    `{dir}` in an argument or file stands for the daemon's own run directory. A change of `argv` or
    `files` restarts it; a change of only `reloadable` files rewrites them and sends SIGHUP. Files are
    readable by root only; `NAME+r` may be read by the user that a daemon becomes, `NAME+x` is a program.
    """

    kind: ClassVar[str] = "daemon"
    name: str
    argv: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()  # name in the run directory, content
    reloadable: tuple[tuple[str, str], ...] = ()
    needs: tuple[Requires, ...] = field(default=(), compare=False)

    @property
    def key(self) -> ItemKey:
        return daemon_key(self.name)

    @property
    def requires(self) -> tuple[Requires, ...]:
        return self.needs

    @property
    def description(self) -> str:
        return f"daemon {self.name}"

    def public(self) -> dict[str, Any]:
        return {"name": self.name, "argv": self.argv, "files": dict(self.files), "reloadable": dict(self.reloadable)}
