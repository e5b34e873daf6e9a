"""The driver of daemons.

Each daemon has a directory of its own, `<run dir>/daemons/NAME`, with its files, its `log`, and `state.json`:
what it was started as, and its pid with start time. A daemon lives in a session of its own, so that it outlives
the agent; a later agent finds it by its directory and knows by the start time that the pid still means it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evenet_core.errors import DriverError
from evenet_core.linux.daemon import Daemon
from evenet_core.linux.files import write_atomic
from evenet_core.linux.process import exited, find_program, reap, session_members, spawn
from evenet_core.linux.procfs import start_time
from evenet_core.reconciler.item import Change, Item, Op, Outcome

__all__ = ["DaemonDriver"]

SETTLE = 0.05  # seconds in which a daemon with a bad configuration is dead
# The program begins only when its pid is on disk: an agent killed in between leaves nothing that nobody knows.
GATE = ("sh", "-c", 'read -r go && exec "$@"', "sh")
STOP = 5.0  # seconds until a daemon that was asked to end is killed, and until the kernel has done that
# dhcpcd 9.4 loses a SIGTERM that comes while it asks one of its helpers; the next one it hears.
AGAIN = 0.5  # seconds after which a daemon is asked to end once more
REQUESTS = ((signal.SIGTERM, AGAIN),) * round(STOP / AGAIN) + ((signal.SIGKILL, STOP),)
LOG_LIMIT = 1 << 20  # bytes of a log; an app can make its DHCP server write a line for each packet
LOG_CHECK = 10.0  # seconds


class DaemonDriver:
    """Starts, stops and finds daemons again.

    :param on_exit: called with the name of a daemon that died by itself.
    """

    kinds: tuple[str, ...] = ("daemon",)
    side_by_side = True  # one that does not want to end holds up no other

    def __init__(self, run_dir: Path, on_exit: Callable[[str], None] = lambda name: None) -> None:
        self._root = run_dir / "daemons"
        self._on_exit = on_exit
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._trimming: asyncio.TimerHandle | None = None

    async def observe(self) -> Iterable[Item]:
        """What really runs; a directory without a living process is no daemon."""
        found = []
        for directory in _directories(self._root):
            state = _load(directory)
            if state is not None and _alive(state):
                found.append(_item(directory.name, state))
                self._watch(directory.name, state["pid"])
        return found

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """All changes of a batch side by side: each waits for its own process only."""
        errors = await asyncio.gather(*(self._carry_out(change) for change in changes))
        return [Outcome(change, error) for change, error in zip(changes, errors, strict=True)]

    async def close(self) -> None:
        """Watch no longer. The daemons run on."""
        if self._trimming is not None:
            self._trimming.cancel()
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)

    async def _carry_out(self, change: Change) -> Exception | None:
        item = change.item
        assert isinstance(item, Daemon)
        directory = self._root / item.name
        try:
            if change.op is Op.DELETE:
                await self._stop(directory)
                shutil.rmtree(directory, ignore_errors=True)
                return None
            state = _load(directory)
            running = state if state is not None and _alive(state) else None
            if running is not None and _same_but_reloadable(_item(item.name, running), item):
                self._reload(directory, item, running)
            else:
                await self._stop(directory)
                await self._start(directory, item)
        except DriverError as error:
            return error
        except OSError as error:
            return DriverError(f"daemon {item.name}: {error.strerror}: {error.filename}", errno=error.errno or 0)
        return None

    async def _start(self, directory: Path, item: Daemon) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o755)
        directory.mkdir(exist_ok=True, mode=0o755)  # daemons drop privileges and read some files again later
        _write_files(directory, (*item.files, *item.reloadable))
        argv = [argument.replace("{dir}", str(directory)) for argument in item.argv]
        log = _open_log(directory / "log")
        gate, gatekeeper = os.pipe2(os.O_CLOEXEC)
        try:
            start = os.lseek(log, 0, os.SEEK_END)
            find_program(argv[0])
            pid = spawn([*GATE, *argv], stdin=gate, stdout=log, stderr=log)
            state = {
                "pid": pid,
                "started": start_time(pid),
                "argv": item.argv,
                "files": item.files,
                "reloadable": item.reloadable,
            }
            try:
                write_atomic(directory / "state.json", json.dumps(state).encode(), sync=False)
            except OSError:
                reap(pid)
                raise
            os.write(gatekeeper, b"\n")
        finally:
            for descriptor in (log, gate, gatekeeper):
                os.close(descriptor)
        await self._survives(directory, pid, start)
        self._watch(item.name, pid)

    async def _survives(self, directory: Path, pid: int, start: int) -> None:
        """A daemon that cannot read its configuration dies at once and says why."""
        pidfd = os.pidfd_open(pid)
        try:
            async with asyncio.timeout(SETTLE):
                await exited(pidfd)
        except TimeoutError:
            return
        finally:
            os.close(pidfd)
        raise DriverError(f"daemon {directory.name} ended at once: {_last_words(pid, directory / 'log', start)}")

    async def _stop(self, directory: Path) -> None:
        state = _load(directory)
        watch = self._watches.pop(directory.name, None)
        if watch is not None:
            watch.cancel()
        if state is not None and not (_alive(state) and await _end(state["pid"], directory.name)):
            await _end_helpers(state)

    def _reload(self, directory: Path, item: Daemon, state: dict[str, Any]) -> None:
        """Only files changed that the daemon reads again: rewrite them, then SIGHUP."""
        _write_files(directory, item.reloadable)
        state |= {"reloadable": item.reloadable}
        write_atomic(directory / "state.json", json.dumps(state).encode(), sync=False)
        os.kill(state["pid"], signal.SIGHUP)

    def _watch(self, name: str, pid: int) -> None:
        if self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(LOG_CHECK, self._trim)
        if name not in self._watches:
            self._watches[name] = asyncio.create_task(self._wait_for_end(name, pid))

    def _trim(self) -> None:
        """Logs that have grown too large begin again; daemons append, wherever the end is."""
        for name in self._watches:
            with suppress(OSError):
                log = self._root / name / "log"
                if log.stat().st_size > LOG_LIMIT:
                    os.truncate(log, 0)
        self._trimming = asyncio.get_running_loop().call_later(LOG_CHECK, self._trim) if self._watches else None

    async def _wait_for_end(self, name: str, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            pass
        else:
            try:
                await exited(pidfd)
            finally:
                os.close(pidfd)
        _bury(pid)
        del self._watches[name]
        self._on_exit(name)


def _directories(root: Path) -> list[Path]:
    return sorted(root.iterdir()) if root.is_dir() else []


def _last_words(pid: int, log: Path, start: int) -> str:
    """Why a process that is dead died: its last line, or how it ended."""
    _, status = os.waitpid(pid, 0)
    with open(log, "rb") as file:
        file.seek(start)
        said = file.read(65536).decode(errors="replace").strip().splitlines()
    return said[-1].strip() if said else f"exit status {os.waitstatus_to_exitcode(status)}"


def _alive(state: Mapping[str, Any]) -> bool:
    return bool(state["started"]) and start_time(state["pid"]) == state["started"]


async def _end(pid: int, name: str) -> bool:
    """Whether a daemon ended when it was asked to; otherwise it was killed, or was dead already."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        for number, patience in REQUESTS:
            signal.pidfd_send_signal(pidfd, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await exited(pidfd)
                return number == signal.SIGTERM
        raise DriverError(f"daemon {name} cannot be killed (pid {pid})")
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
        _bury(pid)


async def _end_helpers(state: Mapping[str, Any]) -> None:
    """A daemon that did not end by itself may have left helpers behind, in the session that it led."""
    if start_time(state["pid"]) not in ("", state["started"]):
        return  # the pid is another's, so nothing is left of the session
    with suppress(DriverError):  # the program was uninstalled meanwhile
        for pid in session_members(state["pid"], str(state["argv"][0])):
            await _kill(pid)


async def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, TimeoutError):
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            async with asyncio.timeout(STOP):
                await exited(pidfd)
        finally:
            os.close(pidfd)


