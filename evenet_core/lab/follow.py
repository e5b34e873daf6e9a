"""Follows a lab that comes up: the keeper's words, then the agent's, then the addresses of its apps."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from evenet_core.cli.client import AgentError, Client
from evenet_core.errors import EvenetError
from evenet_core.lab.registry import Lab
from evenet_core.linux.address import addressed_links
from evenet_core.linux.links import all_links
from evenet_core.linux.rtnl import Rtnl, open_socket

__all__ = ["Outcome", "follow"]

APP_PATIENCE = 15.0  # seconds that apps get for their addresses once the device has settled
AGENT_PATIENCE = 30.0  # seconds that an agent may be away: it is started again when it dies
PROGRESS = {"built": "the site stands", "serving": "its services answer", "agent": "the device's agent runs"}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a lab came up."""

    settled: bool
    status: dict[str, Any]  # of the device
    apps_without_address: list[str]


def follow(lab: Lab, progress: int, tell: Callable[[str], None], *, configured: bool) -> Outcome:
    """Returns when the device has settled.

    :param configured: it was given a config, so that there is something to settle
    :raises EvenetError: the keeper died.
    :raises AgentError: no agent answers any more.
    """
    for word in _until_agent(lab, progress):
        tell(PROGRESS.get(word, word))
    settled = _patiently(lab, lambda agent: _settle(agent, tell)) if configured else True
    missing = _wait_for_apps(lab, _patiently(lab, _status), APP_PATIENCE)
    return Outcome(settled, _patiently(lab, _status), missing)


def _until_agent(lab: Lab, progress: int) -> Iterator[str]:
    """What the keeper says, until the agent runs.

    :raises EvenetError: the keeper died, or the agent does not start.
    """
    try:
        while select.select([progress], [], [], AGENT_PATIENCE)[0]:
            said = os.read(progress, 1 << 12).decode()  # few words, each written at once
            if not said:
                raise EvenetError(f"the lab did not come up: {_last_words(lab, 'keeper', 'its keeper died')}")
            yield from said.split()
            if "agent" in said.split():
                return
        raise EvenetError(f"the device's agent does not start: {_last_words(lab, 'agent', 'it hangs')}")
    finally:
        os.close(progress)


def _last_words(lab: Lab, who: str, nothing: str) -> str:
    try:
        said = (lab.directory / f"{who}.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        said = []
    return said[-1] if said else f"{nothing} without a word"


def _patiently(lab: Lab, ask: Callable[[Client], T]) -> T:
    """What the agent answers. One that dies meanwhile is asked again when it has been started again."""
    deadline = time.monotonic() + AGENT_PATIENCE
    while True:
        try:
            with Client(str(lab.socket())) as agent:
                return ask(agent)
        except AgentError:
            if lab.keeper is None or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _settle(agent: Client, tell: Callable[[str], None]) -> bool:
    """Whether the device has settled in time."""
    for event in agent.stream("settle"):
        if "settled" in event:
            return bool(event["settled"])
        if event["kind"] in ("dpc", "config") or event.get("error"):
            tell(event["text"])
    return False


def _status(agent: Client) -> dict[str, Any]:
    status: dict[str, Any] = agent.call("status")
    return status


def _wait_for_apps(lab: Lab, status: dict[str, Any], seconds: float) -> list[str]:
    """Apps that have not all their interfaces with an address when the time is up. They are machines of their own."""
    wanted = {app["name"]: len(app["interfaces"]) for app in status["apps"] if app["state"] == "connected"}
    deadline = time.monotonic() + seconds
    return [name for name, interfaces in wanted.items() if not _has_addresses(lab, name, interfaces, deadline)]


def _has_addresses(lab: Lab, app: str, interfaces: int, deadline: float) -> bool:
    try:
        namespace = lab.host(app)["net"]
    except EvenetError:
        return False
    news = open_socket(socket.NETLINK_ROUTE, (1, 5, 9), namespace)  # links and addresses of both families
    rtnl = Rtnl.open(namespace)
    try:
        while asyncio.run(_addressed(rtnl)) < interfaces:
            ready, _, _ = select.select([news], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return False
            news.recv(1 << 18)
        return True
    finally:
        news.close()
        rtnl.close()


async def _addressed(rtnl: Rtnl) -> int:
    """How many Ethernet interfaces have an address that leads further than their link."""
    links, found = await all_links(rtnl), await addressed_links(rtnl)
    return sum(link.name.startswith("eth") and link.index in found for link in links.values())
