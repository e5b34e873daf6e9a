"""Sites that end-to-end tests drive through the command line, as an operator would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.support.site import Site

StartSite = Callable[..., Site]


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[StartSite]:
    """`site(case)` brings the site of a case up, with whatever further arguments `lab up` gets.

    With `up=False` the test does that itself.
    """
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    started: list[Site] = []

    def start(case: str, *arguments: str, check: bool = True, up: bool = True) -> Site:
        site = Site(f"t{os.getpid()}-{len(started)}-{request.node.name[5:25]}", case)
        started.append(site)
        if up:
            site.up(*arguments, check=check)
        return site

    yield start
    for site in started:
        site.down()
