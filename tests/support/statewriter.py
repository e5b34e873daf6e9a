"""Writes every document of the state with what a node can know: `python -m tests.support.statewriter DIRECTORY`.

Run it once a format, by the evenet that writes it; what it wrote is checked in as `tests/state/format-N`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from evenet_core import formats
from evenet_core.apps.numbers import Numbers
from evenet_core.device.dpclist import Candidate, Results
from evenet_core.device.flatten import dpc_from_config
from evenet_core.device.probation import Wait
from evenet_core.device.verification import Resumed
from evenet_core.model.config import DeviceConfig
from evenet_core.model.patches import PortPatch
from evenet_core.planning.inputs import gather_inputs
from evenet_core.runtime.memory import LocalChanges, Memory
from evenet_core.settings import NodeSettings
from evenet_core.store import Store

__all__ = ["write_state"]

EVERYTHING = Path(__file__).parent / "everything.json"
CHOICES = {"route-choice:ni-1/0.0.0.0/0": "uplink1", "route-choice:ni-1/::/0": "uplink0"}


def write_state(directory: Path) -> None:
    """All documents, each with something in each of its parts."""
    config = formats.read_file(EVERYTHING).config
    assert config is not None
    directory.mkdir(parents=True, exist_ok=True)
    memory = Memory(directory)
    memory.save_config(config)
    memory.save_candidates(Resumed(_candidates(config), 1))
    memory.save_local_changes(_local(config))
    memory.save_numbers(_numbers(config))
    memory.save_route_choices(CHOICES)
    memory.save_unconfirmed(_wait(replace(config, timestamp=datetime(2026, 1, 1, tzinfo=UTC))))
    Store(directory).save("given-eve", "0" * 64)
    for previous in directory.glob("*.previous"):
        previous.unlink()


def _wait(previous: DeviceConfig) -> Wait:
    return Wait(
        previous=previous, until=1767225600.5, seconds=60.5, by="controller", boot="a", steady_until=7.25, boots=1
    )


def _candidates(config: DeviceConfig) -> tuple[Candidate, ...]:
    dpc = dpc_from_config(config)
    tested = Results(
        last_failed=1767225600.5, last_succeeded=1767225500.25, last_error="no answer", last_warning="slow"
    )
    ports = tuple((adapter.label, tested) for adapter in dpc.adapters)
    return Candidate(dpc=dpc), Candidate(dpc=replace(dpc, key="override"), results=tested, ports=ports)


def _local(config: DeviceConfig) -> LocalChanges:
    dpc = dpc_from_config(config)
    patches = tuple(
        PortPatch(label=a.label, ip=a.ip, addresses=a.addresses, mtu=9000, proxy=a.proxy, wifi=a.wifi)
        for a in dpc.adapters
    )
    return LocalChanges(manual=patches[:1], manual_at=datetime(2026, 1, 1, tzinfo=UTC), overlay=patches)


def _numbers(config: DeviceConfig) -> Numbers:
    """Numbers in use, and some that are kept for who is gone."""
    dpc = dpc_from_config(config)
    _, numbers = gather_inputs(config, dpc, Numbers(), NodeSettings())
    _, numbers = gather_inputs(replace(config, apps=config.apps[:1]), None, numbers, NodeSettings())
    return numbers


if __name__ == "__main__":
    write_state(Path(sys.argv[1]))
