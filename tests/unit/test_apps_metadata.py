"""What apps are told by the metadata service, without the server (EVE: E)."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.metadata import MetadataWorld, respond
from evenet_core.model.config import DeviceConfig, Owner
from evenet_core.model.metadata import MetadataRequest, MetadataResponse
from evenet_core.model.resolved import InstancePort
from tests.support.instances import app, local, port, resolve, vifs_of

OWNER = Owner(
    device_uuid="dev-1",
    device_name="edge",
    project_uuid="pro-1",
    project_name="line",
    enterprise_uuid="ent-1",
    enterprise_name="acme",
)
CONFIG = DeviceConfig(
    owner=OWNER,
    network_instances=(local("left"), local("right", "10.60.0.0/24"), local("quiet", "10.70.0.0/24")),
    apps=(app("one", "left", uuid="app-1"), app("two", "left", "right", uuid="app-2")),
)
KEYS = {instance.name: instance.key for instance in CONFIG.network_instances}
WAN = (
    port("eth0", "172.22.10.5/24", "fd22::5/64", "169.254.9.9/16"),
    port("eth1", "192.168.30.5/24", "172.22.10.5/24"),
)


def world(*ports: InstancePort) -> MetadataWorld:
    vifs, _ = vifs_of(CONFIG)
    instances = {KEYS[name]: resolve(CONFIG, *ports, name=name) for name in ("left", "right")}
    return MetadataWorld(config=CONFIG, instances=instances, vifs=vifs)


WORLD = world(*WAN)


def ask(
    path: str, source: str = "10.50.0.128", instance: str = "left", method: str = "GET", **how: Any
) -> MetadataResponse:
    request = MetadataRequest(method, path, ip_address(source), KEYS.get(instance, instance))
    return respond(request, how.get("world", WORLD))


def text(answer: MetadataResponse) -> tuple[int, str]:
    return answer.status, answer.body.decode()


def test_an_app_learns_who_it_is_and_where_it_runs() -> None:
    answer = ask("/eve/v1/network.json")

    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == {
        "caller-ip": "10.50.0.128",
        "external-ipv4": "172.22.10.5,192.168.30.5",
        "hostname": "app-1",
        "app-instance-uuid": "app-1",
        "app-instance-name": "one",
        "device-uuid": "dev-1",
        "device-name": "edge",
        "project-uuid": "pro-1",
        "project-name": "line",
        "enterprise-id": "ent-1",
        "enterprise-name": "acme",
    }


def test_external_addresses_are_the_ports_ipv4_ones_a_line_each() -> None:
    assert text(ask("/eve/v1/external_ipv4")) == (200, "172.22.10.5\n192.168.30.5\n")


def test_without_a_port_there_is_nothing_external() -> None:
    assert ask("/eve/v1/external_ipv4", world=world()) == MetadataResponse(204)


def test_the_name_of_a_host_is_its_apps_uuid() -> None:
    assert text(ask("/eve/v1/hostname")) == (200, "app-1\n")
    assert text(ask("/eve/v1/hostname", source="10.50.0.129")) == (200, "app-2\n")


def test_an_app_with_two_interfaces_is_the_same_on_both() -> None:
    assert text(ask("/eve/v1/hostname", source="10.60.0.128", instance="right")) == (200, "app-2\n")


@pytest.mark.parametrize(
    ("source", "instance"), [("10.50.0.200", "left"), ("10.50.0.128", "right"), ("10.50.0.1", "left")]
)
def test_whoever_is_no_app_of_this_instance_has_no_name(source: str, instance: str) -> None:
    assert ask("/eve/v1/hostname", source=source, instance=instance) == MetadataResponse(204)
    document = json.loads(ask("/eve/v1/network.json", source=source, instance=instance).body)
    assert (document["caller-ip"], document["app-instance-uuid"], document["hostname"]) == (source, "", "")


@pytest.mark.parametrize(
    "path", ["/", "/eve/v1", "/eve/v1/hostname/x", "/eve/v1/../v1/hostname", "//eve/v1/hostname", ""]
)
def test_other_documents_do_not_exist(path: str) -> None:
    assert ask(path).status == 404


@pytest.mark.parametrize("path", ["/eve/v1/hostname/", "/eve/v1/hostname?x=1", "/eve/v1/hostname?/eve/v1/network.json"])
def test_a_final_slash_and_a_query_change_nothing(path: str) -> None:
    assert text(ask(path)) == (200, "app-1\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get"])
def test_documents_can_only_be_read(method: str) -> None:
    assert ask("/eve/v1/hostname", method=method).status == 405


def test_reading_the_head_only_is_reading() -> None:
    assert ask("/eve/v1/hostname", method="HEAD").status == 200


@pytest.mark.parametrize("instance", ["quiet", "unheard-of"])
def test_an_instance_that_is_not_built_has_no_documents(instance: str) -> None:
    assert ask("/eve/v1/hostname", instance=instance).status == 404


@given(st.text(), st.text(), st.ip_addresses(), st.sampled_from([*KEYS.values(), "?"]))
def test_every_question_has_an_answer(method: str, path: str, source: Any, instance: str) -> None:
    answer = respond(MetadataRequest(method, path, source, instance), WORLD)

    assert answer.status in {200, 204, 404, 405}
    assert (answer.body == b"") == (answer.status == 204)
