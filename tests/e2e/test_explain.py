"""Things that do not come up, for reasons outside of evenet: `explain` names the cause, and since when it is one."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import EVENET, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

CONFIG = {
    "evenet": 1,
    "ports": [{"label": f"port{n}", "interface": f"eth{n}"} for n in (0, 1, 9)],
    "networks": [{"name": "by-dhcp", "ip": {"mode": "dhcp", "family": "ipv4"}}],
    "adapters": [
        {"label": "port0", "network": "by-dhcp", "uplink": True},
        {"label": "port1", "network": "by-dhcp"},
        {"label": "port9", "network": "by-dhcp"},
    ],
    "network_instances": [
        {"name": "shop", "subnet": "10.50.0.0/24", "port": "port0"},
        {"name": "floor", "type": "switch", "port": "port9"},
    ],
    "apps": [
        {"name": "web", "interfaces": [{"name": "lan", "network_instance": "shop"}]},
        {"name": "cam", "interfaces": [{"name": "lan", "network_instance": "floor"}]},
    ],
}
CLOCK = r"\d\d:\d\d:\d\d"
# holds a UDP address that nobody has yet (IP_FREEBIND, ip(7)) until its input ends
HOLDER = """
import socket, sys
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.setsockopt(socket.SOL_IP, 15, 1)
taken.bind(("10.50.0.1", 53))
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Port eth9 is not there, nobody serves DHCP on eth1."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    return str(file)


@contextmanager
def held(site: Site) -> Iterator[None]:
    """A program of somebody else has the DNS port of network instance shop."""
    command = [*EVENET, "lab", "exec", site.name, "device", "--", "python3", "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        try:
            yield
        finally:
            holder.communicate(timeout=20)


def explained(site: Site, name: str, first: str) -> list[str]:
    """Lines of `explain`, once the first is as expected."""

    def lines() -> list[str] | None:
        found = site.device("explain", name).splitlines()
        return found if re.fullmatch(first, found[0]) else None

    try:
        return eventually(first, lines)
    except AssertionError as error:
        raise AssertionError(f"{site.device('explain', name)}\nis not what was expected: {error}") from None


def test_an_app_that_waits_hears_of_the_port_that_is_not_there(site: StartSite, config: str) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)

    missing = rf"which is not there since before evenet started at {CLOCK}"
    lines = explained(
        lab,
        "cam",
        rf"app cam's interface lan waits for adapter port9 \(eth9\), which waits for port eth9, {missing}",
    )

    bridge = "waits for adapter eth9, a bridge over its port (the interface is a port of this bridge)"
    assert f"    {bridge}: pending (for adapter port9, plugin ethernet)" in lines


def test_an_app_that_stops_is_waited_for_since_its_namespace_went(site: StartSite, config: str) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)
    there = explained(lab, "web", r"app web: all \d+ items are in sync")
    assert "  wanted by the device config: app web's interface lan in network instance shop" in there

    lab.exec("device", "ip", "netns", "del", "web")

    gone = (
        rf"app web's interface lan waits for .* /run/netns/web, which is not there since {CLOCK}: app web does not run"
    )
    assert explained(lab, "nbu1x1", gone) == explained(lab, "web/lan", gone)


def test_a_network_instance_whose_cable_is_pulled_has_no_way_out_since_then(site: StartSite, config: str) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)

    lab.link("eth0", "down")

    dead = rf"port eth0 has no carrier since {CLOCK}"
    assert explained(lab, "shop", f"network instance shop is in place, but it has no way out: adapter port0: {dead}")
    assert explained(lab, "eth0", f"adapter port0 is in place, but {dead}")
    lab.link("eth0", "up")
    lines = explained(lab, "port0", r"adapter port0: all \d+ items are in sync")
    assert any(re.match(rf"  planned from: port eth0: carrier since {CLOCK}, address 172", line) for line in lines)


def test_a_service_that_cannot_start_says_what_it_said_and_when_it_is_tried_again(site: StartSite, config: str) -> None:
    lab = site("local-ni-multiple-ports")

    with held(lab):
        lab.exec("device", "evenet", "apply", config, check=False)

        failed = (
            rf"daemon dnsmasq-bn1( of network instance shop, which|) cannot be made since {CLOCK}: .*ended at once: .*"
        )
        lines = explained(lab, "shop", f"network instance shop: {failed}Address (already )?in use.*")
        assert any(re.match(r" +create failed (once|\d+ times) since .*; next try in \d+ s", line) for line in lines)
        assert explained(lab, "web", f"app web's interface lan waits for {failed}")

    explained(lab, "shop", r"network instance shop: all \d+ items are in sync")


def test_a_client_that_no_server_answers_is_named_with_the_time_since_when_it_asks(
    site: StartSite, config: str
) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)

    first = rf"adapter port1 is in place, but no DHCP server has answered dhcpcd on eth1 since {CLOCK}"
    lines = explained(lab, "port1", first)

    assert json.loads(lab.device("explain", "port1", "--json"))[0] == lines[0]


def test_a_name_that_nothing_has_is_answered_with_what_is_near(site: StartSite, config: str) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)

    refused = lab.exec("device", "evenet", "explain", "prot0", check=False)

    assert refused.returncode == 1
    assert "nothing is called 'prot0'; did you mean port0" in refused.stderr


def test_the_picture_shows_every_item_and_what_is_missing(site: StartSite, config: str, tmp_path: Path) -> None:
    lab = site("local-ni-multiple-ports")
    lab.exec("device", "evenet", "apply", config, check=False)

    lab.device("graph", "--svg", str(tmp_path / "node.svg"))

    drawn = ET.fromstring((tmp_path / "node.svg").read_text())
    items = drawn.findall(".//*[@class='i']")
    assert len(items) == len(lab.json("graph")["items"])
    assert "port eth9: missing" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
