"""How long it takes to start: the library, the command line, and Python itself for comparison."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

__all__ = ["measure_starting"]

TRIES = 15
COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "python -c 'import evenet_core'": (sys.executable, "-c", "import evenet_core"),
    "evenet --help": (str(Path(sys.executable).with_name("evenet")), "--help"),
}


def measure_starting() -> dict[str, float]:
    """Seconds of the whole process, the least of some."""
    return {name: min(_run(command) for _ in range(TRIES)) for name, command in COMMANDS.items()}


def _run(command: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
