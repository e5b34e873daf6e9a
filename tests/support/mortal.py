"""An agent in a process of its own that is killed at any moment one likes.

Between two moments it does one thing to the world: it sends a datagram of requests to the kernel, starts a program,
sends a signal, puts a file in its place or removes it, writes a setting. What it only reads is no moment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from select import select
from typing import Any

from evenet_core.agent.service import AgentOptions, run_agent
from evenet_core.agent.sources import Sources
from evenet_core.cli.client import AgentError, Client
from evenet_core.linux.rtnl import Rtnl
from evenet_core.settings import load_settings
from tests.support.site import eventually

__all__ = ["MortalAgent"]

DEADLINE = 60.0  # seconds; only a test that fails waits so long
PATIENCE = 20.0
_lives = count()
_FILES = frozenset(("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"))


class MortalAgent:
    """The agent of a node whose directory is `home`.

    :param teardown: it removes everything at its end.
    """

    def __init__(self, home: Path, config: Path, *, teardown: bool = False) -> None:
        self._home = home
        self._config = config
        self.teardown = teardown

    def lives(self, moment: int | None = None, until: Callable[[], bool] | None = None) -> list[str] | None:
        """One life of it: it comes to rest, tells what it would still change, and ends as by `systemctl stop`.

        None = it was killed at that moment, counted from 0.

        :param until: asked again and again when it has settled; it lives on until then (default: it ends at once).
        """
        address = f"\0{os.getpid()}-{next(_lives)}"  # a dead agent's orphan may hold the last one for a moment
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(address)
            pid = _fork(lambda: self._live(moment, address.replace("\0", "@")))
            pidfd = os.pidfd_open(pid)
            try:
                select([ready.fileno(), pidfd], [], [], DEADLINE)
                lines = self._rest(until)
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
                assert select([pidfd], [], [], DEADLINE)[0], "it does not end"
            finally:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # if it still lives
                os.close(pidfd)
                _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, -signal.SIGKILL)
        return lines if code == 0 else None

    def _live(self, moment: int | None, address: str) -> None:
        sys.dont_write_bytecode = True
        os.environ["NOTIFY_SOCKET"] = address
        options = AgentOptions(
            state_dir=self._home / "state",
            socket_path=self._home / "run" / "evenet.sock",
            settings=load_settings(self._home / "settings.yaml"),
            sources=Sources(config=self._config),
            teardown=self.teardown,
        )
        if moment is not None:
            _die_at(moment)
        asyncio.run(run_agent(options))

    def _rest(self, until: Callable[[], bool] | None) -> list[str]:
        """What it would still change when it has settled; nothing if it dies meanwhile."""
        try:
            with Client(str(self._home / "run" / "evenet.sock")) as client:
                client._socket.settimeout(DEADLINE)
                *_, last = client.stream("settle", seconds=DEADLINE)
                with suppress(AssertionError):  # whoever looks at the end tells it better
                    eventually("what is wanted", until or (lambda: True), PATIENCE)
                plan: list[str] = client.call("plan")["lines"]
        except (AgentError, ValueError):
            return []
        assert last["settled"], last["status"]
        return plan


def _fork(what: Callable[[], None]) -> int:
    """A child that does one thing and never comes back into the code of the test."""
    child = os.fork()
    if child:
        return child
    try:
        what()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _die_at(last: int) -> None:
    """From now on this process counts what it does to the world, and is dead at moment number `last`."""
    number = 0

    def moment() -> None:
        nonlocal number
        if number == last:
            number += 1
            os.kill(os.getpid(), signal.SIGKILL)
        number += 1

    def audit(event: str, arguments: Any) -> None:
        if event in _FILES and _changes_something(event, os.fsdecode(arguments[0])):
            moment()
        if event == "open" and str(arguments[0]).startswith("/proc/sys/") and arguments[2] & os.O_WRONLY:
            moment()

    def before(function: Any) -> Any:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            moment()
            return function(*arguments, **more)

        return wrapped

    spawn, write = os.posix_spawn, os.write

    def spawn_and_go_on(path: Any, argv: Any, *arguments: Any, **more: Any) -> int:
        """A program that was started goes on while its agent is dead."""
        if "list" in argv:  # nft tells what there is
            return spawn(path, argv, *arguments, **more)
        moment()
        pid = spawn(path, argv, *arguments, **more)
        moment()
        return pid

    def write_to_gate(descriptor: int, data: Any) -> int:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            moment()
        return write(descriptor, data)

    Rtnl._send_chunk = before(Rtnl._send_chunk)  # type: ignore[method-assign]
    signal.pidfd_send_signal = before(signal.pidfd_send_signal)
    os.posix_spawn = spawn_and_go_on
    os.write = write_to_gate
    sys.addaudithook(audit)


def _changes_something(event: str, path: str) -> bool:
    """A directory that is there need not be made, and what is not there need not be removed."""
    return os.path.lexists(path) != (event == "os.mkdir")
