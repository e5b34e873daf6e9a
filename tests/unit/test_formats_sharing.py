"""What two configs say in the same words is one object, so that nothing has to be compared."""

from __future__ import annotations

import json
from typing import Any

from evenet_core import formats
from evenet_core.model.config import DeviceConfig


def config(*apps: dict[str, Any]) -> DeviceConfig:
    document = {
        "evenet": 1,
        "network_instances": [{"name": "lan", "subnet": "10.0.0.0/24"}],
        "apps": list(apps),
    }
    read = formats.read(json.dumps(document).encode(), "node.json").config
    assert read is not None
    return read


def app(name: str, **more: Any) -> dict[str, Any]:
    interface = {"name": "if0", "network_instance": "lan", "rules": [{"id": 1, "remote": "0.0.0.0/0", **more}]}
    return {"name": name, "interfaces": [interface]}


def test_objects_that_stand_in_the_config_before_are_the_very_same() -> None:
    before = config(app("one"), app("two"))

    after = config(app("new"), app("two"), app("one"))

    assert after.apps[1] is before.apps[1]
    assert after.apps[2] is before.apps[0]
    assert after.network_instances[0] is before.network_instances[0]
    assert [one.name for one in after.apps] == ["new", "two", "one"]


def test_an_object_that_differs_in_anything_is_as_the_new_config_says() -> None:
    config(app("one", protocol="tcp", remote_port=80))

    after = config(app("one", protocol="tcp", remote_port=81))

    assert after.apps[0].interfaces[0].rules[0].remote_port == 81


def test_what_was_read_before_the_last_config_is_forgotten() -> None:
    first = config(app("one"))
    config(app("two"))

    again = config(app("one"))

    assert again.apps[0] == first.apps[0]
    assert again.apps[0] is not first.apps[0]
