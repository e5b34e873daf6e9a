"""What a probe is made of: own addresses, targets, the kernel's words, echo packets, URLs. Without a network."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.model.values import IPAddress
from evenet_core.probing.connectivity import reason_of
from evenet_core.probing.http import Url, parse_url, tls_context
from evenet_core.probing.icmp import checksum, echo_reply_matches, echo_request
from evenet_core.probing.request import Cause, Egress, ProbeError, ProbeRequest
from evenet_core.probing.resolve import addresses_of
from evenet_core.probing.sockets import os_failures
from evenet_core.probing.targets import MAX_PAIRS, first_answer, host_addresses, literal
from evenet_core.probing.verdict import PortVerdict, Reason
from tests.support.virtual import run_virtual

V4, V6, LOCAL6, LOCAL4 = map(ip_address, ("10.9.0.2", "fd09::2", "fe80::2", "169.254.7.7"))
EGRESS = Egress("eth0", (V4, V6))


# -- own addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "target", "source"),
    [
        ((V4, V6), "192.0.2.7", V4),
        ((V4, V6), "2001:db8::7", V6),
        ((V6,), "192.0.2.7", None),
        ((LOCAL6, V6), "2001:db8::7", V6),
        ((V6, LOCAL6), "fe80::1", LOCAL6),
        ((V6,), "fe80::1", V6),  # a routed address reaches a neighbour too
        ((LOCAL6,), "2001:db8::7", None),  # a link-local one reaches nobody else
        ((LOCAL4, V4), "192.0.2.7", V4),
        ((LOCAL4,), "192.0.2.7", None),
        ((), "192.0.2.7", None),
    ],
)
def test_the_own_address_fits_the_target(sources: tuple[IPAddress, ...], target: str, source: IPAddress | None) -> None:
    assert Egress("eth0", sources).source_for(ip_address(target)) == source


# -- targets ------------------------------------------------------------------------------------------


def request(*hosts: str, egress: Egress = EGRESS, version: int = 0, timeout: float = 1.0) -> ProbeRequest:
    return ProbeRequest(egress=egress, hosts=hosts, version=version, timeout=timeout)


def answered(asked: ProbeRequest, ask: Callable[[IPAddress, IPAddress], Awaitable[float]]) -> float:
    return run_virtual(first_answer(asked, ask))


@pytest.mark.parametrize(("text", "known"), [("192.0.2.7", True), ("fd00::1", True), ("a.test", False), ("", False)])
def test_an_address_is_told_from_a_name(text: str, known: bool) -> None:
    assert (literal(text) is not None) is known


def test_an_address_is_asked_of_nobody() -> None:
    assert asyncio.run(host_addresses("192.0.2.7", Egress("eth0", ()), (4,))) == [ip_address("192.0.2.7")]


def test_all_targets_are_asked_at_once_and_the_first_answer_counts() -> None:
    async def ask(source: IPAddress, target: IPAddress) -> float:
        delay = {"192.0.2.1": 0.9, "192.0.2.2": 0.2}[str(target)]
        await asyncio.sleep(delay)
        return delay

    assert answered(request("192.0.2.1", "192.0.2.2"), ask) == 0.2


def test_one_failure_is_no_failure_while_another_may_answer() -> None:
    async def ask(source: IPAddress, target: IPAddress) -> float:
        if target.version == 4:
            raise ProbeError(Cause.REFUSED, "no")
        await asyncio.sleep(0.5)
        return 0.5

    assert answered(request("192.0.2.1", "2001:db8::1"), ask) == 0.5


def test_when_all_fail_the_last_failure_is_told() -> None:
    async def ask(source: IPAddress, target: IPAddress) -> float:
        await asyncio.sleep(int(target) % 10 / 100)
        raise ProbeError(Cause.REFUSED, f"{target} refused")

    with pytest.raises(ProbeError, match=r"192\.0\.2\.3 refused"):
        answered(request("192.0.2.3", "192.0.2.1", "192.0.2.2"), ask)


def test_silence_ends_with_the_time_of_the_request() -> None:
    async def main() -> float:
        async def ask(source: IPAddress, target: IPAddress) -> float:
            await asyncio.sleep(3600)
            return 0.0

        with pytest.raises(ProbeError) as raised:
            await first_answer(request("192.0.2.1", "192.0.2.2", timeout=2.5), ask)
        assert raised.value.cause is Cause.TIMEOUT
        assert str(raised.value) == "192.0.2.1, 192.0.2.2 on eth0: no answer within 2.5 s"
        assert len(asyncio.all_tasks()) == 1, "a question was left behind"
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(2.5)


def test_not_more_than_a_few_targets_are_asked() -> None:
    asked: list[IPAddress] = []

    async def ask(source: IPAddress, target: IPAddress) -> float:
        asked.append(target)
        raise ProbeError(Cause.REFUSED, "no")

    with pytest.raises(ProbeError):
        answered(request(*(f"192.0.2.{n}" for n in range(100))), ask)

    assert len(asked) == MAX_PAIRS


@pytest.mark.parametrize(("version", "asked"), [(0, [4, 6]), (4, [4]), (6, [6])])
def test_only_targets_of_the_wanted_version_are_asked(version: int, asked: list[int]) -> None:
    seen: list[int] = []

    async def ask(source: IPAddress, target: IPAddress) -> float:
        assert source.version == target.version
        seen.append(target.version)
        raise ProbeError(Cause.REFUSED, "no")

    with pytest.raises(ProbeError):
        answered(request("192.0.2.1", "2001:db8::1", version=version), ask)

    assert seen == asked


@pytest.mark.parametrize("hosts", [("2001:db8::1",), ()])
def test_without_anything_to_ask_nothing_is_asked(hosts: tuple[str, ...]) -> None:
    async def ask(source: IPAddress, target: IPAddress) -> float:
        raise AssertionError("asked")

    with pytest.raises(ProbeError) as raised:
        answered(request(*hosts, egress=Egress("eth0", (V4,))), ask)

    assert raised.value.cause is (Cause.NO_SOURCE if hosts else Cause.OTHER)


def test_a_mistake_of_a_probe_is_not_taken_for_an_answer() -> None:
    async def ask(source: IPAddress, target: IPAddress) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answered(request("192.0.2.1"), ask)


# -- the kernel's words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (OSError(errno.ECONNREFUSED, "x"), Cause.REFUSED, "connection refused"),
        (OSError(errno.EADDRNOTAVAIL, "x"), Cause.SOURCE_GONE, "cannot assign requested address"),
        (OSError(errno.ENODEV, "x"), Cause.DEVICE, "no such device"),
        (OSError(errno.ENETDOWN, "x"), Cause.DEVICE, "network is down"),
        (OSError(errno.ENETUNREACH, "x"), Cause.UNREACHABLE, "network is unreachable"),
        (OSError(errno.EHOSTUNREACH, "x"), Cause.UNREACHABLE, "no route to host"),
        (OSError(errno.EACCES, "x"), Cause.UNREACHABLE, "permission denied"),
        (OSError(errno.EPIPE, "x"), Cause.RESET, "broken pipe"),
        (OSError(errno.ETIMEDOUT, "x"), Cause.TIMEOUT, "no answer in time"),
        (TimeoutError(), Cause.TIMEOUT, "no answer in time"),
        (OSError(errno.EMFILE, "x"), Cause.OTHER, "too many open files"),
        (ConnectionResetError("it left"), Cause.RESET, "it left"),
        (OSError("strange"), Cause.OTHER, "strange"),
        (OSError(), Cause.OTHER, "OSError"),
        (OSError(-8, "Servname not supported"), Cause.OTHER, "[Errno -8] Servname not supported"),  # of getaddrinfo
    ],
)
def test_errors_of_the_system_have_a_cause_and_words(error: OSError, cause: Cause, words: str) -> None:
    with pytest.raises(ProbeError) as raised, os_failures("connect to x"):
        raise error

    assert (raised.value.cause, str(raised.value)) == (cause, f"connect to x: {words}")


# -- echoes -------------------------------------------------------------------------------------------


def reply_to(message: bytes, version: int, kind: int | None = None) -> bytes:
    """As the kernel hands it over: IPv4 with its header."""
    message = bytes((({4: 0, 6: 129}[version] if kind is None else kind), 0, 0, 0)) + message[4:]
    return (b"\x45" + bytes(19) + message) if version == 4 else message


def test_the_checksum_of_a_message_with_its_checksum_is_zero() -> None:
    assert checksum(echo_request(4, 1, 2, b"token")) == 0


@given(st.binary(max_size=200))
def test_a_checksum_makes_any_message_sum_up(message: bytes) -> None:
    padded = message + bytes(len(message) % 2)

    assert checksum(padded + checksum(padded).to_bytes(2)) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_the_reply_to_an_echo_is_known(version: int) -> None:
    sent = echo_request(version, 7, 9, b"token")

    assert echo_reply_matches(version, reply_to(sent, version), sent)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    "other", [(8, 9, b"token"), (7, 8, b"token"), (7, 9, b"tokem"), (7, 9, b"toke"), (7, 9, b"token+")]
)
def test_the_reply_to_another_echo_is_not(version: int, other: tuple[int, int, bytes]) -> None:
    sent = echo_request(version, 7, 9, b"token")

    assert not echo_reply_matches(version, reply_to(echo_request(version, *other), version), sent)


@pytest.mark.parametrize(("version", "kind"), [(4, 8), (4, 3), (6, 128), (6, 1)])
def test_another_kind_of_message_is_no_reply(version: int, kind: int) -> None:
    sent = echo_request(version, 7, 9, b"token")

    assert not echo_reply_matches(version, reply_to(sent, version, kind), sent)


def test_options_in_the_header_of_ipv4_are_passed_over() -> None:
    sent = echo_request(4, 7, 9, b"token")

    assert echo_reply_matches(4, b"\x46" + bytes(23) + reply_to(sent, 4)[20:], sent)


@given(st.sampled_from([4, 6]), st.binary(max_size=80))
def test_no_packet_whatsoever_is_taken_for_a_reply_by_accident(version: int, packet: bytes) -> None:
    assert not echo_reply_matches(version, packet, echo_request(version, 7, 9, bytes(range(56))))


# -- URLs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("https://c.test", Url("c.test", 443, "/", True), "c.test"),
        ("http://c.test/a/b?c=d", Url("c.test", 80, "/a/b?c=d", False), "c.test"),
        ("HTTPS://C.test:8443/", Url("c.test", 8443, "/", True), "c.test:8443"),
        ("https://[fd00::1]:8443/x", Url("fd00::1", 8443, "/x", True), "[fd00::1]:8443"),
        ("http://192.0.2.7", Url("192.0.2.7", 80, "/", False), "192.0.2.7"),
        ("https://c.test/#part", Url("c.test", 443, "/", True), "c.test"),
    ],
)
def test_a_url_says_whom_to_ask_for_what(text: str, url: Url, authority: str) -> None:
    assert (parse_url(text), parse_url(text).authority) == (url, authority)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c.test",
        "//c.test/",
        "ftp://c.test/",
        "https://",
        "https:///x",
        "https://user@c.test/",
        "https://user:secret@c.test/",
        "https://c.test:99999/",
        "https://c.test:x/",
        "https://c.test:0/",
        "https://c.test/ x",
        "https://c.test/\r\nX: y",
        "https://c.test/\x7f",
        "https://[fd00::1/",
        "https://größe.test/",
    ],
)
def test_what_is_no_url_for_us_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort") as raised:
        parse_url(text)

    assert "secret" not in str(raised.value)


@given(st.text())
def test_no_text_whatsoever_breaks_the_parser(text: str) -> None:
    try:
        url = parse_url(f"https://{text}")
    except ValueError:
        return
    assert url.host
    assert url.port
    assert not set(url.target) & set(" \r\n\t\x00")


@pytest.mark.parametrize(
    "content", [None, "", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_authorities_that_cannot_be_read_are_a_problem_of_certificates(tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ProbeError) as raised:
        tls_context(str(path))

    assert raised.value.cause is Cause.CERTIFICATE
    assert str(raised.value).startswith(f"authorities in {path}: ")


# -- answers of name servers --------------------------------------------------------------------------


def answer(*records: str, rcode: int = 0, question: str = "a.test") -> dns.message.Message:
    query = dns.message.make_query(question, "A")
    made = dns.message.make_response(query)
    made.set_rcode(rcode)  # type: ignore[arg-type]
    for record in records:
        owner, kind, value = record.split()
        made.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, value))
    return dns.message.from_wire(made.to_wire())


@pytest.mark.parametrize(
    ("records", "addresses"),
    [
        (["a.test A 192.0.2.7", "a.test A 192.0.2.8"], ["192.0.2.7", "192.0.2.8"]),
        (["a.test CNAME b.test.", "b.test CNAME c.test.", "c.test A 192.0.2.7"], ["192.0.2.7"]),
        ([], []),
        (["other.test A 192.0.2.7"], []),
        (["a.test CNAME b.test."], []),
        (["a.test A 127.0.0.1", "a.test A 0.0.0.0", "a.test A 224.0.0.1", "a.test A 192.0.2.7"], ["192.0.2.7"]),
    ],
)
def test_addresses_are_those_of_the_name_and_lead_somewhere(records: list[str], addresses: list[str]) -> None:
    assert addresses_of(answer(*records), "name") == [ip_address(one) for one in addresses]


def test_a_flood_of_addresses_is_cut_off() -> None:
    assert len(addresses_of(answer(*(f"a.test A 192.0.2.{n}" for n in range(1, 200))), "name")) == 8


@pytest.mark.parametrize(
    ("rcode", "cause"),
    [(3, Cause.NAME_UNKNOWN), (2, Cause.NAME_TEMPORARY), (5, Cause.NAME_TEMPORARY), (1, Cause.NAME_TEMPORARY)],
)
def test_a_server_that_knows_no_such_name_is_told_from_one_that_cannot_say(rcode: int, cause: Cause) -> None:
    with pytest.raises(ProbeError) as raised:
        addresses_of(answer(rcode=rcode), "name")

    assert raised.value.cause is cause


def test_aliases_in_a_circle_make_no_sense() -> None:
    with pytest.raises(ProbeError) as raised:
        addresses_of(answer("a.test CNAME b.test.", "b.test CNAME a.test."), "name")

    assert raised.value.cause is Cause.NAME_TEMPORARY


# -- verdicts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("causes", "reason"),
    [
        ([Cause.TIMEOUT], Reason.FAILURE),
        ([Cause.CERTIFICATE], Reason.FAILURE),
        ([Cause.NAME_UNKNOWN], Reason.FAILURE),
        ([Cause.NAME_TIMEOUT], Reason.FAILURE),
        ([Cause.STATUS], Reason.FAILURE),
        ([], Reason.FAILURE),
        ([Cause.NO_SOURCE], Reason.NOT_READY),
        ([Cause.SOURCE_GONE], Reason.NOT_READY),
        ([Cause.NO_DNS], Reason.NOT_READY),
        ([Cause.TIMEOUT, Cause.NAME_TEMPORARY], Reason.NOT_READY),
        ([Cause.REFUSED], Reason.REMOTE_TEMPORARY),
        ([Cause.CERTIFICATE_DATE], Reason.REMOTE_TEMPORARY),
        ([Cause.NO_SOURCE, Cause.SERVER_ERROR, Cause.TIMEOUT], Reason.REMOTE_TEMPORARY),
    ],
)
def test_one_sign_of_trouble_at_the_controller_outweighs_all(causes: list[Cause], reason: Reason) -> None:
    assert reason_of([ProbeError(cause, "x") for cause in causes]) is reason


@pytest.mark.parametrize("reason", list(Reason))
def test_a_port_is_good_when_it_got_an_answer_or_only_the_controller_is_out_of_order(reason: Reason) -> None:
    good = reason in {Reason.SUCCESS, Reason.REMOTE_TEMPORARY}

    assert PortVerdict(label="eth0", reason=reason).good is good
