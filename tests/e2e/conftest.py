"""Sites that end-to-end tests drive through the command line, as an operator would."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.support.site import EVENET, Site

StartSite = Callable[..., Site]


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[StartSite]:
    """`site(case)` brings the site of a case up, with whatever further arguments `lab up` gets.

    With `up=False` the test does that itself. `command` says which evenet is used.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    started: list[Site] = []

    def start(case: str, *arguments: str, check: bool = True, up: bool = True, command: Sequence[str] = EVENET) -> Site:
        name = re.sub(r"[^a-z0-9_]", "_", request.node.name[5:25])
        site = Site(f"t{os.getpid()}-{len(started)}-{name}", case, command)
        started.append(site)
        if up:
            site.up(*arguments, check=check)
        return site

    yield start
    for site in started:
        site.down()
