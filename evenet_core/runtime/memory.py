"""What the node remembers over a restart, as documents of the store."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evenet_core.apps.numbers import Numbers
from evenet_core.device.dpclist import Candidate
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import Secret
from evenet_core.model.values import IPAddress, IPInterface, IPNetwork
from evenet_core.store import Store

__all__ = ["Memory", "decode", "encode"]

T = TypeVar("T")
_PARSERS: dict[Any, Any] = {IPAddress: ip_address, IPNetwork: ip_network, IPInterface: ip_interface}


def encode(value: Any) -> Any:
    """A model value as plain JSON values; secrets as they are: the store's files are readable by root only."""
    return msgspec.to_builtins(value, enc_hook=_plain)


def decode(value: Any, type_: type[T]) -> T:
    """The model value that `encode` made plain.

    :raises msgspec.ValidationError: it is not one.
    """
    return msgspec.convert(value, type_, dec_hook=_parsed)
