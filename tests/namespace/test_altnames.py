"""Links may have names besides their own, and udevd gives a port that becomes `k<name>` its former name as one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from evenet_core.linux.link import PortBridge
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.links import find_link
from evenet_core.linux.ports import Ports
from evenet_core.linux.rtnl import Rtnl
from tests.support.kernel import create, delete, ip, refusal, run, there

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

ADAPTER = PortBridge("eth0")


def also(device: str, name: str) -> None:
    """What udevd does."""
    run("ip", "link", "property", "add", "dev", device, "altname", name)


def links() -> dict[str, dict[str, Any]]:
    return {link["ifname"]: link for link in ip("link")}


def test_a_former_name_that_the_port_kept_is_free_for_the_bridge(rtnl: Rtnl, port: str) -> None:
    """An agent died after the rename."""
    run("ip", "link", "set", port, "name", "keth0", "alias", "evenet lower eth0 up 1500 0")
    also("keth0", "eth0")
    also("keth0", "enp1s0")

    asyncio.run(create(LinkDriver(rtnl), ADAPTER))

    assert asyncio.run(there(LinkDriver(rtnl))) == {ADAPTER}
    assert links()["keth0"]["master"] == "eth0"
    assert links()["keth0"]["altnames"] == ["enp1s0"]


def test_a_name_that_comes_back_while_the_bridge_is_made_spoils_nothing(
    rtnl: Rtnl, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel loads the module of bridges meanwhile. What is a bridge's mark may not come to the port."""
    free, times = Ports._free, iter((True, False))

    async def slow(ports: Ports, *arguments: Any) -> None:
        await free(ports, *arguments)
        if next(times):
            also("keth0", "eth0")

    monkeypatch.setattr(Ports, "_free", slow)

    asyncio.run(create(LinkDriver(rtnl), ADAPTER))

    assert asyncio.run(there(LinkDriver(rtnl))) == {ADAPTER}
    assert links()["keth0"]["ifalias"].startswith("evenet lower eth0 ")


def test_where_it_always_comes_back_the_port_stays_as_it_is_marked(
    rtnl: Rtnl, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = Ports._free

    async def slow(ports: Ports, *arguments: Any) -> None:
        await free(ports, *arguments)
        also("keth0", "eth0")

    monkeypatch.setattr(Ports, "_free", slow)
    assert "EEXIST" in asyncio.run(refusal(LinkDriver(rtnl), ADAPTER))
    monkeypatch.undo()

    assert links()["keth0"]["ifalias"].startswith("evenet lower eth0 ")
    asyncio.run(create(LinkDriver(rtnl), ADAPTER))
    asyncio.run(delete(LinkDriver(rtnl), ADAPTER))
    assert "keth0" not in links()


def test_a_port_gets_its_name_back_although_it_has_it_as_another_one(rtnl: Rtnl, port: str) -> None:
    before = links()[port]
    run("ip", "link", "set", port, "name", "keth0", "alias", "evenet lower eth0 up 1500 0")
    also("keth0", "eth0")

    asyncio.run(delete(LinkDriver(rtnl), ADAPTER))

    assert links()[port] == before


def test_a_name_that_another_link_has_is_not_taken_from_it(rtnl: Rtnl, port: str) -> None:
    run("ip", "link", "set", port, "name", "keth0", "alias", "evenet lower eth0 up 1500 0")
    also("world", "eth0")

    words = asyncio.run(refusal(LinkDriver(rtnl), ADAPTER))

    assert words == "adapter eth0: eth0 is another name of world, which is not ours"
    assert links()["world"]["altnames"] == ["eth0"]


def test_a_link_is_found_by_its_own_name_only(rtnl: Rtnl, port: str) -> None:
    also(port, "enp1s0")

    assert asyncio.run(find_link(rtnl, "enp1s0")) is None
    assert asyncio.run(find_link(rtnl, port)) is not None
