"""Good and bad configs in turn: the node always comes back by itself, and nothing of the bad ones stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.sites import adapter, dhcp, eve_config, site_model, static, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(7200)]

TIMES = int(os.environ.get("EVENET_ALTERNATIONS", "3"))
LEASE, WRONG = dhcp(), static("10.99.99.0/24")
SOON = {"timer_port_testduration": 1}
GOOD = eve_config([adapter("ethernet0", LEASE)], LEASE, **SOON)
BAD = eve_config([adapter("ethernet0", WRONG, addr="10.99.99.5")], WRONG, **SOON)
# Connects again and again, and tells the longest time without success when its input ends.
WATCH = """
import socket, sys, threading, time
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
longest, last = 0.0, time.monotonic()
print("watches", flush=True)
while not ended.is_set():
    with socket.socket() as sock:
        sock.settimeout(0.5)
        try:
            sock.connect(("203.0.113.10", 443))
            last = time.monotonic()
        except OSError:
            pass
    longest = max(longest, time.monotonic() - last)
    time.sleep(0.05)
print(longest, flush=True)
"""


def holds(lab: Site) -> dict[str, list[str]]:
    """What the device has, without what another lease may change."""
    shown = {
        "rules": "ip rule; ip -6 rule",
        "routes": "ip route show table all; ip -6 route show table all",
        "addresses": "ip -o address | awk '{print $2, $4}'",
        "processes": "ps -eo args | grep -E 'dhcpcd|dnsmasq|evenet' | grep -v -e grep -e BPF",
        "firewall": "nft -s list ruleset",
    }
    return {
        what: sorted(lab.exec("device", "sh", "-c", command).stdout.splitlines()) for what, command in shown.items()
    }


def different(found: dict[str, list[str]], before: dict[str, list[str]]) -> list[str]:
    """Lines that came, and lines that went."""
    came = [f"+ {line}" for what, lines in found.items() for line in lines if line not in before[what]]
    return came + [f"- {line}" for what, lines in before.items() for line in lines if line not in found[what]]


def state(lab: Site) -> dict[str, Any]:
    found: dict[str, Any] = lab.status()
    return found


def test_alternations_of_good_and_bad(site: StartSite, tmp_path: Path) -> None:
    write_json(tmp_path / "network-model.json", site_model("172.20.20.0/24"))
    lab = site(str(tmp_path), "--device-config", write_json(tmp_path / "good.json", GOOD))
    bad = write_json(tmp_path / "bad.json", BAD)
    eventually("all to settle", lambda: state(lab)["state"] == "converged")
    before = holds(lab)
    command = [*lab.command, "lab", "exec", lab.name, "device", "--", sys.executable, "-c", WATCH]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "watches\n"
        for number in range(TIMES):
            lab.exec("device", "evenet", "apply", bad, check=False, seconds=300.0)
            eventually(f"the way back, {number}", lambda: state(lab)["dpc"]["state"] == "fallback", 120.0)
            lab.exec("device", "evenet", "apply", str(tmp_path / "good.json"), seconds=300.0)
            eventually(f"the good one, {number}", lambda: state(lab)["dpc"]["state"] == "success", 120.0)
        longest, _ = watching.communicate(timeout=60)
    sys.stdout.write(f"{TIMES} alternations, longest time without connection: {float(longest):.2f} s\n")
    eventually("all to settle", lambda: state(lab)["state"] == "converged")
    with suppress(AssertionError):  # the next line tells it better
        eventually("what there was", lambda: not different(holds(lab), before))
    assert different(holds(lab), before) == []
