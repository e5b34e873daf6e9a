"""Settings of the agent on this machine, as opposed to the config of the node's networking.

A YAML file, by default /etc/evenet/settings.yaml; every key may be left out:

    controller:
      url: https://controller.example.com/api/v2/edgedevice/ping
      ca: /etc/evenet/ca.pem            # PEM file; default: the system's authorities
    app_namespaces: /run/netns/{app}    # apps are network namespaces, mounted there as ip-netns(8) does;
                                        # empty: a hypervisor brings the interfaces
    resolv_conf: /etc/resolv.conf       # empty: names are not evenet's business here
    plugins:
      wifi: false                       # switched off
      dhcp: {conflict_detection: true}  # a plugin's own settings
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenet_core.errors import ConfigError, Problem

__all__ = ["DEFAULT_PATH", "Controller", "NodeSettings", "load_settings"]

DEFAULT_PATH = Path("/etc/evenet/settings.yaml")
MAX_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Where the node proves that it is connected. Without a URL, an address and a gateway are enough."""

    url: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Everything the agent must know of its machine."""

    controller: Controller = Controller()
    app_namespaces: str = ""
    resolv_conf: str = "/etc/resolv.conf"
    plugins: Mapping[str, bool | Mapping[str, Any]] = field(default_factory=dict)

    @property
    def disabled_plugins(self) -> frozenset[str]:
        return frozenset(name for name, value in self.plugins.items() if value is False)

    def of_plugin(self, name: str) -> Mapping[str, Any]:
        """A plugin's own settings."""
        value = self.plugins.get(name)
        return value if isinstance(value, Mapping) else {}


def load_settings(path: Path = DEFAULT_PATH) -> NodeSettings:
    """Read the settings file; a file that does not exist means every default.

    :raises ConfigError: with every problem of the file.
    """
    import msgspec  # noqa: PLC0415  only the agent needs it
    import yaml  # noqa: PLC0415

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return NodeSettings()
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem("", f"larger than {MAX_BYTES} bytes", "shorten it", file=str(path))])
    try:
        document = yaml.safe_load(data) or {}
        return msgspec.convert(document, NodeSettings)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise ConfigError([Problem("", str(error), "see docs/reference/settings.md", file=str(path))]) from error
