"""The prober at work: probes run, their answers become choices, choices become facts. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from evenet_core.model.networks import Probe as ProbeConfig
from evenet_core.model.networks import ProbeMethod, RouteProbe
from evenet_core.probing.prober import ProbedPort, ProbedRoute, Selected
from evenet_core.probing.request import Cause, ProbeError, ProbeRequest
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.probes import Probes
from tests.support.virtual import run_virtual

KEY = "route-choice:ni/0.0.0.0/0"
GATEWAYS = RouteProbe(gateway_ping=True, gateway_ping_max_cost=255)


def port(number: int, *, carrier: bool = True) -> ProbedPort:
    return ProbedPort(
        label=f"eth{number}",
        ifname=f"eth{number}",
        cost=number,
        carrier=carrier,
        addresses=(ip_address(f"172.22.{number}.5"),),
        gateways=(ip_address(f"172.22.{number}.1"),),
    )


def route(key: str = KEY, current: str = "", probe: RouteProbe = GATEWAYS) -> ProbedRoute:
    return ProbedRoute(
        key=key,
        destination=ip_network("0.0.0.0/0"),
        ports=("eth0", "eth1"),
        probe=probe,
        prefer_lower_cost=True,
        current=current,
    )


PORTS, ROUTES = [port(0), port(1)], [route()]


class World:
    """Probes whose answers are decided here: by interface, what happens when it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[float, str]] = []
        self.told: list[tuple[dict[str, str], Selected]] = []
        self.decided: list[float] = []
        self.hub = FactHub(lambda names: None)
        self.probes = Probes(self.hub, {"icmp": self._probe}, self._chosen, self._decided)

    async def _probe(self, request: ProbeRequest) -> float:
        ifname = request.egress.ifname
        self.asked.append((asyncio.get_running_loop().time(), ifname))
        await asyncio.sleep(0.01)
        answer = self.answers.get(ifname, 0.01)
        if isinstance(answer, BaseException):
            raise answer
        if answer == "hangs":
            await asyncio.sleep(1e9)
        return answer  # type: ignore[no-any-return]

    def _chosen(self, choices: Mapping[str, str], selected: Selected) -> None:
        self.told.append((dict(choices), selected))

    def _decided(self) -> None:
        self.decided.append(asyncio.get_running_loop().time())

    @property
    def choice(self) -> str:
        assert self.hub.values.get(KEY, "") == self.probes.choice(KEY), "fact and choice differ"
        return self.probes.choice(KEY)

    def live(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            try:
                await story()
            finally:
                await self.probes.stop()

        run_virtual(main())


@pytest.fixture
def world() -> World:
    return World()


def fails(text: str = "no answer") -> ProbeError:
    return ProbeError(Cause.TIMEOUT, text)


def test_a_choice_is_a_fact_and_is_told_with_all_others(world: World) -> None:
    async def story() -> None:
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(1)

        assert world.choice == "eth0"
        [(choices, selected)] = world.told
        assert (choices, selected.key, selected.label) == ({KEY: "eth0"}, KEY, "eth0")

    world.live(story)


def test_the_choice_follows_the_answers(world: World) -> None:
    async def story() -> None:
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(5)
        world.answers["eth0"] = fails()
        await asyncio.sleep(5)
        assert world.choice == "eth1"
        world.answers.clear()
        await asyncio.sleep(60)

        assert world.choice == "eth0"
        assert world.probes.reasons() == {KEY: "cheapest port that answers: gateway ping 172.22.0.1 ok"}

    world.live(story)


def test_the_choice_of_an_earlier_run_holds_until_the_probes_speak(world: World) -> None:
    async def story() -> None:
        world.probes.recall({KEY: "eth1", "route-choice:gone/0.0.0.0/0": "eth0"})
        assert world.hub.values == {KEY: "eth1", "route-choice:gone/0.0.0.0/0": "eth0"}

        world.probes.load(PORTS, [route(current=world.probes.choice(KEY))])
        assert world.hub.values == {KEY: "eth1"}, "a route that nobody wants has no choice"
        await asyncio.sleep(1)

        assert world.choice == "eth0"

    world.live(story)


def test_a_route_that_goes_takes_its_choice_along(world: World) -> None:
    async def story() -> None:
        world.probes.load(PORTS, [route(), route("route-choice:other/0.0.0.0/0")])
        await asyncio.sleep(1)

        world.probes.load(PORTS, ROUTES)

        assert world.hub.values == {KEY: "eth0"}
        assert world.probes.choice("route-choice:other/0.0.0.0/0") == ""

    world.live(story)


def test_the_same_picture_again_changes_nothing(world: World) -> None:
    async def story() -> None:
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(0.5)
        asked = len(world.asked)

        world.probes.load(list(PORTS), list(ROUTES))
        await asyncio.sleep(0)

        assert len(world.asked) == asked

    world.live(story)


def test_a_lost_carrier_moves_the_route_at_once(world: World) -> None:
    async def story() -> None:
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(1)

        world.probes.load([port(0, carrier=False), port(1)], ROUTES)

        assert world.choice == "eth1"

    world.live(story)


@pytest.mark.parametrize(
    "answer", [RuntimeError("boom"), SystemExit(3), OSError(1, "no"), None, "soon", float("nan"), -1.0]
)
def test_a_probe_that_does_what_it_must_not_is_one_that_failed(
    world: World, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        world.answers["eth0"] = answer
        with caplog.at_level(logging.ERROR):
            world.probes.load(PORTS, ROUTES)
            await asyncio.sleep(5)

        assert world.choice == "eth1"

    world.live(story)

    assert "probe icmp" in caplog.text


def test_a_probe_that_never_ends_is_one_that_failed(world: World) -> None:
    """Otherwise its port would be good for ever, and its probes more and more."""

    async def story() -> None:
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(5)
        world.answers["eth0"] = "hangs"
        await asyncio.sleep(60)

        assert world.choice == "eth1"
        assert len(asyncio.all_tasks()) < 5

    world.live(story)


def test_a_probe_that_nobody_brings_is_one_that_failed(world: World) -> None:
    async def story() -> None:
        tcp = RouteProbe(custom=ProbeConfig(method=ProbeMethod.TCP, host="192.0.2.7", port=80))
        world.probes.load(PORTS, [route(probe=tcp)])
        await asyncio.sleep(5)

        assert "probe tcp failed" in world.probes._prober.reports()[0].ports[0].evidence

    world.live(story)


def test_it_is_told_once_every_port_has_spoken(world: World) -> None:
    async def story() -> None:
        world.answers["eth1"] = fails()
        world.probes.load(PORTS, ROUTES)
        assert world.probes.undecided

        await asyncio.sleep(30)

        assert not world.probes.undecided
        assert len(world.decided) == 1

    world.live(story)


def test_a_failure_that_nothing_follows_from_is_told_to_nobody(world: World) -> None:
    async def story() -> None:
        world.answers["eth1"] = fails()
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(60)

        assert len(world.told) == 1

    world.live(story)


def test_when_it_stops_nothing_is_asked_any_more_and_choices_stay(world: World) -> None:
    async def main() -> int:
        world.answers["eth1"] = "hangs"
        world.probes.load(PORTS, ROUTES)
        await asyncio.sleep(5)

        await world.probes.stop()
        asked = len(world.asked)
        await asyncio.sleep(1000)

        assert (len(world.asked), world.choice) == (asked, "eth0")
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1
