"""All that is compared, as tables: `python -m benchmarks` (as root; `make bench` installs the peers)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.appnetworks import measure_evenet, measure_hand
from benchmarks.arena import in_arena
from benchmarks.peers import measure_cni, measure_netavark
from benchmarks.starting import measure_starting

ROUNDS = 3  # of each the quickest counts
SMALL, LARGE = (10, 10), (100, 10)  # network instances, apps in each
MEASURES: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "by hand": measure_hand,
    "evenet": measure_evenet,
    "netavark + aardvark-dns": measure_netavark,
    "CNI bridge, portmap, firewall": measure_cni,
}
AT_SCALE = ("by hand", "evenet")  # the others would take minutes


def main() -> None:
    compare(SMALL, list(MEASURES))
    compare(LARGE, AT_SCALE)
    say("Starting, whole process:")
    for name, seconds in measure_starting().items():
        say(f"  {name:32} {seconds * 1000:8.1f} ms")


def compare(size: tuple[int, int], names: Sequence[str]) -> None:
    """One table: everybody builds the same, turn by turn."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            measure = MEASURES[name]
            runs[name].append(in_arena(lambda measure=measure: measure(*size)))  # type: ignore[misc]
    instances, apps = size
    hand = min(run["whole"] for run in runs["by hand"])
    say(f"{instances} network instances with {apps} apps each, from nothing; then one app more:")
    say(f"  {'':30} {'all':>10} {'an app':>10} {'to hand':>8} {'one more':>10} {'worst':>10}")
    for name in names:
        whole = min(run["whole"] for run in runs[name])
        extra = [seconds for run in runs[name] for seconds in run.get("one_more", ())]
        one_more = f"{median(extra) * 1000:7.1f} ms {max(extra) * 1000:7.1f} ms" if extra else f"{'-':>10} {'-':>10}"
        each = whole / instances / apps * 1000
        say(f"  {name:30} {whole:8.2f} s {each:7.2f} ms {whole / hand:8.2f} {one_more}")
    say("")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
