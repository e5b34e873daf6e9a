"""What whoever runs the apps is told of them."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

from evenet_core.apps.runtime import runtime_document
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import AclRule, App, AppInterface, NetworkInstance, PortForward, StaticRoute
from tests.support.instances import app, local, switch, vifs_of


def document(*apps: App, instances: tuple[NetworkInstance, ...] = (local(),)) -> list[dict[str, Any]]:
    config = DeviceConfig(network_instances=instances, apps=apps)
    return runtime_document(config, vifs_of(config)[0])


def card(name: str, address: str, instance: str = "ni", **more: Any) -> AppInterface:
    return AppInterface(name=name, network_instance=instance, address=ip_address(address), **more)


def via(gateway: str, *destinations: str) -> tuple[StaticRoute, ...]:
    return tuple(StaticRoute(destination=ip_network(d), gateway=ip_address(gateway)) for d in destinations)


def forward(port: int, protocol: str = "tcp") -> AclRule:
    return AclRule(protocol=protocol, local_port=port + 1000, forward=PortForward(app_port=port))


def test_an_app_is_told_with_its_interfaces() -> None:
    interface = card("front", "10.50.0.9", mac="02:00:00:00:00:09")

    found = document(app("one", interface, uuid="uuid-1"))

    assert found == [
        {
            "name": "one",
            "uuid": "uuid-1",
            "interfaces": [
                {
                    "name": "front",
                    "link": "nbu1x1",
                    "guest_link": "eth0",
                    "mac": "02:00:00:00:00:09",
                    "addresses": ["10.50.0.9"],
                }
            ],
            "ports": [],
            "gateway_to": [],
        }
    ]
    assert json.loads(json.dumps(found)) == found


def test_an_app_without_interfaces_is_told_and_one_that_is_switched_off_is_not() -> None:
    found = document(app("one"), app("two", "ni", active=False), app("three"))

    assert [one["name"] for one in found] == ["one", "three"]


def test_interfaces_come_in_the_order_of_the_app_whatever_their_networks() -> None:
    networks = (local("a"), local("b", "10.60.0.0/24"), switch("c"))
    cards = [AppInterface(name=f"n{n}", network_instance="bca"[n % 3]) for n in range(12)]

    [found] = document(app("one", *cards), instances=networks)

    assert [interface["guest_link"] for interface in found["interfaces"]] == [f"eth{n}" for n in range(12)]
    assert [interface["name"] for interface in found["interfaces"]] == [f"n{n}" for n in range(12)]


def test_an_interface_that_is_refused_is_not_there() -> None:
    taken = card("x", "10.50.0.9")

    [_, second] = document(app("one", taken), app("two", card("y", "10.50.0.9"), card("z", "10.50.0.10")))

    assert [interface["name"] for interface in second["interfaces"]] == ["z"]


def test_ports_that_are_forwarded_are_told_once() -> None:
    first = card("x", "10.50.0.9", rules=(forward(22), AclRule(protocol="tcp"), forward(80), forward(80)))
    second = card("y", "10.50.0.10", rules=(forward(80), forward(80, "udp")))

    [found] = document(app("one", first, second))

    assert found["ports"] == [
        {"protocol": "tcp", "port": 22},
        {"protocol": "tcp", "port": 80},
        {"protocol": "udp", "port": 80},
    ]


def test_an_app_that_is_a_gateway_is_told_what_is_behind_it() -> None:
    network = local(routes=via("10.50.0.9", "10.9.0.0/16", "10.8.0.0/16") + via("10.50.0.77", "10.7.0.0/16"))

    found = document(app("one", card("x", "10.50.0.9")), app("two", "ni"), instances=(network,))

    assert [one["gateway_to"] for one in found] == [["10.9.0.0/16", "10.8.0.0/16"], []]


def test_a_network_that_is_switched_off_makes_nobody_a_gateway() -> None:
    network = local(routes=via("10.50.0.9", "10.9.0.0/16"), active=False)

    [found] = document(app("one", card("x", "10.50.0.9")), instances=(network,))

    assert found["gateway_to"] == []


def test_the_gateway_of_one_network_is_none_in_another_that_has_the_same_addresses() -> None:
    """Networks whose subnets overlap are a mistake of the config, of which only the later network suffers."""
    routed = local("routed", routes=via("10.50.0.9", "10.9.0.0/16"))

    found = document(
        app("one", card("x", "10.50.0.9", "plain")),
        app("two", card("x", "10.50.0.9", "routed")),
        instances=(routed, local("plain")),
    )

    assert [one["gateway_to"] for one in found] == [[], ["10.9.0.0/16"]]


def test_an_app_whose_interface_is_refused_is_no_gateway() -> None:
    network = local(routes=via("10.50.0.9", "10.9.0.0/16"))

    found = document(app("one", card("x", "10.50.0.9")), app("two", card("x", "10.50.0.9")), instances=(network,))

    assert [one["gateway_to"] for one in found] == [["10.9.0.0/16"], []]
