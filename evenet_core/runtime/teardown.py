"""Taking everything down where no agent runs: from what the kernel, the run directory and the state directory hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evenet_core.model.metadata import MetadataRequest, MetadataResponse
from evenet_core.plugins import Plugins
from evenet_core.reconciler.engine import Engine
from evenet_core.runtime.kernel import Kernel
from evenet_core.runtime.memory import COPIES
from evenet_core.settings import NodeSettings
from evenet_core.store import Store

__all__ = ["left_behind", "tear_down"]


async def tear_down(state_dir: Path, run_dir: Path, settings: NodeSettings) -> list[str]:
    """Remove all that an agent left and give back what it found. Nothing is brought up, no config is read.

    Returns what could not be removed, a line each.

    :raises OSError: the kernel refuses (no privileges).
    """
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    kernel = Kernel(Plugins(disabled=settings.disabled_plugins), settings, run_dir, state_dir)
    kernel.open(_nobody_asks, {})
    try:
        engine = Engine(kernel.drivers)
        await engine.start()
        left = await engine.teardown()
        Store(state_dir, run_dir / COPIES).drop_copies()
        kernel.tidy()
    finally:
        await kernel.close()
    return left_behind(left)


def left_behind(problems: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a teardown could not remove, for people."""
    return sorted(f"{problem['item']}: {problem['error']}" for problem in problems)


def _nobody_asks(_: MetadataRequest) -> MetadataResponse:
    return MetadataResponse(404)
