"""Rules for host names, with a real resolver that fills their sets; and a foreign hand that is noticed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenet_core.linux.netns import inside
from evenet_core.linux.nftdriver import PROGRAM, NftDriver
from evenet_core.linux.nftmonitor import NftMonitor
from evenet_core.model.policy import DevicePolicy, PolicyRule, host_set_name
from evenet_core.reconciler.facts import FULL_PICTURE
from tests.support.fw import ADDRESSES, DEVICE, Node, app
from tests.support.kernel import create, run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

NAME = "www.far.test"


@pytest.fixture
def node(netns: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    device = DevicePolicy(ports=DEVICE.ports, host_sets=("far.test",))
    monkeypatch.setattr("tests.support.fw.DEVICE", device)
    with Node.up() as node:
        yield node


def dnsmasq(node: Node, place: str, directory: Path, *options: str) -> subprocess.Popen[bytes]:
    """A resolver that listens when this returns: it writes its pid file then."""
    pid = directory / f"{place}.pid"
    common = ["--no-resolv", "--no-hosts", "--conf-file=/dev/null", f"--pid-file={pid}", "--user=nobody"]
    with inside(node.places.get(place)):
        process = subprocess.Popen(["dnsmasq", "--keep-in-foreground", *common, *options])
    while not pid.exists():
        assert process.poll() is None
    return process


@pytest.mark.parametrize("v", [0, 1], ids=["ipv4", "ipv6"])
def test_a_name_that_the_app_asks_for_opens_the_way_to_its_addresses(node: Node, v: int, tmp_path: Path) -> None:
    node.load(app("app1", PolicyRule(id=1, host="far.test")))
    assert not node.pings("app1", ADDRESSES["far"][v])
    sets = [f"{version}#bridge#evenet#{host_set_name('far.test', version)}" for version in (4, 6)]
    records = ",".join((NAME, *ADDRESSES["far"]))
    resolvers = [
        dnsmasq(node, "outside", tmp_path, f"--host-record={records}"),
        dnsmasq(node, "node", tmp_path, f"--server={ADDRESSES['outside'][0]}", f"--nftset=/far.test/{','.join(sets)}"),
    ]
    try:
        answer = node.run("app1", "busybox", "nslookup", NAME, ADDRESSES["bn1"][0])
    finally:
        for process in resolvers:
            process.terminate()
            process.wait()

    assert ADDRESSES["far"][v] in answer
    assert node.pings("app1", ADDRESSES["far"][v])
    assert not node.pings("app1", ADDRESSES["farther"][v])


def test_the_driver_does_not_take_learnt_addresses_for_drift(node: Node) -> None:
    node.load(app("app1", PolicyRule(id=1, host="far.test")))
    run("nft", f"add element bridge evenet {host_set_name('far.test', 4)} {{ 192.0.2.7 }}")

    assert set(asyncio.run(NftDriver().observe())) == set(node.items.values())


def test_a_foreign_hand_is_noticed_and_our_own_is_not(node: Node, tmp_path: Path) -> None:
    node.load(app("app1"))

    async def story() -> None:
        driver = NftDriver(tmp_path)
        foreign, any_change = asyncio.Event(), asyncio.Event()
        monitors = [
            NftMonitor(PROGRAM, lambda _: foreign.set()).facts(),
            NftMonitor("", lambda _: any_change.set()).facts(),
        ]
        assert [await anext(facts) for facts in monitors] == [FULL_PICTURE] * 2
        watches = [asyncio.ensure_future(anext(facts)) for facts in monitors]
        try:
            await create(driver, *node.items.values())
            async with asyncio.timeout(5):
                await any_change.wait()
            await asyncio.sleep(0)  # whoever was woken together with us has run
            assert not foreign.is_set()

            run("nft", "add", "table", "inet", "other")
            async with asyncio.timeout(5):
                await foreign.wait()
        finally:
            for watch in watches:
                watch.cancel()

    asyncio.run(story())
