"""`evenet run`."""

from __future__ import annotations

import asyncio
import logging
from argparse import Namespace

from evenet_core.agent.service import AgentOptions, run_agent
from evenet_core.settings import load_settings

__all__ = ["run"]


def run(options: Namespace) -> int:
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    settings = load_settings(options.settings)
    agent = AgentOptions(
        state_dir=options.state_dir,
        socket_path=options.socket,
        settings=settings,
        config=options.config,
        override=options.override,
        teardown=options.teardown,
    )
    asyncio.run(run_agent(agent))
    return 0
