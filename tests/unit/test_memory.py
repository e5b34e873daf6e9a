"""What the node remembers over a restart, and what a document that cannot be understood costs."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.numbers import Numbers
from evenet_core.device.dpclist import Candidate, Results
from evenet_core.device.probation import Wait
from evenet_core.device.verification import Phase, Resumed
from evenet_core.errors import EvenetError
from evenet_core.model.adapters import Adapter, Dpc
from evenet_core.model.config import DeviceConfig
from evenet_core.model.networks import Network, Secret, Wifi, WifiNetwork
from evenet_core.runtime.memory import Memory
from evenet_core.store import Store
from tests.support.instances import app, local

CONFIG = DeviceConfig(
    networks=(Network(name="air", wifi=Wifi(networks=(WifiNetwork(ssid="plant", password=Secret("pass word")),))),),
    network_instances=(local("ni", dns=(ip_address("192.0.2.53"),)),),
    apps=(app("web", "ni", other={"kept": ["as", "it", "came"]}),),
    settings={"timer.port.testinterval": "60"},
)
ADAPTER = Adapter(label="eth0", ifname="eth0", addresses=(ip_interface("172.22.10.5/24"),), labels=frozenset({"all"}))
FIRST = Candidate(
    dpc=Dpc(key="zedagent", time_priority=datetime(2026, 1, 1, tzinfo=UTC), adapters=(ADAPTER,)),
    results=Results(last_succeeded=5.0),
    ports=(("eth0", Results(last_failed=3.0, last_error="no answer")),),
)
SECOND = replace(FIRST, dpc=replace(FIRST.dpc, key="override"))
STORED = Resumed((FIRST, SECOND), 1, Phase.TESTING, 1_790_000_000.5)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def restarted(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def spoil(tmp_path: Path, name: str, value: Any) -> None:
    """A whole document with another content, as an older or newer evenet may have left it."""
    Store(tmp_path).save(name, value)


# -- what was kept ------------------------------------------------------------------------------------


def test_a_new_node_remembers_nothing(memory: Memory) -> None:
    assert memory.config() is None
    assert memory.candidates() == Resumed()
    assert memory.numbers() == Numbers()
    assert memory.route_choices() == {}
    assert memory.unconfirmed() is None


def test_a_config_comes_back_with_all_that_is_in_it(memory: Memory, tmp_path: Path) -> None:
    memory.save_config(CONFIG)

    found = restarted(tmp_path).config()

    assert found == CONFIG
    assert found is not None
    assert found.networks[0].wifi is not None
    assert found.networks[0].wifi.networks[0].password.reveal() == "pass word"


def test_candidates_come_back_with_their_results(memory: Memory, tmp_path: Path) -> None:
    memory.save_candidates(STORED)

    assert restarted(tmp_path).candidates() == STORED


def test_numbers_and_choices_come_back(memory: Memory, tmp_path: Path) -> None:
    numbers, _ = Numbers().allocate("bridge", "ni", 1, 9)
    memory.save_numbers(numbers)
    memory.save_route_choices({"route-choice:ni/0.0.0.0/0": "eth1"})

    again = restarted(tmp_path)

    assert again.numbers() == numbers
    assert again.route_choices() == {"route-choice:ni/0.0.0.0/0": "eth1"}


@pytest.mark.parametrize("previous", [CONFIG, None])
def test_a_config_that_waits_for_confirmation_comes_back_with_its_end(
    memory: Memory, tmp_path: Path, previous: DeviceConfig | None
) -> None:
    wait = Wait(previous=previous, until=1767225600.5, seconds=60.0, by="controller", boot="one", steady_until=5.5)
    memory.save_unconfirmed(wait)

    assert restarted(tmp_path).unconfirmed() == wait


def test_what_an_earlier_version_wrote_of_a_wait_is_understood(memory: Memory, tmp_path: Path) -> None:
    spoil(tmp_path, "unconfirmed", {"previous": None, "until": 1767225600.5})

    assert memory.unconfirmed() == Wait(previous=None, until=1767225600.5, by="operator")


def test_an_earlier_wait_does_not_take_the_place_of_a_damaged_one(memory: Memory, tmp_path: Path) -> None:
    """It would take back what was confirmed since."""
    memory.save_unconfirmed(Wait(previous=CONFIG, until=5.0))
    memory.clear_unconfirmed()
    (tmp_path / "unconfirmed.json").write_bytes(b"damaged")

    assert restarted(tmp_path).unconfirmed() is None


def test_a_confirmed_config_waits_no_more(memory: Memory, tmp_path: Path) -> None:
    memory.save_unconfirmed(Wait(previous=CONFIG, until=5.0))

    memory.clear_unconfirmed()

    assert restarted(tmp_path).unconfirmed() is None


# -- what cannot be understood ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "current"), [(-1, 0), (0, 0), (1, 1), (2, 0), (-5, 0), (None, 0), ("1", 0), ([1], 0), (1.5, 0)]
)
def test_an_index_that_is_none_means_the_first_candidate(
    memory: Memory, tmp_path: Path, stored: Any, current: int
) -> None:
    memory.save_candidates(STORED)
    document = Store(tmp_path).load("dpcs")
    spoil(tmp_path, "dpcs", document | {"current": stored})

    assert memory.candidates() == replace(STORED, current=current)


@pytest.mark.parametrize("stored", [5, "x", [], {}, {"candidates": 5}, {"candidates": [{"dpc": 1}]}, {"current": 3}])
def test_a_list_of_candidates_that_cannot_be_understood_is_none(memory: Memory, tmp_path: Path, stored: Any) -> None:
    spoil(tmp_path, "dpcs", stored)

    assert memory.candidates() == Resumed()


@pytest.mark.parametrize("stored", [5, [], {"evenet": 99}, {"network_instances": [{"name": 5}]}, {"timestamp": "soon"}])
def test_a_config_that_cannot_be_understood_is_none_and_is_told(
    memory: Memory, tmp_path: Path, stored: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(tmp_path, "config", stored)

    with caplog.at_level(logging.ERROR):
        assert memory.config() is None

    assert "state document config cannot be understood" in caplog.text


@pytest.mark.parametrize("stored", [5, [], {"a": 5}])
def test_choices_that_cannot_be_understood_are_none(memory: Memory, tmp_path: Path, stored: Any) -> None:
    spoil(tmp_path, "routes", stored)

    assert memory.route_choices() == {}


@pytest.mark.parametrize(
    "stored",
    [
        5,
        {"previous": {"network_instances": 5}, "until": 5.0},
        {"previous": None, "until": "soon"},
        {"previous": None, "until": None},
        {"previous": None},
        {"until": 5.0},
        {"previous": None, "until": 5.0, "by": 5},
        {"previous": None, "until": 5.0, "seconds": "long"},
    ],
)
def test_a_config_to_go_back_to_that_cannot_be_understood_is_not_gone_back_to(
    memory: Memory, tmp_path: Path, stored: Any
) -> None:
    """The alternative would be to go back to no config at all."""
    spoil(tmp_path, "unconfirmed", stored)

    assert memory.unconfirmed() is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda c: (
            st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(["candidates", "current", "until", "x"]), c)
        ),
        max_leaves=8,
    )
)
def test_no_document_whatsoever_stops_the_node(tmp_path_factory: pytest.TempPathFactory, stored: Any) -> None:
    directory = tmp_path_factory.getbasetemp() / "memory"
    for name in ("config", "dpcs", "numbers", "routes", "unconfirmed"):
        spoil(directory, name, stored)
    memory = Memory(directory)

    memory.config()
    memory.candidates()
    memory.numbers()
    memory.route_choices()
    memory.unconfirmed()


def test_the_state_of_a_newer_evenet_is_refused(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"version": 2, "sha256": "", "body": ""}')

    with pytest.raises(EvenetError, match="newer evenet"):
        memory.config()


def test_what_is_stored_is_for_root_only(memory: Memory, tmp_path: Path) -> None:
    memory.save_config(CONFIG)

    assert (tmp_path / "config.json").stat().st_mode & 0o077 == 0


def test_a_confirmation_of_an_older_generation_is_none(memory: Memory, tmp_path: Path) -> None:
    memory.save_unconfirmed(Wait(previous=CONFIG, until=5.0))
    memory.clear_unconfirmed()
    (tmp_path / "unconfirmed.json").write_bytes(b"damaged")

    again = restarted(tmp_path)

    assert again.unconfirmed() is None
    assert "there is nothing to use instead" in again.flaws["unconfirmed"].text


def test_what_could_not_be_understood_is_a_flaw_until_it_is_written_anew(memory: Memory, tmp_path: Path) -> None:
    spoil(tmp_path, "config", {"network_instances": 5})

    assert memory.config() is None
    assert "cannot be understood" in memory.flaws["config"].text
    memory.save_config(CONFIG)

    assert memory.flaws == {}
    assert [flaw.name for flaw in memory.found] == ["config"]


def test_the_file_that_was_taken_last_is_known_by_its_digest(memory: Memory, tmp_path: Path) -> None:
    assert memory.given("eve") == ""

    memory.save_given("eve", "abc")

    assert restarted(tmp_path).given("eve") == "abc"
    spoil(tmp_path, "given-eve", ["abc"])
    assert restarted(tmp_path).given("eve") == ""
