"""Every command that asks the agent: exit codes, JSON that is nothing else, and nothing of others on the terminal."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evenet_core import __version__
from evenet_core.cli.main import main
from evenet_core.errors import ConfigError, EvenetError, Problem
from tests.support.cannedagent import Agent, agent

ROUTE = {"dst": "0.0.0.0/0", "via": "172.22.10.1", "port": "eth0", "selected_because": "the only port"}
STATUS: dict[str, Any] = {
    "agent": {"pid": 1, "version": "0.1.0", "started": "2026-01-01T00:00:00Z"},
    "state": "degraded",
    "confirm_until": None,
    "confirm_by": None,
    "dpc": {
        "key": "zedagent",
        "state": "fallback",
        "fallback": True,
        "time_priority": "2026-01-01T00:00:00Z",
        "last_error": "no answer",
    },
    "uplinks": [
        {
            "version": 4,
            "selected": "uplink1",
            "because": "cheapest port that answers: gateway ping 192.0.2.1 ok",
            "since": "2026-11-20T10:00:00.000Z",
            "ports": [
                {"label": "uplink1", "state": "answers", "evidence": "gateway ping 192.0.2.1 ok", "latency_ms": 1.5},
                {"label": "uplink0", "state": "silent", "evidence": "gateway ping failed", "latency_ms": None},
            ],
        }
    ],
    "ports": [
        {
            "label": "uplink0",
            "ifname": "eth0",
            "kind": "ethernet",
            "present": True,
            "carrier": True,
            "mac": "02:00:00:00:00:01",
            "mtu": 1500,
            "usage": usage,
            "cost": cost,
            "shared_labels": ["all", "uplink"],
            "addresses": ["172.22.10.5/24"],
            "gateways": ["172.22.10.1"],
            "dns_servers": ["172.22.10.1"],
            "ntp_servers": [],
            "domain": None,
            "table": 501,
            "last_succeeded": None,
            "last_failed": None,
            "error": "link not up",
            "warning": "eth0 is at another place",
            "quirks": [{"plugin": "acme", "reason": "its TSO is broken", "offloads_off": ["tso"]}],
        }
        for cost, usage in ((9, "management"), (1, "management"), (0, "app-shared"))
    ],
    "network_instances": [
        {
            "name": "ni",
            "uuid": "ni-1",
            "type": "local",
            "bridge": "bn1",
            "subnet": "10.50.0.0/24",
            "gateway": "10.50.0.1",
            "ports": ["uplink0"],
            "table": 801,
            "routes": [ROUTE],
            "mtu": 1500,
            "error": None,
        }
    ],
    "apps": [
        {
            "name": "web",
            "uuid": "app-1",
            "state": "error",
            "interfaces": [
                {
                    "name": "vif0",
                    "network_instance": "ni",
                    "vif": "nbu1x1",
                    "mac": "02:16:3e:00:00:01",
                    "addresses": ["10.50.0.128"],
                    "access_vlan": None,
                    "error": "no free IP addresses",
                }
            ],
        }
    ],
    "items": {"wanted": 9, "in_sync": 7, "pending": 1, "failed": 1},
    "problems": [
        {
            "item": "link eth0",
            "object": "adapter uplink0",
            "plugin": "ethernet",
            "error": "kernel: no such device",
            "since": "2026-01-01T00:00:00Z",
            "retry_at": "2026-01-01T00:00:08Z",
            "blocks": [],
        },
        {
            "item": None,
            "object": "adapter uplink1",
            "plugin": None,
            "error": "port is disabled",
            "since": None,
            "retry_at": None,
            "blocks": [],
        },
    ],
}
GOOD_DPC = {"key": "zedagent", "state": "success", "fallback": False, "time_priority": None, "last_error": None}
EVENTS = [
    {"seq": 1, "time": "2026-01-01T00:00:00.000Z", "kind": "config", "text": "a device config was handed over"},
    {
        "seq": 2,
        "time": "2026-01-01T00:00:01.000Z",
        "kind": "item",
        "text": "create link eth0",
        "op": "create",
        "error": None,
    },
    {"seq": 3, "time": "2026-01-01T00:00:02.000Z", "kind": "item", "text": "failed", "op": "create", "error": "no"},
]
CHANGES = [
    {"op": "create", "kind": "link", "key": "link:eth0", "object": "adapter uplink0", "plugin": "ethernet"},
    {"op": "delete", "kind": "route", "key": "route:x", "object": None, "plugin": None},
]
ANSWERS: dict[str, Any] = {
    "status": STATUS,
    "dpcs": [
        {
            "index": index,
            "key": key,
            "current": index == 1,
            "state": "success",
            "time_priority": "2026-01-01T00:00:00Z",
            "last_succeeded": None,
            "last_failed": None,
            "last_error": "no answer",
            "last_warning": None,
            "ports": ["uplink0"],
            "results": [
                {
                    "label": "uplink0",
                    "ifname": "eth0",
                    "usage": "management",
                    "origin": "controller",
                    "last_succeeded": None,
                    "last_failed": "2026-01-01T00:00:00Z",
                    "error": "no answer",
                    "warning": None,
                }
            ],
            "outlook": ["port uplink0: no answer"],
        }
        for index, key in enumerate(("zedagent", "override"))
    ],
    "test_connectivity": [{"label": "uplink0", "reason": "success", "error": None, "warning": "slow"}],
    "events": EVENTS,
    "follow": EVENTS,
    "explain": ["web/vif0 has no address", "  lease waits for the bridge"],
    "graph": {
        "items": [
            {
                "key": "link:eth0",
                "description": 'link "eth0"',
                "object": "adapter uplink0",
                "plugin": "ethernet",
                "state": "in-sync",
                "requires": ["port:eth0"],
            },
            {
                "key": "route:x",
                "description": "route to the world",
                "object": "adapter uplink0",
                "plugin": "dhcp",
                "state": "pending",
                "requires": [],
            },
        ]
    },
    "plugins": [
        {
            "name": "ethernet",
            "version": "0.1.0",
            "distribution": "evenet-ethernet 0.1.0",
            "summary": "Ethernet ports",
            "capabilities": ["link.ethernet"],
            "hooks": ["evenet_plan_link"],
            "kinds": [],
            "error": None,
        }
    ],
    "leases": [
        {
            "ifname": "eth0",
            "source": "dhcp4",
            "addresses": ["172.22.10.5/24"],
            "routers": ["172.22.10.1"],
            "dns": [],
            "ntp": [],
            "domain": None,
            "mtu": None,
            "server": "172.22.10.1",
        }
    ],
    "plan": {
        "plan": {
            "changes": CHANGES,
            "summary": {"create": 1, "update": 0, "delete": 1},
            "problems": [{"object": "network instance ni", "error": "no installed plugin builds it"}],
        },
        "lines": ["+ link eth0", "- route x"],
    },
    "apply": {
        "seq": 7,
        "notices": ["apps[0].other: is kept and not acted on"],
    },
    "settle": [*EVENTS, {"settled": True, "status": STATUS}],
    "confirm": {"confirmed": True, "text": None},
}
WITH_JSON = {
    "status": "status",
    "ports": "status",
    "uplinks": "status",
    "ni list": "status",
    "ni show ni": "status",
    "app list": "status",
    "app show web": "status",
    "dpc list": "dpcs",
    "dpc show": "dpcs",
    "dpc show zedagent": "dpcs",
    "test-connectivity": "test_connectivity",
    "events": "events",
    "explain web": "explain",
    "graph": "graph",
    "plugins": "plugins",
    "leases": "leases",
    "plan": "plan",
    "plan --revert": "plan",
}
CONFIG = """\
evenet: 1
ports: [{label: eth0, interface: eth0}]
networks: [{name: dhcp, ip: {mode: dhcp}}]
adapters: [{label: eth0, network: dhcp, uplink: true}]
"""
FOR_PEOPLE = [*WITH_JSON, "events --follow", "graph --dot", "graph --svg -", "plugins --list-hooks", "confirm"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evenet.sock"


@pytest.fixture
def running(path: Path) -> Iterator[Agent]:
    with agent(path) as made:
        made.answers = json.loads(json.dumps(ANSWERS))
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


class Result:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def evenet(path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(command: str, *more: str) -> Result:
        try:
            status = main(["--socket", str(path), *command.split(), *more])
        except SystemExit as error:  # argparse
            status = int(error.code or 0)
        return Result(status, *capsys.readouterr())

    return run


def spoiled(value: Any) -> Any:
    """The same document with something evil in every text."""
    if isinstance(value, dict):
        return {name: spoiled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner) for inner in value]
    return f"\x1b]0;{value}\x07\r\u202e\nx" if isinstance(value, str) else value


def harmless(text: str) -> bool:
    return all(unicodedata.category(character)[0] != "C" for character in text.replace("\n", ""))


# -- every command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "method"), WITH_JSON.items())
def test_json_is_one_document_and_nothing_else(evenet: Any, running: Agent, command: str, method: str) -> None:
    done = evenet(f"{command} --json")

    assert (done.status, done.err) == (0, "")
    json.loads(done.out)
    assert [name for name, _ in running.asked] == [method]


@pytest.mark.parametrize("command", FOR_PEOPLE)
def test_a_command_that_worked_says_something_and_is_done(evenet: Any, running: Agent, command: str) -> None:
    done = evenet(command)

    assert (done.status, done.err) == (0, "")
    assert done.out.strip()


@pytest.mark.parametrize("command", [*FOR_PEOPLE, "apply"])
def test_nothing_of_others_controls_the_terminal(evenet: Any, running: Agent, config: Path, command: str) -> None:
    running.answers = {name: spoiled(answer) for name, answer in running.answers.items()}
    name = running.answers["status"]["apps"][0]["uuid"]
    shown = {"ni show ni": "network_instances", "app show web": "apps"}.get(command)
    if shown:
        name = running.answers["status"][shown][0]["uuid"]
        done = evenet(command.rpartition(" ")[0], name)
    elif command == "dpc show zedagent":
        done = evenet("dpc show", running.answers["dpcs"][0]["key"])
    else:
        done = evenet(command, *([str(config)] if command == "apply" else []))

    assert done.out
    assert harmless(done.out)
    assert harmless(done.err)


@pytest.mark.parametrize("command", [command for command in FOR_PEOPLE if command != "events --follow"])
def test_what_the_agent_refuses_is_told_on_stderr_and_fails(evenet: Any, running: Agent, command: str) -> None:
    for name in running.answers:
        running.answers[name] = EvenetError("not \x1b[31mnow")

    done = evenet(command)

    assert (done.status, done.out, done.err) == (1, "", "evenet: not ?[31mnow\n")


@pytest.mark.parametrize("command", [*FOR_PEOPLE, *(f"{command} --json" for command in WITH_JSON)])
def test_without_an_agent_every_command_fails_with_the_remedy(evenet: Any, path: Path, command: str) -> None:
    done = evenet(command)

    assert (done.status, done.out) == (1, "")
    assert done.err == (f"evenet: no agent answers at {path} (No such file or directory); start it with `evenet run`\n")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "no-such-command",
        "status more",
        "ni",
        "ni show",
        "ni list more",
        "app show",
        "dpc",
        "dpc list more",
        "explain",
        "apply",
        "validate",
        "status --no-such-option",
        "graph --svg",
        "graph --dot --svg x",
        "apply x --confirm 0s",
        "apply x --confirm 25h",
        "apply x --confirm soon",
        "apply x --confirm -5",
        "apply x --confirm 1.5s",
        "apply x --confirm-by controller",
        "apply x --confirm 60s --confirm-by nobody",
        "apply x --confirm 60s --confirm-by tcp://192.0.2.1",
        "apply x --confirm 60s --confirm-by icmp://192.0.2.1/path",
        "plan x --revert",
    ],
)
def test_wrong_usage_is_told_apart_from_failure(evenet: Any, command: str) -> None:
    done = evenet(command)

    assert (done.status, done.out) == (2, "")
    assert "usage: evenet" in done.err


# -- single ones --------------------------------------------------------------------------------------


def test_a_status_for_people_has_everything_that_matters(evenet: Any, running: Agent) -> None:
    lines = evenet("status").out.splitlines()

    assert lines[0] == "degraded: 7 of 9 items in sync, 1 failed"
    assert lines[1] == "DPC zedagent: fallback: no answer"
    text = "\n".join(lines)
    assert "uplink0  eth0    management  up    172.22.10.5/24  172.22.10.1  9     link not up" in text
    assert "ni                local  bn1     10.50.0.0/24  uplink0  172.22.10.1 (eth0)  -" in text
    assert "web  error  vif0       ni                nbu1x1  10.50.0.128  no free IP addresses" in text
    assert "! link eth0\n  kernel: no such device (plugin ethernet); next try 2026-01-01T00:00:08Z" in text
    assert "! adapter uplink1\n  port is disabled" in text
    assert "None" not in text


def test_a_link_is_up_down_or_missing(evenet: Any, running: Agent) -> None:
    for port, (present, carrier) in zip(
        running.answers["status"]["ports"], [(True, True), (True, False), (False, None)], strict=True
    ):
        port |= {"present": present, "carrier": carrier, "error": None}

    out = evenet("status").out

    assert [word for line in out.splitlines() for word in line.split() if word in {"up", "down", "missing"}][:3] == [
        "up",
        "down",
        "missing",
    ]


def test_a_status_that_is_watched_as_json_is_documents_only(
    evenet: Any, running: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", stop)

    done = evenet("status --watch --json")

    assert (done.status, json.loads(done.out)) == (0, STATUS)
    assert evenet("status --watch").out.startswith("degraded"), "no terminal is cleared where there is none"


def test_uplinks_are_listed_in_the_order_in_which_they_are_used(evenet: Any, running: Agent) -> None:
    found = json.loads(evenet("uplinks --json").out)

    assert [port["cost"] for port in found] == [1, 9]
    assert [(probe["version"], probe["state"]) for port in found for probe in port["probes"]] == [
        (4, "silent"),
        (4, "silent"),
    ]
    table = evenet("uplinks").out
    assert "cheapest port that answers: gateway ping 192.0.2.1 ok" in table
    assert "uplink0: silent: gateway ping failed" in table


def test_ports_come_with_what_is_known_about_their_hardware(evenet: Any, running: Agent) -> None:
    out = evenet("ports").out

    assert "uplink0: eth0 is at another place" in out
    assert "uplink0: its TSO is broken (plugin acme; off: tso)" in out


def test_a_picture_replaces_the_one_before_and_leaves_nothing_else(evenet: Any, running: Agent, tmp_path: Path) -> None:
    file = tmp_path / "pictures" / "node.svg"
    file.parent.mkdir()
    file.write_text("old")

    done = evenet("graph --svg", str(file))

    assert (done.status, done.out, done.err) == (0, "", "")
    assert file.read_text().startswith("<?xml")
    assert [path.name for path in file.parent.iterdir()] == ["node.svg"]


def test_a_picture_that_cannot_be_written_fails_with_the_file_and_the_reason(
    evenet: Any, running: Agent, tmp_path: Path
) -> None:
    file = tmp_path / "nowhere" / "node.svg"

    done = evenet("graph --svg", str(file))

    assert (done.status, done.out) == (1, "")
    assert done.err == f"evenet: {file}: No such file or directory\n"


def test_a_picture_goes_into_a_pipe_and_the_pipe_stays(evenet: Any, running: Agent, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    done = evenet("graph --svg", str(pipe))

    assert done.status == 0
    assert os.read(reader, 100000).startswith(b"<?xml")
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("command", ["ni show", "app show"])
@pytest.mark.parametrize("by", ["name", "uuid"])
def test_one_object_is_shown_by_name_or_uuid(evenet: Any, running: Agent, command: str, by: str) -> None:
    of = {"ni show": "network_instances", "app show": "apps"}[command]
    wanted = STATUS[of][0]

    assert json.loads(evenet(command, wanted[by], "--json").out) == wanted
    assert wanted["name"] in evenet(command, wanted[by]).out


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("ni show nobody", "evenet: no network instance nobody; there are: ni\n"),
        ("app show nobody", "evenet: no app nobody; there are: web\n"),
        ("dpc show nobody", "evenet: no DPC nobody; see `evenet dpc list`\n"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(evenet: Any, running: Agent, command: str, complaint: str) -> None:
    done = evenet(command)

    assert (done.status, done.out, done.err) == (1, "", complaint)


@pytest.mark.parametrize(
    ("command", "method", "given"),
    [
        ("dpc test", "try_dpc", {"key": ""}),
        ("dpc test usb", "try_dpc", {"key": "usb"}),
        ("dpc revert", "revert_ports", {}),
        ("dpc set eth0 --dhcp --dns 192.0.2.1 --dns 192.0.2.2", "set_port", {"label": "eth0", "settings": {
            "dhcp": True, "address": None, "gateway": None, "dns": ["192.0.2.1", "192.0.2.2"], "ntp": [], "domain": "",
            "mtu": None, "proxy": None,
        }}),
    ],
)  # fmt: skip
def test_what_the_local_operator_does_is_handed_to_the_agent(
    evenet: Any, running: Agent, command: str, method: str, given: dict[str, Any]
) -> None:
    running.answers |= {"try_dpc": None, "set_port": None, "revert_ports": {"reverted": True}}

    done = evenet(command)

    assert (done.status, done.out, done.err) == (0, "", "")
    assert running.asked[-1] == (method, given)


def test_nothing_to_take_back_is_told(evenet: Any, running: Agent) -> None:
    running.answers["revert_ports"] = {"reverted": False}

    done = evenet("dpc revert")

    assert (done.status, done.err) == (1, "evenet: no port has other settings than its DPC says\n")


def test_the_dpc_in_use_is_shown_without_a_key(evenet: Any, running: Agent) -> None:
    assert json.loads(evenet("dpc show --json").out)["key"] == "override"


@pytest.mark.parametrize(
    ("reasons", "status"),
    [
        (["success", "failure"], 0),
        (["failure", "remote-temporary-failure"], 0),
        (["failure", "port-not-ready"], 1),
        ([], 1),
    ],
)
def test_connectivity_is_there_when_one_uplink_has_it(
    evenet: Any, running: Agent, reasons: list[str], status: int
) -> None:
    running.answers["test_connectivity"] = [
        {"label": "x", "reason": reason, "error": None, "warning": None} for reason in reasons
    ]

    assert evenet("test-connectivity").status == status
    assert evenet("test-connectivity --json").status == status


def test_events_may_be_followed_as_a_document_a_line(evenet: Any, running: Agent) -> None:
    done = evenet("events --follow --json")

    assert [json.loads(line) for line in done.out.splitlines()] == EVENTS


def test_a_graph_for_graphviz_is_quoted(evenet: Any, running: Agent) -> None:
    out = evenet("graph --dot").out

    assert '  "link:eth0" [label="link \\"eth0\\"", fillcolor=palegreen];' in out
    assert '  "link:eth0" -> "port:eth0";' in out
    assert out.startswith("digraph evenet {")
    assert out.endswith("}\n")


def test_a_plan_is_told_by_object_and_counted(evenet: Any, running: Agent) -> None:
    done = evenet("plan")

    assert done.out.splitlines() == [
        "adapter uplink0",
        "  + link eth0",
        "network instance ni",
        "  ! no installed plugin builds it",
        "left behind",
        "  - route x",
        "1 to create, 0 to update, 1 to delete",
    ]
    assert json.loads(evenet("plan --json").out) == ANSWERS["plan"]["plan"]


def test_a_plan_of_nothing_says_so(evenet: Any, running: Agent) -> None:
    running.answers["plan"] = {
        "plan": {"changes": [], "summary": dict.fromkeys(("create", "update", "delete"), 0), "problems": []},
        "lines": [],
    }

    assert (evenet("plan").status, evenet("plan").out) == (0, "nothing would change\n")


def test_a_plan_of_a_file_asks_about_that_file(evenet: Any, running: Agent, config: Path) -> None:
    evenet("plan", str(config))

    assert running.asked == [("plan", {"name": str(config), "text": CONFIG})]


@pytest.mark.parametrize(
    ("settled", "state", "status"), [(True, "converged", 0), (True, "degraded", 1), (False, "converging", 1)]
)
def test_applying_is_followed_until_settled_and_fails_unless_all_is_well(  # noqa: PLR0917  fixtures and a case
    evenet: Any, running: Agent, config: Path, settled: bool, state: str, status: int
) -> None:
    final = STATUS | {"state": state, "problems": [], "ports": [], "dpc": GOOD_DPC}
    running.answers["settle"] = [*EVENTS, {"settled": settled, "status": final}]

    done = evenet("apply", str(config))

    assert done.status == status
    assert done.out.splitlines() == [
        f"{config}: apps[0].other: is kept and not acted on",
        "  00:00:00  a device config was handed over",
        "  00:00:01  1 created",
        "  00:00:02  failed",
        f"{state}: 7 of 9 in sync",
    ]
    assert done.err == ("" if settled else "evenet: not settled in time\n")
    assert running.asked == [
        ("apply", {"name": str(config), "text": CONFIG, "confirm": None}),
        ("settle", {"since": 7}),
    ]


def test_what_does_not_work_after_applying_is_told_on_stderr(evenet: Any, running: Agent, config: Path) -> None:
    done = evenet("apply", str(config))

    assert done.err.splitlines() == [
        "evenet: link eth0: kernel: no such device",
        "evenet: adapter uplink1: port is disabled",
        *["evenet: port uplink0: link not up"] * 3,
        "evenet: the new config does not reach the controller (no answer); DPC zedagent is in use",
    ]


def test_a_config_that_reaches_no_controller_says_so(evenet: Any, running: Agent, config: Path) -> None:
    dpc = GOOD_DPC | {"state": "fail", "last_error": "no answer"}
    final = STATUS | {"state": "failed", "problems": [], "ports": [], "dpc": dpc}
    running.answers["settle"] = [{"settled": True, "status": final}]

    done = evenet("apply", str(config))

    assert (done.status, done.err) == (1, "evenet: the controller is not reached: no answer\n")


def config_event(text: str, **fields: Any) -> dict[str, Any]:
    return {"seq": 7, "time": "2026-01-01T00:00:01.000Z", "kind": "config", "text": text} | fields


HANDED_OVER = config_event("a device config was handed over; the one that waited gives way", superseded=True)


@pytest.mark.parametrize(("given", "seconds"), [("60s", 60.0), ("2m", 120.0), ("24h", 86400.0), ("5", 5.0)])
def test_applying_may_have_to_be_confirmed(
    evenet: Any, running: Agent, config: Path, given: str, seconds: float
) -> None:
    final = STATUS | {"state": "converged", "problems": [], "ports": [], "dpc": GOOD_DPC}
    waits = {"confirm_until": "2026-01-01T00:01:00.000Z", "confirm_by": "operator"}
    running.answers["settle"] = [config_event("handed over", **waits), {"settled": True, "status": final | waits}]

    done = evenet("apply", str(config), "--confirm", given)

    assert (done.status, running.asked[0][1]["confirm"]) == (0, seconds)
    assert done.out.splitlines()[2] == "reverts at 00:01:00 UTC unless `evenet confirm` comes"
    assert done.out.splitlines()[-1] == "the config before comes back at 00:01:00 UTC unless `evenet confirm` comes"


@pytest.mark.parametrize("by", [[], ["--confirm-by", "controller"]])
def test_a_config_that_nobody_confirmed_in_time_is_not_applied(
    evenet: Any, running: Agent, config: Path, by: list[str]
) -> None:
    final = STATUS | {"state": "converged", "problems": [], "ports": [], "dpc": GOOD_DPC}
    back = config_event("nobody came: the config before is back", reverted=True)
    running.answers["settle"] = [HANDED_OVER, back, {"settled": True, "status": final}]

    done = evenet("apply", str(config), "--confirm", "2s", *by)

    assert (done.status, done.err) == (1, "evenet: reverted: nobody came: the config before is back\n")


@pytest.mark.parametrize(
    ("by", "who"),
    [
        ("controller", "the controller"),
        ("icmp://192.0.2.1", "icmp://192.0.2.1"),
        ("tcp://[2001:db8::1]:22", "tcp://[2001:db8::1]:22"),
        ("https://example.com/ping", "https://example.com/ping"),
    ],
)
@pytest.mark.parametrize("state", ["converged", "degraded"])
def test_whoever_is_to_confirm_is_waited_for_and_that_is_all_that_counts(  # noqa: PLR0917  fixtures and a case
    evenet: Any, running: Agent, config: Path, by: str, who: str, state: str
) -> None:
    waits = {"confirm_until": "2026-01-01T00:01:00.000Z", "confirm_by": by}
    final = STATUS | {"state": state, "problems": [], "ports": [], "dpc": GOOD_DPC}
    reached = config_event("it was reached through eth0: the config stays", confirmed=by)
    running.answers["settle"] = [HANDED_OVER | waits, reached, {"settled": True, "status": final}]

    done = evenet("apply", str(config), "--confirm", "60s", "--confirm-by", by)

    assert (done.status, done.err) == (0, "")
    assert f"reverts at 00:01:00 UTC unless {who} is reached through the new config" in done.out
    assert [params for _, params in running.asked] == [
        {"name": str(config), "text": CONFIG, "confirm": 60.0, "confirm_by": by},
        {"since": 7, "concluded": True},
    ]


def test_a_config_that_gave_way_before_it_was_confirmed_is_not_applied(
    evenet: Any, running: Agent, config: Path
) -> None:
    final = STATUS | {"state": "converged", "problems": [], "ports": [], "dpc": GOOD_DPC}
    running.answers["settle"] = [HANDED_OVER, HANDED_OVER, {"settled": True, "status": final}]

    done = evenet("apply", str(config), "--confirm", "60s", "--confirm-by", "controller")

    assert (done.status, done.err) == (1, "evenet: not confirmed: another config was applied meanwhile\n")


def test_a_status_tells_that_the_config_is_not_confirmed(evenet: Any, running: Agent) -> None:
    running.answers["status"] |= {"confirm_until": "2026-01-01T00:01:00.000Z", "confirm_by": "controller"}

    lines = evenet("status").out.splitlines()

    assert lines[1] == "not confirmed: reverts at 2026-01-01T00:01:00.000Z unless confirmed (controller)"


def test_a_plan_of_the_way_back_asks_for_it(evenet: Any, running: Agent) -> None:
    evenet("plan --revert")

    assert running.asked == [("plan", {"revert": True})]


def test_a_config_that_somebody_confirmed_meanwhile_is_applied(evenet: Any, running: Agent, config: Path) -> None:
    final = STATUS | {"state": "converged", "problems": [], "ports": [], "dpc": GOOD_DPC}
    running.answers["settle"] = [{"settled": True, "status": final}]

    done = evenet("apply", str(config), "--confirm", "2s")

    assert (done.status, done.err) == (0, "")


def test_a_file_with_problems_does_not_reach_the_agent(evenet: Any, running: Agent, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("evenet: 1\nnetwork_instances:\n  - {name: ni, tpye: local}\n")

    done = evenet("apply", str(file))

    assert (done.status, done.out, running.asked) == (1, "", [])
    assert done.err.startswith(f"{file}: network_instances[0]")
    assert all("; " in line for line in done.err.splitlines())


def test_a_file_that_is_not_there_is_told(evenet: Any, tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"

    done = evenet("apply", str(file))

    assert (done.status, done.out) == (1, "")
    assert str(file) in done.err


def test_every_problem_that_the_agent_finds_is_a_line(evenet: Any, running: Agent, config: Path) -> None:
    running.answers["apply"] = ConfigError([Problem("a", "is wrong", "make it right"), Problem("b\x1b", "too", "also")])

    done = evenet("apply", str(config))

    assert (done.status, done.err.splitlines()) == (1, ["a: is wrong; make it right", "b?: too; also"])


@pytest.mark.parametrize("why", ["nothing waits for a confirmation", "too late: nobody confirmed in 60 s"])
def test_nothing_to_confirm_is_a_failure_that_says_why(evenet: Any, running: Agent, why: str) -> None:
    running.answers["confirm"] = {"confirmed": False, "text": why}

    done = evenet("confirm")

    assert (done.status, done.out, done.err) == (1, "", f"evenet: {why}\n")


# -- without an agent ---------------------------------------------------------------------------------


def test_good_and_bad_files_are_validated_without_an_agent(evenet: Any, config: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("evenet: 1\nnetwork_instances:\n  - {name: ni, tpye: local}\n  - 5\n")

    good, mixed = evenet("validate", str(config)), evenet("validate", str(config), str(bad))

    assert (good.status, good.out, good.err) == (0, f"{config}: good (native)\n", "")
    assert (mixed.status, mixed.out) == (1, f"{config}: good (native)\n")
    assert len(mixed.err.splitlines()) >= 2
    assert all(line.startswith(f"{bad}: network_instances[") for line in mixed.err.splitlines())


def test_validation_as_json_is_one_document_for_all_files(evenet: Any, config: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("[")

    done = evenet("validate --json", str(config), str(bad))

    first, second = json.loads(done.out)
    assert (done.status, done.err) == (1, "")
    assert first == {"file": str(config), "kind": "native", "problems": [], "notices": []}
    assert (second["kind"], len(second["problems"])) == (None, 1)
    assert set(second["problems"][0]) == {"path", "problem", "remedy", "text"}


def test_the_schema_is_a_json_document(evenet: Any) -> None:
    done = evenet("schema")

    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["$defs"]


def test_the_version_is_told(evenet: Any) -> None:
    assert (evenet("--version").status, evenet("--version").out) == (0, f"evenet {__version__}\n")


# -- the process --------------------------------------------------------------------------------------


def test_whoever_stops_reading_hears_no_complaint(path: Path, running: Agent) -> None:
    """`evenet events | head -1`"""
    running.answers["events"] = EVENTS * 5000
    program = subprocess.Popen(
        [sys.executable, "-m", "evenet_core.cli.main", "--socket", str(path), "events"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None

    program.stdout.readline()
    program.stdout.close()

    assert program.stderr.read() == b""
    assert program.wait() == 1
    program.stderr.close()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_is_full_is_told(path: Path, running: Agent, unbuffered: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "evenet_core.cli.main", "--socket", str(path), "status"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )

    assert done.returncode == 1
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert "Traceback" not in done.stderr


# -- taking down --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "status"), [([], 0), (["port eth0: Device or resource busy"], 1)])
def test_what_a_teardown_leaves_is_told_line_by_line(evenet: Any, running: Agent, left: list[str], status: int) -> None:
    running.answers["teardown"] = [{"left": left}]

    done = evenet("teardown")

    assert (done.status, done.out) == (status, "")
    assert done.err.splitlines() == [f"evenet: not removed: {line}" for line in left]


def test_what_others_named_does_not_reach_the_terminal_as_it_is(evenet: Any, running: Agent) -> None:
    running.answers["teardown"] = [{"left": ["link \x1b[2Jeth0: busy"]}]

    assert "\x1b" not in evenet("teardown").err
