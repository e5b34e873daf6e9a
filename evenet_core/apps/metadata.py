"""What apps are told by the metadata service at 169.254.169.254: answers, without the server. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evenet_core.model.config import DeviceConfig
from evenet_core.model.metadata import MetadataRequest, MetadataResponse
from evenet_core.model.resolved import Instance, Vif
from evenet_core.model.values import IPAddress

__all__ = ["MetadataRequest", "MetadataResponse", "MetadataWorld", "external_ipv4", "network_json", "respond"]

TEXT, JSON = "text/plain; charset=utf-8", "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataWorld:
    """What answers are made of."""

    config: DeviceConfig
    instances: Mapping[str, Instance]  # by key
    vifs: Mapping[str, Sequence[Vif]]  # by instance key


def respond(request: MetadataRequest, world: MetadataWorld) -> MetadataResponse:
    """Answer one request. Who asks is known by the instance and its address there, which nobody else can have."""
    path = request.path.partition("?")[0]
    answer = _ANSWERS.get(path.rstrip("/"))
    if answer is None:
        return _text(404, "no such document")
    if request.method not in {"GET", "HEAD"}:
        return _text(405, "this document can only be read")
    instance = world.instances.get(request.instance_key)
    if instance is None:
        return _text(404, "no such network instance")
    vif = _caller(world.vifs.get(request.instance_key, ()), request.source_address)
    return answer(world, instance, vif, request.source_address)


def network_json(world: MetadataWorld, instance: Instance, vif: Vif | None, caller: IPAddress) -> MetadataResponse:
    """`/eve/v1/network.json`: who the app is and where it runs."""
    owner = world.config.owner
    document = {
        "caller-ip": str(caller),
        "external-ipv4": ",".join(map(str, _external(instance))),
        "hostname": vif.app_key if vif is not None else "",
        "app-instance-uuid": vif.app_key if vif is not None else "",
        "app-instance-name": vif.app if vif is not None else "",
        "device-uuid": owner.device_uuid,
        "device-name": owner.device_name,
        "project-uuid": owner.project_uuid,
        "project-name": owner.project_name,
        "enterprise-id": owner.enterprise_uuid,
        "enterprise-name": owner.enterprise_name,
    }
    return MetadataResponse(200, JSON, json.dumps(document).encode())


def external_ipv4(world: MetadataWorld, instance: Instance, vif: Vif | None, caller: IPAddress) -> MetadataResponse:
    """`/eve/v1/external_ipv4`: the addresses of the instance's ports, one a line."""
    addresses = _external(instance)
    return _text(200, "\n".join(map(str, addresses))) if addresses else MetadataResponse(204)


def hostname(world: MetadataWorld, instance: Instance, vif: Vif | None, caller: IPAddress) -> MetadataResponse:
    """`/eve/v1/hostname`: the app's UUID."""
    return _text(200, vif.app_key) if vif is not None else MetadataResponse(204)


_ANSWERS = {
    "/eve/v1/network.json": network_json,
    "/eve/v1/external_ipv4": external_ipv4,
    "/eve/v1/hostname": hostname,
}


def _external(instance: Instance) -> list[IPAddress]:
    found = (interface.ip for port in instance.ports for interface in port.addresses)
    return list(dict.fromkeys(address for address in found if address.version == 4 and not address.is_link_local))


def _caller(vifs: Sequence[Vif], address: IPAddress) -> Vif | None:
    return next((vif for vif in vifs if address in vif.addresses), None)


def _text(status: int, text: str) -> MetadataResponse:
    return MetadataResponse(status, TEXT, f"{text}\n".encode())
