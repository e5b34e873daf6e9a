"""Whatever a file holds: a document or a ConfigError, and nothing in the document that could break what it reaches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenet_core.device.flatten import dpc_from_config
from evenet_core.errors import ConfigError, Problem
from evenet_core.formats import Document, read
from evenet_core.model.adapters import Adapter
from evenet_core.model.config import DeviceConfig
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.instances import InstanceType
from evenet_core.model.networks import IpSettings
from evenet_core.model.plain import from_plain, to_plain
from evenet_core.model.subnets import subnet_problem

TESTS = Path(__file__).parents[1]
REAL = [
    *sorted(TESTS.glob("cases/*/device-config.json")),
    *sorted(TESTS.glob("cases/*/config-overrides/*/*.json")),
    TESTS / "support" / "everything.json",
]
PLAIN = [json.loads(path.read_text()) for path in REAL]
NATIVE = [to_plain(read(path.read_bytes(), path.name).config) for path in REAL if "config-overrides" not in str(path)]
DOCUMENTS = PLAIN + NATIVE

INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
HOSTILE = (
    *("a\nb", "a;b", "$(id)", "../..", "\x1b[2J", "fe80::1%eth0\nx", "a b", '"', "-n", "a/b"),
    *("\u202e", "\u0663", "é", "\ud800"),
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*HOSTILE, "eth0", "10.0.0.0/8", "::/0", "0.0.0.0", "10.50.0.1", "all", "uplink", "", "4"])
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)


anything = st.recursive(scalars, _containers, max_leaves=12)
names = {key for document in DOCUMENTS for key in document} | {"evenet", "Ports", "GlobalSettings"}
keys = st.sampled_from(sorted(names))
documents = st.dictionaries(keys | st.text(max_size=8), anything, max_size=6)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in inner:
        yield (*path, step)
        yield from places(member, (*path, step))


PLACES = [list(places(document)) for document in DOCUMENTS]


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """A real document with up to three of its nodes replaced, removed or copied elsewhere."""
    which = draw(st.integers(0, len(DOCUMENTS) - 1))
    document = deepcopy(DOCUMENTS[which])
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(PLACES[which]))
        value = document
        for step in way:
            value = value[step] if _has(value, step) else None
        if _has(value, last):
            value[last] = draw(anything) if draw(st.booleans()) else _at(document, draw(st.sampled_from(PLACES[which])))
    return document


def _has(value: Any, step: Any) -> bool:
    return (isinstance(value, dict) and step in value) or (
        isinstance(value, list) and isinstance(step, int) and step < len(value)
    )


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step] if _has(document, step) else None
    return deepcopy(document)


def reading(document: Any, name: str = "config.json") -> Document | None:
    """What is read; None if it is refused, with a reason that can be printed."""
    problems: tuple[Problem, ...] = ()
    try:
        return read(json.dumps(document).encode(), name)
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert [str(problem) for problem in problems if not str(problem).isprintable() or not problem.remedy] == []
    return None


# -- what is allowed where -----------------------------------------------------------------------------


def interfaces(document: Document) -> Iterator[str]:
    config = document.config or DeviceConfig()
    yield from (port.interface for port in config.ports)
    yield from (vlan.interface for vlan in config.vlans)
    yield from (bond.interface for bond in config.bonds)
    yield from (adapter.ifname for adapter in adapters(document))


def hosts(document: Document) -> Iterator[str]:
    config = document.config or DeviceConfig()
    for ip in (*(network.ip for network in config.networks), *(adapter.ip for adapter in adapters(document))):
        yield from (ip.domain, *ip.ntp)
    for network in config.networks:
        yield from (host.name for host in network.hosts)
    for instance in config.network_instances:
        yield from (instance.domain, *instance.ntp, *(host.name for host in instance.hosts))
        yield from (route.probe.custom.host for route in instance.routes if route.probe.custom)
    yield from (rule.host for app in config.apps for interface in app.interfaces for rule in interface.rules)


def adapters(document: Document) -> tuple[Adapter, ...]:
    if document.dpc is not None:
        return document.dpc.adapters
    return dpc_from_config(document.config).adapters if document.config is not None else ()


def texts(value: Any) -> Iterator[str]:
    """Every text of a value that is not kept as it came, and that may not have lines."""
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if key in ("other", "request", "cipher_data", "virtual_function", "pac", "ca_pem"):
            continue
        if isinstance(member, str):
            yield member
        elif isinstance(member, (dict, list)):
            yield from texts(member)


def check(document: Document) -> None:
    assert all(INTERFACE.fullmatch(name) for name in interfaces(document) if name)
    assert all(is_dns_name(name) or _is_address(name) for name in hosts(document) if name)
    assert all(text.isprintable() for text in texts(to_plain([document.config, document.dpc])) if text)
    assert all(str(notice).isprintable() for notice in document.notices)
    assert all(isinstance(value, str) and value.isprintable() for value in document.settings.values())
    _check_addresses(document)
    if document.config is not None:
        json.dumps(to_plain(document.config)).encode()
        assert from_plain(to_plain(document.config), DeviceConfig) == document.config
        _check_use(document.config)


def _is_address(text: str) -> bool:
    for kind in (IPv4Address, IPv6Address):
        try:
            return "%" not in str(kind(text))
        except ValueError:
            continue
    return False


def _check_addresses(document: Document) -> None:
    settings: list[IpSettings] = [adapter.ip for adapter in adapters(document)]
    for address in (address for ip in settings for address in (ip.gateway, *ip.dns) if address is not None):
        assert "%" not in str(address)


def _check_use(config: DeviceConfig) -> None:
    """What the rooms behind rely on."""
    for instance in config.network_instances:
        if instance.type is InstanceType.LOCAL:
            assert subnet_problem(instance) == ""
    assert len({instance.key for instance in config.network_instances}) == len(config.network_instances)
    assert all(not adapter.vlan or adapter.vlan.lower for adapter in dpc_from_config(config).adapters)


# -- properties ----------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@FUZZ
@given(documents)
def test_any_json_is_read_or_refused(document: Any) -> None:
    found = reading(document)

    if found is not None:
        check(found)


@FUZZ
@given(mutations())
def test_any_change_of_a_real_config_is_read_or_refused(document: Any) -> None:
    found = reading(document)

    if found is not None:
        check(found)


@FUZZ
@given(st.binary(max_size=200), st.sampled_from(["x.json", "x.yaml", "x", "-", "\0"]))
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    with suppress(ConfigError):
        read(data, name)


@FUZZ
@given(st.data())
def test_any_damage_to_the_text_of_a_real_config_is_read_or_refused(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(REAL)).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        text[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=6))

    try:
        found = read(bytes(text), data.draw(st.sampled_from(["x.json", "x.yaml"])))
    except ConfigError:
        return
    check(found)


@FUZZ
@given(st.sampled_from(DOCUMENTS), st.sampled_from(HOSTILE), st.data())
def test_hostile_text_in_any_field_is_harmless(document: Any, text: str, data: st.DataObject) -> None:
    document = deepcopy(document)
    leaves = [path for path in places(document) if isinstance(_at(document, path), str)]
    *way, last = data.draw(st.sampled_from(leaves))
    value = document
    for step in way:
        value = value[step]
    value[last] = text

    found = reading(document)

    if found is not None:
        check(found)
