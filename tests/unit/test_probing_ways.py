"""By which ways a request leaves a network: exceptions, explicit proxies, what PAC files answer, where they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.model.networks import Proxy, ProxyProtocol, ProxyServer
from evenet_core.probing.ways import DIRECT, Via, directives, explicit, is_exempt, wpad_urls

HTTP = ProxyServer(protocol=ProxyProtocol.HTTP, server="http://http-proxy.test", port=9090)
HTTPS = ProxyServer(protocol=ProxyProtocol.HTTPS, server="10.18.18.25", port=9091)
SECURE = ProxyServer(protocol=ProxyProtocol.HTTPS, server="https://safe.test", port=443)


def test_each_protocol_has_its_proxy() -> None:
    proxy = Proxy(servers=(HTTP, HTTPS))
    assert explicit(proxy, "ctrl.test", 80, tls=False) == Via("http-proxy.test", 9090)
    assert explicit(proxy, "ctrl.test", 443, tls=True) == Via("10.18.18.25", 9091)
    assert explicit(Proxy(servers=(SECURE,)), "ctrl.test", 443, tls=True) == Via("safe.test", 443, tls=True)
    assert explicit(Proxy(servers=(HTTP,)), "ctrl.test", 443, tls=True) == DIRECT


@pytest.mark.parametrize(
    ("exception", "host", "exempt"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db8::9", True),
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        (".example.com", "a.b.example.com", True),
        ("*.example.com", "A.Example.com.", True),
        ("*.example.com", "example.org", False),
        ("*", "anything.test", True),
        ("", "anything.test", False),
        ("example.com", "10.1.2.3", False),
    ],
)
def test_exceptions(exception: str, host: str, exempt: bool) -> None:
    assert is_exempt(host, 443, [exception]) is exempt


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_the_machine_itself_is_never_asked_for(host: str) -> None:
    assert explicit(Proxy(servers=(HTTP,)), host, 80, tls=False) == DIRECT


def test_directives_are_tried_in_their_order_and_what_is_not_spoken_is_left_out() -> None:
    answer = " PROXY a.test:8080 ; SOCKS b:1080; HTTPS c.test ; HTTP d; PROXY [2001:db8::1]:3128;DIRECT "
    assert directives(answer) == [
        Via("a.test", 8080),
        Via("c.test", 443, tls=True),
        Via("d", 80),
        Via("2001:db8::1", 3128),
        DIRECT,
    ]


@pytest.mark.parametrize("answer", ["", "SOCKS a:1", "PROXY", "PROXY a b", "PROXY a:99999", "PROXY u@h:1", "nonsense"])
def test_an_answer_without_a_way_is_an_error_and_never_direct(answer: str) -> None:
    with pytest.raises(ValueError, match="names no way"):
        directives(answer)


@given(st.text(max_size=200))
def test_no_answer_breaks_anything(answer: str) -> None:
    try:
        found = directives(answer)
    except ValueError:
        return
    assert 0 < len(found) <= 8
    assert all(way == DIRECT or (way.host and 0 < way.port < 65536) for way in found)


def test_where_a_pac_file_may_be() -> None:
    assert wpad_urls("test") == ["http://wpad.test/wpad.dat"]
    assert wpad_urls("a.b.example", "http://here/pac") == [
        "http://here/pac",
        "http://wpad.a.b.example/wpad.dat",
        "http://wpad.b.example/wpad.dat",
    ]
    assert wpad_urls("") == wpad_urls("no name!") == []
