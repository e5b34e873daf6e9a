"""WirelessConfig: WiFi networks and cellular access points."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.convert import Enumeration, each, whole
from evenet_core.formats.eve.enums import CELLULAR_AUTH, CELLULAR_IP, PROBE_METHOD, RADIO_TECHNOLOGY, WIFI_SCHEME
from evenet_core.formats.mapping import Field, Place, Table, inside, lookup, many, one
from evenet_core.formats.report import render

__all__ = ["CELLULAR", "PROBE", "WIFI", "keep_the_radio"]

WIRELESS_TYPE = Enumeration("Type", {0: ("NOOP", "none"), 1: ("WiFi", "wifi"), 2: ("Cellular", "cellular")})


def keep_the_radio(made: dict[str, Any], network: dict[str, Any], place: Place) -> None:
    """The type says which of the two settings count."""
    wireless = lookup(network, "wireless")
    kind = WIRELESS_TYPE(lookup(wireless, "type") or 0, place.at(network, "wireless").at(wireless or {}, "type"))
    for radio, source in (("wifi", "wifiCfg"), ("cellular", "cellularCfg")):
        if radio in made and kind != radio:
            del made[radio]
            place.at(network, "wireless").at(wireless, source).notice(f"ignored: the wireless type is {kind}")
    configs = lookup(wireless, "cellularCfg")
    if "cellular" in made and isinstance(configs, list) and len(configs) > 1:
        path = render((*place.source, "wireless", "cellularCfg", 1))
        place.report.problem(path, "is a second one", "a network has one cellular config; use accessPoints")


WIFI = Table(
    Field("wifiSSID", "ssid"),
    Field("keyScheme", "key_scheme", WIFI_SCHEME),
    Field("identity", "identity"),
    Field("password", "password"),
    inside("crypto", Field("identity", "identity"), Field("password", "password")),
    Field("priority", "priority", whole),
    Field("cipherData", "cipher_data"),
)
PROBE = Table(
    Field("probeMethod", "method", PROBE_METHOD),
    inside("probeEndpoint", Field("host", "host"), Field("port", "port", whole)),
)
ACCESS_POINT = Table(
    Field("simSlot", "slot", whole),
    Field("apn", "apn"),
    Field("ipType", "ip_type", CELLULAR_IP),
    Field("authProtocol", "auth", CELLULAR_AUTH),
    Field("cipherData", "cipher_data"),
    Field("preferredPlmns", "preferred_plmns"),
    Field("preferredRats", "preferred_rats", each(RADIO_TECHNOLOGY)),
    Field("forbidRoaming", "forbid_roaming"),
    Field("attachApn", "attach_apn"),
    Field("attachIpType", "attach_ip_type", CELLULAR_IP),
    Field("attachAuthProtocol", "attach_auth", CELLULAR_AUTH),
)


def _finish_cellular(made: dict[str, Any], cellular: dict[str, Any], place: Place) -> None:
    """The one access point of old configs."""
    apn = lookup(cellular, "APN")
    if made.get("access_points") or apn in (None, ""):
        return
    made["access_points"] = [{"apn": apn}]
    place.report.origins.note((*place.native, "access_points", 0), place.source)
    place.report.origins.note((*place.native, "access_points", 0, "apn"), (*place.source, "APN"))


CELLULAR = Table(
    many("accessPoints", "access_points", ACCESS_POINT),
    Field("APN"),
    inside("probe", Field("disable", "probe_disabled"), one("customProbe", "probe", PROBE)),
    Field("locationTracking", "location_tracking"),
    Field("activatedSimSlot", "active_slot", whole),
    finish=_finish_cellular,
)
