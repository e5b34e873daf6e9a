"""NetworkInstanceConfig."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import each, hostname, network, nonzero, not_flag, uuid, whole
from evenet_core.formats.eve.enums import ADDRESS_TYPE, INSTANCE_TYPE
from evenet_core.formats.eve.networks import DHCP_RANGE, HOST, join_ntp
from evenet_core.formats.eve.wireless import PROBE
from evenet_core.formats.mapping import Field, Place, Table, inside, lookup, many, one

__all__ = ["INSTANCE"]

NO_PROBE = (None, "none")
NOT_OF_AN_INSTANCE = "ignored: an instance is no DHCP client"


def _finish_route(made: dict[str, Any], _: dict[str, Any], __: Place) -> None:
    """A probe that asks nothing is none."""
    probe = made.get("probe")
    if isinstance(probe, dict) and isinstance(probe.get("custom"), dict) and probe["custom"].get("method") in NO_PROBE:
        del probe["custom"]


ROUTE = Table(
    Field("destinationNetwork", "destination", network),
    Field("gateway", "gateway"),
    Field("port", "port"),
    one(
        "probe",
        "probe",
        Table(
            Field("enableGwPing", "gateway_ping"),
            Field("gwPingMaxCost", "gateway_ping_max_cost", whole),
            one("customProbe", "custom", PROBE),
        ),
    ),
    Field("preferLowerCost", "prefer_lower_cost"),
    Field("preferStrongerWwanSignal", "prefer_stronger_signal"),
    finish=_finish_route,
)
ACCESS_PORT = Table(Field("vlanId", "vlan", whole), Field("accessPort", "port"))


def _finish_instance(made: dict[str, Any], instance: dict[str, Any], place: Place) -> None:
    join_ntp(made, lookup(instance, "ip"), place, inner=("ip",))
    if "name" not in made and isinstance(made.get("uuid"), str):
        made["name"] = made["uuid"]
    subnet = made.get("subnet")
    if "family" not in made and isinstance(subnet, str):
        made["family"] = "ipv6" if ":" in subnet else "ipv4"
    if "type" not in made and not place.report.is_broken((*place.native, "type")):
        place.down(("instType",), ("type",)).broken("is missing", "write 1 (Switch) or 2 (Local)")


INSTANCE = Table(
    Field("displayname", "name"),
    inside("uuidandversion", Field("uuid", "uuid", uuid), Field("version")),
    Field("instType", "type", INSTANCE_TYPE),
    Field("activate", "active", default=False),
    inside("port", Field("name", "port"), Field("type")),
    Field("ipType", "family", ADDRESS_TYPE),
    inside(
        "ip",
        Field("subnet", "subnet", network),
        Field("gateway", "gateway"),
        one("dhcpRange", "dhcp_range", DHCP_RANGE),
        Field("domain", "domain", hostname),
        Field("dns", "dns"),
        Field("moreNtp", "ntp", each(hostname)),
        Field("ntp"),
        Field("dhcp"),  # old controllers say here that the instance has a DHCP server, which it always has
        Field("dhcpOptionsIgnore", notice=NOT_OF_AN_INSTANCE),
    ),
    many("dns", "hosts", HOST),
    Field("cfg", notice="ignored: settings of instance types that are no more"),
    Field("propagateConnectedRoutes", "propagate_connected_routes"),
    many("staticRoutes", "routes", ROUTE),
    Field("mtu", "mtu", nonzero),
    Field("disableFlowlog", "flow_log", not_flag, default=True),
    inside("stp", Field("portsWithBpduGuard", "bpdu_guard_ports")),
    many("vlanAccessPorts", "access_ports", ACCESS_PORT),
    Field("forwardLldp", "forward_lldp"),
    finish=_finish_instance,
)
