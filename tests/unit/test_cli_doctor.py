"""`evenet doctor`: what it says about machines that are fit and such that are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from evenet_core.cli.doctor import Finding, examine, show
from evenet_core.cli.main import main

RELEASE = os.uname().release
MODULES = ("bridge/bridge.ko", "net/veth.ko.xz", "8021q/8021q.ko", "bonding/bonding.ko.zst")


class Machine:
    """Files of a machine, as `doctor` looks at them; everything it needs is there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for tool in ("nft", "dnsmasq", "dhcpcd"):
            self.file(f"bin/{tool}", "#!/bin/sh\n").chmod(0o755)
        self.modules("modules.dep", *MODULES)

    def file(self, path: str, text: str) -> Path:
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    def modules(self, name: str, *paths: str) -> None:
        self.file(f"lib/modules/{RELEASE}/{name}", "".join(f"kernel/net/{path}:\n" for path in paths))

    def findings(self, what: str) -> list[Finding]:
        """What is found about this, by the first word."""
        found = examine(self.root, str(self.root / "bin"))
        return [finding for finding in found if finding.what.split()[0] == what]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_that_has_everything_is_good(machine: Machine) -> None:
    assert [f.good for what in ("tool", "kernel", "manager", "firewall") for f in machine.findings(what)] == [True] * 7


def test_a_tool_is_shown_with_its_place(machine: Machine) -> None:
    [nft, *_] = machine.findings("tool")

    assert (nft.what, nft.text, nft.remedy) == ("tool nft", f"{machine.root}/bin/nft", "")


@pytest.mark.parametrize(
    ("tool", "package"), [("nft", "nftables"), ("dnsmasq", "dnsmasq-base"), ("dhcpcd", "dhcpcd-base")]
)
def test_a_tool_that_is_missing_is_told_with_its_purpose_and_package(machine: Machine, tool: str, package: str) -> None:
    (machine.root / "bin" / tool).unlink()

    [missing] = [finding for finding in machine.findings("tool") if not finding.good]

    assert missing.what == f"tool {tool}"
    assert missing.text.startswith("missing: ")
    assert missing.remedy == f"apt install {package}"


def test_a_tool_in_the_working_directory_is_not_one_of_the_machine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.root / "bin")

    assert not any(finding.good for finding in examine(machine.root, ":") if finding.what.startswith("tool"))


@pytest.mark.parametrize("module", MODULES)
def test_a_kernel_without_a_feature_is_told(machine: Machine, module: str) -> None:
    machine.modules("modules.dep", *(one for one in MODULES if one != module))

    [missing] = [finding for finding in machine.findings("kernel") if not finding.good]

    assert missing.text.startswith("missing: ")
    assert missing.remedy.startswith("use a kernel with CONFIG_")


def test_a_feature_may_be_built_in_or_loaded(machine: Machine) -> None:
    machine.modules("modules.dep", *MODULES[:2])
    machine.modules("modules.builtin", MODULES[2])
    (machine.root / "sys/module/bonding").mkdir(parents=True)

    assert [finding.good for finding in machine.findings("kernel")] == [True] * 4


def test_what_cannot_be_known_of_the_kernel_is_not_claimed(machine: Machine) -> None:
    (machine.root / f"lib/modules/{RELEASE}/modules.dep").unlink()  # a container sees no modules
    (machine.root / "sys/module/veth").mkdir(parents=True)

    assert [finding.what for finding in machine.findings("kernel")] == ["kernel veth"]


@pytest.mark.parametrize(
    ("comm", "manager"),
    [
        ("NetworkManager", "NetworkManager"),
        ("systemd-network", "systemd-networkd"),  # the kernel keeps 15 bytes of a name
        ("connmand", "connmand"),
        ("dhclient", "dhclient"),
    ],
)
def test_a_manager_that_runs_is_told_with_its_pid_and_a_remedy(machine: Machine, comm: str, manager: str) -> None:
    machine.file("proc/1/comm", "systemd\n")
    machine.file("proc/417/comm", f"{comm}\n")
    machine.file("proc/418/comm", "systemd-networks\n")

    [found] = machine.findings("manager")

    assert (found.what, found.good, found.text) == (f"manager {manager}", False, "runs (pid 417)")
    assert found.remedy


def test_a_process_that_ends_while_it_is_looked_at_is_no_trouble(machine: Machine) -> None:
    (machine.root / "proc/417").mkdir(parents=True)
    (machine.root / "proc/417/comm").symlink_to("nothing")

    assert machine.findings("manager") == []


# -- the command --------------------------------------------------------------------------------------


GOOD = Finding("tool nft", True, "/usr/sbin/nft")
MISSING = Finding("tool dnsmasq", False, "missing: DHCP", "apt install dnsmasq-base")
IN_THE_WAY = Finding("manager NetworkManager", False, "runs (pid 7)", "keep it off these ports")


def test_findings_are_lines_with_their_remedies(capsys: pytest.CaptureFixture[str]) -> None:
    show([GOOD, MISSING], as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        "good  tool nft: /usr/sbin/nft",
        "LOOK  tool dnsmasq: missing: DHCP; apt install dnsmasq-base",
    ]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("findings", "code"), [([], 0), ([GOOD], 0), ([GOOD, IN_THE_WAY], 0), ([GOOD, MISSING], 1), ([MISSING, GOOD], 1)]
)
def test_only_what_is_missing_fails(findings: list[Finding], code: int, as_json: bool) -> None:
    assert show(findings, as_json) == code


def test_no_control_characters_of_others_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([Finding("firewall", False, "table ip \x1b[31mred drops packets", "end it\x07")], as_json=False)

    assert capsys.readouterr().out == "LOOK  firewall: table ip ?[31mred drops packets; end it?\n"


def test_json_is_a_list_of_findings_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert {"tool nft", "tool dnsmasq", "tool dhcpcd", "privileges"} <= {finding["what"] for finding in document}
    assert all(finding.keys() == {"what", "good", "text", "remedy"} for finding in document)
    assert all(finding["good"] == (finding["remedy"] == "") for finding in document)
    missing = [finding for finding in document if finding["what"].startswith("tool") and not finding["good"]]
    assert code == (1 if missing else 0)
