"""Offloads of real devices: switched off, noticed when they come back, given back. The judge is ethtool(8)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from evenet_core.linux.ethtool import driver_name, features, set_features
from evenet_core.linux.link import PortBridge, PortLink
from evenet_core.linux.linkdriver import LinkDriver
from evenet_core.linux.offload import Offload, OffloadDriver
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Op
from tests.support.kernel import create, delete, refusal, run, there

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

TSO, TSO6, ECN = "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation"


def ethtool(device: str) -> dict[str, str]:
    """State of each feature by name, as `on`, `off`, `on [fixed]` ..."""
    lines = run("ethtool", "-k", device).splitlines()[1:]
    return {name.strip(): state.strip() for name, _, state in (line.partition(":") for line in lines)}


def on(device: str) -> set[str]:
    return {name for name, state in ethtool(device).items() if state.startswith("on")}


def test_what_ethtool_says_of_a_device_is_what_we_read(port: str) -> None:
    shown = ethtool(port)
    found = features(port)

    ours = {name: feature for name, feature in found.items() if name in shown}
    assert len(ours) > 30
    assert {name for name, feature in ours.items() if feature.active} == on(port) & ours.keys()
    fixed = {name for name in ours if "fixed" in shown[name]}
    assert {name for name, feature in ours.items() if not feature.changeable} == fixed
    assert driver_name(port) == "veth"


@pytest.mark.parametrize("feature", ["tso", TSO, "gso", "tx", "sg", "rxvlan"])
def test_a_feature_is_switched_off_and_given_back(rtnl: Rtnl, port: str, tmp_path: Path, feature: str) -> None:
    before = ethtool(port)
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, feature, "it loses frames")

    asyncio.run(create(driver, item))

    assert ethtool(port) != before
    assert asyncio.run(there(driver)) == {item}
    assert asyncio.run(there(OffloadDriver(rtnl, tmp_path))) == {item}  # after a restart

    asyncio.run(delete(OffloadDriver(rtnl, tmp_path), item))

    assert ethtool(port) == before
    assert asyncio.run(there(driver)) == set()
    assert not (tmp_path / "offload.json").exists()


def test_only_what_was_on_is_given_back(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    run("ethtool", "-K", port, TSO6, "off")
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")

    asyncio.run(create(driver, item))
    assert not {TSO, TSO6, ECN} & on(port)
    asyncio.run(delete(driver, item))

    assert {TSO, ECN} <= on(port)
    assert TSO6 not in on(port)


def test_the_port_below_an_adapter_is_meant_and_not_the_bridge_with_its_name(
    rtnl: Rtnl, port: str, tmp_path: Path
) -> None:
    links, driver = LinkDriver(rtnl), OffloadDriver(rtnl, tmp_path)
    adapter, item = PortBridge(port), Offload(port, "tso")
    before = ethtool(port)
    asyncio.run(create(links, adapter))
    bridge = ethtool("eth0")

    asyncio.run(create(driver, item))
    assert TSO not in on("keth0")
    assert ethtool("eth0").keys() == bridge.keys()
    assert asyncio.run(there(driver)) == {item}

    asyncio.run(delete(driver, item))
    asyncio.run(delete(links, adapter))

    assert ethtool(port) == before


def test_it_stays_off_and_known_while_the_port_gets_its_own_name_back(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    links, driver = LinkDriver(rtnl), OffloadDriver(rtnl, tmp_path)
    item = Offload(port, "tso")
    asyncio.run(create(links, PortBridge(port)))
    asyncio.run(create(driver, item))

    asyncio.run(delete(links, PortBridge(port)))
    asyncio.run(create(links, PortLink(port)))

    assert asyncio.run(there(driver)) == {item}
    asyncio.run(delete(driver, item))
    assert TSO in on(port)


def test_a_feature_that_somebody_switches_on_is_missing(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")
    asyncio.run(create(driver, item))

    run("ethtool", "-K", port, TSO6, "on")
    assert asyncio.run(there(driver)) == set()

    asyncio.run(create(driver, item))
    assert asyncio.run(there(driver)) == {item}
    assert TSO6 not in on(port)


def test_one_that_is_off_only_for_lack_of_another_is_switched_off_for_itself(
    rtnl: Rtnl, port: str, tmp_path: Path
) -> None:
    run("ethtool", "-K", port, "tx-scatter-gather", "off")
    assert TSO not in on(port)
    driver = OffloadDriver(rtnl, tmp_path)

    asyncio.run(create(driver, Offload(port, "tso")))
    run("ethtool", "-K", port, "tx-scatter-gather", "on")
    assert TSO not in on(port)

    asyncio.run(delete(driver, Offload(port, "tso")))
    assert TSO in on(port)


def test_of_two_that_overlap_the_one_that_goes_gives_back_only_what_the_other_leaves(
    rtnl: Rtnl, port: str, tmp_path: Path
) -> None:
    driver = OffloadDriver(rtnl, tmp_path)
    all_of_it, one = Offload(port, "tso"), Offload(port, TSO6)
    asyncio.run(create(driver, all_of_it, one))

    asyncio.run(delete(driver, all_of_it))
    assert TSO in on(port)
    assert asyncio.run(there(driver)) == {one}

    asyncio.run(delete(driver, one))
    assert TSO6 in on(port)


def test_one_of_a_batch_takes_over_from_another_without_a_gap(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    driver = OffloadDriver(rtnl, tmp_path)
    old, new = Offload(port, "tso"), Offload(port, TSO6)
    asyncio.run(create(driver, old))

    outcomes = asyncio.run(driver.apply([Change(Op.CREATE, None, new), Change(Op.DELETE, old, None)]))

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert asyncio.run(there(driver)) == {new}
    asyncio.run(delete(driver, new))
    assert {TSO, TSO6} <= on(port)


def test_what_is_on_is_on_disk_before_it_is_switched_off(
    rtnl: Rtnl, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed after the first step finds in the file what to give back."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evenet_core.linux.offload.set_features", killed)
    item = Offload(port, "tso")
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(create(OffloadDriver(rtnl, tmp_path), item))
    monkeypatch.undo()

    driver = OffloadDriver(rtnl, tmp_path)
    assert asyncio.run(there(driver)) == set()  # nothing is off yet
    asyncio.run(create(driver, item))
    asyncio.run(delete(driver, item))

    assert {TSO, TSO6} <= on(port)


def test_a_port_that_went_takes_its_features_along(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")
    asyncio.run(create(driver, item))
    run("ip", "link", "del", port)

    assert asyncio.run(there(driver)) == set()
    assert asyncio.run(refusal(driver, item)) == "offload tso off on eth0: there is no port eth0"
    asyncio.run(delete(driver, item))

    assert not (tmp_path / "offload.json").exists()


def test_a_port_that_was_plugged_in_anew_is_another_one(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    """It is new to us, even if by chance it has the feature off already, and gets back what it came with."""
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")
    asyncio.run(create(driver, item))
    run("ip", "link", "del", port)
    run("ip", "link", "add", port, "type", "veth", "peer", "name", "world")
    run("ethtool", "-K", port, "tso", "off")

    assert asyncio.run(there(driver)) == set()
    asyncio.run(create(driver, item))
    asyncio.run(delete(driver, item))

    assert TSO not in on(port)


@pytest.mark.parametrize("feature", ["tx-tcp-segmantation", "", "tx-*"])
def test_a_name_that_means_nothing_is_refused_for_good(rtnl: Rtnl, port: str, tmp_path: Path, feature: str) -> None:
    words = "the kernel knows no such feature"
    driver = OffloadDriver(rtnl, tmp_path)
    good, bad = Offload(port, "tso"), Offload(port, feature)

    outcomes = asyncio.run(driver.apply([Change(Op.CREATE, None, item) for item in (bad, good)]))

    assert [str(outcome.error) for outcome in outcomes] == [f"offload {feature} off on eth0: {words}", "None"]
    assert asyncio.run(there(driver)) == {good}
    assert not getattr(outcomes[0].error, "retryable", True)


def test_a_feature_that_the_driver_keeps_on_is_said_to_be_so(rtnl: Rtnl, tmp_path: Path) -> None:
    assert ethtool("lo")["rx-checksumming"] == "on [fixed]"
    driver = OffloadDriver(rtnl, tmp_path)

    said = asyncio.run(refusal(driver, Offload("lo", "rx")))

    assert said == "offload rx off on lo: the driver keeps rx-checksum on"
    assert not (tmp_path / "offload.json").exists()


def test_what_a_driver_does_not_do_as_a_whole_is_undone(
    rtnl: Rtnl, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver may refuse one feature for the sake of another (ndo_fix_features)."""
    before = ethtool(port)

    def half(device: str, wanted: Mapping[str, bool]) -> None:
        set_features(device, {name: value for name, value in wanted.items() if name != TSO6 or value})

    monkeypatch.setattr("evenet_core.linux.offload.set_features", half)
    driver = OffloadDriver(rtnl, tmp_path)

    said = asyncio.run(refusal(driver, Offload(port, "tso")))

    assert said == f"offload tso off on eth0: the driver keeps {TSO6} on"
    assert ethtool(port) == before
    assert not (tmp_path / "offload.json").exists()


