"""Daemons: they outlive the agent, are found again, and a dead one is noticed."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenet_core.errors import DriverError
from evenet_core.linux.daemon import Daemon
from evenet_core.linux.daemondriver import DaemonDriver
from evenet_core.linux.process import run
from evenet_core.linux.procfs import start_time
from evenet_core.reconciler.item import Item
from tests.support.kernel import create, delete, update

SLEEPER = Daemon("sleeper", ("sleep", "3600"))
# says what it reads, at its start and on SIGHUP
READER = ("sh", "-c", 'trap "cat {dir}/words" HUP; cat {dir}/words; while :; do sleep 0.02; done')


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    asyncio.run(_stop_all(tmp_path))


async def _stop_all(run_dir: Path) -> None:
    driver = DaemonDriver(run_dir)
    await delete(driver, *await driver.observe())


def pid_of(run_dir: Path, name: str) -> int:
    import json

    return int(json.loads((run_dir / "daemons" / name / "state.json").read_text())["pid"])


def test_a_daemon_outlives_a_killed_agent_and_is_found_again(run_dir: Path) -> None:
    agent = f"""
import asyncio, os, signal
from pathlib import Path
from evenet_core.linux.daemondriver import DaemonDriver
from tests.namespace.test_daemons import SLEEPER, create
async def main():
    await create(DaemonDriver(Path({str(run_dir)!r})), SLEEPER)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", agent], check=False).returncode == -signal.SIGKILL

    found = asyncio.run(observe(run_dir))

    assert found == [SLEEPER]
    assert start_time(pid_of(run_dir, "sleeper"))


async def observe(run_dir: Path) -> list[Item]:
    driver = DaemonDriver(run_dir)
    found = list(await driver.observe())
    await driver.close()
    return found


def test_helpers_of_a_killed_daemon_do_not_outlive_its_successors_start(run_dir: Path) -> None:
    helper_of = "trap 'trap - TERM; kill 0' TERM; sh -c 'echo $$; while :; do sleep 0.1; done' & wait"
    helped = Daemon("helped", ("sh", "-c", helper_of))

    async def story() -> None:
        ended: asyncio.Queue[str] = asyncio.Queue()
        driver = DaemonDriver(run_dir, ended.put_nowait)
        await create(driver, helped)
        pid = pid_of(run_dir, "helped")
        async with asyncio.timeout(10):
            while not (text := (run_dir / "daemons/helped/log").read_text()).endswith("\n"):
                await asyncio.sleep(0.02)
            os.kill(pid, signal.SIGKILL)
            await ended.get()
        helper = int(text)
        assert start_time(helper), "this test needs a helper that outlives its daemon"

        await create(driver, helped)

        assert not start_time(helper)
        assert pid_of(run_dir, "helped") != pid

    asyncio.run(story())


def test_a_daemon_that_misses_a_request_to_end_is_asked_again(run_dir: Path) -> None:
    farewell = run_dir / "farewell"
    deaf = f"trap 'test -e {run_dir}/asked && touch {farewell} && exit 0; touch {run_dir}/asked' TERM"
    daemon = Daemon("deaf", ("sh", "-c", f"{deaf}; echo ready; while :; do sleep 0.02; done"))

    async def story() -> None:
        driver = DaemonDriver(run_dir)
        await create(driver, daemon)
        async with asyncio.timeout(10):
            while "ready" not in (run_dir / "daemons/deaf/log").read_text():
                await asyncio.sleep(0.02)

        await delete(driver, daemon)

        assert farewell.exists(), "it was killed without a second request"

    asyncio.run(story())


def test_another_process_with_the_same_pid_is_not_taken_for_the_daemon(run_dir: Path) -> None:
    async def story() -> None:
        driver = DaemonDriver(run_dir)
        await create(driver, SLEEPER)
        state = run_dir / "daemons/sleeper/state.json"
        text = state.read_text()
        state.write_text(text.replace(start_time(pid_of(run_dir, "sleeper")), "1"))
        assert await observe(run_dir) == []
        state.write_text(text)

    asyncio.run(story())


