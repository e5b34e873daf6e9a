"""Passwords show up nowhere: not in problems, not in notices, not in what is printed of a document."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from evenet_core.errors import ConfigError
from evenet_core.formats import read
from evenet_core.model.plain import to_plain

TEXT = (Path(__file__).parents[1] / "support" / "everything.json").read_text()
SECRETS = ("secret-of-wifi", "secret-of-old", "token-of-the-local-server", "c2VjcmV0LW9mLWNsb3VkLWluaXQ=")
PASSWORD = "hunter2hunter2"


def wifi(**fields: Any) -> dict[str, Any]:
    config = json.loads(TEXT)
    config["networks"][1]["wireless"]["wifiCfg"][0].update(fields)
    return dict(config)


def test_what_is_printed_of_a_document_has_no_secret() -> None:
    document = read(TEXT.encode(), "device-config.json")

    assert not any(secret in text for secret in SECRETS for text in (repr(document), str(document.notices)))


def test_the_secret_is_there_for_who_reveals_it() -> None:
    document = read(TEXT.encode(), "device-config.json")

    assert document.config is not None
    assert document.config.networks[1].wifi is not None
    assert document.config.networks[1].wifi.networks[0].password.reveal() == "secret-of-wifi"
    assert "secret-of-wifi" in json.dumps(to_plain(document.config))


@pytest.mark.parametrize(
    "fields",
    [
        {"password": [PASSWORD]},
        {"password": {"plain": PASSWORD}},
        {"password": f"{PASSWORD}\n"},
        {"password": PASSWORD * 1000},
        {"password": f"{PASSWORD}\u202e"},
        {"password": f"{PASSWORD}ü"},
        {"keyScheme": 77, "password": PASSWORD},
        {"wifiSSID": 5, "password": PASSWORD},
    ],
    ids="+".join,
)
def test_a_problem_with_a_password_does_not_repeat_it(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(json.dumps(wifi(**fields)).encode(), "device-config.json")

    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value.problems)


@pytest.mark.parametrize("value", [123456789012, True, 1.5])
def test_a_password_of_the_wrong_type_is_not_repeated(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read(json.dumps(wifi(password=value)).encode(), "device-config.json")

    assert str(value) not in str(caught.value)


def test_a_password_in_the_address_of_a_proxy_is_not_repeated() -> None:
    config = json.loads(TEXT)
    config["networks"][0]["entProxy"]["proxies"][0]["server"] = f"http://user:{PASSWORD}@proxy.example"
    config["networks"][0]["entProxy"]["networkProxyURL"] = f"ftp://user:{PASSWORD}@proxy.example"

    with pytest.raises(ConfigError) as caught:
        read(json.dumps(config).encode(), "device-config.json")

    assert len(caught.value.problems) == 2
    assert PASSWORD not in str(caught.value)


def test_evenets_own_format_keeps_passwords_to_itself_too() -> None:
    native = to_plain(read(TEXT.encode(), "x.json").config)
    broken = deepcopy(native)
    broken["networks"][1]["wifi"]["networks"][0]["password"] = [PASSWORD]
    broken["networks"][1]["wifi"]["networks"][0]["pasword"] = PASSWORD

    with pytest.raises(ConfigError) as caught:
        read(json.dumps(broken).encode(), "native.json")

    assert len(caught.value.problems) == 2
    assert PASSWORD not in str(caught.value)
