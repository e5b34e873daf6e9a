"""Addresses and names of a local instance: a real dnsmasq, a real client, real packets."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from evenet_bridge.dnsmasq import plan_dnsmasq

from evenet_core.apps.numbers import Numbers
from evenet_core.linux.daemon import Daemon
from evenet_core.linux.daemondriver import DaemonDriver
from evenet_core.linux.netns import inside, make_namespace
from evenet_core.model.config import DeviceConfig
from evenet_core.model.instances import App, AppInterface, StaticRoute
from evenet_core.model.networks import StaticHost
from evenet_core.model.resolved import Instance
from evenet_core.model.values import DhcpRange
from evenet_core.reconciler.item import Change, Op
from tests.support.instances import app, local, port, resolve, vifs_of
from tests.support.kernel import ip, run

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

PATIENCE = 10.0  # seconds for what has to come

# What a client is given, as lines NAME=VALUE; then the address and the routes are put in place as a client does.
SCRIPT = """\
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
env >"{answer}"
ip addr replace "$ip/$mask" dev "$interface"
set -- $staticroutes
while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then set -- "$1" "dev $interface" "$@"; else set -- "$1" "via $2" "$@"; fi
    ip route replace "$1" $2 || exit 1
    shift 4
done
"""


@dataclass
class Site:
    """The node is the test's namespace; each app is one without a name, on the bridge bn1."""

    directory: Path
    places: dict[str, int] = field(default_factory=dict)
    daemon: Daemon | None = None
    numbers: Numbers = field(default_factory=Numbers)

    async def serve(self, instance: Instance) -> int:
        """Let dnsmasq serve this; returns its pid."""
        wanted = plan_dnsmasq(instance)
        driver = DaemonDriver(self.directory)
        op = Op.CREATE if self.daemon is None else Op.UPDATE
        [outcome] = await driver.apply([Change(op, self.daemon, wanted)])
        await driver.close()
        if outcome.error is not None:
            raise outcome.error
        self.daemon = wanted
        return int(self._state()["pid"])

    def load(self, *apps: App, **instance: Any) -> tuple[Instance, int]:
        """Serve one instance with these apps; returns it and the pid of its dnsmasq."""
        ports = instance.pop("ports", (port("eth0", "172.22.10.5/24", gateway="172.22.10.1", management=True),))
        config = DeviceConfig(network_instances=(local(**({"port": "all"} | instance)),), apps=apps)
        resolved = resolve(config, *ports, numbers=self.numbers)
        _, self.numbers = vifs_of(config, self.numbers)
        for vif in resolved.vifs:
            self._plug(vif.app, vif.mac)
        return resolved, asyncio.run(self.serve(resolved))

    def _plug(self, name: str, mac: str) -> None:
        place = self.places.setdefault(name, make_namespace())
        host = f"nbu{list(self.places).index(name) + 1}x1"
        with inside(place):
            there = any(link["ifname"] == "eth0" for link in ip("link"))
            if there:
                run("ip", "link", "set", "eth0", "address", mac)
                return
        run(
            "ip", "link", "add", host, "master", "bn1", "type", "veth", "peer", "name", "eth0", "netns", self._fd(place)
        )
        run("ip", "link", "set", host, "up")
        with inside(place):
            run("ip", "link", "set", "eth0", "address", mac, "up")

    @staticmethod
    def _fd(place: int) -> str:
        return f"/proc/{os.getpid()}/fd/{place}"

    def _state(self) -> dict[str, Any]:
        import json

        state: dict[str, Any] = json.loads((self.directory / "daemons" / "dnsmasq-bn1" / "state.json").read_text())
        return state

    def lease(self, name: str, *options: str) -> dict[str, str]:
        """What app `name` is told by DHCP; fails if nobody answers."""
        answer, script = self.directory / f"{name}.answer", self.directory / f"{name}.sh"
        answer.unlink(missing_ok=True)
        script.write_text(SCRIPT.replace("{answer}", str(answer)))
        script.chmod(0o755)
        with inside(self.places[name]):
            run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
            asked = [word for o in ("staticroutes", "mtu", "ntpsrv", "dns", "domain", "subnet") for word in ("-O", o)]
            run(
                "busybox",
                "udhcpc",
                "-i",
                "eth0",
                "-q",
                "-n",
                "-f",
                "-t",
                "4",
                "-T",
                "1",
                "-s",
                str(script),
                *asked,
                *options,
            )
        return dict(line.partition("=")[::2] for line in answer.read_text().splitlines())

    def lookup(self, name: str, question: str) -> set[str]:
        """Addresses that app `name` is told for a name."""
        import dns.message
        import dns.query
        import dns.rdatatype

        found: set[str] = set()
        with inside(self.places[name]):
            for kind in ("A", "AAAA"):
                query = dns.message.make_query(question, kind)
                answer = dns.query.udp(query, "10.50.0.1", timeout=PATIENCE)
                found |= {
                    str(item) for rrset in answer.answer for item in rrset if rrset.rdtype == query.question[0].rdtype
                }
        return found


