"""Apps of a lab: machines of their own, that end as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

CASE = "local-ni-multiple-ports"
CONFIG = CASES / CASE / "device-config.json"


def test_nothing_of_an_app_that_is_removed_runs_on(site: StartSite, tmp_path: Path) -> None:
    lab = site(CASE, "--device-config", str(CONFIG))
    lab.exec("eclient", "sh", "-c", "setsid sleep 4242 >/dev/null 2>&1 &")
    namespace = lab.exec("eclient", "readlink", "/proc/self/ns/net").stdout
    without = tmp_path / "without-apps.json"
    without.write_text(json.dumps(json.loads(CONFIG.read_bytes()) | {"apps": []}))

    def namespaces() -> list[str]:
        """Of all processes of the lab."""
        return lab.exec("device", "sh", "-c", "readlink /proc/[0-9]*/ns/net", check=False).stdout.splitlines(True)

    assert namespaces().count(namespace) > 1
    lab.device("apply", str(without))

    eventually("everything of the app to end", lambda: namespace not in namespaces())


def test_an_app_is_called_by_its_uuid_as_the_node_says(site: StartSite) -> None:
    lab = site(CASE, "--device-config", str(CONFIG))
    [app] = lab.status()["apps"]

    eventually("the app to have its name", lambda: lab.exec("eclient", "hostname").stdout.strip() == app["uuid"])


def test_a_running_app_that_is_given_another_address_has_it_soon(site: StartSite, tmp_path: Path) -> None:
    lab = site(CASE, "--device-config", str(CONFIG))
    other = json.loads(CONFIG.read_bytes())
    other["networkInstances"][0]["ip"]["dhcpRange"] = {"start": "10.50.0.77", "end": "10.50.0.99"}
    (tmp_path / "other.json").write_text(json.dumps(other))

    lab.device("apply", str(tmp_path / "other.json"))

    eventually("the new address", lambda: "10.50.0.77" in lab.exec("eclient", "ip", "-4", "address").stdout)
    eventually("the app to reach the internet", lambda: lab.succeeds("eclient", "ping", "-c1", "-W1", "8.8.8.8"))
