"""Every command and its options. Nothing here may be slow to import: `evenet --help` reads it all."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, _SubParsersAction
from pathlib import Path
from typing import TypeAlias

from evenet_core import __version__

__all__ = ["build_parser"]

Commands: TypeAlias = "_SubParsersAction[ArgumentParser]"

DESCRIPTION = "Networking of an edge node: reachable by its controller, virtual networks for its applications."


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="evenet", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"evenet {__version__}")
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/evenet"), metavar="DIR")
    parser.add_argument("--socket", type=Path, default=Path("/run/evenet/evenet.sock"), metavar="PATH")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _config_commands(commands)
    _agent_commands(commands)
    _device_commands(commands)
    _app_commands(commands)
    _insight_commands(commands)
    _lab_commands(commands)
    return parser


def _add(commands: Commands, name: str, function: str, text: str, *, json: bool = True) -> ArgumentParser:
    """A command; `function` is MODULE:FUNCTION below this package."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=f"evenet_core.cli.{function}")
    if json:
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return command


def _list_and_show(
    commands: Commands, name: str, function: str, text: str, more: str = ""
) -> tuple[Commands, ArgumentParser]:
    """A command with the actions `list`, `show` and more; answers all, and that for what is to be shown."""
    command = _add(commands, name, function, text)
    actions = command.add_subparsers(dest="action", required=True, metavar=f"list|show{more}")
    found = [actions.add_parser(action, help=f"{action} {text}") for action in ("list", "show")]
    for action in found:
        action.add_argument("--json", action="store_true", default=SUPPRESS, help="one JSON document on stdout")
    return actions, found[-1]


def _config_commands(commands: Commands) -> None:
    validate = _add(commands, "validate", "config:validate", "print every problem of config files; changes nothing")
    validate.add_argument("files", nargs="+", metavar="FILE")
    plan = _add(commands, "plan", "config:plan", "what would change, as a readable diff")
    of = plan.add_mutually_exclusive_group()
    of.add_argument("file", nargs="?", metavar="FILE")
    of.add_argument("--revert", action="store_true", help="what going back from an unconfirmed config would change")
    apply = _add(commands, "apply", "config:apply", "hand a config over and follow it until settled", json=False)
    apply.add_argument("file", metavar="FILE")
    apply.add_argument("--verbose", action="store_true", help="tell every item that changes")
    apply.add_argument("--confirm", type=_seconds, metavar="60s", help="revert unless it is confirmed in time")
    by = "operator (`evenet confirm`, the default), controller, icmp://HOST, tcp://HOST:PORT or https://HOST/PATH"
    apply.add_argument("--confirm-by", type=_witness, metavar="WHO", help=f"who confirms: {by}")
    apply.set_defaults(usage_error=apply.error)
    _add(commands, "confirm", "config:confirm", "keep what `apply --confirm` did", json=False)
    _add(commands, "schema", "config:schema", "JSON Schema of evenet's own config format", json=False)


def _agent_commands(commands: Commands) -> None:
    run = _add(commands, "run", "run:run", "the agent, in the foreground", json=False)
    run.add_argument("--config", type=Path, metavar="FILE", help="device config to start from")
    run.add_argument(
        "--bootstrap", type=Path, metavar="FILE", help="device config for the device's own network at first"
    )
    text = "DPC to start from without a device config, or a directory of them; may be given again"
    run.add_argument("--override", type=Path, metavar="FILE", action="append", default=[], help=text)
    _add_settings(run)
    run.add_argument("--teardown", action="store_true", help="remove everything at the end")
    run.add_argument("--verbose", action="store_true", help="log what is planned and done")
    text = "remove everything that evenet made, and end the agent if one runs"
    _add_settings(_add(commands, "teardown", "run:teardown", text, json=False))


def _add_settings(command: ArgumentParser) -> None:
    command.add_argument("--settings", type=Path, default=Path("/etc/evenet/settings.yaml"), metavar="FILE")


