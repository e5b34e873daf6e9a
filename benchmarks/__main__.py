"""All that is compared, as tables: `python -m benchmarks` (as root; `make bench` installs the peers)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks.appnetworks import measure_evenet, measure_hand
from benchmarks.arena import in_arena
from benchmarks.failing import FAILURES, LIMIT, MANAGERS, measure_failing
from benchmarks.idling import NETWORK_MANAGER, measure_idle, measure_idle_network_manager
from benchmarks.kernelitems import measure_items, measure_items_by_hand
from benchmarks.manyitems import measure_observation, measure_one_route
from benchmarks.peers import measure_cni, measure_netavark
from benchmarks.restarting import measure_restart
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
ONE_NODE, FEW, MANY = (1, 10), 500, 50_000  # instances and apps; items
INSTANCES = 1000
IDLE = (2, 3)


def main() -> None:
    compare(SMALL, list(MEASURES))
    compare(LARGE, AT_SCALE)
    one_more()
    items_of_the_kernel()
    looking()
    one_route()
    restart()
    idle()
    failing()
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


def failing() -> None:
    """How long the node's own traffic is cut off when its better uplink fails."""
    say("Two uplinks, the better one fails; until a connection goes over the other one:")
    say(f"  {'':30} {' '.join(f'{failure:>12}' for failure in FAILURES)}")
    for name in MANAGERS:
        if name != "NetworkManager" or NETWORK_MANAGER.exists():
            tries = [in_arena(lambda n=name, f=failure: measure_failing(n, f)) for failure in FAILURES]  # type: ignore[misc]
            told = [f"{run['seconds']:10.2f} s" if run["seconds"] < LIMIT else f"over {LIMIT:5.0f} s" for run in tries]
            say(f"  {name:30} {' '.join(told)}")
    say("")


def one_more() -> None:
    """The price of one more app must not grow with the node."""
    few, many = (_extra(quickest(measure_evenet, *size)) for size in (ONE_NODE, LARGE))
    say("One app more, from the whole new config until it works:")
    say(f"  {'among 10':30} {few * 1000:8.2f} ms")
    say(f"  {'among 1,000':30} {many * 1000:8.2f} ms {many / few:8.2f} to 10")
    say("")


def _extra(run: dict[str, Any]) -> float:
    return float(median(run["one_more"]))


def items_of_the_kernel() -> None:
    both_ways = (partial(measure_items_by_hand, INSTANCES), partial(measure_items, INSTANCES))
    runs = [[in_arena(measure) for measure in both_ways] for _ in range(ROUNDS)]
    items = runs[0][1]["items"]
    say(f"{INSTANCES} network instances, {items} items of the kernel, no process:")
    for what, measured in (("elapsed", "whole"), ("processor", "busy")):
        hand, engine = (min(run[who][measured] for run in runs) for who in (0, 1))
        both = min(run["planning"] + run[measured] for _, run in runs)
        ways = f"by hand {hand * 1000:6.0f} ms, engine and drivers {engine * 1000:6.0f} ms"
        say(f"  {what:12} {ways} {engine / hand:6.2f}")
        say(f"  {'':12} {'':17} with planning      {both * 1000:6.0f} ms {both / hand:6.2f}")
    say("")


def looking() -> None:
    runs = [in_arena(partial(measure_observation, MANY)) for _ in range(ROUNDS)]
    for what, own, theirs in (("elapsed", "whole", "ip"), ("processor", "busy", "ip_busy")):
        took, shown = (min(run[name] for run in runs) for name in (own, theirs))
        words = f"Looking at {MANY} items ({what})"
        say(f"{words:42} {took * 1000:8.0f} ms, ip -json {shown * 1000:8.0f} ms {took / shown:8.2f} to ip")
    say("")


def one_route() -> None:
    few, many = quickest(measure_one_route, FEW), quickest(measure_one_route, MANY)
    say("One route changed, from planning its object until it is in sync:")
    say(f"  {f'among {FEW}':30} {few['whole'] * 1000:8.2f} ms, {few['busy'] * 1000:8.2f} ms of the processor")
    say(f"  {f'among {MANY}':30} {many['whole'] * 1000:8.2f} ms, {many['busy'] * 1000:8.2f} ms of the processor")
    say("")


def restart() -> None:
    run = quickest(measure_restart, *LARGE)
    words = f"Restart with {LARGE[0] * LARGE[1]} interfaces, {run['items']} items:"
    say(f"{words} {run['whole']:.2f} s until adopted, {run['writes']} writes, {len(run['heard'])} changes heard")
    say("")


def idle() -> None:
    own = in_arena(partial(measure_idle, *IDLE))
    say(f"Idle for a minute: evenet woke up {own['wakeups']} times and holds {own['resident']:.1f} MB")
    if NETWORK_MANAGER.exists():
        theirs = in_arena(measure_idle_network_manager)
        say(f"  NetworkManager, one port: {theirs['wakeups']} times, {theirs['resident']:.1f} MB")
    say("")


def quickest(measure: Callable[..., dict[str, Any]], *size: int) -> dict[str, Any]:
    """The run that took least of some."""
    runs: list[dict[str, Any]] = [in_arena(partial(measure, *size)) for _ in range(ROUNDS)]
    return min(runs, key=lambda run: float(run["whole"]))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
