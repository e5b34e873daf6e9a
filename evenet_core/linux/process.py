"""Processes without threads and without a shell: short ones that are waited for, and daemons that stay."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evenet_core.errors import DriverError

__all__ = ["Completed", "Started", "exited", "find_program", "reap", "run", "session_members", "spawn"]

OUTPUT_LIMIT = 64 << 20  # bytes that are read of what a program says
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}  # nothing of our own environment reaches a program


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said. `status` is its exit status, negative for a signal."""

    status: int
    output: bytes
    errors: bytes

    @property
    def complaint(self) -> str:
        """The last line it said on stderr."""
        lines = self.errors.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


def find_program(name: str) -> str:
    """Path of a program.

    :raises DriverError: it is not installed; trying again soon does not help.
    """
    found = shutil.which(name, path=PATH)
    if found is None:
        raise DriverError(f"program {name} is not installed", retryable=False)
    return found


def spawn(
    argv: Sequence[str],
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> int:
    """Start a program in a session of its own, with these descriptors and no others; its pid.

    :raises DriverError: it is not installed or cannot be run.
    """
    actions = [(os.POSIX_SPAWN_DUP2, given, place) for place, given in enumerate((stdin, stdout, stderr))]
    try:
        return os.posix_spawn(
            find_program(argv[0]),
            list(argv),
            dict(environment),
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=range(1, signal.SIGSYS + 1),
        )
    except OSError as error:
        raise DriverError(f"program {argv[0]} cannot be run: {error.strerror}") from error


async def exited(pidfd: int) -> None:
    """Returns when the process behind a pidfd is dead."""
    loop = asyncio.get_running_loop()
    dead = asyncio.Event()
    loop.add_reader(pidfd, dead.set)
    try:
        await dead.wait()
    finally:
        loop.remove_reader(pidfd)


class Started:
    """A short program that runs; whatever happens, `completed` or `end` leaves nothing of it behind.

    :param stdin: a descriptor that stays the caller's
    :raises DriverError: it is not installed or cannot be run.
    """

    def __init__(self, argv: Sequence[str], stdin: int) -> None:
        self._name = argv[0]
        self._files = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("output", "errors")]
        try:
            self._pid = spawn(argv, stdin=stdin, stdout=self._files[0], stderr=self._files[1])
        except DriverError:
            self._close()
            raise
        self.pidfd = os.pidfd_open(self._pid)

    async def completed(self, timeout: float) -> Completed:  # noqa: ASYNC109
        """What it said, when it is done.

        :raises DriverError: it is not done in `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await exited(self.pidfd)
            return Completed(reap(self._pid), _read_all(self._files[0]), _read_all(self._files[1]))
        except TimeoutError:
            raise DriverError(f"program {self._name} was not done within {timeout:g} s") from None
        finally:
            self.end()

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.pidfd >= 0:
            with suppress(ChildProcessError):  # it was waited for
                reap(self._pid)
            os.close(self.pidfd)
            self.pidfd = -1
            self._close()

    def _close(self) -> None:
        for descriptor in self._files:
            os.close(descriptor)


async def run(
    argv: Sequence[str],
    given: bytes = b"",
    timeout: float = 30.0,  # noqa: ASYNC109
) -> Completed:
    """Run a program to its end. `given` is its input.

    :raises DriverError: it is not installed, or not done in `timeout` seconds (it is killed then).
    """
    stdin = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        _write_all(stdin, given)
        started = Started(argv, stdin)
    finally:
        os.close(stdin)
    return await started.completed(timeout)


def reap(pid: int) -> int:
    """Exit status of a child that is dead, or is not to live: nothing is left of it."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:  # cancelled or out of time
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def session_members(session: int, program: str) -> list[int]:
    """Processes of a session that run `program`, the leader aside.

    A program that keeps helpers (dhcpcd with its privilege separation) leaves them behind when it is killed.
    """
    path = os.path.realpath(find_program(program))
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != session:
            with suppress(OSError):
                stat = Path(entry.path, "stat").read_bytes()
                fields = stat[stat.rindex(b")") + 2 :].split()  # proc_pid_stat(5)
                if int(fields[3]) == session and os.readlink(f"{entry.path}/exe") == path:
                    found.append(int(entry.name))
    return found


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


def _read_all(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    size = min(os.fstat(descriptor).st_size, OUTPUT_LIMIT)
    chunks = []
    while size > 0 and (chunk := os.read(descriptor, size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)