def _bury(pid: int) -> None:
    """No zombies: a dead child of ours is waited for; a daemon of an earlier agent is not our child."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _load(directory: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((directory / "state.json").read_bytes())
        return state if isinstance(state["pid"], int) and isinstance(state["started"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _item(name: str, state: Mapping[str, Any]) -> Daemon:
    files = tuple((str(n), str(text)) for n, text in state["files"])
    reloadable = tuple((str(n), str(text)) for n, text in state["reloadable"])
    return Daemon(name, tuple(map(str, state["argv"])), files, reloadable)


def _same_but_reloadable(running: Daemon, wanted: Daemon) -> bool:
    """What it was started as holds, and the files that it reads again are the same ones."""
    names = [name for name, _ in running.reloadable] == [name for name, _ in wanted.reloadable]
    return running.argv == wanted.argv and running.files == wanted.files and names


def _write_files(directory: Path, files: Sequence[tuple[str, str]]) -> None:
    """A name that ends in `+x` is a program, one that ends in `+r` may be read by the daemon's own user."""
    for name, text in files:
        plain, _, flag = name.partition("+")
        mode = {"x": 0o755, "r": 0o644}.get(flag, 0o600)
        write_atomic(directory / plain, text.replace("{dir}", str(directory)).encode(), mode, sync=False)


def _open_log(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    log = os.open(path, flags, 0o600)
    if os.fstat(log).st_size > LOG_LIMIT:
        os.ftruncate(log, 0)
    return log
