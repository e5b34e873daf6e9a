"""Events of a real agent on a real disk: they outlive it, they wear nothing out, they tell no secret."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import end_daemons
from tests.support.device import Device, config
from tests.support.disk import Disk, own_mounts
from tests.support.site import eventually

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns", "port")]

WIFI = """
evenet: 1
ports: [{label: lan, interface: eth0}, {label: air, interface: wlan9, kind: wifi}]
networks:
  - {name: lan, ip: {mode: static, subnet: 10.0.0.0/24, dns: [10.0.0.1]}}
  - name: air
    ip: {mode: dhcp}
    wifi: {networks: [{ssid: plant, key_scheme: wpa-psk, password: SECRET-of-the-plant}]}
adapters:
  - {label: lan, network: lan, address: 10.0.0.2, uplink: true}
  - {label: air, network: air, uplink: true}
"""


@pytest.fixture
def device(open_path: Path) -> Iterator[Device]:
    with own_mounts():
        made = Device(open_path)
        yield made
        made.end(signal.SIGTERM)
        asyncio.run(end_daemons(open_path / "run"))


def test_events_outlive_an_agent_that_is_killed_and_their_numbers_grow_on(device: Device) -> None:
    device.start()
    device.apply(config("a"))
    device.agent.settle()
    before = device.agent.json("events")
    last = before[-1]
    eventually("the last event on disk", lambda: last["text"] in (device.state / "events.jsonl").read_text())
    device.kill()

    device.start()
    device.agent.settle()

    after = device.agent.json("events")
    assert after[: len(before)] == before
    fresh = after[len(before) :]
    assert fresh[0]["kind"] == "agent"
    numbers = [event["seq"] for event in after]
    assert numbers == sorted(set(numbers))
    changes = [event["text"] for event in fresh if event["kind"] in ("item", "config")]
    assert changes == ["create metadata service at 10.147.0.1 port 80 on bn1"]  # the agent itself serves it
    lines = device.agent.says("events").splitlines()
    assert len(lines) == len(after)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to count what is asked of the kernel")
def test_a_burst_of_a_thousand_events_is_few_writes_and_no_sync(device: Device) -> None:
    """Counted by the kernel: what the agent asked of it."""
    device.start()
    pid = device.agent.json("status")["agent"]["pid"]
    trace = device.home / "trace"
    strace = subprocess.Popen(
        ("strace", "-f", "-e", "trace=openat,fsync,fdatasync", "-o", str(trace), "-p", str(pid)), stderr=subprocess.PIPE
    )
    assert strace.stderr is not None
    assert b"attached" in strace.stderr.readline()

    device.apply(config(*"abcdefghijklmnopqrst"))
    device.agent.settle()
    count = len(device.agent.json("events"))
    eventually("the last event on disk", lambda: (device.state / "events.jsonl").read_bytes().count(b"\n") >= count)

    strace.send_signal(signal.SIGINT)
    strace.wait()
    strace.stderr.close()
    lines = trace.read_text().splitlines()
    writes = [line for line in lines if "events.jsonl" in line and "O_APPEND" in line]
    assert count > 300
    assert len(writes) < count / 5
    documents = [line for line in lines if "/state/." in line and ".json.new" in line and "O_WRONLY" in line]
    assert len([line for line in lines if "fsync" in line]) <= 2 * len(documents)


def test_nothing_is_written_while_nothing_happens(device: Device) -> None:
    device.start()
    device.apply(config("a"))
    device.agent.settle()
    count = len(device.agent.json("events"))
    eventually("the last event on disk", lambda: (device.state / "events.jsonl").read_bytes().count(b"\n") >= count)
    before = {path.name: path.stat().st_mtime_ns for path in device.state.iterdir()}

    device.agent.json("status")
    device.agent.json("events")
    eventually("a timer of the agent's to pass", lambda: device.idles(3.0), 10)

    assert {path.name: path.stat().st_mtime_ns for path in device.state.iterdir()} == before


def test_no_secret_is_in_any_event_on_disk(device: Device) -> None:
    device.start()
    device.apply(WIFI)
    device.agent.settle()
    device.end(signal.SIGTERM)

    written = b"".join(path.read_bytes() for path in device.state.glob("events.jsonl*"))
    assert written.count(b"\n") > 10
    assert b"SECRET-of-the-plant" not in written
    assert b"SECRET-of-the-plant" in (device.state / "config.json").read_bytes()  # it was there to be told
    for path in (*device.state.iterdir(), *(device.home / "run" / "state").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_half_a_line_that_a_power_cut_left_costs_itself_only(device: Device) -> None:
    device.start()
    device.apply(config("a"))
    device.end(signal.SIGTERM)
    path = device.state / "events.jsonl"
    count = path.read_bytes().count(b"\n")
    os.truncate(path, path.stat().st_size - 5)

    device.start()

    kinds = [event["kind"] for event in device.agent.json("events")]
    assert len(kinds) >= count
    assert kinds[count - 1] == "agent"


def test_events_of_a_full_disk_are_told_and_written_when_there_is_room(device: Device) -> None:
    disk = Disk(device.state)
    device.start()
    device.apply(config("a"))
    disk.fill()
    device.apply(config("a", "b"), check=False)
    device.agent.settle()

    assert device.told("create bridge bn2")
    [trouble] = device.told("events cannot be stored")
    assert trouble["error"] == trouble["text"]
    with device.agent.event(lambda text: text.startswith("this is over: events")):
        disk.make_room()
    eventually("the events on disk", lambda: "create bridge bn2" in (device.state / "events.jsonl").read_text())
    lines = (device.state / "events.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["seq"] for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))