def test_files_read_again_cost_a_signal_and_others_a_restart(run_dir: Path) -> None:
    first = Daemon("reader", READER, (), (("words", "one\n"),))
    second = Daemon("reader", READER, (), (("words", "two\n"),))
    third = Daemon("reader", (*READER, "other"), (), (("words", "three\n"),))

    async def story() -> None:
        driver = DaemonDriver(run_dir)
        await create(driver, first)
        pid = pid_of(run_dir, "reader")
        await said(run_dir, "one\n")
        await update(driver, first, second)
        await said(run_dir, "one\ntwo\n")
        assert pid_of(run_dir, "reader") == pid
        await update(driver, second, third)
        await said(run_dir, "one\ntwo\nthree\n")
        assert pid_of(run_dir, "reader") != pid
        assert await observe(run_dir) == [third]

    asyncio.run(story())


async def said(run_dir: Path, text: str) -> None:
    async with asyncio.timeout(10):
        while (run_dir / "daemons/reader/log").read_text() != text:
            await asyncio.sleep(0.02)


def test_a_daemon_that_dies_is_noticed_and_leaves_no_zombie(run_dir: Path) -> None:
    async def story() -> None:
        ended: asyncio.Queue[str] = asyncio.Queue()
        driver = DaemonDriver(run_dir, ended.put_nowait)
        await create(driver, SLEEPER)
        pid = pid_of(run_dir, "sleeper")

        os.kill(pid, signal.SIGKILL)

        async with asyncio.timeout(10):
            assert await ended.get() == "sleeper"
        assert not Path(f"/proc/{pid}").exists()
        assert await observe(run_dir) == []

    asyncio.run(story())


def test_a_log_that_grows_too_large_begins_again(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenet_core.linux.daemondriver.LOG_LIMIT", 10_000)
    monkeypatch.setattr("evenet_core.linux.daemondriver.LOG_CHECK", 0.05)
    talker = Daemon("talker", ("sh", "-c", "while :; do echo a line; done"))

    async def story() -> None:
        driver = DaemonDriver(run_dir)
        await create(driver, talker)
        log, shrunk, last = run_dir / "daemons" / "talker" / "log", 0, 0
        async with asyncio.timeout(20):
            while shrunk < 3:
                size = log.stat().st_size
                shrunk, last = shrunk + (size < last), size
                await asyncio.sleep(0.01)
        await delete(driver, talker)
        await driver.close()

    asyncio.run(story())


def test_a_daemon_whose_state_cannot_be_written_is_not_left_behind(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("evenet_core.linux.daemondriver.write_atomic", full)

    async def story() -> None:
        with pytest.raises(DriverError, match="No space left on device"):
            await create(DaemonDriver(run_dir), SLEEPER)

    asyncio.run(story())

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_daemon_that_cannot_start_says_why(run_dir: Path) -> None:
    async def story() -> None:
        driver = DaemonDriver(run_dir)
        with pytest.raises(DriverError, match="daemon bad ended at once: no, thanks"):
            await create(driver, Daemon("bad", ("sh", "-c", "echo no, thanks; exit 1")))
        with pytest.raises(DriverError, match="program no-such-program is not installed"):
            await create(driver, Daemon("bad", ("no-such-program",)))

    asyncio.run(story())


def test_a_program_gets_its_input_and_nothing_of_our_environment() -> None:
    async def story() -> None:
        done = await run(("sh", "-c", "cat; env; echo oops >&2; exit 3"), b"hello\n")

        assert (done.status, done.complaint) == (3, "oops")
        assert done.output.startswith(b"hello\n")
        assert {line.split(b"=")[0] for line in done.output.splitlines()[1:]} <= {
            b"PATH",
            b"LC_ALL",
            b"PWD",
            b"SHLVL",
            b"_",
        }
        with pytest.raises(DriverError, match=r"program sleep was not done within 0\.1 s"):
            await run(("sleep", "60"), timeout=0.1)

    asyncio.run(story())
