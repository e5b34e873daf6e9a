"""PAC files from the network: what they may use, and all that they may try."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evenet_core.model.networks import Proxy
from evenet_core.probing.http import BODY_LIMIT, parse_url
from evenet_core.probing.pac import evaluate
from evenet_core.probing.proxies import Proxies
from evenet_core.probing.request import ProbeError
from evenet_core.probing.ways import Proxied
from tests.support.uplinks import CONTROLLER, NAME, Uplink, uplinks

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

URL = f"https://{NAME}/ping"


@pytest.fixture
def wan(netns: None, tmp_path: Path) -> Iterator[Uplink]:
    with uplinks(tmp_path) as [made]:
        made.serve_names(f"--host-record={NAME},{CONTROLLER[4]}")
        yield made


def says(wan: Uplink, script: str) -> list[str]:
    """The ways that a script names; `{}` in it stands for its function."""
    text = script if "FindProxyForURL" in script else f"function FindProxyForURL(url, host) {{ {script} }}"
    return [str(way) for way in asyncio.run(evaluate(text, URL, NAME, wan.egress))]


def fails(wan: Uplink, script: str) -> str:
    with pytest.raises(ProbeError) as raised:
        says(wan, script)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert not [child for child in children if "pacevaluator" in Path(f"/proc/{child}/cmdline").read_text()]
    return str(raised.value)


@pytest.mark.parametrize(
    "condition",
    [
        "url === 'https://controller.test/ping' && host === 'controller.test'",
        "isPlainHostName('www') && !isPlainHostName('www.test')",
        "dnsDomainIs('www.test', '.test') && !dnsDomainIs('www.tests', '.test')",
        "localHostOrDomainIs('www', 'www.test') && !localHostOrDomainIs('www.other', 'www.test')",
        f"dnsResolve('{NAME}') === '{CONTROLLER[4]}' && dnsResolve('nobody.test') === null",
        f"isResolvable('{NAME}') && !isResolvable('nobody.test')",
        f"isInNet('{NAME}', '198.51.100.0', '255.255.255.0') && !isInNet('{NAME}', '10.0.0.0', '255.0.0.0')",
        "isInNet(myIpAddress(), '10.9.0.0', '255.255.255.0')",
        "dnsDomainLevels('a.b.c') === 2",
        "shExpMatch('http://a.test/x', '*a.test/?') && !shExpMatch('aXtest', 'a.test')",
        "weekdayRange('SUN', 'SAT') && weekdayRange('SUN', 'SAT', 'GMT') && !weekdayRange('XXX')",
        "timeRange(0, 24) && !timeRange('x')",
        "dateRange('JAN', 'DEC') && dateRange(1, 31) && dateRange(1900, 3000)",
        "dateRange(1, 'JAN', 1970, 31, 'DEC', 3000)",
    ],
)
def test_the_functions_that_every_script_may_use(wan: Uplink, condition: str) -> None:
    assert says(wan, f"return ({condition}) ? 'PROXY yes:1' : 'DIRECT';") == ["proxy yes:1"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("while (true) {}", "memory or its time"),
        ("let s = 'x'; while (true) s += s;", "too long"),
        ("return 'x'.repeat(1 << 30);", "string length"),
        ("let a = []; while (true) a.push('y'.repeat(1 << 20) + a.length);", "out of memory"),
        ("function f() { return f() + 1; } return f();", "stack"),
        ("for (let i = 0; ; i++) dnsResolve('a' + i);", "more than 8 names"),
        ("return /(a+)+b/.test('a'.repeat(64)) ? 'DIRECT' : 'DIRECT';", "memory or its time"),
        ("return 42;", "no text"),
        ("return 'x'.repeat(5000);", "no text"),
        ("return 'SOCKS a:1';", "names no way"),
        ("throw new Error('no');", "no"),
        ("FindProxyForURL is not even JavaScript", "SyntaxError"),
        ("var FindProxyForURL = 1;", "not"),
        ("return os.system('true') || 'DIRECT';", "os"),
        ("return require('fs');", "require"),
    ],
)
def test_what_a_script_must_not_is_an_error_of_its_port(wan: Uplink, script: str, words: str) -> None:
    failure = fails(wan, script)
    assert "PAC file on eth0" in failure
    assert words in failure


def ways(wan: Uplink, url: str) -> list[str]:
    proxied = Proxied(Proxy(url=url))
    return [str(way) for way in asyncio.run(_served(wan, proxied))]


async def _served(wan: Uplink, proxied: Proxied) -> list[object]:
    script = b"function FindProxyForURL() { return 'PROXY here:1'; }"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    await wan.serve(head % len(script) + script, port=80)
    await wan.serve(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", port=81)
    await wan.serve(head % (1 << 30) + b"x" * (BODY_LIMIT + 1), port=82)
    return list(await Proxies().ways(proxied, parse_url(URL), wan.egress))


def test_a_file_is_fetched_through_its_own_port(wan: Uplink) -> None:
    assert ways(wan, f"http://{NAME}/wpad.dat") == ["proxy here:1"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://{NAME}:81/wpad.dat", "HTTP status 302"),
        (f"http://{NAME}:82/wpad.dat", f"longer than {BODY_LIMIT} bytes"),
        (f"http://{NAME}:83/wpad.dat", "connection refused"),
        ("http://nobody.test/wpad.dat", "there is no such name"),
        ("file:///etc/passwd", "not an http or https URL"),
    ],
)
def test_a_file_that_cannot_be_had_is_an_error_and_never_direct(wan: Uplink, url: str, words: str) -> None:
    with pytest.raises(ProbeError) as raised:
        ways(wan, url)
    assert words in str(raised.value)
