"""`evenet run`, `evenet teardown`."""

from __future__ import annotations

import asyncio
import logging
import sys
from argparse import Namespace
from collections.abc import Sequence

from evenet_core.agent.service import AgentOptions, run_agent, take_down
from evenet_core.agent.sources import Sources
from evenet_core.cli.client import AgentError, Client
from evenet_core.cli.output import shown
from evenet_core.settings import load_settings

__all__ = ["run", "teardown"]


def run(options: Namespace) -> int:
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    settings = load_settings(options.settings)
    agent = AgentOptions(
        state_dir=options.state_dir,
        socket_path=options.socket,
        settings=settings,
        sources=Sources(config=options.config, bootstrap=options.bootstrap, overrides=options.override),
        teardown=options.teardown,
    )
    return _told(asyncio.run(run_agent(agent)))


def teardown(options: Namespace) -> int:
    """By the agent, which ends; where none runs, from what it left behind."""
    try:
        agent = Client(str(options.socket))
    except AgentError:
        return _told(_take_down(options))
    with agent:
        [last] = agent.stream("teardown")
    return _told(last["left"])


def _take_down(options: Namespace) -> list[str]:
    logging.basicConfig(level=logging.CRITICAL)  # what is wrong with an item is told at the end
    settings = load_settings(options.settings)
    return asyncio.run(
        take_down(AgentOptions(state_dir=options.state_dir, socket_path=options.socket, settings=settings))
    )


def _told(left: Sequence[str]) -> int:
    for line in left:
        print(f"evenet: not removed: {shown(line)}", file=sys.stderr)
    return 1 if left else 0
