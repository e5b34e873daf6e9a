"""Nothing happens twice and nothing is noticed: second applies, killed agents, things that are not ours."""

from __future__ import annotations

import random
import re
import subprocess
from contextlib import suppress

import pytest

from tests.e2e.conftest import StartSite
from tests.support.kernelstate import KernelState, kernel_state
from tests.support.site import CASES, EVENET, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

CASE = "local-ni-multiple-ports"
CONFIG = str(CASES / CASE / "device-config.json")
KILLS = 20


def settled(site: Site) -> bool:
    """The agent answers and says that all is done."""
    answer = site.exec("device", "evenet", "status", "--json", check=False)
    return '"state": "converged"' in answer.stdout


def test_a_second_apply_plans_nothing_and_writes_nothing(site: StartSite) -> None:
    lab = site(CASE, "--device-config", CONFIG)
    tentative = ("ip", "-o", "address", "show", "tentative")
    eventually("the kernel to try its own addresses out", lambda: not lab.exec("device", *tentative).stdout)
    before = lab.status()["agent"]["writes"]
    watch = subprocess.Popen(
        [*EVENET, "lab", "exec", lab.name, "device", "--", "ip", "monitor", "link", "address", "route", "rule"],
        stdout=subprocess.PIPE,
        text=True,
    )

    plan = lab.json("plan", CONFIG)
    lab.device("apply", CONFIG)
    lab.exec("device", "ip", "link", "add", "marker", "type", "bridge")  # the last thing that the watcher sees

    assert plan["summary"] == {"create": 0, "update": 0, "delete": 0}
    assert lab.status()["agent"]["writes"] == before
    assert watch.stdout is not None
    first = next(line for line in watch.stdout if "STALE" not in line)
    watch.terminate()
    watch.communicate()
    assert "marker" in first, f"the second apply changed something: {first}"


def test_an_agent_killed_at_any_moment_of_coming_up_ends_in_the_same_state(site: StartSite) -> None:
    first = site(CASE, "--device-config", CONFIG)
    wanted = kernel_state(first)
    first.down()
    moments = random.Random(20261124)

    for _ in range(KILLS):
        lab = site(CASE, up=False)
        coming_up = lab.start("--device-config", CONFIG)
        kill_agent(lab, after=moments.uniform(0.0, 1.0))
        coming_up.communicate()

        assert_ends_as(lab, wanted)
        lab.down()


def assert_ends_as(lab: Site, wanted: KernelState) -> None:
    """Both what is kept up by time (leases, probes) and what is planned come to the same end."""
    eventually("it to settle", lambda: settled(lab), 60)
    with suppress(AssertionError):
        eventually("the same end", lambda: kernel_state(lab) == wanted, 20)
    assert kernel_state(lab) == wanted


def kill_agent(lab: Site, after: float) -> None:
    """The delay, in seconds from the agent's start, is the test's input, not a wait for something."""
    eventually("the agent to start", lambda: lab.succeeds("device", "test", "-s", "/run/agent.pid"))
    lab.exec("device", "sh", "-c", f"sleep {after:.3f}; kill -9 $(cat /run/agent.pid)")


def test_a_killed_agent_costs_the_app_no_packet(site: StartSite) -> None:
    lab = site(CASE, "--device-config", CONFIG)
    eventually("the app to reach the internet", lambda: lab.succeeds("eclient", "ping", "-c1", "-W1", "8.8.8.8"))
    before = lab.status()["agent"]["pid"]
    ping = subprocess.Popen(
        [*EVENET, "lab", "exec", lab.name, "eclient", "--", "ping", "-i", "0.02", "-c", "300", "8.8.8.8"],
        stdout=subprocess.PIPE,
        text=True,
    )

    lab.exec("device", "kill", "-9", str(before))

    eventually("another agent to take over", lambda: settled(lab) and lab.status()["agent"]["pid"] != before)
    output, _ = ping.communicate()
    assert re.search(r"300 packets transmitted, 300 received", output), output


def test_what_others_made_stays_as_it_is(site: StartSite) -> None:
    lab = site(CASE)
    foreign = r"""
        ip link add foreign0 type bridge && ip link set foreign0 up alias mine
        ip addr add 10.99.0.1/24 dev foreign0 noprefixroute
        ip route add 10.98.0.0/16 via 10.99.0.2 dev foreign0 onlink table 502 proto static
        ip rule add from 10.99.0.0/24 lookup 77 priority 10000
        nft 'add table inet other; add chain inet other c { type filter hook forward priority 0; }'
        dnsmasq --port=0 --interface=foreign0 --bind-interfaces --dhcp-range=10.99.0.10,10.99.0.20 \
            --pid-file=/run/foreign.pid
    """
    lab.exec("device", "sh", "-ec", foreign)
    look = """
        ip -4 addr show foreign0; ip -o link show foreign0; ip route show table 502; ip rule show priority 10000
        nft list table inet other; cat /run/foreign.pid
    """
    before = lab.exec("device", "sh", "-ec", look).stdout.splitlines()

    lab.device("apply", CONFIG)
    during = lab.exec("device", "sh", "-ec", look).stdout.splitlines()
    pid = lab.status()["agent"]["pid"]
    lab.exec("device", "sh", "-ec", f"kill -9 {pid}")
    eventually("another agent to take over", lambda: settled(lab))
    after = lab.exec("device", "sh", "-ec", look).stdout.splitlines()

    assert [line for line in before if line not in during] == []
    assert [line for line in before if line not in after] == []
    assert lab.succeeds("device", "sh", "-c", "kill -0 $(cat /run/foreign.pid)")
