"""The verdict on a port depends on nothing of any other port, whatever state both are in.

Ports get faults at random, all at once, in real networks; the verdict on each must be the one that it gets as the only
port of a node. In half of the cases all ports have the same addresses, routers and servers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from evenet_core.linux.netns import inside, make_namespace
from evenet_core.probing.connectivity import PortUnderTest, check
from evenet_core.probing.verdict import PortVerdict, Reason
from tests.support.authority import Authority
from tests.support.kernel import run
from tests.support.uplinks import CONTROLLER, NAME, OK, Uplink

pytestmark = pytest.mark.root

URL = f"https://{NAME}/ping"
TIMEOUT = 2.0  # seconds that a silent server costs
UNAVAILABLE = b"HTTP/1.1 503 Out of order\r\nContent-Length: 0\r\n\r\n"
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: https://portal.test/\r\nContent-Length: 0\r\n\r\n"

FAULTS = {
    "none": Reason.SUCCESS,
    "unplugged": Reason.FAILURE,
    "no address": Reason.NOT_READY,
    "address not there": Reason.NOT_READY,
    "no name server": Reason.NOT_READY,
    "name server dead": Reason.NOT_READY,
    "name server silent": Reason.FAILURE,
    "name server knows nothing": Reason.FAILURE,
    "name server lies: nobody": Reason.REMOTE_TEMPORARY,
    "name server lies: loopback": Reason.FAILURE,
    "controller refuses": Reason.REMOTE_TEMPORARY,
    "controller silent": Reason.FAILURE,
    "controller unreachable": Reason.FAILURE,
    "wrong certificate": Reason.FAILURE,
    "expired certificate": Reason.REMOTE_TEMPORARY,
    "out of order": Reason.REMOTE_TEMPORARY,
    "portal": Reason.FAILURE,
}


class Site:
    """Certificates for all, and the verdicts on ports that are alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0
        authority, stranger = Authority(directory, "authority"), Authority(directory, "stranger")
        self.ca = authority.pem
        self._good = authority.server(f"DNS:{NAME}")
        self._tls = {
            "wrong certificate": stranger.server(f"DNS:{NAME}"),
            "expired certificate": authority.server(f"DNS:{NAME}", days=-1),
        }
        self.alone = cache(self._alone)

    @contextmanager
    def node(self) -> Iterator[Path]:
        """A node without ports, and a directory of its own."""
        self._count += 1
        directory = self._directory / str(self._count)
        directory.mkdir()
        namespace = make_namespace()
        try:
            with inside(namespace):
                run("ip", "link", "set", "lo", "up")
                yield directory
        finally:
            os.close(namespace)

    def _alone(self, number: int, network: int, fault: str) -> PortVerdict:
        with self.node() as directory, closing(Uplink(number, network, directory)) as uplink:
            return asyncio.run(self._verdicts({uplink: fault}))[0]

    def together(self, faults: list[str], *, twins: bool) -> list[PortVerdict]:
        with self.node() as directory:
            uplinks = [Uplink(number, 0 if twins else number, directory) for number in range(len(faults))]
            try:
                return asyncio.run(self._verdicts(dict(zip(uplinks, faults, strict=True))))
            finally:
                for uplink in uplinks:
                    uplink.close()

    async def _verdicts(self, faults: dict[Uplink, str]) -> list[PortVerdict]:
        ports = [await self._prepared(uplink, fault) for uplink, fault in faults.items()]
        return await asyncio.gather(*(check(port, URL, self.ca, TIMEOUT) for port in ports))

    async def _prepared(self, uplink: Uplink, fault: str) -> PortUnderTest:
        """A port with this fault, as the node sees it."""
        port = PortUnderTest(
            label=f"port-{uplink.ifname}",
            ifname=uplink.ifname,
            addresses=(ip_address(uplink.own[4]),),
            dns_servers=uplink.servers,
        )
        record = f"--host-record={NAME},{CONTROLLER[4]}"
        serves: dict[str, Any] = {"tls": self._tls.get(fault, self._good)}
        match fault:
            case "unplugged":
                uplink.plug(False)
                return replace(port, carrier=False)
            case "no address":
                port = replace(port, addresses=())
            case "address not there":
                port = replace(port, addresses=(ip_address(uplink.own[4]) + 90,))
            case "no name server":
                port = replace(port, dns_servers=())
            case "name server dead":
                record = ""
            case "name server silent":
                record = ""
                uplink.serve_datagrams(lambda _: None)
            case "name server knows nothing":
                record = "--host-record=other.test,192.0.2.1"
            case "name server lies: nobody":
                record = f"--host-record={NAME},{uplink.router[4]}"
            case "name server lies: loopback":
                record = f"--host-record={NAME},127.0.0.1"
            case "controller refuses":
                serves = {}
            case "controller silent":
                serves = {}
                uplink.lose_controller()
            case "controller unreachable":
                serves = {}
                uplink.refuse("198.51.100.0/24")
            case "out of order":
                serves["answer"] = UNAVAILABLE
            case "portal":
                serves["answer"] = PORTAL
        if record:
            uplink.serve_names(record)
        if serves:
            await uplink.serve(**({"answer": OK} | serves))
        return port


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    return Site(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_verdict_on_a_node_with_one_port(site: Site, fault: str) -> None:
    assert site.alone(0, 0, fault).reason is FAULTS[fault]


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(list(FAULTS)), min_size=3, max_size=3), st.booleans())
def test_the_verdict_on_a_port_is_the_one_that_it_gets_as_the_only_port(
    site: Site, faults: list[str], twins: bool
) -> None:
    verdicts = site.together(faults, twins=twins)

    assert verdicts == [site.alone(number, 0 if twins else number, fault) for number, fault in enumerate(faults)]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "none"])
def test_a_good_port_is_good_beside_any_other_and_saves_none(site: Site, fault: str) -> None:
    """Both ways: a dead port costs the others nothing, and no port lives on what another one has."""
    good, bad = site.together(["none", fault], twins=True)

    assert good == site.alone(0, 0, "none")
    assert bad == site.alone(1, 0, fault)
