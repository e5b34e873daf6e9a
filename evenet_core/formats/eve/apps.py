"""AppInstanceConfig, as far as it is about networking. The rest is kept as it came."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import mac, uuid, whole
from evenet_core.formats.eve.acls import ACL
from evenet_core.formats.mapping import Field, Place, Table, inside, lookup, many

__all__ = ["APP"]

# what else the API knows, none of it about networking: kept, and nothing said of it
QUIET = (
    "drives",
    "volumeRefList",
    "userData",
    "profileList",
    "startDelayInSeconds",
    "remoteConsole",
    "cipherData",
    "service",
    "cloudInitVersion",
    "allowToDiscover",
    "localOpsCmd",
)


def _finish_app(made: dict[str, Any], app: dict[str, Any], _: Place) -> None:
    if "name" not in made and isinstance(made.get("uuid"), str):
        made["name"] = made["uuid"]
    resources = lookup(app, "fixedresources")
    if resources:
        made.setdefault("other", {})["fixedresources"] = resources


def _number(value: Any, place: Place) -> Any:
    """A member of an enum that is only passed on."""
    return whole(value, place) if isinstance(whole(value, place), int) else None


INTERFACE = Table(
    Field("name", "name"),
    Field("networkId", "network_instance", uuid),
    Field("addr", "address"),
    Field("macAddress", "mac", mac),
    many("acls", "rules", ACL),
    Field("accessVlanId", "access_vlan", whole),
    Field("allowToDiscover", "allow_discovery"),
    Field("interfaceOrder", "order", whole),
    Field("hostname", notice="ignored: apps are known by their own names"),
    Field("cryptoEid", notice="ignored: settings of a network type that is no more"),
    Field("lispsignature", notice="ignored: settings of a network type that is no more"),
    Field("pemcert", notice="ignored: settings of a network type that is no more"),
    Field("pemprivatekey", notice="ignored: settings of a network type that is no more"),
)
PASSTHROUGH = Table(
    Field("name", "name"),
    Field("type", "kind", _number),
    Field("ethVf", "virtual_function"),
    Field("interfaceOrder", "order", whole),
)
APP = Table(
    Field("displayname", "name"),
    inside("uuidandversion", Field("uuid", "uuid", uuid), Field("version")),
    Field("activate", "active", default=False),
    inside("fixedresources", Field("enforceNetworkInterfaceOrder", "enforce_interface_order"), unknown=None),
    many("interfaces", "interfaces", INTERFACE),
    many("adapters", "adapters", PASSTHROUGH),
    inside("restart", Field("counter", "restart_counter", whole), Field("opsTime")),
    inside("purge", Field("counter", "purge_counter", whole), Field("opsTime")),
    Field("metaDataType", "metadata_type", _number),
    Field("collectStatsIPAddr", "stats_address"),
    other="other",
    quiet=QUIET,
    unknown="unknown field, kept but not acted on",
    finish=_finish_app,
)
