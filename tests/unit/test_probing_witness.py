"""Who may be named to confirm a config."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.probing.prober import Target
from evenet_core.probing.witness import parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("icmp://192.0.2.1", Target("icmp", 0, "192.0.2.1")),
        ("icmp://[2001:db8::1]", Target("icmp", 0, "2001:db8::1")),
        ("icmp://ntp.example.com", Target("icmp", 0, "ntp.example.com")),
        ("tcp://192.0.2.1:22", Target("tcp", 0, "192.0.2.1", 22)),
        ("tcp://[2001:db8::1]:22", Target("tcp", 0, "2001:db8::1", 22)),
        ("sat-terminal://modem", Target("sat-terminal", 0, "modem")),
        ("https://example.com/a/b?c=d", Target("https", 0, "https://example.com/a/b?c=d")),
        ("http://192.0.2.1:8080/", Target("http", 0, "http://192.0.2.1:8080/")),
    ],
)
def test_a_target_is_a_probe_and_whom_it_asks(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "192.0.2.1",
        "tcp://192.0.2.1",
        "tcp://192.0.2.1:0",
        "tcp://192.0.2.1:65536",
        "tcp://192.0.2.1:ssh",
        "tcp://:22",
        "icmp://",
        "icmp:///path",
        "icmp://192.0.2.1/path",
        "icmp://192.0.2.1?query",
        "icmp://user@192.0.2.1",
        "icmp://fe80::1%eth0",
        "icmp://[fe80::1%eth0]",
        "icmp://a b",
        "icmp://a\nb",
        "icmp://-rf",
        "icmp://" + "a" * 300,
        "https://user:password@example.com/",
        "https://",
        "https://example.com/ x",
        "https://exämple.com/",
        "https://example.com/" + "a" * 3000,
        "://192.0.2.1",
    ],
)
def test_what_names_nobody_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(ValueError, match=r"write controller, icmp://HOST, tcp://HOST:PORT or https://HOST/PATH"):
        parse_target(text)


@given(st.text(max_size=60))
def test_no_text_whatsoever_does_anything_else(text: str) -> None:
    try:
        target = parse_target(text)
    except ValueError:
        return
    assert target.host.isprintable()
