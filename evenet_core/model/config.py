"""Device config: everything the operator asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evenet_core.model.adapters import SystemAdapter
from evenet_core.model.instances import App, NetworkInstance
from evenet_core.model.networks import Network, Secret
from evenet_core.model.ports import Bond, Port, Vlan
from evenet_core.model.values import Label, LongText, Moment, Name

__all__ = ["DeviceConfig", "Enrolment", "LocalServer", "Owner", "PortAccess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose node it is; the metadata service tells apps."""

    device_uuid: str = ""
    device_name: str = ""
    project_uuid: str = ""
    project_name: str = ""
    enterprise_uuid: str = ""
    enterprise_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortAccess:
    """802.1X client settings of a port (RFC 5216, EAP-TLS)."""

    port: Label
    identity: str = ""
    method: str = "tls"
    enrolment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """An app by which a local operator changes ports and imposes radio silence (EVE: local profile server)."""

    server: str  # HOST or HOST:PORT
    token: Secret = field(default_factory=Secret)  # that its answers have


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Certificate enrolment by SCEP (RFC 8894)."""

    name: Name
    url: str = ""
    use_controller_proxy: bool = False
    challenge_password: Secret = field(default_factory=Secret)
    cipher_data: dict[str, object] | None = None
    ca_pem: tuple[LongText, ...] = ()
    request: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """Everything the operator asked for; this value is also evenet's own file format."""

    evenet: Literal[1] = 1  # version of the format
    owner: Owner = Owner()
    timestamp: Moment | None = None
    ports: tuple[Port, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    bonds: tuple[Bond, ...] = ()
    networks: tuple[Network, ...] = ()
    adapters: tuple[SystemAdapter, ...] = ()
    network_instances: tuple[NetworkInstance, ...] = ()
    apps: tuple[App, ...] = ()
    port_access: tuple[PortAccess, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    local_server: LocalServer | None = None
    settings: dict[Label, str] = field(default_factory=dict)  # device properties by their EVE names
    other: dict[str, object] = field(default_factory=dict, repr=False)  # not networking: kept as it came
