"""Fixtures for every test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenet_core.linux.rtnl import Rtnl
from tests.support.kernel import own_network, run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A temporary directory that daemons may enter which have become somebody else; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="evenet-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def netns() -> Iterator[None]:
    """The test runs inside a network namespace of its own, with `lo` up; it vanishes afterwards."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with own_network():
        yield


@pytest.fixture
def rtnl(netns: None) -> Iterator[Rtnl]:
    """A socket to the kernel, about the test's own namespace."""
    opened = Rtnl.open()
    yield opened
    opened.close()


@pytest.fixture
def port(netns: None) -> str:
    """A port `eth0` that is up, as a cable would give it: its other end is `world`."""
    run("ip", "link", "add", "eth0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "world")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", "world", "up")
    return "eth0"
