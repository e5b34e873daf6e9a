"""Settings of the agent on this machine, as opposed to the config of the node's networking.

A YAML file, by default /etc/evenet/settings.yaml; every key may be left out (docs/reference/settings.md):

    controller:
      url: https://controller.example.com/api/v2/edgedevice/ping
      ca: /etc/evenet/ca.pem            # PEM file; default: the system's authorities
      console: https://10.1.1.1/ping    # a local operator's console, asked before the controller: where there is none
      required_uplinks: 1               # how many must reach either for a config to be good
    app_namespaces: /run/netns/{app}    # apps are network namespaces, mounted there as ip-netns(8) does;
                                        # empty: a hypervisor brings the interfaces
    resolv_conf: /etc/resolv.conf       # empty: names are not evenet's business here
    connect_proxy: 3128                 # programs on this machine reach out by whichever uplink works; 0: they do not
    time_sources: /run/chrony-dhcp      # where chronyd reads time servers; empty: time is not evenet's business here
    last_resort: true                   # without any config, DHCP on every Ethernet port, to reach the controller
    plugins:
      wifi: false                       # switched off
      dhcp: {conflict_detection: true}  # a plugin's own settings
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evenet_core.errors import ConfigError, Problem

__all__ = ["DEFAULT_PATH", "Controller", "NodeSettings", "load_settings"]

DEFAULT_PATH = Path("/etc/evenet/settings.yaml")
MAX_BYTES = 65536
HIGHEST_PORT = 65535
MOST_UPLINKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Where the node proves that it is connected. Without a URL, an address and a gateway are enough."""

    url: str = ""
    ca: str = ""
    console: str = ""
    required_uplinks: int = 1

    @property
    def has_name(self) -> bool:
        """Whether it is known by a name that has to be looked up; where a console is asked first, no name may be."""
        if self.console:
            return False
        host = urlsplit(self.url).hostname or ""
        return bool(host) and not _is_address(host)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Everything the agent must know of its machine."""

    controller: Controller = Controller()
    app_namespaces: str = ""
    resolv_conf: str = "/etc/resolv.conf"
    time_sources: str = "/run/chrony-dhcp"
    last_resort: bool = True
    connect_proxy: int = 0  # port of 127.0.0.1
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
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return NodeSettings()
    reader = _Reader(str(path))
    settings = reader.settings(reader.document(data))
    reader.raise_problems()
    return settings


class _Reader:
    """Takes a document apart and keeps what is wrong with it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Problem] = []

    def raise_problems(self) -> None:
        if self._problems:
            raise ConfigError(self._problems)

    def document(self, data: bytes) -> Any:
        import yaml  # noqa: PLC0415  only the agent needs it

        if len(data) > MAX_BYTES:
            self._problem("", f"larger than {MAX_BYTES} bytes", "shorten it")
            return None
        try:
            return yaml.safe_load(data)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            self._problem("", f"is not YAML: {' '.join(str(error).split())}"[:200], "correct it there")
            return None

    def settings(self, document: Any) -> NodeSettings:
        top = self._group("", document, NodeSettings, "start with a key such as `controller:`")
        controller = self._group("controller", top.get("controller"), Controller)
        return NodeSettings(
            controller=Controller(
                url=self._url("controller.url", controller.get("url", "")),
                ca=self._path("controller.ca", controller.get("ca", "")),
                console=self._url("controller.console", controller.get("console", "")),
                required_uplinks=self._count("controller.required_uplinks", controller.get("required_uplinks", 1)),
            ),
            app_namespaces=self._namespaces("app_namespaces", top.get("app_namespaces", "")),
            resolv_conf=self._path("resolv_conf", top.get("resolv_conf", NodeSettings().resolv_conf)),
            time_sources=self._path("time_sources", top.get("time_sources", NodeSettings().time_sources)),
            last_resort=self._switch("last_resort", top.get("last_resort", True)),
            connect_proxy=self._port("connect_proxy", top.get("connect_proxy", 0)),
            plugins=self._plugins("plugins", top.get("plugins")),
        )

    def _problem(self, path: str, problem: str, remedy: str) -> None:
        self._problems.append(Problem(path, problem, remedy, file=self._file))

    def _group(
        self, path: str, value: Any, type_: type, remedy: str = "write them below it, indented"
    ) -> dict[Any, Any]:
        """Settings by name, those that nobody knows left out."""
        found = self._mapping(path, value, remedy)
        known = {entry.name for entry in fields(type_)}
        for name in found:
            if name not in known:
                where = f"{path}.{name}" if path else str(name)
                self._problem(where, "is not known", f"one of {', '.join(sorted(known))}")
        return found

    def _mapping(self, path: str, value: Any, remedy: str = "write them below it, indented") -> dict[Any, Any]:
        if value is not None and not isinstance(value, dict):
            self._problem(path, "is no group of settings", remedy)
        return value if isinstance(value, dict) else {}

    def _text(self, path: str, value: Any) -> str:
        if not isinstance(value, str):
            self._problem(path, "is no text", "write one, in quotes if need be")
        return value if isinstance(value, str) else ""

    def _switch(self, path: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self._problem(path, "is neither true nor false", "write one of them")
        return value is True

    def _count(self, path: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_UPLINKS:
            return value
        self._problem(path, "is no number of uplinks", f"write one from 1 to {MOST_UPLINKS}")
        return 1

    def _port(self, path: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_PORT:
            return value
        self._problem(path, "is no TCP port", f"write a number up to {HIGHEST_PORT}, or 0 for none")
        return 0

    def _path(self, path: str, value: Any) -> str:
        text = self._text(path, value)
        if text and not text.startswith("/"):
            self._problem(path, f"{text!r} does not start with a slash", "write the whole path")
        return text

    def _namespaces(self, path: str, value: Any) -> str:
        """All apps in one namespace would be one host; and one directory is watched for namespaces that appear."""
        text = self._path(path, value)
        directory, _, name = text.rpartition("/")
        if text.startswith("/") and ("{app}" not in name or "{app}" in directory):
            remedy = "let its last part hold {app}, as in /run/netns/{app}"
            self._problem(path, f"{text!r} is the same for all apps", remedy)
        return text

    def _url(self, path: str, value: Any) -> str:
        text = self._text(path, value)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if good and "@" in parts.netloc:
            remedy = "write it without, it would be sent in the clear"
            self._problem(path, "holds a user's name or password", remedy)
        elif not good:
            self._problem(path, f"{text!r} is no http or https URL", "write https://HOST/PATH")
        return text

    def _plugins(self, path: str, value: Any) -> dict[str, bool | Mapping[str, Any]]:
        plugins = self._mapping(path, value)
        for name, setting in plugins.items():
            if not isinstance(name, str):
                self._problem(path, f"the name {name} is no text", "write it in quotes")
            elif not isinstance(setting, bool | dict):
                problem = "is neither true, false nor a group of settings"
                self._problem(f"{path}.{name}", problem, "write `false` to switch it off")
        return plugins


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
