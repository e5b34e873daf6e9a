"""Ping from one port's own address, and probes of connections: with real routers, refusals and silence."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from evenet_core.probing.icmp import ping, probe_icmp
from evenet_core.probing.request import Cause, Egress, Probe, ProbeError, ProbeRequest
from evenet_core.probing.tcp import probe_tcp
from tests.support.kernel import add_address
from tests.support.uplinks import CONTROLLER, NAME, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

BOTH = pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
BOTH_PROBES = pytest.mark.parametrize("probe", [probe_icmp, probe_tcp], ids=["icmp", "tcp"])
PORT = 8443


@pytest.fixture
def wan(netns: None, tmp_path: Path) -> Iterator[Uplink]:
    with uplinks(tmp_path) as [made]:
        yield made


def ask(wan: Uplink, *hosts: str, egress: Egress | None = None, version: int = 0, timeout: float = 5.0) -> ProbeRequest:
    return ProbeRequest(egress=egress or wan.egress, hosts=hosts, port=PORT, version=version, timeout=timeout)


def failure(work: Coroutine[Any, Any, Any]) -> ProbeError:
    async def main() -> None:
        await work

    with pytest.raises(ProbeError) as raised:
        asyncio.run(main())
    return raised.value


def answers(wan: Uplink, probe: Probe, request: ProbeRequest) -> float:
    """Seconds until the answer; there is a server for connections."""

    async def main() -> float:
        wan.listener(CONTROLLER[4], PORT)
        wan.listener(CONTROLLER[6], PORT)
        return await probe(request)

    return asyncio.run(main())


@BOTH
@BOTH_PROBES
def test_a_host_that_answers_took_some_time(wan: Uplink, probe: Probe, version: int) -> None:
    assert answers(wan, probe, ask(wan, CONTROLLER[version])) > 0


@BOTH
def test_the_router_on_the_link_answers_a_ping(wan: Uplink, version: int) -> None:
    assert answers(wan, probe_icmp, ask(wan, wan.router[version])) > 0


def test_a_link_local_router_answers_a_ping(wan: Uplink) -> None:
    add_address("fe80::2/64", "eth0")
    wan.add_address("fe80::1/64", "world0")
    egress = Egress("eth0", (*wan.addresses, ip_address("fe80::2")))

    assert answers(wan, probe_icmp, ask(wan, "fe80::1", egress=egress)) > 0


@BOTH_PROBES
def test_the_first_host_to_answer_is_enough(wan: Uplink, probe: Probe) -> None:
    assert answers(wan, probe, ask(wan, "198.51.100.99", CONTROLLER[4])) > 0


@BOTH_PROBES
def test_a_name_is_asked_of_the_ports_own_servers(wan: Uplink, probe: Probe) -> None:
    wan.serve_names(f"--host-record={NAME},{CONTROLLER[4]}")

    assert answers(wan, probe, ask(wan, NAME)) > 0


@BOTH_PROBES
def test_a_probe_of_one_version_asks_only_that(wan: Uplink, probe: Probe) -> None:
    wan.serve_names(f"--host-record={NAME},{CONTROLLER[4]}")

    error = failure(probe(ask(wan, NAME, version=6)))

    assert error.cause is Cause.NAME_UNKNOWN


@BOTH_PROBES
def test_silence_is_a_failure_when_the_time_is_over(wan: Uplink, probe: Probe) -> None:
    wan.lose_controller()

    error = failure(probe(ask(wan, CONTROLLER[4], timeout=0.2)))

    assert (error.cause, str(error)) == (Cause.TIMEOUT, "198.51.100.7 on eth0: no answer within 0.2 s")


@BOTH
@BOTH_PROBES
def test_a_router_that_knows_no_way_is_believed_at_once(wan: Uplink, probe: Probe, version: int) -> None:
    wan.refuse("198.51.100.0/24" if version == 4 else "2001:db8::/32")

    error = failure(probe(ask(wan, CONTROLLER[version], timeout=60.0)))

    assert error.cause is Cause.UNREACHABLE


def test_a_refused_connection_is_told_from_silence(wan: Uplink) -> None:
    error = failure(probe_tcp(ask(wan, CONTROLLER[4])))

    assert error.cause is Cause.REFUSED
    assert str(error) == f"connect to 198.51.100.7:{PORT} from 10.9.0.2 on eth0: connection refused"


def test_an_ipv6_address_stands_in_brackets(wan: Uplink) -> None:
    assert f"[2001:db8::7]:{PORT} from fd09::2 on" in str(failure(probe_tcp(ask(wan, CONTROLLER[6]))))


@BOTH_PROBES
def test_a_port_that_is_gone_is_a_failure_of_the_device(wan: Uplink, probe: Probe) -> None:
    error = failure(probe(ask(wan, CONTROLLER[4], egress=replace(wan.egress, ifname="eth9"))))

    assert error.cause is Cause.DEVICE
    assert "no such device" in str(error)


@BOTH_PROBES
def test_an_own_address_that_is_gone_is_told_from_all_else(wan: Uplink, probe: Probe) -> None:
    gone = Egress("eth0", (ip_address("10.9.0.99"),))

    assert failure(probe(ask(wan, CONTROLLER[4], egress=gone))).cause is Cause.SOURCE_GONE


@BOTH_PROBES
def test_without_an_own_address_of_the_family_nothing_leaves(wan: Uplink, probe: Probe) -> None:
    error = failure(probe(ask(wan, CONTROLLER[6], egress=Egress("eth0", (ip_address(wan.own[4]),)))))

    assert (error.cause, str(error)) == (Cause.NO_SOURCE, "no address of eth0 fits 2001:db8::7")


def test_a_ping_takes_no_answer_to_another_for_its_own(wan: Uplink) -> None:
    """Two pings at once from the same address to the same host: each socket sees all replies."""

    async def main() -> list[float]:
        source, target = ip_address(wan.own[4]), ip_address(CONTROLLER[4])
        return await asyncio.gather(*(ping(wan.egress, source, target) for _ in range(20)))

    assert len(asyncio.run(main())) == 20


def test_a_probe_leaves_no_socket_and_no_task_behind(wan: Uplink) -> None:
    async def main() -> tuple[int, int]:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(ProbeError):
                await probe_tcp(ask(wan, CONTROLLER[4], CONTROLLER[6]))
            await probe_icmp(ask(wan, CONTROLLER[4], "198.51.100.99"))
        return len(os.listdir("/proc/self/fd")) - before, len(asyncio.all_tasks())

    assert asyncio.run(main()) == (0, 1)


def test_two_ports_lead_to_two_networks(netns: None, tmp_path: Path) -> None:
    """The same target, the same own address: only the port differs."""
    with uplinks(tmp_path, 2, twins=True) as [first, second]:
        second.lose_controller()

        async def main() -> Any:
            requests = [ask(wan, CONTROLLER[4], timeout=0.5) for wan in (first, second)]
            return await asyncio.gather(*(probe_icmp(request) for request in requests), return_exceptions=True)

        good, bad = asyncio.run(main())

    assert good > 0
    assert isinstance(bad, ProbeError)
