"""Settings: what was found is given back, whatever happened in between."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from evenet_core.linux.sysctl import Sysctl, SysctlDriver
from evenet_core.reconciler.item import Change, Op
from tests.support.crash import Crash, DyingKernel
from tests.support.kernel import create, delete, refusal, run, there, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

FORWARD = "net/ipv4/ip_forward"
PORTS = "net/ipv4/ip_local_port_range"


def value(name: str) -> str:
    return run("sysctl", "-n", name.replace("/", ".")).strip()


def test_a_setting_comes_back_as_it_was_even_if_it_changed_twice(tmp_path: Path) -> None:
    run("sysctl", "-w", f"{PORTS.replace('/', '.')}=20000 30000")
    driver = SysctlDriver(tmp_path)
    first, second = Sysctl(PORTS, "1024 60000"), Sysctl(PORTS, "2048 50000")

    asyncio.run(create(driver, first))
    assert asyncio.run(there(driver)) == {first}
    asyncio.run(update(SysctlDriver(tmp_path), first, second))
    assert asyncio.run(there(driver)) == {second}
    asyncio.run(delete(driver, second))

    assert value(PORTS).split() == ["20000", "30000"]
    assert asyncio.run(there(driver)) == set()


def test_the_value_found_is_on_disk_before_it_is_changed(tmp_path: Path) -> None:
    """Whoever is killed after the first step finds in the file what to give back."""
    root, state = tmp_path / "sys", tmp_path / "state"
    state.mkdir()
    (root / "net").mkdir(parents=True)
    (root / "net" / "one").write_text("7\n")
    seen: list[object] = []

    class Watched(SysctlDriver):
        def _carry_out(self, *given: Any) -> None:
            seen.append(json.loads((state / "sysctl.json").read_text()))

    asyncio.run(create(Watched(state, root), Sysctl("net/one", "1")))

    assert seen == [{"net/one": ["7", "", {}]}]


def test_somebody_elses_hand_shows_and_a_setting_never_touched_does_not(tmp_path: Path) -> None:
    driver = SysctlDriver(tmp_path)
    item = Sysctl(FORWARD, "1")
    asyncio.run(create(driver, item))

    run("sysctl", "-w", "net.ipv4.ip_forward=0")

    assert asyncio.run(there(driver)) == {Sysctl(FORWARD, "0")}


def test_a_setting_that_went_with_its_link_needs_no_giving_back(tmp_path: Path) -> None:
    run("ip", "link", "add", "bn1", "type", "bridge")
    driver = SysctlDriver(tmp_path)
    item = Sysctl("net/ipv6/conf/bn1/accept_ra", "0", "bn1")
    asyncio.run(create(driver, item))
    run("ip", "link", "del", "bn1")

    assert asyncio.run(there(driver)) == set()
    asyncio.run(delete(driver, item))

    assert not (tmp_path / "sysctl.json").exists()


def test_a_link_that_comes_back_under_its_name_has_settings_of_its_own(tmp_path: Path) -> None:
    driver, item = SysctlDriver(tmp_path), Sysctl("net/ipv6/conf/bn1/accept_ra", "0", "bn1")
    run("ip", "link", "add", "bn1", "type", "bridge")
    asyncio.run(create(driver, item))
    run("ip", "link", "del", "bn1")
    assert asyncio.run(there(driver)) == set()
    run("ip", "link", "add", "bn1", "type", "bridge")
    run("sysctl", "-w", "net.ipv6.conf.bn1.accept_ra=2")

    asyncio.run(create(driver, item))
    asyncio.run(delete(driver, item))

    assert value("net/ipv6/conf/bn1/accept_ra") == "2"


FORWARDING = [
    (FORWARD, "net/ipv4/conf", "net/ipv4/conf/all/accept_redirects"),
    ("net/ipv6/conf/all/forwarding", "net/ipv6/conf", "net/ipv6/conf/all/accept_redirects"),
]


@pytest.mark.parametrize(("name", "links", "hardened"), FORWARDING)
def test_forwarding_comes_back_link_by_link_also_of_one_that_was_renamed(
    tmp_path: Path, name: str, links: str, hardened: str
) -> None:
    for link in ("one", "two"):
        run("ip", "link", "add", link, "type", "bridge")
    for setting, text in ((hardened, "0"), (f"{links}/one/forwarding", "1")):
        run("sysctl", "-w", f"{setting}={text}")
    driver, item = SysctlDriver(tmp_path), Sysctl(name, "1")

    asyncio.run(create(driver, item))
    assert value(f"{links}/two/forwarding") == "1"
    run("ip", "link", "set", "one", "name", "kone")
    asyncio.run(delete(SysctlDriver(tmp_path), item))

    assert [value(f"{links}/{link}/forwarding") for link in ("kone", "two", "all", "default")] == ["1", "0", "0", "0"]
    assert value(hardened) == "0"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", range(8))
@pytest.mark.parametrize(("name", "links", "hardened"), FORWARDING)
def test_forwarding_comes_back_whenever_its_going_back_was_cut_short(
    tmp_path: Path, name: str, links: str, hardened: str, moment: int
) -> None:
    """The next agent has the setting again, and gives it back once more."""
    run("ip", "link", "add", "one", "type", "bridge")
    for setting, text in ((hardened, "0"), (f"{links}/one/forwarding", "1")):
        run("sysctl", "-w", f"{setting}={text}")
    item = Sysctl(name, "1")
    asyncio.run(create(SysctlDriver(tmp_path), item))

    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        kernel = DyingKernel(patch)
        kernel.live(moment)
        asyncio.run(delete(SysctlDriver(tmp_path), item))
    asyncio.run(create(SysctlDriver(tmp_path), item))
    asyncio.run(delete(SysctlDriver(tmp_path), item))

    assert [value(f"{links}/{link}/forwarding") for link in ("one", "all", "default")] == ["1", "0", "0"]
    assert value(hardened) == "0"
    assert list(tmp_path.iterdir()) == []


def test_one_bad_setting_of_a_batch_fails_alone(tmp_path: Path) -> None:
    driver = SysctlDriver(tmp_path)
    items = [
        Sysctl("net/ipv4/no_such_setting", "1"),
        Sysctl(FORWARD, "nonsense"),
        Sysctl("net/ipv4/ip_nonlocal_bind", "1"),
    ]

    outcomes = asyncio.run(driver.apply([Change(Op.CREATE, None, item) for item in items]))

    assert [str(outcome.error) for outcome in outcomes] == [
        "setting net/ipv4/no_such_setting: No such file or directory",
        f"setting {FORWARD}: Invalid argument",
        "None",
    ]
    assert value(FORWARD) == "0"
    assert value("net/ipv4/ip_nonlocal_bind") == "1"


@pytest.mark.parametrize("name", ["../../etc/hostname", "/etc/hostname", "net/../../../etc/hostname"])
def test_a_name_leads_nowhere_but_into_the_settings(tmp_path: Path, name: str) -> None:
    before = Path("/etc/hostname").read_bytes()

    assert asyncio.run(refusal(SysctlDriver(tmp_path), Sysctl(name, "x"))) == f"{name} is no name of a setting"

    assert Path("/etc/hostname").read_bytes() == before
    assert not (tmp_path / "sysctl.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"net/ipv4/ip_forward": 7}', '{"a": ["b"]}', "null"])
def test_a_memory_that_was_damaged_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "sysctl.json").write_text(content)
    driver = SysctlDriver(tmp_path)

    assert asyncio.run(there(driver)) == set()
    asyncio.run(create(driver, Sysctl(FORWARD, "1")))

    assert asyncio.run(there(driver)) == {Sysctl(FORWARD, "1")}


def test_a_second_look_writes_nothing(tmp_path: Path) -> None:
    driver = SysctlDriver(tmp_path)
    asyncio.run(create(driver, Sysctl(FORWARD, "1")))
    before = (tmp_path / "sysctl.json").stat().st_mtime_ns

    asyncio.run(create(driver, Sysctl(FORWARD, "1")))

    assert (tmp_path / "sysctl.json").stat().st_mtime_ns == before
