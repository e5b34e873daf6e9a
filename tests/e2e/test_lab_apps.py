"""Apps of a lab: machines of their own, that end as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

CASE = "local-ni-multiple-ports"


def test_nothing_of_an_app_that_is_removed_runs_on(site: StartSite, tmp_path: Path) -> None:
    lab = site(CASE, "--device-config", str(CASES / CASE / "device-config.json"))
    lab.exec("eclient", "sh", "-c", "setsid sleep 4242 >/dev/null 2>&1 &")
    before = lab.exec("device", "ps", "-eo", "args").stdout
    assert "sleep 4242" in before
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("evenet: 1\n")

    lab.device("apply", str(nothing))

    def apps_run() -> list[str]:
        lines = lab.exec("device", "ps", "-eo", "args").stdout.splitlines()
        return [line for line in lines if "sleep 4242" in line or line.startswith("dhcpcd")]

    eventually("everything of the app to end", lambda: apps_run() == [])
