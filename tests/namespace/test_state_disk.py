"""An agent whose disk is damaged, full, read-only, not there, or of another evenet: the network stays, all is told."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agent import Agent, end_daemons
from tests.support.device import Device, addresses, bridges, config
from tests.support.disk import Disk, own_mounts
from tests.support.kernel import run
from tests.support.kernelstate import HERE, kernel_state
from tests.support.site import eventually

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns", "port")]

DOCUMENTS = ("config", "dpcs", "numbers", "unconfirmed")


@pytest.fixture
def device(open_path: Path) -> Iterator[Device]:
    with own_mounts():
        made = Device(open_path)
        yield made
        made.end(signal.SIGTERM)
        asyncio.run(end_daemons(open_path / "run"))


# -- another evenet -------------------------------------------------------------------------------------


def test_the_state_of_a_newer_evenet_is_refused_and_nothing_is_touched(device: Device) -> None:
    device.start()
    device.apply(config("a", "b"))
    device.agent.settle()
    device.end(signal.SIGTERM)
    tentative = ("ip", "-o", "address", "show", "tentative")
    eventually("the kernel to try its own addresses out", lambda: not run(*tentative))
    path = device.state / "numbers.json"
    header, _, body = path.read_bytes().partition(b"\n")
    newer = json.loads(header) | {"version": json.loads(header)["version"] + 1}
    path.write_bytes(json.dumps(newer).encode() + b"\n" + body)
    files = {path: path.read_bytes() for path in device.state.iterdir()}
    before = kernel_state(HERE)
    watch = subprocess.Popen(("ip", "monitor", "link", "address", "route", "rule"), stdout=subprocess.PIPE, text=True)

    done = device.agent.runs("run", "--settings", str(device.home / "settings.yaml"))
    run("ip", "link", "add", "marker", "type", "bridge")  # the last thing that the watcher sees

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"evenet: {path} was written by a newer evenet: it has format {newer['version']}")
    assert "Install the newer evenet again" in line
    assert {path: path.read_bytes() for path in device.state.iterdir()} == files
    assert watch.stdout is not None
    first = watch.stdout.readline()
    watch.terminate()
    watch.communicate()
    run("ip", "link", "del", "marker")
    assert "marker" in first
    assert kernel_state(HERE) == before


# -- damage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data.replace(b"0", b"1"), id="flipped"),
    ],
)
def test_a_killed_agent_whose_every_document_is_damaged_goes_on_as_if_nothing_were(
    device: Device, how: Callable[[bytes], bytes]
) -> None:
    """Both generations: what the kernel holds is known beside them."""
    device.start()
    device.apply(config("a", "b"))
    device.apply(config("b", "c"))
    before = device.kernel()
    device.kill()
    device.damage(how, *(path.name for path in device.state.iterdir() if path.is_file()))

    device.start()

    assert device.kernel() == before
    status = device.agent.json("status")
    assert status["agent"]["writes"] == 0
    for name in DOCUMENTS[:3]:
        [event] = device.told(f"{device.state}/{name}.json is damaged")
        assert event["text"].endswith("is used instead, and nothing is lost")
    assert device.problems() == []
    device.kill()
    shutil.rmtree(device.home / "run" / "state")  # they were written anew: the next start does without
    device.start()
    assert device.kernel() == before


def test_a_rebooted_node_whose_config_is_damaged_takes_the_one_before_and_says_so_until_it_gets_one(
    device: Device,
) -> None:
    device.start()
    device.apply(config("a"))
    device.apply(config("a", "b"))
    device.reboot()
    device.damage(lambda data: data[:-3], "config.json")

    device.start()
    device.agent.settle()

    assert list(bridges()) == ["bn1"]
    [problem] = device.problems()
    assert problem["item"] is None
    assert problem["since"] is not None
    assert problem["object"] == f"the state in {device.state}"
    assert problem["error"] == (
        f"{device.state}/config.json is damaged (its checksum does not match); {device.state}/config.json.previous is "
        "used instead; hand the config over again: `evenet apply FILE`"
    )
    assert device.agent.json("status")["state"] == "degraded"
    assert len(device.told("config.json is damaged")) == 1

    device.apply(config("a", "b"))

    assert device.problems() == []
    device.agent.settle()
    assert list(bridges()) == ["bn1", "bn2"]


def test_a_rebooted_node_without_its_list_of_dpcs_is_reachable_by_its_config(device: Device) -> None:
    device.start()
    device.apply(config())
    device.reboot()
    device.damage(lambda data: b"", "dpcs.json", "dpcs.json.previous")

    device.start()
    device.agent.settle()

    assert addresses() == ["10.0.0.2"]


def test_a_rebooted_node_whose_config_is_lost_takes_the_file_that_it_was_started_with(device: Device) -> None:
    file = device.file(config("a"), "given.yaml")
    device.start("--config", file)
    device.agent.settle()
    eventually("it to be noted as taken", (device.state / "given-native.json").exists)
    device.reboot()
    device.damage(lambda data: b"", "config.json", "config.json.previous")

    device.start("--config", file)
    device.agent.settle()

    assert list(bridges()) == ["bn1"]
    assert device.problems() == []


def test_a_confirmation_that_is_damaged_takes_no_config_back(device: Device) -> None:
    """The generation before it says that an older config comes back at a time long past."""
    device.start()
    device.apply(config(address="10.0.0.2"))
    device.apply(config(address="10.0.0.3"), "--confirm", "60s")
    device.agent.says("confirm")
    device.reboot()
    device.damage(lambda data: b"", "unconfirmed.json")

    device.start()
    device.agent.settle()

    assert addresses() == ["10.0.0.3"]
    assert device.agent.json("status")["confirm_until"] is None
    [problem] = device.problems()
    assert "unconfirmed.json is damaged" in problem["error"]


# -- numbers --------------------------------------------------------------------------------------------


def test_numbers_that_are_lost_are_never_given_to_somebody_else_than_the_kernel_says(device: Device) -> None:
    """In the order of the config `c` would get the number of `b`, and an app the interface of another app."""
    device.start()
    device.apply(config("a", "b"))
    device.apply(config("c", "b"))
    before, given = device.kernel(), bridges()
    assert given == {"bn2": "10.148.0.1", "bn3": "10.149.0.1"}
    device.kill()
    device.damage(lambda data: b"", "numbers.json", "numbers.json.previous")

    device.start()
    assert device.kernel() == before
    assert device.agent.json("status")["agent"]["writes"] == 0
    device.apply(config("d", "c", "b", "a"))
    device.agent.settle()

    assert bridges() == given | {"bn1": "10.147.0.1", "bn4": "10.150.0.1"}


def test_numbers_given_while_the_disk_was_full_outlive_a_crash(device: Device) -> None:
    disk = Disk(device.state)
    device.start()
    device.apply(config("a", "b"))
    disk.fill()
    device.apply(config("b", "c"), check=False)
    device.apply(config("d", "c", "b"), check=False)
    before, given = device.kernel(), bridges()
    device.kill()

    device.start()

    assert device.kernel() == before
    assert device.agent.json("status")["agent"]["writes"] == 0
    assert given == {"bn2": "10.148.0.1", "bn3": "10.149.0.1", "bn4": "10.150.0.1"}


# -- disks that take nothing ----------------------------------------------------------------------------


def test_a_full_disk_is_told_once_and_costs_nothing_but_memory_until_there_is_room(device: Device) -> None:
    disk = Disk(device.state)
    device.start()
    device.apply(config("a"))
    disk.fill()

    done = device.apply(config("a", "b"), check=False)

    assert done.returncode == 1
    assert "the config is in use, but cannot be stored; a reboot takes the one before: No space left on device" in (
        done.stderr
    )
    assert "make room on its file system" in done.stderr
    device.agent.settle()
    assert list(bridges()) == ["bn1", "bn2"]
    status = device.agent.json("status")
    assert status["state"] == "degraded"
    state, events = device.problems()
    assert state["error"].startswith("the state cannot be stored")
    assert events["error"].startswith("events cannot be stored")
    for problem in (state, events):
        assert problem["object"] == f"the state in {device.state}"
        assert "No space left on device" in problem["error"]
        assert problem["since"] < problem["retry_at"]
        assert (problem["item"], problem["plugin"], problem["blocks"]) == (None, None, [])
    with device.agent.event(lambda text: text.startswith("this is over: the state cannot")):
        device.apply(config("a", "b", "c"), check=False)
        disk.make_room()
    assert len(device.told("the state cannot be stored")) == 2  # it began, it is over
    eventually("all to be written by itself", lambda: not device.problems())
    device.reboot()

    device.start()
    device.agent.settle()

    assert list(bridges()) == ["bn1", "bn2", "bn3"]


def test_a_config_that_waits_for_its_confirmation_on_a_full_disk_waits_on_after_a_crash_and_is_gone_after_a_reboot(
    device: Device,
) -> None:
    """It must not be stored without the word that it waits."""
    disk = Disk(device.state)
    device.start()
    device.apply(config(address="10.0.0.2"))
    disk.fill()
    device.apply(config(address="10.0.0.3"), "--confirm", "10m", check=False)
    until = device.agent.json("status")["confirm_until"]
    device.kill()

    device.start()
    device.agent.settle()
    assert addresses() == ["10.0.0.3"]
    assert device.agent.json("status")["confirm_until"] == until
    device.reboot()
    disk.make_room()
    device.start()
    device.agent.settle()

    assert addresses() == ["10.0.0.2"]
    assert device.agent.json("status")["confirm_until"] is None


@pytest.mark.parametrize("known", [True, False], ids=["a-state-is-there", "nothing-is-there"])
def test_a_read_only_disk_does_not_keep_a_rebooted_node_from_its_network(device: Device, known: bool) -> None:
    disk = Disk(device.state)
    file = device.file(config("a"), "given.yaml")
    if known:
        device.start("--config", file)
        before = device.kernel()
        device.reboot()
    disk.read_only()

    device.start("--config", file)

    after = device.kernel()
    assert list(bridges()) == ["bn1"]
    if known:
        assert after["addresses"] == before["addresses"]
    assert run("cat", "/proc/sys/net/ipv4/conf/bn1/forwarding").strip() == "1"
    assert any("Read-only file system" in problem["error"] for problem in device.problems())
    assert all("mount its file system writable" in problem["error"] for problem in device.problems())
    assert device.agent.json("status")["state"] == "degraded"
    disk.read_only(False)
    eventually("all to be written by itself", lambda: not device.problems())
    assert device.told("this is over: events")


def test_a_state_directory_that_cannot_be_made_does_not_keep_a_node_from_its_network(device: Device) -> None:
    disk = Disk(device.home / "state")
    disk.read_only()
    device.state = device.home / "state" / "below" / "it"
    device.agent = Agent(device.home, {}, sys.executable, state=device.state)

    device.start("--config", device.file(config("a"), "given.yaml"))
    device.agent.settle()

    assert list(bridges()) == ["bn1"]
    assert "Read-only file system" in device.problems()[0]["error"]
    with device.agent.event(lambda text: text.startswith("this is over: the state cannot")):
        disk.read_only(False)
    assert (device.state / "config.json").exists()
    assert device.state.stat().st_mode & 0o777 == 0o700


def test_two_agents_do_not_share_a_state_directory_even_on_a_read_only_disk(device: Device) -> None:
    disk = Disk(device.state)
    disk.read_only()
    device.start()

    other = Agent(device.home / "other", {}, sys.executable, state=device.state)
    done = other.runs("run", "--settings", str(device.home / "settings.yaml"))

    assert done.returncode == 1
    assert f"another agent runs with the state directory {device.state}" in done.stderr


def test_an_agent_of_an_earlier_evenet_keeps_others_out_too(device: Device) -> None:
    device.state.mkdir()
    with (device.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        done = device.agent.runs("run", "--settings", str(device.home / "settings.yaml"))

    assert done.returncode == 1
    assert f"another agent runs with the state directory {device.state}" in done.stderr
