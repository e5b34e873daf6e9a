"""evenet's own format: YAML or JSON of the model's shape, and its schema."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evenet_core.errors import ConfigError, Problem
from evenet_core.formats import read, read_file, schema
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import IpMode
from evenet_core.model.plain import to_plain

TESTS = Path(__file__).parents[1]
CASES = sorted(TESTS.glob("cases/*/device-config.json"))
HOME = """\
evenet: 1
ports:
  - label: lan            # a comment
    interface: enp3s0
networks:
  - name: dhcp
    ip: {mode: dhcp, family: ipv4}
adapters:
  - {label: lan, network: dhcp, uplink: true}
network_instances:
  - name: no
    subnet: 10.1.0.0/24
    port: lan
    flow_log: off
"""


def config(text: str, name: str = "home.yaml") -> DeviceConfig:
    found = read(text.encode(), name).config
    assert found is not None
    return found


def problems(text: str, name: str = "home.yaml") -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        read(text.encode(), name)
    return list(caught.value.problems)


# -- YAML ----------------------------------------------------------------------------------------------


def test_yaml_and_json_of_the_same_config_are_the_same() -> None:
    text = HOME.replace("flow_log: off", "flow_log: false")

    from_yaml = config(text)
    from_json = config(json.dumps(to_plain(from_yaml)), "home.json")

    assert from_json == from_yaml
    assert from_yaml.networks[0].ip.mode is IpMode.DHCP
    assert from_yaml.network_instances[0].subnet == ip_network("10.1.0.0/24")


def test_words_of_old_yaml_are_text() -> None:
    (problem,) = problems(HOME)

    assert problem.path == "network_instances[0].flow_log"
    assert problem.problem == "is the text 'off'"
    assert problem.remedy == "write true or false"


@pytest.mark.parametrize("text", ["no", "12:34", "2026-01-31", "0x10", "1_000", "<<", "0o7"])
def test_what_old_yaml_takes_for_something_else_is_text(text: str) -> None:
    found = config(f"evenet: 1\nnetworks: [{{name: {text}}}]\n")

    assert found.networks[0].name == text


def test_a_file_without_suffix_is_known_by_its_first_character() -> None:
    assert config('{"evenet": 1}', "stdin").evenet == 1
    assert config("evenet: 1", "stdin").evenet == 1


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read(b"\xef\xbb\xbfevenet: 1\n", "x.yaml").kind == "native"


# -- what is wrong -------------------------------------------------------------------------------------


def test_all_problems_come_at_once_in_words() -> None:
    found = problems(
        """\
evenet: 1
ports: [{lable: lan}]
vlans: [{label: v, interface: v, lower: lan, id: 5000}]
networks: [{name: n, ip: {mode: automatic, subnet: 10.0.0.1/8}}]
"""
    )

    assert [str(problem) for problem in found] == [
        "home.yaml: ports[0].lable: is an unknown key; did you mean 'label'?",
        "home.yaml: ports[0].label: is missing; write text of 1 to 128 characters",
        "home.yaml: vlans[0].id: 5000 is out of range; write a whole number from 1 to 4094",
        "home.yaml: networks[0].ip.mode: is the text 'automatic'; write one of none, static, dhcp",
        "home.yaml: networks[0].ip.subnet: is the text '10.0.0.1/8'; write 10.0.0.0/8, the subnet of that address",
    ]


def test_meaning_is_checked_beside_what_is_broken() -> None:
    found = problems("evenet: 1\nadapters: [{label: lan, cost: high}, {label: wan}]\nports: [{label: lan}]\n")

    assert [problem.path for problem in found] == ["adapters[0].cost", "adapters[1].label"]


def test_where_a_name_is_broken_nobody_is_blamed_for_using_it() -> None:
    found = problems("evenet: 1\nports: [{label: 5, interface: eth0}]\nadapters: [{label: lan}]\n")

    assert [problem.path for problem in found] == ["ports[0].label"]


def test_a_pattern_is_told_in_words() -> None:
    (problem,) = problems("evenet: 1\nports: [{label: a}]\nvlans: [{label: v, interface: 'v 1', lower: a, id: 1}]\n")

    assert problem.remedy == "write an interface name of 1 to 15 letters, digits, '_', '-' and '.'"
    assert "^" not in str(problem)


def test_a_path_shows_keys_that_are_no_words() -> None:
    (problem,) = problems('{"evenet": 1, "a b\\u001b": 1}', "x.json")

    assert problem.path == r"['a b\x1b']"


# -- schema --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*CASES, TESTS / "support" / "everything.json"], ids=lambda path: path.parent.name)
def test_the_schema_accepts_what_is_accepted(path: Path) -> None:
    document = json.loads(json.dumps(to_plain(read_file(path).config)))

    jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"evenet": 2},
        {"evenet": 1, "colour": "blue"},
        {"evenet": 1, "ports": [{"label": ""}]},
        {"evenet": 1, "vlans": [{"label": "v", "interface": "a b", "lower": "x", "id": 1}]},
        {"evenet": 1, "networks": [{"name": "n", "ip": {"subnet": "10.0.0.0"}}]},
        {"evenet": 1, "networks": [{"name": "n", "mtu": 1}]},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema(), jsonschema.Draft202012Validator)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())

    assert schema()["required"] == ["evenet"]
    assert r"\Z" not in json.dumps(schema())


def test_the_schema_tells_formats_of_addresses() -> None:
    address = schema()["$defs"]["StaticRoute"]["properties"]["gateway"]

    assert "ipv4" in json.dumps(address)
    assert "ipv6" in json.dumps(address)


# -- cost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import evenet_core.formats", {"msgspec", "yaml", "evenet_core.model.config", "evenet_core.formats.eve"}),
        (
            "from evenet_core import formats; formats.read(b'{\"evenet\": 1}', 'x.json')",
            {"yaml", "difflib", "jsonschema"},
        ),
        ("from evenet_core import formats; formats.read(b'evenet: 1', 'x')", {"evenet_core.formats.eve", "difflib"}),
    ],
)
def test_only_what_a_format_needs_is_loaded(code: str, unwanted: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], check=True, capture_output=True, text=True
    )

    assert not unwanted & set(shown.stdout.split())


def test_a_megabyte_is_read() -> None:
    rules = [{"id": i, "remote": f"10.{i // 250}.{i % 250}.0/24"} for i in range(1, 100)]
    apps = [
        {"name": f"app{a}", "interfaces": [{"name": "vif", "network_instance": "n", "rules": rules}]}
        for a in range(300)
    ]
    document = {"evenet": 1, "network_instances": [{"name": "n", "subnet": "10.200.0.0/16"}], "apps": apps}
    data = json.dumps(document).encode()

    found = read(data, "large.json").config

    assert len(data) > 1_000_000
    assert found is not None
    assert found.apps[299].interfaces[0].rules[98].remote == ip_network("10.0.99.0/24")


def test_addresses_have_no_zone() -> None:
    (problem,) = problems("evenet: 1\nnetworks: [{name: n, ip: {dns: ['fe80::1%eth0']}}]\n")

    assert problem.path == "networks[0].ip.dns[0]"
    assert ip_address("fe80::1%eth0").version == 6  # Python alone would take it
