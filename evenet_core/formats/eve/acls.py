"""ACE, one access rule of an app's interface: matches and actions become fields of a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from evenet_core.formats.convert import hostname, network, whole
from evenet_core.formats.eve.enums import ACL_DIRECTION
from evenet_core.formats.mapping import Field, Place, Table, lookup
from evenet_core.formats.report import shown

__all__ = ["ACL"]

UNITS = {
    **dict.fromkeys(("s", "sec", "second"), "second"),
    **dict.fromkeys(("m", "min", "minute"), "minute"),
    **dict.fromkeys(("h", "hour"), "hour"),
    **dict.fromkeys(("d", "day"), "day"),
}
NO_HOST = "none.invalid"  # a name that nobody has (RFC 6761, 6.4)
Made = dict[str, Any]


def _finish(made: Made, rule: dict[str, Any], place: Place) -> None:
    for match, at in _objects(rule, "matches", place):
        _match(made, match, at)
    for action, at in _objects(rule, "actions", place):
        _action(made, action, at)


def _objects(rule: dict[str, Any], name: str, place: Place) -> Iterator[tuple[dict[str, Any], Place]]:
    """Every object of a list, with its place in the file; here they all become part of the rule."""
    values, there = lookup(rule, name), place.at(rule, name)
    if values is not None and not isinstance(values, list):
        there.broken(f"is {shown(values)}", "write a list of objects")
    for i, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, dict):
            yield value, Place(place.report, (*there.source, i), place.native)
        else:
            there.down((i,), (i,)).broken(f"is {shown(value)}", "write an object")


# -- matches ------------------------------------------------------------------------------------------

MATCH = Table(Field("type"), Field("value"))


def _match(made: Made, match: dict[str, Any], place: Place) -> None:
    MATCH.read(match, place)
    kind, value = lookup(match, "type"), lookup(match, "value")
    native = _NATIVE.get(kind.lower()) if isinstance(kind, str) else None
    if native is None:
        place.at(match, "type").broken(f"{shown(kind)} is not known", f"one of {', '.join(_NATIVE)}")
    elif native in made:
        place.at(match, "type").broken(f"is a second match of type {kind}", "write another rule")
    elif value in (None, "") and native == "host":
        place.at(match, "value").notice("is empty: the rule matches no host")
        made["host"] = NO_HOST
    elif value in (None, "") and native != "instance_members":
        place.at(match, "value").broken("is missing", f"write what {kind} is to be compared with")
    else:
        there = place.at(match, "value").source
        _CONVERT[native](made, value, _noted(Place(place.report, there, (*place.native, native))))


def _noted(place: Place) -> Place:
    """Problems with what becomes of a match are told at the match."""
    place.report.origins.note(place.native, place.source)
    return place


def _remote(made: Made, value: Any, place: Place) -> None:
    made["remote"] = network(value, place)


def _host(made: Made, value: Any, place: Place) -> None:
    """A name; an address that stands there means that address."""
    found = network(value, place)
    if not isinstance(found, str) or not _is_network(found):
        made["host"] = hostname(value, place)
        return
    place.notice("is an address: taken as a match of type ip")
    made["remote"] = found
    _noted(Place(place.report, place.source, (*place.native[:-1], "remote")))


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _members(made: Made, _: Any, __: Place) -> None:
    made["instance_members"] = True


def _protocol(made: Made, value: Any, _: Place) -> None:
    made["protocol"] = value.lower() if isinstance(value, str) else str(value)


def _local_port(made: Made, value: Any, place: Place) -> None:
    made["local_port"] = whole(value, place)


def _remote_port(made: Made, value: Any, place: Place) -> None:
    """A port, or a range of them: 80:90."""
    low, colon, high = value.partition(":") if isinstance(value, str) else (value, "", "")
    made["remote_port"] = whole(low, place)
    if colon:
        made["remote_port_end"] = whole(high, place)
        _noted(Place(place.report, place.source, (*place.native[:-1], "remote_port_end")))


def _adapter(made: Made, value: Any, _: Place) -> None:
    made["adapter"] = value if value is not None else ""


_NATIVE = {
    "ip": "remote",
    "host": "host",
    "eidset": "instance_members",
    "protocol": "protocol",
    "lport": "local_port",
    "fport": "remote_port",
    "adapter": "adapter",
}
_CONVERT: dict[str, Callable[[Made, Any, Place], None]] = {
    "remote": _remote,
    "host": _host,
    "instance_members": _members,
    "protocol": _protocol,
    "local_port": _local_port,
    "remote_port": _remote_port,
    "adapter": _adapter,
}


# -- actions ------------------------------------------------------------------------------------------


def _unit(value: Any, place: Place) -> Any:
    unit = UNITS.get(value.lower().removesuffix("s") if value != "s" else value) if isinstance(value, str) else None
    if unit is None:
        place.broken(f"{shown(value)} is not known", "one of second, minute, hour, day")
    return unit


ACTION = Table(
    Field("drop"),
    Field("limit"),
    Field("limitrate", "limit.rate", whole),
    Field("limitunit", "limit.unit", _unit),
    Field("limitburst", "limit.burst", whole),
    Field("portmap"),
    Field("appPort", "forward.app_port", whole),
)
_PARTS = (("limit", "rate"), ("limit", "unit"), ("limit", "burst"), ("forward", "app_port"))


def _action(made: Made, action: dict[str, Any], place: Place) -> None:
    """The first one counts. What it says of a limit counts if it is one."""
    if place.source[-1] != 0:
        place.broken("is one action too many", "write another rule: each has one action")
        return
    parts = ACTION.read(action, place)
    for part in _PARTS:
        place.report.origins.note((*place.native, *part), place.source + ACTION.locate(part, action))
    for flag, native in (("limit", "limit"), ("portmap", "forward")):
        if _flag(action, flag, place):
            made[native] = parts.get(native, {})
            place.report.origins.note((*place.native, native), place.at(action, flag).source)
    if _flag(action, "drop", place):
        made["action"] = "drop"


def _flag(action: dict[str, Any], name: str, place: Place) -> bool:
    value = lookup(action, name)
    if not isinstance(value, (bool, type(None))):
        place.at(action, name).broken(f"is {shown(value)}", "write true or false")
    return value is True


ACL = Table(
    Field("id", "id", whole),
    Field("name", "name"),
    Field("dir", "direction", ACL_DIRECTION),
    Field("matches"),
    Field("actions"),
    finish=_finish,
    elsewhere={
        **dict.fromkeys(_NATIVE.values(), "matches"),
        **dict.fromkeys(("action", "limit", "forward"), "actions"),
    },
)
