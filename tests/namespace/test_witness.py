"""Whoever is to confirm a config is asked now, through its own DPC and its own ports; nothing else counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from evenet_core.device.dpclist import Candidate
from evenet_core.device.verification import State
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.probing.builtin import builtin_probes
from evenet_core.probing.connectivity import PortUnderTest
from evenet_core.probing.request import ProbeError, ProbeRequest
from evenet_core.reconciler.engine import Engine
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.probes import Probes
from evenet_core.runtime.witness import Witness
from evenet_core.settings import Controller
from tests.support.uplinks import CONTROLLER, OK, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

URL = f"http://{CONTROLLER[4]}/ping"
OURS, OTHER = (Dpc(key="zedagent", adapters=(Adapter(label=label, ifname=label),)) for label in ("eth0", "eth1"))


@pytest.fixture
def wans(netns: None, tmp_path: Path) -> Iterator[list[Uplink]]:
    with uplinks(tmp_path, 2) as made:
        yield made


class Node:
    """What of a node a witness needs. `OURS` is in use in its first trial."""

    def __init__(self, wans: list[Uplink], probes: dict[str, Any] | None = None) -> None:
        candidates = (Candidate(dpc=OURS), Candidate(dpc=OTHER))
        self.state = State(candidates=candidates, current=0, trial=1)
        self.engine = Engine([])
        known = Probes(FactHub(lambda names: None), {**builtin_probes(), **(probes or {})}, lambda *_: None)
        ports = [
            PortUnderTest(
                label=wan.ifname, ifname=wan.ifname, addresses=(ip_address(wan.own[4]),), dns_servers=wan.servers
            )
            for wan in wans
        ]
        self.witness = Witness(Controller(url=URL), known, lambda: self.state, self.engine, lambda: ports)

    async def reached(self, by: str) -> str:
        await self.engine.start()
        try:
            return await self.witness.reached(by, OURS)
        finally:
            await self.engine.stop()

    def goes_back(self) -> None:
        self.state = replace(self.state, current=1, trial=2)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_the_first_port_that_gets_an_answer_is_enough(wans: list[Uplink]) -> None:
    wans[0].lose_controller()

    async def story() -> None:
        await wans[1].serve(port=80)
        assert await Node(wans).reached("controller") == "the controller was reached through eth1"

    run(story)


def test_a_controller_that_is_out_of_order_confirms_nothing(wans: list[Uplink]) -> None:
    """Though its port is good."""

    async def story() -> None:
        for wan in wans:
            await wan.serve(OK.replace(b"200 OK", b"503 Later"), port=80)
        with pytest.raises(ProbeError, match=r"HTTP status 503.*; .*HTTP status 503"):
            await Node(wans).reached("controller")

    run(story)


def test_an_answer_by_way_of_another_dpc_does_not_count(wans: list[Uplink]) -> None:
    async def story() -> None:
        await wans[0].serve(port=80)
        node = Node(wans)
        node.goes_back()
        with pytest.raises(ProbeError, match="the node went back to another DPC"):
            await node.reached("controller")

    run(story)


def test_an_answer_that_came_while_the_dpc_changed_does_not_count(wans: list[Uplink]) -> None:
    async def story() -> None:
        node = Node(wans)

        def answer(_: bytes) -> bytes:
            node.goes_back()
            return OK

        await wans[0].serve(answer, port=80)
        with pytest.raises(ProbeError, match="the node went back to another DPC"):
            await node.reached("controller")

    run(story)


def test_nobody_is_asked_before_all_is_settled(wans: list[Uplink]) -> None:
    seen: list[Any] = []

    async def story() -> None:
        await wans[0].serve(port=80, seen=seen)
        node = Node(wans)
        await node.engine.start()
        await node.engine.settled()
        node.engine._settled.clear()  # something is under way
        asked = asyncio.create_task(node.witness.reached("controller", OURS))
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert seen == []
        node.engine._settled.set()
        assert await asked == "the controller was reached through eth0"
        await node.engine.stop()

    run(story)


def test_the_probe_of_a_plugin_is_asked_with_the_port_and_the_host(wans: list[Uplink]) -> None:
    requests: list[ProbeRequest] = []

    async def probe(request: ProbeRequest) -> float:
        requests.append(request)
        return 0.001

    async def story() -> None:
        reached = await Node(wans[:1], {"echo": probe}).reached("echo://modem:7")
        assert reached == "echo://modem:7 was reached through eth0"
        [request] = requests
        assert (request.egress.ifname, request.hosts, request.port) == ("eth0", ("modem",), 7)
        assert [str(source) for source in request.egress.sources] == [wans[0].own[4]]

    run(story)


@pytest.mark.parametrize("answer", [None, "soon", float("nan"), -1.0])
def test_a_probe_that_answers_nonsense_confirms_nothing(wans: list[Uplink], answer: Any) -> None:
    async def probe(_: ProbeRequest) -> Any:
        return answer

    async def story() -> None:
        with pytest.raises(ProbeError, match="probe echo failed: it answered"):
            await Node(wans, {"echo": probe}).reached("echo://modem")

    run(story)


def test_without_a_port_nobody_is_reached(wans: list[Uplink]) -> None:
    async def story() -> None:
        with pytest.raises(ProbeError, match="there is no management adapter"):
            await Node([]).reached("controller")

    run(story)
