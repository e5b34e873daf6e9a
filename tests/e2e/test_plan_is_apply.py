"""What `apply` does is what `plan` has said.

Drivers run side by side, so changes that do not depend on each other may come in another order than they were printed.
Facts that come because of what was done (a lease, a probe) are not known to a plan: what follows from them is more.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.conftest import StartSite
from tests.support.site import CASES, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

AFTER = re.compile(r"after (\S+)")
Step = tuple[str, str]  # operation and key


def planned_and_done(site: Site, config: str) -> tuple[list[dict[str, Any]], list[Step]]:
    """The changes that `plan` prints, and those that the following `apply` tells, in order."""
    last = site.json("events")[-1]["seq"]
    changes = site.json("plan", config)["changes"]
    steps = [(change["op"], change["key"]) for change in changes]

    def done() -> list[Step]:
        events = [event for event in site.json("events") if event["seq"] > last and event["kind"] == "item"]
        assert [event["text"] for event in events if event["error"]] == []
        return [(event["op"], event["item"]) for event in events]

    site.device("apply", config)
    eventually("all that was planned", lambda: set(steps) <= set(done()))
    return changes, done()


def assert_done_as_planned(changes: list[dict[str, Any]], done: list[Step]) -> None:
    """Each change once and before anything else happens to its item, and after all that it was said to come after."""
    steps = [(change["op"], change["key"]) for change in changes]
    first = [[step for step in done if step[1] == key] for key in dict.fromkeys(key for _, key in steps)]
    wanted = [[step for step in steps if step[1] == key] for key in dict.fromkeys(key for _, key in steps)]
    assert [found[: len(asked)] for found, asked in zip(first, wanted, strict=True)] == wanted
    place = {step: number for number, step in reversed([*enumerate(done)])}
    made = {key: step for step in steps if step[0] != "delete" for key in [step[1]]}
    for change, step in zip(changes, steps, strict=True):
        needs = [found[1] for reason in change["because"] if (found := AFTER.match(reason))]
        needed = [made[need.rstrip(":")] for need in needs if need.rstrip(":") in made]
        assert [need for need in needed if place[need] > place[step]] == [], step


def test_a_site_without_servers_gets_exactly_what_was_planned(site: StartSite) -> None:
    lab = site("static-ips")

    changes, done = planned_and_done(lab, lab.device_config)

    assert_done_as_planned(changes, done)
    assert sorted(done) == sorted((change["op"], change["key"]) for change in changes)


@pytest.mark.parametrize("case", ["app-gateway", "local-ni-multiple-ports"])
def test_a_site_gets_what_was_planned_and_then_what_its_leases_bring(site: StartSite, case: str) -> None:
    lab = site(case)

    changes, done = planned_and_done(lab, lab.device_config)

    assert_done_as_planned(changes, done)
    known = {change["key"] for change in changes}
    assert {key.partition(":")[0] for op, key in done if key not in known} <= {
        "address",
        "daemon",
        "nft",
        "resolv-conf",
        "route",
        "rule",
    }


@pytest.mark.parametrize(("case", "other"), [("local-ni-multiple-ports", "app-gateway")])
def test_a_change_to_another_config_is_made_as_it_was_planned(site: StartSite, case: str, other: str) -> None:
    lab = site(case, "--device-config", str(CASES / case / "device-config.json"))

    changes, done = planned_and_done(lab, str(CASES / other / "device-config.json"))

    assert {change["op"] for change in changes} >= {"create", "delete"}
    assert_done_as_planned(changes, done)
