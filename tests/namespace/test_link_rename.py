"""Kernels before 6.3 rename only links that are down: what others gave a port is there afterwards all the same."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator, Sequence

import pytest

from evenet_core.errors import DriverError
from evenet_core.linux import netlink
from evenet_core.linux.link import PortBridge, PortLink
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import find_link
from evenet_core.linux.netlink import Message
from evenet_core.linux.rtnl import Rtnl, open_socket
from tests.support.kernel import create, delete, ip, run, there
from tests.support.kerneldump import differences, dump
from tests.support.machine import HABITS, make_machine, no_tentative
from tests.support.site import eventually

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

SETLINK, IFNAME = 19, 3
HEAD = 16  # bytes of struct ifinfomsg; the index is at 4


class OldKernel(Rtnl):
    """Refuses what an old kernel refuses."""

    async def send(self, messages: Sequence[Message]) -> list[DriverError | None]:
        return [await self._carry_out(message) for message in messages]

    async def _carry_out(self, message: Message) -> DriverError | None:
        index = int.from_bytes(message.body[4:8], "little")
        if message.type == SETLINK and index and IFNAME in netlink.attributes(memoryview(message.body)[HEAD:]):
            link = await find_link(self, index)
            if link is not None and link.up:
                return DriverError(f"{message.about}: busy", errno=errno.EBUSY)
        [result] = await super().send([message])
        return result


def operstate() -> str:
    [link] = ip("link", "show", "eth0")
    return str(link["operstate"])


@pytest.fixture
def old_kernel(netns: None) -> Iterator[Rtnl]:
    rtnl = OldKernel(open_socket(socket.NETLINK_ROUTE))
    yield rtnl
    rtnl.close()


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("item", [PortBridge("eth0"), PortLink("eth0")], ids=["bridged", "as it is"])
def test_a_port_comes_back_with_all_that_others_gave_it(
    old_kernel: Rtnl, habit: str, item: PortBridge | PortLink
) -> None:
    with make_machine(("eth0", habit)):
        eventually("the kernel to try its addresses out", no_tentative)
        before, state = dump(), operstate()

        asyncio.run(create(LinkDriver(old_kernel), item))
        assert asyncio.run(there(LinkDriver(old_kernel))) == {item}
        asyncio.run(delete(LinkDriver(old_kernel), item))

        eventually("the kernel to notice the cable", lambda: operstate() == state)
        eventually("the kernel to try its addresses out", no_tentative)
        assert differences(before, dump()) == []


def test_it_has_it_also_below_the_bridge(old_kernel: Rtnl) -> None:
    with make_machine(("eth0", "own")):
        eventually("the kernel to try its addresses out", no_tentative)
        before = run("ip", "route", "show", "dev", "eth0"), run("ip", "-6", "route", "show", "dev", "eth0")

        asyncio.run(create(LinkDriver(old_kernel), PortBridge("eth0")))

        four, six = run("ip", "route", "show", "dev", "keth0"), run("ip", "-6", "route", "show", "dev", "keth0")
        assert sorted(four.splitlines()) == sorted(before[0].splitlines())
        assert "2001:db8:1:1::/64 via 2001:db8:1::1" in six
        found = [a["local"] for link in ip("address", "show", "dev", "keth0") for a in link["addr_info"]]
        assert {"192.0.1.7", "198.51.1.7", "2001:db8:1::7", "2001:db8:1::8"} <= set(found)
