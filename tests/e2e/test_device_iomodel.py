"""Scenario io-model-reported: what the model of the machine says, and cannot be, is told where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import Site, eventually
from tests.support.sites import adapter, dhcp, eve_config, site_model, write_json

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

DHCP = dhcp()
GOOD = eve_config([adapter("ethernet0", DHCP)], DHCP)


def bundle(label: str, **more: Any) -> dict[str, Any]:
    return {"ptype": 255, "phylabel": label, "logicallabel": label, "usage": 3, **more}


def told(lab: Site, tmp_path: Path, *bundles: dict[str, Any]) -> dict[str, Any]:
    """Ports by label, when the config with these devices beside the uplink is in use."""
    config = GOOD | {"deviceIoList": [*GOOD["deviceIoList"], *bundles]}
    lab.exec("device", "evenet", "apply", write_json(tmp_path / "config.json", config), seconds=300.0)
    eventually("the uplink to be good", lambda: lab.status()["dpc"]["state"] == "success")
    return {port["label"]: port for port in lab.status()["ports"]}


def test_what_cannot_be_is_told_and_holds_up_nobody(site: StartSite, tmp_path: Path) -> None:
    write_json(tmp_path / "network-model.json", site_model("172.20.20.0/24"))
    lab = site(str(tmp_path), "--device-config", write_json(tmp_path / "c.json", GOOD))

    ports = told(lab, tmp_path, bundle("gpu", phyaddrs={"pcilong": "0000:99:00.0"}, assigngrp="gpu"))
    assert "does not exist" in ports["gpu"]["error"]
    assert "gpu" in lab.device("ports")
    assert ports["ethernet0"]["error"] is None

    a = bundle("a", assigngrp="grpa", parentassigngrp="grpb")
    b = bundle("b", assigngrp="grpb", parentassigngrp="grpa")
    ports = told(lab, tmp_path, a, b)
    assert all("Cycle detected" in ports[label]["error"] for label in "ab")

    ports = told(lab, tmp_path, bundle("a", assigngrp="grpa", parentassigngrp="grpa"))
    assert "own parent" in ports["a"]["error"]
    ports = told(lab, tmp_path, bundle("a", assigngrp="grpa", parentassigngrp=""))
    assert ports["a"]["error"] is None
    assert ports["ethernet0"]["error"] is None
