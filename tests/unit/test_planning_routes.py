"""What the prober is told: the ports as they are, and the routes that need a choice."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from evenet_core.apps.numbers import Numbers
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.model.facts import route_choice_fact
from evenet_core.model.instances import NetworkInstance, StaticRoute
from evenet_core.model.networks import IpMode, IpSettings, Probe, ProbeMethod, RouteProbe
from evenet_core.model.ports import PortKind
from evenet_core.planning.inputs import Inputs, gather_inputs
from evenet_core.planning.routes import probed
from evenet_core.probing.prober import ProbedPort, ProbedRoute
from evenet_core.settings import Controller, NodeSettings
from tests.support.instances import local, port

LABELS = frozenset({"all", "uplink"})
ADAPTERS = tuple(
    Adapter(label=label, ifname=label, labels=LABELS, ip=IpSettings(mode=IpMode.DHCP)) for label in ("eth0", "eth1")
)
PORTS = (
    port("eth0", "172.22.0.5/24", gateway="172.22.0.1", dns="172.22.0.53", labels="uplink", cost=3),
    port("eth1", "172.22.1.5/24", gateway="172.22.1.1", labels="uplink", carrier=False),
)


def told(
    *instances: NetworkInstance,
    url: str = "",
    choices: dict[str, str] | None = None,
    adapters: tuple[Adapter, ...] = ADAPTERS,
) -> tuple[list[ProbedPort], list[ProbedRoute]]:
    config = DeviceConfig(network_instances=instances)
    settings = NodeSettings(controller=Controller(url=url))
    inputs, _ = gather_inputs(config, Dpc(key="zedagent", adapters=adapters), Numbers(), settings)
    return probed(inputs, PORTS, lambda key: (choices or {}).get(key, ""))


def test_every_port_is_told_as_it_is() -> None:
    ports, _ = told()

    assert ports[0] == ProbedPort(
        label="eth0",
        ifname="eth0",
        cost=3,
        carrier=True,
        addresses=(ip_address("172.22.0.5"),),
        gateways=(ip_address("172.22.0.1"),),
        dns=(ip_address("172.22.0.53"),),
    )
    assert not ports[1].carrier


def test_a_cellular_port_is_metered() -> None:
    modem = replace(ADAPTERS[1], kind=PortKind.CELLULAR)

    ports, _ = told(adapters=(ADAPTERS[0], modem))

    assert [one.metered for one in ports] == [False, True]


def test_a_route_is_known_by_its_fact_and_keeps_the_port_that_it_has() -> None:
    ni = local(port="all")
    key = route_choice_fact(ni.key, "0.0.0.0/0")

    _, [route] = told(ni, choices={key: "eth1"})

    assert (route.key, route.destination, route.ports, route.current) == (
        key,
        ip_network("0.0.0.0/0"),
        ("eth0", "eth1"),
        "eth1",
    )


def test_a_static_route_is_asked_about_as_its_operator_says() -> None:
    probe = RouteProbe(gateway_ping=True, gateway_ping_max_cost=5)
    wanted = StaticRoute(
        destination=ip_network("10.88.0.0/16"),
        port="all",
        probe=probe,
        prefer_lower_cost=True,
        prefer_stronger_signal=True,
    )

    _, routes = told(local(port="all", routes=(wanted,)))

    [route] = [one for one in routes if one.destination == wanted.destination]
    assert (route.probe, route.prefer_lower_cost, route.prefer_stronger_signal) == (probe, True, True)


@pytest.mark.parametrize(
    ("url", "probe"),
    [
        ("", None),
        ("https://c.test/api", Probe(method=ProbeMethod.TCP, host="c.test", port=443)),
        ("http://c.test", Probe(method=ProbeMethod.TCP, host="c.test", port=80)),
        ("https://[fd00::1]:8443/", Probe(method=ProbeMethod.TCP, host="fd00::1", port=8443)),
    ],
)
def test_over_uplinks_the_controller_decides_besides_the_gateways(url: str, probe: Probe | None) -> None:
    _, [by_uplinks] = told(local(port="uplink"), url=url)
    _, [by_all] = told(local(port="all"), url=url)

    assert by_uplinks.probe.custom == probe
    assert by_all.probe.custom is None


@pytest.mark.parametrize("instance", [local(port="eth0"), local(port=""), local(port="all", active=False)])
def test_an_instance_with_nothing_to_choose_asks_nothing(instance: NetworkInstance) -> None:
    assert told(instance)[1] == []


def test_ports_that_the_label_does_not_mean_are_no_candidates() -> None:
    one_only = (ADAPTERS[0], replace(ADAPTERS[1], labels=frozenset({"all"})))
    route = StaticRoute(destination=ip_network("0.0.0.0/0"), port="all")

    assert told(local(port="uplink", routes=(route,)), adapters=one_only)[1] == []


def test_without_inputs_there_is_nothing_to_tell() -> None:
    assert probed(Inputs(), (), lambda _: "") == ([], [])
