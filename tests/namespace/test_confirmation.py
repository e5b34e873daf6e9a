"""A config on probation, on the real kernel: who confirms it, and what a killed agent or a lost power leave of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.power import Machine, machine
from tests.support.site import eventually

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

OLD, NEW, OTHER = "10.0.0.2", "10.0.0.3", "10.0.0.4"
CUT_OFF = "10.99.0.2"  # nobody is in that network


@pytest.fixture
def node(netns: None, open_path: Path) -> Iterator[Machine]:
    """With a config that works."""
    with machine(open_path) as made:
        made.evenet("apply", made.config(OLD))
        assert made.addresses() == [OLD]
        yield made


@pytest.fixture
def fresh(netns: None, open_path: Path) -> Iterator[Machine]:
    """Without a config."""
    with machine(open_path) as made:
        yield made


def nothing_waits(node: Machine) -> bool:
    return node.json("status")["confirm_until"] is None


# -- the operator -------------------------------------------------------------------------------------


def test_who_tries_a_config_out_is_told_what_comes_and_may_look_at_the_way_back(node: Machine) -> None:
    said = node.evenet("apply", node.config(NEW), "--confirm", "60s")

    status = node.json("status")
    assert status["confirm_by"] == "operator"
    assert f"reverts at {status['confirm_until'][11:17]}" in said
    plan = node.json("plan", "--revert")
    assert set(plan) == {"changes", "summary", "problems"}
    keys = {(change["op"], change["key"]) for change in plan["changes"] if change["kind"] == "address"}
    assert {op for op, _ in keys} == {"create", "delete"}
    assert any(OLD in key for op, key in keys if op == "create")
    assert any(NEW in key for op, key in keys if op == "delete")
    assert "- address 10.0.0.3/24 on eth0" in node.evenet("plan", "--revert")

    assert node.evenet("confirm") == "kept\n"

    assert node.events()[-1]["confirmed"] == "operator"
    assert "nothing waits" in node.evenet("plan", "--revert", status=1)
    assert node.evenet("confirm", status=1) == (
        "evenet: nothing waits for a confirmation: the operator has confirmed already\n"
    )
    assert node.addresses() == [NEW]


def test_the_way_back_is_a_plan_with_its_counts_and_a_confirmation_after_it_is_too_late(node: Machine) -> None:
    node.tries_out(NEW, 4.0)
    planned = node.json("plan", "--revert")["summary"]

    eventually("the config before", lambda: nothing_waits(node))

    assert node.addresses() in ([NEW], [OLD])
    node.waits_for_address(OLD)
    last = node.events()[-1]
    assert (last["reverted"], last["summary"]) == (True, planned)
    assert last["text"].startswith("nobody confirmed in 4 s; the config before is back (")
    assert sum(planned.values()) > 0
    said = node.evenet("confirm", status=1)
    assert said.startswith("evenet: too late: nobody confirmed in 4 s, and the config before came back at ")


def test_a_config_for_good_takes_over_from_one_that_waits_and_says_so(node: Machine) -> None:
    node.evenet("apply", node.config(NEW), "--confirm", "60s")

    said = node.evenet("apply", node.config(OTHER))

    assert "a device config was handed over; the one that waited to be confirmed gives way" in said
    assert nothing_waits(node)
    assert node.addresses() == [OTHER]


# -- the agent dies -----------------------------------------------------------------------------------


def test_the_next_agent_takes_back_what_nobody_confirms(node: Machine) -> None:
    node.tries_out(NEW, 5.0)
    node.kill()

    node.start()

    assert node.json("status")["confirm_until"] is not None
    eventually("the config before", lambda: nothing_waits(node))
    node.waits_for_address(OLD)
    node.kill()
    node.start()
    assert (nothing_waits(node), node.addresses()) == (True, [OLD])


def test_what_the_agent_confirmed_before_it_died_stays(node: Machine) -> None:
    node.tries_out(NEW, 2.0)
    node.evenet("confirm")
    node.kill()
    time.sleep(2)  # the time that it had

    node.start()

    assert (nothing_waits(node), node.addresses()) == (True, [NEW])


def test_an_agent_that_starts_when_the_time_is_over_goes_back_at_once(node: Machine) -> None:
    node.tries_out(NEW, 2.0)
    node.kill()
    time.sleep(2)  # the time that it had

    node.start()

    assert nothing_waits(node)
    node.waits_for_address(OLD)
    [event] = node.events()
    assert "nobody confirmed in 2 s; evenet did not run when the time was over" in event["text"]
    assert event["summary"]["create"] > 0
    assert "too late" in node.evenet("confirm", status=1)


# -- power is lost ------------------------------------------------------------------------------------


def test_after_a_power_loss_it_goes_back_when_the_time_is_over(node: Machine) -> None:
    node.tries_out(NEW, 8.0)
    node.lose_power()

    node.power_on()
    node.start()

    eventually("the config before", lambda: nothing_waits(node))
    node.waits_for_address(OLD)


def test_what_nobody_confirmed_before_the_power_came_back_is_not_tried_again(node: Machine) -> None:
    node.tries_out(NEW, 2.0)
    node.lose_power()
    time.sleep(2)  # the time that it had

    node.power_on()
    node.start()

    node.waits_for_address(OLD)
    made = [event["text"] for event in node.events("item")]
    assert any(OLD in text for text in made)
    assert not any(NEW in text for text in made)
    assert [dpc["state"] for dpc in node.json("dpc", "list")][1:] == []


def test_after_a_first_config_that_nobody_confirmed_there_is_none_also_after_a_power_loss(fresh: Machine) -> None:
    fresh.tries_out(NEW, 2.0)
    assert fresh.addresses() == [NEW]
    fresh.lose_power()
    time.sleep(2)  # the time that it had

    fresh.power_on()
    fresh.start()

    assert (nothing_waits(fresh), fresh.addresses()) == (True, [])
    assert fresh.json("status")["dpc"]["key"] is None
    assert "there is no config any more, as before" in fresh.events()[-1]["text"]


# -- who else may confirm -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "who"),
    [
        ("controller", "the controller"),
        ("icmp://10.0.0.1", "icmp://10.0.0.1"),
        ("tcp://10.0.0.1:80", "tcp://10.0.0.1:80"),
        ("http://10.0.0.1/", "http://10.0.0.1/"),
    ],
)
def test_a_config_stays_when_somebody_was_reached_through_it(node: Machine, by: str, who: str) -> None:
    said = node.evenet("apply", node.config(NEW), "--confirm", "30s", "--confirm-by", by)

    assert f"unless {who} is reached through the new config" in said
    assert f"{who} was reached through eth0: the config stays" in said
    assert node.events()[-1]["confirmed"] == by
    assert (nothing_waits(node), node.addresses()) == (True, [NEW])
    node.kill()
    node.start()
    assert node.addresses() == [NEW]


def test_a_config_that_cuts_the_controller_off_goes_back_and_the_node_is_reachable_again(node: Machine) -> None:
    """The node falls back to the DPC before while it waits, and reaches the controller by it: that confirms nothing."""
    said = node.evenet(
        "apply", node.config(CUT_OFF, patience=2), "--confirm", "12s", "--confirm-by", "controller", status=1
    )

    assert "evenet: reverted: the controller was not reached through the new config in 12 s" in said
    assert re.search(r"\(tried \w+( times)?\): the node went back to another DPC: ", said)
    assert "confirmed" not in node.events()[-1]
    assert node.addresses() == [OLD]
    assert [dpc["state"] for dpc in node.json("dpc", "list")] == ["success"]
    node.evenet("test-connectivity")


@pytest.mark.parametrize(
    ("by", "failure"),
    [
        ("icmp://10.0.0.77", "(tried once): 10.0.0.77 on eth0: no answer within 5 s"),
        ("tcp://10.0.0.1:81", "connect to 10.0.0.1:81 from 10.0.0.3 on eth0: connection refused"),
        ("http://10.0.0.1/nothing-there", "HTTP status 404"),
    ],
)
def test_why_nobody_was_reached_is_told(node: Machine, by: str, failure: str) -> None:
    """Though the controller is reached all the time: that was not asked."""
    said = node.evenet("apply", node.config(NEW), "--confirm", "6s", "--confirm-by", by, status=1)

    assert f"reverted: {by} was not reached through the new config in 6 s" in said
    assert failure in said
    assert node.addresses() == [OLD]


def test_the_next_agent_goes_on_asking(node: Machine) -> None:
    node.hand_over(node.config(NEW), 60.0, "http://10.0.0.1/late")
    node.kill()
    (node.home / "served" / "late").write_text("here\n")

    node.start()

    eventually("the answer", lambda: nothing_waits(node))
    assert node.events()[-1]["text"] == "http://10.0.0.1/late was reached through eth0: the config stays"
    assert node.addresses() == [NEW]


def test_whoever_follows_a_config_is_told_that_another_one_took_over(node: Machine) -> None:
    tried = node.begins("apply", node.config(NEW), "--confirm", "60s", "--confirm-by", "http://10.0.0.1/late")
    eventually("the wait", lambda: not nothing_waits(node))

    node.evenet("apply", node.config(OTHER))

    _, complaint = tried.communicate()
    assert (tried.returncode, complaint) == (1, "evenet: not confirmed: another config was applied meanwhile\n")
    assert node.addresses() == [OTHER]


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        ("arp://10.0.0.1", "there is no probe arp to ask arp://10.0.0.1 with; there are: http, https, icmp, tcp"),
        ("controller", "no adapter of the config is an uplink"),
    ],
)
def test_who_can_never_confirm_is_refused_before_anything_changes(node: Machine, by: str, problem: str) -> None:
    file = node.config(NEW)
    if by == "controller":
        Path(file).write_text(Path(file).read_text().replace(", uplink: true", ""))

    said = node.evenet("apply", file, "--confirm", "60s", "--confirm-by", by, status=1)

    assert problem in said
    assert (nothing_waits(node), node.addresses()) == (True, [OLD])
