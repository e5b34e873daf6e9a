"""Settings of the agent: every default, every mistake with its place, and nothing else."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core import settings as module
from evenet_core.errors import ConfigError
from evenet_core.settings import Controller, NodeSettings, load_settings

WHOLE = """\
controller:
  url: https://controller.example.com/api/v2/edgedevice/ping
  ca: /etc/evenet/ca.pem
app_namespaces: /run/netns/{app}
resolv_conf: /run/resolv.conf
plugins:
  wifi: false
  bridge: true
  dhcp: {conflict_detection: true}
"""

SAME = "is the same for all apps; let its last part hold {app}, as in /run/netns/{app}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def loaded(file: Path, text: str) -> NodeSettings:
    file.write_text(text)
    return load_settings(file)


def problems(file: Path, text: str | bytes) -> list[str]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as raised:
        load_settings(file)
    return [str(problem).removeprefix(f"{file}: ") for problem in raised.value.problems]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "controller:\nplugins:\n"])
def test_what_is_left_out_has_its_default(file: Path, text: str) -> None:
    assert loaded(file, text) == NodeSettings()


def test_a_file_that_does_not_exist_means_every_default(file: Path) -> None:
    assert load_settings(file) == NodeSettings()


def test_every_setting_is_read(file: Path) -> None:
    found = loaded(file, WHOLE)

    assert found == NodeSettings(
        controller=Controller(
            url="https://controller.example.com/api/v2/edgedevice/ping",
            ca="/etc/evenet/ca.pem",
        ),
        app_namespaces="/run/netns/{app}",
        resolv_conf="/run/resolv.conf",
        plugins={"wifi": False, "bridge": True, "dhcp": {"conflict_detection": True}},
    )


def test_the_example_in_the_documentation_is_good(file: Path) -> None:
    assert module.__doc__ is not None
    example = "".join(re.findall(r"^    (.*\n)", module.__doc__, re.MULTILINE))

    assert loaded(file, example).app_namespaces == "/run/netns/{app}"


def test_plugins_are_off_or_have_settings_of_their_own(file: Path) -> None:
    found = loaded(file, WHOLE)

    assert found.disabled_plugins == {"wifi"}
    assert found.of_plugin("dhcp") == {"conflict_detection": True}
    assert [found.of_plugin(name) for name in ("wifi", "bridge", "unknown")] == [{}, {}, {}]


def test_names_may_be_left_to_somebody_else(file: Path) -> None:
    assert loaded(file, 'resolv_conf: ""\n').resolv_conf == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "contoller: {}",
            "contoller: is not known; one of app_namespaces, connect_proxy, controller, last_resort, plugins, "
            "resolv_conf, time_sources",
        ),
        ("controller: {uri: x}", "controller.uri: is not known; one of ca, console, required_uplinks, url"),
        ("controller: https://c.test/", "controller: is no group of settings; write them below it, indented"),
        ("controller: {url: 5}", "controller.url: is no text; write one, in quotes if need be"),
        ("controller: {url: c.test}", "controller.url: 'c.test' is no http or https URL; write https://HOST/PATH"),
        (
            "controller: {url: 'ftp://c.test/'}",
            "controller.url: 'ftp://c.test/' is no http or https URL; write https://HOST/PATH",
        ),
        (
            "controller: {url: 'https://'}",
            "controller.url: 'https://' is no http or https URL; write https://HOST/PATH",
        ),
        ("controller: {ca: ca.pem}", "controller.ca: 'ca.pem' does not start with a slash; write the whole path"),
        ("resolv_conf: null", "resolv_conf: is no text; write one, in quotes if need be"),
        ("resolv_conf: resolv.conf", "resolv_conf: 'resolv.conf' does not start with a slash; write the whole path"),
        (
            "app_namespaces: 'netns/{app}'",
            "app_namespaces: 'netns/{app}' does not start with a slash; write the whole path",
        ),
        (
            "app_namespaces: /run/netns",
            f"app_namespaces: '/run/netns' {SAME}",
        ),
        (
            "app_namespaces: '/run/{app}/net'",
            f"app_namespaces: '/run/{{app}}/net' {SAME}",
        ),
        ("plugins: [wifi]", "plugins: is no group of settings; write them below it, indented"),
        (
            "plugins: {wifi: 5}",
            "plugins.wifi: is neither true, false nor a group of settings; write `false` to switch it off",
        ),
        ("plugins: {5: false}", "plugins: the name 5 is no text; write it in quotes"),
        ("- a", ": is no group of settings; start with a key such as `controller:`"),
        ("just words", ": is no group of settings; start with a key such as `controller:`"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(file: Path, text: str, problem: str) -> None:
    assert problems(file, text) == [problem.removeprefix(": ")]


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    found = problems(file, "controller: {url: 5, ca: x}\nresolv: a\nplugins: {a: 1, b: 2}\n")

    assert [text.partition(":")[0] for text in found] == [
        "resolv",
        "controller.url",
        "controller.ca",
        "plugins.a",
        "plugins.b",
    ]


@pytest.mark.parametrize(
    "text", [b"a: [", b"\xff", b"a: b: c", b"\x00", b"a: !!python/object:os.system x", b"[" * 9000]
)
def test_what_is_no_yaml_is_a_problem_of_the_file(file: Path, text: bytes) -> None:
    assert len(problems(file, text)) == 1


def test_a_file_that_is_too_large_is_not_read(file: Path) -> None:
    assert problems(file, b"#" * 65537) == ["larger than 65536 bytes; shorten it"]


def test_a_file_that_cannot_be_read_is_no_default(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        load_settings(tmp_path)


def test_a_secret_in_the_url_is_not_repeated(file: Path) -> None:
    [text] = problems(file, "controller: {url: 'https://user:secret@c.test/'}")

    assert text == "controller.url: holds a user's name or password; write it without, it would be sent in the clear"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_document_is_settings_or_a_list_of_problems(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    import yaml

    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump({"controller": document, "plugins": document, "resolv_conf": document}))

    with suppress(ConfigError):
        load_settings(file)
