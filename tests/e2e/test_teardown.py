"""Teardown on whole sites, with leases, apps in namespaces and every daemon: the device is as it was before."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from evenet_core.lab.feasible import limits, missing_kinds
from evenet_core.lab.reading import read_model
from tests.e2e.conftest import StartSite
from tests.support.kerneldump import Dump, differences, dump
from tests.support.site import CASES, EVENET, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


def look(site: Site) -> Dump:
    tentative = ("ip", "-o", "address", "show", "tentative")
    eventually("the kernel to try its addresses out", lambda: not site.exec("device", *tentative).stdout)
    return dump(lambda script: site.exec("device", "sh", "-c", script).stdout, "/run/evenet", "/etc/resolv.conf")


def run(site: Site, *arguments: str) -> subprocess.Popen[bytes]:
    """An agent in the device, once it has a network."""
    process = subprocess.Popen([*EVENET, "lab", "exec", site.name, "device", "--", "evenet", "run", *arguments])
    eventually("the agent to have a network", lambda: has_network(site))
    return process


def has_network(site: Site) -> bool:
    told = site.exec("device", "evenet", "status", "--json", check=False).stdout
    return '"state": "converged"' in told or '"state": "degraded"' in told


CASES_HERE = ["static-ips", "local-ni-multiple-ports", "app-gateway", "access-ports", "vlans-and-lags"]


@pytest.mark.parametrize("case", CASES_HERE)
def test_the_device_is_as_it_was_before(site: StartSite, case: str) -> None:
    cannot = limits(read_model(CASES / case / "network-model.json"), asyncio.run(missing_kinds()))
    if cannot:
        pytest.skip(cannot[0])
    lab = site(case)
    lab.device("teardown")  # the agent that the lab started; it is not started again
    before = look(lab)
    agent = run(lab, "--teardown", "--config", str(CASES / case / "device-config.json"))
    assert differences(before, look(lab)) != []

    lab.exec("device", "kill", str(lab.status()["agent"]["pid"]))

    assert agent.wait(90) == 0
    assert differences(before, look(lab)) == []
