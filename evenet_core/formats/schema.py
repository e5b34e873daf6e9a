"""JSON Schema of evenet's own format, made from the model."""

from __future__ import annotations

from typing import Any

import msgspec

from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import Secret
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork

__all__ = ["schema_of_config"]

_ADDRESS = {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_WITH_PREFIX = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"
_CUSTOM: dict[Any, dict[str, Any]] = {
    IPAddress: {"type": "string", "description": "an IPv4 or IPv6 address", **_ADDRESS},
    IPNetwork: {"type": "string", "description": "a subnet such as 10.1.0.0/24", "pattern": _WITH_PREFIX},
    IPInterface: {"type": "string", "description": "an address such as 10.1.0.5/24", "pattern": _WITH_PREFIX},
    Secret: {"type": "string", "writeOnly": True},
    object: {"description": "anything"},
}


def schema_of_config() -> dict[str, Any]:
    """Draft 2020-12. What it accepts may still be refused: meaning as a whole is no matter of a schema."""
    made = msgspec.json.schema(DeviceConfig, schema_hook=_custom)
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))  # JSON has no tuples
    _finish(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evenet device config",
        **schema,
        "required": ["evenet"],
    }


def _custom(type_: type) -> dict[str, Any]:
    return dict(_CUSTOM[type_])


def _finish(schema: Any) -> None:
    """Objects take no other keys; patterns are JavaScript's."""
    if isinstance(schema, list):
        for member in schema:
            _finish(member)
    if not isinstance(schema, dict):
        return
    if "properties" in schema:
        schema["additionalProperties"] = False
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = schema["pattern"].replace(r"\Z", "$")
    for member in schema.values():
        _finish(member)
