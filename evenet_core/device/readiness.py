"""What an adapter still lacks before the controller can be asked through it, and how long that is waited for. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LONGEST", "PortState", "Wait", "waits_until"]


class Wait(StrEnum):
    """What is waited for."""

    NOTHING = ""
    INTERFACE = "interface"  # the port is not there
    LINK = "link"  # it has no carrier
    ITEMS = "items"  # links, addresses and routes are being made
    ADDRESS = "address"  # and name servers
    MODEM = "modem"  # to register and connect
    CONFIG = "config"  # as configured it can never work


# Times `test_duration`, from the start of the trial (EVE: spec of device connectivity, C.2).
_PATIENCE = {
    Wait.NOTHING: 0,
    Wait.INTERFACE: 2,
    Wait.LINK: 2,
    Wait.ITEMS: 2,
    Wait.ADDRESS: 5,
    Wait.MODEM: 3,
    Wait.CONFIG: 0,
}
SHORT = 2  # for an address where another port can be tested already, and of a candidate that failed before
LONGEST = 6  # of a whole trial: the longest wait, and a test


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """An adapter with IP, as it is now. `problem` says what it lacks, for people; empty = it can be tested."""

    label: str
    management: bool = True
    wait: Wait = Wait.NOTHING
    problem: str = ""

    @property
    def ready(self) -> bool:
        return self.wait is Wait.NOTHING


def waits_until(ports: Collection[PortState], started: float, duration: float, *, short: bool = False) -> float:
    """How long a trial waits for management ports that cannot be tested yet; `started` = for none.

    :param duration: `timer.port.testduration`
    :param short: the candidate failed before, and another one works.
    """
    management = [port for port in ports if port.management]
    if not management:
        return started + duration * (SHORT if short else _PATIENCE[Wait.ADDRESS])  # nothing is known of them yet
    short = short or any(port.ready for port in management)
    patience = [min(_PATIENCE[port.wait], SHORT) if short else _PATIENCE[port.wait] for port in management]
    return started + duration * max(patience)
