"""`evenet doctor` about firewalls of others, with the kernel's own nftables."""

from __future__ import annotations

import subprocess

import pytest

from evenet_core.cli.doctor import Finding, examine

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

OURS = "table inet evenet { chain forward { type filter hook forward priority 0; policy drop; }; }"


def firewalls(ruleset: str) -> list[Finding]:
    subprocess.run(("nft", "-f", "-"), input=ruleset, text=True, check=True)
    return [finding for finding in examine() if finding.what.startswith("firewall")]


@pytest.mark.parametrize(
    "ruleset",
    [
        "",
        OURS,
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy accept; counter; }; }",
        "table ip nat { chain out { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }",
        "table inet x { chain unused { drop; }; }",
    ],
    ids=["none", "ours", "accepts", "nat", "hangs-on-nothing"],
)
def test_a_firewall_that_drops_nothing_is_no_finding(ruleset: str) -> None:
    assert firewalls(ruleset) == []


@pytest.mark.parametrize(
    ("ruleset", "what", "hooks"),
    [
        ("table ip filter { chain F { type filter hook forward priority 0; policy drop; }; }", "ip filter", "forward"),
        (
            "table inet fw { chain b { reject; }; chain a { type filter hook input priority 5; jump b; }; }",
            "inet fw",
            "input",
        ),
        (
            "table bridge x { chain f { type filter hook forward priority 0; ether type ip6 drop; };"
            " chain i { type filter hook input priority 0; }; }",
            "bridge x",
            "forward, input",
        ),
    ],
    ids=["policy", "rule-of-a-chain", "bridge"],
)
def test_a_firewall_that_drops_is_told_with_its_hooks_and_a_remedy(ruleset: str, what: str, hooks: str) -> None:
    [found] = firewalls(OURS + "\n" + ruleset)

    assert (found.what, found.good) == (f"firewall {what}", False)
    assert found.text == f"drops packets of its own accord ({hooks})"
    assert found.remedy