def _device_commands(commands: Commands) -> None:
    status = _add(commands, "status", "status:status", "the node at a glance")
    status.add_argument("--watch", action="store_true", help="again every second until Ctrl-C")
    _add(commands, "ports", "device:ports", "ports, their use and state")
    _add(commands, "uplinks", "device:uplinks", "management ports in the order in which they are used")
    _dpc_commands(commands)
    _add(commands, "test-connectivity", "device:test_connectivity", "try to reach the controller by every uplink")


def _dpc_commands(commands: Commands) -> None:
    text = "candidates for the device's own connectivity"
    actions, show = _list_and_show(commands, "dpc", "dpc:dpc", text, "|test|set|revert")
    show.add_argument("key", nargs="?", metavar="KEY", help="default: the one in use")
    test = actions.add_parser("test", help="try a candidate now, whatever it did before")
    test.add_argument("key", nargs="?", default="", metavar="KEY", help="default: the first")
    actions.add_parser("revert", help="take back what `set` did")
    change = actions.add_parser("set", help="other settings of one port, in a DPC before all others")
    change.add_argument("port", metavar="PORT")
    how = change.add_mutually_exclusive_group(required=True)
    how.add_argument("--dhcp", action="store_true", help="addresses by DHCP and router advertisements")
    how.add_argument("--address", metavar="CIDR", help="a static address, such as 192.0.2.7/24")
    change.add_argument("--gateway", metavar="IP")
    change.add_argument("--dns", metavar="IP", action="append", default=[], help="may be given again")
    change.add_argument("--ntp", metavar="HOST", action="append", default=[], help="may be given again")
    change.add_argument("--domain", metavar="NAME", default="")
    change.add_argument("--mtu", metavar="BYTES", type=int)
    change.add_argument("--proxy", metavar="URL", help="for http and https")


def _app_commands(commands: Commands) -> None:
    _list_and_show(commands, "ni", "apps:ni", "network instances")[1].add_argument("name", metavar="NAME")
    _, app = _list_and_show(commands, "app", "apps:app", "applications and their interfaces")
    app.add_argument("name", metavar="NAME", help="or its UUID")
    _add(commands, "leases", "apps:leases", "leases that adapters hold")


def _insight_commands(commands: Commands) -> None:
    events = _add(commands, "events", "insight:events", "what happened and why, in order")
    events.add_argument("--follow", action="store_true", help="and new ones as they come")
    explain = _add(commands, "explain", "insight:explain", "why this object is as it is")
    explain.add_argument("name", metavar="NAME")
    graph = _add(commands, "graph", "insight:graph", "items, their requirements and states")
    shape = graph.add_mutually_exclusive_group()
    shape.add_argument("--dot", action="store_true", help="for graphviz")
    shape.add_argument("--svg", metavar="FILE", help="a picture; - is stdout")
    plugins = _add(commands, "plugins", "insight:plugins", "plugins found and what each is in charge of")
    plugins.add_argument("--list-hooks", action="store_true", help="every hook and who implements it")
    bundle = _add(
        commands, "support-bundle", "bundle:support_bundle", "everything needed to help, in a file", json=False
    )
    bundle.add_argument("file", type=Path, metavar="FILE", help="a .tar.gz")
    _add(commands, "doctor", "doctor:doctor", "check this machine: tools, kernel features, others in our way")


def _lab_commands(commands: Commands) -> None:
    from evenet_core.lab.cli import add_arguments  # noqa: PLC0415  the lab's own options

    add_arguments(commands)


def _witness(text: str) -> str:
    """Somebody who can confirm a config."""
    from evenet_core.probing.witness import CONTROLLER, parse_target  # noqa: PLC0415  only who asks for it pays

    if text not in ("operator", CONTROLLER):
        try:
            parse_target(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
    return text


def _seconds(text: str) -> float:
    """`60s`, `2m`, `1h` or plain seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    if not number.isdecimal() or not 1 <= int(number) * units[unit] <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a time from 1s to 24h")
    return float(int(number) * units[unit])
