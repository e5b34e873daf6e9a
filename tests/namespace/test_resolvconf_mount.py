"""A resolver file that is a mount point, as in containers: it cannot be renamed over, so it is written in place."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenet_core.linux.resolvconf import ResolvConf, ResolvConfDriver
from tests.support.kernel import create, delete, run, there

pytestmark = pytest.mark.root

CLONE_NEWNS = 0x20000
THEIRS = "nameserver 192.0.2.53\n" * 20  # longer than ours


@pytest.fixture
def own_mounts() -> Iterator[None]:
    """What the test mounts is its own, and gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    libc = ctypes.CDLL(None, use_errno=True)
    here, home = Path.cwd(), os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.close(home)
        os.chdir(here)


@pytest.mark.usefixtures("own_mounts")
def test_a_mounted_file_is_written_in_place_and_comes_back(tmp_path: Path) -> None:
    outside, path, state = tmp_path / "outside", tmp_path / "resolv.conf", tmp_path / "state"
    outside.write_text(THEIRS)
    path.touch()
    state.mkdir()
    run("mount", "--bind", str(outside), str(path))
    item = ResolvConf(str(path), ("127.0.0.1",))

    asyncio.run(create(ResolvConfDriver(path, state), item))
    assert outside.read_text() == item.text
    assert asyncio.run(there(ResolvConfDriver(path, state))) == {item}
    asyncio.run(delete(ResolvConfDriver(path, state), item))

    assert outside.read_text() == THEIRS
    assert sorted(one.name for one in tmp_path.iterdir()) == ["outside", "resolv.conf", "state"]