@pytest.fixture
def site(netns: None, open_path: Path) -> Iterator[Site]:
    run("ip", "link", "add", "bn1", "type", "bridge", "forward_delay", "0")
    run("ip", "addr", "add", "10.50.0.1/24", "dev", "bn1")
    run("ip", "link", "set", "bn1", "up")
    site = Site(open_path)
    try:
        yield site
    finally:
        asyncio.run(_stop(site))
        for place in site.places.values():
            os.close(place)


async def _stop(site: Site) -> None:
    if site.daemon is not None:
        driver = DaemonDriver(site.directory)
        await driver.apply([Change(Op.DELETE, site.daemon, None)])
        await driver.close()


def eventually(condition: Any) -> None:
    """What a SIGHUP sets off has no end that could be awaited."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lease_is_one_address_with_all_routes_by_option_121(site: Site) -> None:
    site.load(app("app1", "ni"), ntp=("192.0.2.123",), domain="apps.test", mtu=1400)

    lease = site.lease("app1")

    assert (lease["ip"], lease["subnet"], lease["mtu"]) == ("10.50.0.128", "255.255.255.255", "1400")
    on_link, beyond = "10.50.0.1/32 0.0.0.0 10.50.0.0/24 0.0.0.0", "192.0.2.123/32 10.50.0.1 0.0.0.0/0 10.50.0.1"
    assert lease["staticroutes"] == f"{on_link} {beyond}"
    assert (lease["router"], lease["dns"], lease["ntpsrv"]) == ("10.50.0.1", "10.50.0.1", "192.0.2.123")
    assert lease["domain"] == "apps.test"
    assert lease["lease"] == "3600"


def test_without_a_way_out_an_app_is_told_neither_router_nor_resolver(site: Site) -> None:
    site.load(app("app1", "ni"), port="", ports=())

    lease = site.lease("app1")

    assert lease["staticroutes"] == "10.50.0.0/24 0.0.0.0"
    assert not {"router", "dns"} & {name for name, value in lease.items() if value}


def test_a_gateway_is_not_told_to_go_by_itself(site: Site) -> None:
    gateway = App(name="gw", interfaces=(card(address=ip_address("10.50.0.7")),))
    route = StaticRoute(destination=ip_network("10.21.21.0/24"), gateway=ip_address("10.50.0.7"))
    site.load(gateway, app("client", "ni"), routes=(route,))

    assert "10.21.21.0/24 10.50.0.7" in site.lease("client")["staticroutes"]
    assert "10.21.21.0/24" not in site.lease("gw")["staticroutes"]


def test_one_more_app_interrupts_nobody(site: Site) -> None:
    _, before = site.load(app("app1", "ni"))
    assert site.lease("app1")["ip"] == "10.50.0.128"

    _, after = site.load(app("app1", "ni"), app("app2", "ni"))
    lease = site.lease("app2")

    assert (after, lease["ip"]) == (before, "10.50.0.129")
    assert site.lease("app1")["ip"] == "10.50.0.128"


def test_whoever_is_no_app_of_the_instance_gets_no_address(site: Site) -> None:
    site.load(app("app1", "ni"))
    with inside(site.places["app1"]):
        run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")

    with pytest.raises(subprocess.CalledProcessError):
        site.lease("app1")


def test_an_address_that_passed_on_is_given_to_the_next_app(site: Site) -> None:
    """dnsmasq would keep it for the first one for an hour."""
    only = DhcpRange(start=ip_address("10.50.0.9"), end=ip_address("10.50.0.9"))
    site.load(app("app1", "ni"), dhcp_range=only)
    first = site.lease("app1")["ip"]

    site.load(app("app2", "ni"), dhcp_range=only)

    assert (first, site.lease("app2")["ip"]) == ("10.50.0.9", "10.50.0.9")


def test_apps_and_static_entries_are_known_by_name(site: Site) -> None:
    """Acceptance scenario `apps-by-name`."""
    host1 = StaticHost(name="host1", addresses=(ip_address("172.20.15.4"), ip_address("172.25.16.6")))
    site.load(app("app1", "ni"), app("app2", "ni", "ni"), hosts=(host1,))
    site.lease("app1")

    eventually(lambda: site.lookup("app1", "app2") == {"10.50.0.129", "10.50.0.130"})
    assert site.lookup("app1", "host1") == {"172.20.15.4", "172.25.16.6"}
    assert site.lookup("app1", "router") == {"10.50.0.1"}
    assert site.lookup("app1", "nobody") == set()


def card(**more: Any) -> AppInterface:
    return AppInterface(name="x", network_instance="ni", **more)
