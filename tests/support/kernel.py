"""What tests of drivers ask of the kernel, by iproute2 rather than by the code under test."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface
from time import monotonic
from typing import Any

from evenet_core.reconciler.item import Change, Driver, Item, Op

__all__ = ["add_address", "create", "delete", "ip", "own_network", "refusal", "run", "there", "update"]

CLONE_NEWNET = 0x40000000


@contextmanager
def own_network() -> Iterator[None]:
    """A network namespace of its own for what is inside, with `lo` up; it vanishes afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(home)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def ip(*arguments: str) -> Any:
    """Output of `ip -j` in the present namespace."""
    return json.loads(run("ip", "-j", "-d", *arguments) or "[]")


def add_address(address: str, link: str, *options: str) -> None:
    """Give a link of the present namespace an address; when this returns, packets to it are taken.

    The kernel says that it has an IPv6 address some moments before it has: while other tests make it busy, a packet
    that comes at once is lost.
    """
    own = ip_interface(address).ip
    six = own.version == 6
    run("ip", "address", "add", address, "dev", link, *options, *(["nodad"] if six else []))
    deadline = monotonic() + 20
    while six and f"local {own} dev {link}" not in run("ip", "-6", "route", "show", "table", "local"):
        assert monotonic() < deadline, f"{link} does not get {address}"


async def create(driver: Driver, *items: Item) -> None:
    await _all(driver, [Change(Op.CREATE, None, item) for item in items])


async def update(driver: Driver, before: Item, after: Item) -> None:
    await _all(driver, [Change(Op.UPDATE, before, after)])


async def delete(driver: Driver, *items: Item) -> None:
    await _all(driver, [Change(Op.DELETE, item, None) for item in items])


async def refusal(driver: Driver, item: Item) -> str:
    """The words with which the driver refuses to make an item."""
    [outcome] = await driver.apply([Change(Op.CREATE, None, item)])
    assert outcome.error is not None
    return str(outcome.error)


async def there(driver: Driver) -> set[Item]:
    """What the driver observes."""
    return set(await driver.observe())


async def _all(driver: Driver, changes: Sequence[Change]) -> None:
    for outcome in await driver.apply(changes):
        if outcome.error is not None:
            raise outcome.error
