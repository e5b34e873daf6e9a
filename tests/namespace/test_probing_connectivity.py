"""The verdict on one port, against real name servers, a real authority and a controller in every state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from evenet_core.probing import resolve
from evenet_core.probing.connectivity import PortUnderTest, check, check_all
from evenet_core.probing.verdict import PortVerdict, Reason
from tests.support.authority import Authority
from tests.support.uplinks import CONTROLLER, NAME, OK, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

URL = f"https://{NAME}/api/v2/edgedevice/ping"
BOTH = f"--host-record={NAME},{CONTROLLER[4]},{CONTROLLER[6]}"
WHERE = "controller.test (198.51.100.7) from 10.9.0.2 on eth0"
TIMEOUT = 20.0  # nothing in these tests takes so long, unless they say so


@pytest.fixture
def wan(netns: None, tmp_path: Path) -> Iterator[Uplink]:
    with uplinks(tmp_path) as [made]:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def port(wan: Uplink, **more: Any) -> PortUnderTest:
    """As it is when all is well, with an IPv4 address."""
    usual = PortUnderTest(
        label="uplink0", ifname=wan.ifname, addresses=(ip_address(wan.own[4]),), dns_servers=wan.servers
    )
    return replace(usual, **more)


def verdict(
    wan: Uplink,
    ca: str = "",
    answer: bytes = OK,
    *,
    tls: Any = None,
    url: str = URL,
    timeout: float = TIMEOUT,
    **more: Any,
) -> PortVerdict:
    """With a controller if `tls` says how it is secured; its name is known."""

    async def main() -> PortVerdict:
        if tls is not None:
            for version in (4, 6):
                await wan.serve(answer, tls=tls, version=version)
        return await check(port(wan, **more), url, ca, timeout)

    wan.serve_names(BOTH)
    return asyncio.run(main())


def good(authority: Authority) -> Any:
    return authority.server(f"DNS:{NAME}", f"IP:{CONTROLLER[4]}")


# -- good ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 304])
def test_a_controller_that_answers_is_success(wan: Uplink, authority: Authority, status: int) -> None:
    answer = f"HTTP/1.1 {status} x\r\nConnection: close\r\n\r\n".encode()

    found = verdict(wan, authority.pem, answer, tls=good(authority))

    assert found == PortVerdict(label="uplink0", reason=Reason.SUCCESS, addresses=(ip_address(CONTROLLER[4]),))


def test_an_address_needs_no_name_server(wan: Uplink, authority: Authority) -> None:
    found = verdict(wan, authority.pem, tls=good(authority), url=f"https://{CONTROLLER[4]}/", dns_servers=())

    assert found.reason is Reason.SUCCESS


def test_one_own_address_that_leads_there_is_enough_and_the_other_is_a_warning(
    wan: Uplink, authority: Authority
) -> None:
    wan.serve_names(BOTH)

    async def main() -> PortVerdict:
        await wan.serve(tls=good(authority), version=6)  # nobody listens at IPv4
        return await check(port(wan, addresses=wan.addresses), URL, authority.pem, TIMEOUT)

    found = asyncio.run(main())

    assert found.reason is Reason.SUCCESS
    assert found.warning == "connect to 198.51.100.7:443 from 10.9.0.2 on eth0: connection refused"


def test_without_a_controller_only_what_can_be_seen_from_here_counts(wan: Uplink) -> None:
    assert verdict(wan, url="") == PortVerdict(label="uplink0", reason=Reason.SUCCESS)


def test_without_a_controller_a_missing_name_server_is_a_warning(wan: Uplink) -> None:
    found = verdict(wan, url="", dns_servers=())

    assert (found.reason, found.warning) == (Reason.SUCCESS, "interface eth0: no DNS server available")


# -- the port -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [URL, ""])
@pytest.mark.parametrize(
    ("state", "reason", "error"),
    [
        ({"error": "port uplink0 is disabled"}, Reason.FAILURE, "port uplink0 is disabled"),
        ({"present": False}, Reason.FAILURE, "link not found for interface eth0"),
        ({"ifname": ""}, Reason.FAILURE, "link not found for interface uplink0"),
        ({"carrier": False}, Reason.FAILURE, "link not up for interface eth0"),
        ({"addresses": ()}, Reason.NOT_READY, "interface eth0: no suitable IP address available"),
        (
            {"addresses": (ip_address("169.254.7.7"), ip_address("fe80::7"))},
            Reason.NOT_READY,
            "interface eth0: no suitable IP address available",
        ),
    ],
)
def test_a_port_that_cannot_send_says_so_in_eves_words(
    wan: Uplink, url: str, state: dict[str, Any], reason: Reason, error: str
) -> None:
    assert verdict(wan, url=url, **state) == PortVerdict(label="uplink0", reason=reason, error=error)


def test_a_port_without_name_server_is_not_ready(wan: Uplink) -> None:
    found = verdict(wan, dns_servers=())

    assert (found.reason, found.error) == (Reason.NOT_READY, "interface eth0: no DNS server available")


def test_an_address_that_the_kernel_does_not_know_yet_is_not_ready(wan: Uplink) -> None:
    found = verdict(wan, url=f"https://{CONTROLLER[4]}/", addresses=(ip_address("10.9.0.77"),))

    assert found.reason is Reason.NOT_READY
    assert "cannot assign requested address" in found.error


def test_a_port_of_the_wrong_family_is_not_ready(wan: Uplink) -> None:
    found = verdict(wan, url=f"https://[{CONTROLLER[6]}]/")

    assert found.reason is Reason.NOT_READY
    assert found.error == f"interface eth0: no IP address that could reach {CONTROLLER[6]}"


# -- names --------------------------------------------------------------------------------------------


def test_a_name_server_that_does_not_run_is_a_port_that_is_not_ready(wan: Uplink) -> None:
    found = verdict(wan, dns_servers=(ip_address(CONTROLLER[4]),))

    assert found.reason is Reason.NOT_READY
    assert "connection refused" in found.error


def test_a_name_server_that_is_silent_is_a_failure(wan: Uplink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "SERVER_TIMEOUT", 0.2)

    found = verdict(wan, dns_servers=(ip_address("10.9.0.99"),))

    assert (found.reason, found.error) == (
        Reason.FAILURE,
        f"name {NAME} asked of 10.9.0.99 on eth0: no answer in time",
    )


def test_a_name_that_nobody_knows_is_a_failure(wan: Uplink) -> None:
    found = verdict(wan, url="https://nobody.test/")

    assert found.reason is Reason.FAILURE
    assert found.error.endswith("there is no such name")


# -- the controller -----------------------------------------------------------------------------------


def test_a_controller_that_refuses_is_its_own_trouble(wan: Uplink, authority: Authority) -> None:
    found = verdict(wan, authority.pem)

    assert (found.reason, found.good) == (Reason.REMOTE_TEMPORARY, True)
    assert found.error == (
        f"all attempts to connect to {URL} failed: "
        "connect to 198.51.100.7:443 from 10.9.0.2 on eth0: connection refused"
    )


@pytest.mark.parametrize("status", [500, 503, 511])
def test_a_controller_that_is_out_of_order_is_its_own_trouble(wan: Uplink, authority: Authority, status: int) -> None:
    answer = f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()

    found = verdict(wan, authority.pem, answer, tls=good(authority))

    assert found.reason is Reason.REMOTE_TEMPORARY
    assert found.error == f"all attempts to connect to {URL} failed: {WHERE}: HTTP status {status}"


@pytest.mark.parametrize("status", [202, 302, 401, 404, 512])
def test_any_other_status_is_a_failure(wan: Uplink, authority: Authority, status: int) -> None:
    """A captive portal redirects."""
    answer = f"HTTP/1.1 {status} x\r\nLocation: https://portal.test/\r\nContent-Length: 0\r\n\r\n".encode()

    assert verdict(wan, authority.pem, answer, tls=good(authority)).reason is Reason.FAILURE


def test_a_certificate_that_has_expired_is_the_controllers_trouble(wan: Uplink, authority: Authority) -> None:
    found = verdict(wan, authority.pem, tls=authority.server(f"DNS:{NAME}", days=-1))

    assert found.reason is Reason.REMOTE_TEMPORARY


def test_an_unknown_authority_is_a_failure(wan: Uplink, authority: Authority, tmp_path: Path) -> None:
    found = verdict(wan, authority.pem, tls=Authority(tmp_path, "stranger").server(f"DNS:{NAME}"))

    assert found.reason is Reason.FAILURE
    assert "unable to get local issuer certificate" in found.error


def test_a_controller_that_is_silent_is_a_failure(wan: Uplink, authority: Authority) -> None:
    wan.lose_controller()

    found = verdict(wan, authority.pem, timeout=0.5)

    assert found.reason is Reason.FAILURE
    assert found.error.endswith("from 10.9.0.2 on eth0: no answer in time")


def test_all_that_failed_is_told(wan: Uplink, authority: Authority) -> None:
    found = verdict(wan, authority.pem, addresses=wan.addresses)

    assert found.error == (
        f"all attempts to connect to {URL} failed: "
        "connect to 198.51.100.7:443 from 10.9.0.2 on eth0: connection refused; "
        "connect to [2001:db8::7]:443 from fd09::2 on eth0: connection refused"
    )


# -- what was asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "ca", "words"),
    [
        ("ftp://controller.test/", "", "is not an http or https URL"),
        ("https://user:secret@controller.test/", "", "a user's name"),
        (URL, "/nowhere/ca.pem", "authorities in /nowhere/ca.pem: No such file or directory"),
    ],
)
def test_what_cannot_be_tested_is_a_failure_with_the_reason(wan: Uplink, url: str, ca: str, words: str) -> None:
    found = verdict(wan, ca, url=url)

    assert found.reason is Reason.FAILURE
    assert words in found.error
    assert "secret" not in found.error


# -- a local operator's console ------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "good"), [(200, True), (404, True), (503, True), (None, False)])
def test_a_console_that_answers_is_as_good_as_the_controller(wan: Uplink, status: int | None, good: bool) -> None:
    async def main() -> list[PortVerdict]:
        if status is None:
            wan.lose_controller()
        else:
            await wan.serve(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode(), port=80)
        port = PortUnderTest(label="uplink0", ifname=wan.ifname, addresses=(ip_address(wan.own[4]),))
        console = f"http://{CONTROLLER[4]}/ping"
        found = await check_all([port], "https://nowhere.test/", console=console)
        return [*found, *await check_all([port], console=console)]

    assert [found.good for found in asyncio.run(main())] == [good, good]