def test_a_feature_that_is_not_there_is_off(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    assert ethtool(port)["tx-fcoe-segmentation"] == "off [fixed]"
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tx-fcoe-segmentation")

    asyncio.run(create(driver, item))

    assert asyncio.run(there(driver)) == {item}
    asyncio.run(delete(driver, item))


@pytest.mark.parametrize("name", ["eth0-and-much-more", "eth9"])
def test_no_name_reaches_another_device(rtnl: Rtnl, port: str, tmp_path: Path, name: str) -> None:
    """The kernel would cut a name of 16 bytes and more."""
    with pytest.raises(OSError, match="No such device"):
        features(name)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"eth0": 7}', '{"eth0": {"index": "x", "off": 1}}'])
def test_a_memory_that_was_damaged_is_an_empty_one(rtnl: Rtnl, port: str, tmp_path: Path, content: str) -> None:
    (tmp_path / "offload.json").write_text(content)
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")

    assert asyncio.run(there(driver)) == set()
    asyncio.run(create(driver, item))

    assert asyncio.run(there(driver)) == {item}


def test_a_second_look_changes_nothing(rtnl: Rtnl, port: str, tmp_path: Path) -> None:
    driver, item = OffloadDriver(rtnl, tmp_path), Offload(port, "tso")
    asyncio.run(create(driver, item))
    before = (tmp_path / "offload.json").stat().st_mtime_ns

    asyncio.run(create(driver, item))

    assert (tmp_path / "offload.json").stat().st_mtime_ns == before
